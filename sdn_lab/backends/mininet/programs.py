"""Programs that the command starts in a lab, from the daemon's side.

Two ways to their input and output: pipes that the daemon makes (the controller, a test's service), or
descriptors that came with the request (``sdn-lab exec``).  Then the program has the caller's own terminal or
pipe, nothing is copied, and a pidfd goes back, which becomes readable when the program has ended.

Invariant: a program is the head of a process group; a signal goes to the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sdn_lab.process import Running, launch


class Programs:
    """By pid, as the daemon sees it."""

    def __init__(self) -> None:
        self._running: dict[int, Running] = {}

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], given: Sequence[int], directory: str
    ) -> tuple[Running, list[int]]:
        """Start one; return it and the descriptors to send back.

        *given* are its input, output and error, or nothing; *directory* is not ours, unless it is empty.
        """
        if given:
            program = self._keep(argv, env, given, directory)
            return program, [os.pidfd_open(program.pid)]
        theirs_in, ours_in = os.pipe2(os.O_CLOEXEC)
        ours_out, theirs_out = os.pipe2(os.O_CLOEXEC)
        ours_err, theirs_err = os.pipe2(os.O_CLOEXEC)
        try:
            program = self._keep(argv, env, (theirs_in, theirs_out, theirs_err), directory)
        except BaseException:
            for descriptor in (ours_in, ours_out, ours_err):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (theirs_in, theirs_out, theirs_err):
                os.close(descriptor)
        return program, [ours_in, ours_out, ours_err]

    def __getitem__(self, pid: int) -> Running:
        return self._running[pid]

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a program that has not ended."""
        if self._running[pid].poll() is None:
            os.killpg(pid, signal.Signals(number))

    def _keep(
        self, argv: Sequence[str], env: Mapping[str, str], three: Sequence[int], directory: str
    ) -> Running:
        stdin, stdout, stderr = three
        at = None if not directory else directory if Path(directory).is_dir() else "/"
        program = launch(argv, env, stdin=stdin, stdout=stdout, stderr=stderr, directory=at)
        self._running[program.pid] = program
        return program


def anybody_in(namespaces: Iterable[int], shells: Iterable[int]) -> bool:
    """Say whether a process, not of *shells*, lives in the network namespace of one of *namespaces* (pids).

    What was started with ``exec`` may have left something behind that still serves.
    """
    theirs = {_network_of(pid) for pid in namespaces}
    ours = set(shells)
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())  # noqa: PTH208 (names, not paths)
    return any(pid not in ours and _network_of(pid) in theirs for pid in pids)


def _network_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115 (many, and only their names)
    return str(pid)  # it has just ended, and lives nowhere
