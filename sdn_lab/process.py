"""Programs: the one module that runs them.

What
----
`run` runs a program to its end and returns what it printed.  `spawn` starts one that is spoken to
by lines of text.  `die_with_parent` is the piece that ties a child's life to its parent's.

Where it sits
-------------
Used by:    every stage that needs another program (the controller, Open vSwitch, ip, nft).
Not here:   which programs there are, and what to install when one is missing: `sdn_lab.doctor`.

Invariants
----------
1.  There is no shell: arguments reach the program as they are.
2.  Nothing is awaited without a limit.
3.  Every child gets SIGKILL from the kernel when its parent dies, by ``kill -9`` too.  The signal
    comes when the *thread* that started the child ends (prctl(2)), so whoever spawns a long-lived
    program does so from a thread that lives as long: as a rule the main thread.
4.  Failure is one sentence: which program, what it said last.

Why the child looks at its parent again after asking for the signal
-------------------------------------------------------------------
If the parent dies between fork(2) and prctl(2), the request comes too late and no signal will ever
follow.  The child sees this by its parent's pid having changed, and ends itself.

Reference: prctl(2), PR_SET_PDEATHSIG; signal(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from sdn_lab.model.diagnostic import ApparatusError, LabError

_PR_SET_PDEATHSIG = 1
_LAST_LINES = 20
_libc = ctypes.CDLL(None, use_errno=True)  # at import: a forked child must not load libraries


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ran to its end."""

    status: int
    stdout: str
    stderr: str


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when *parent*, the caller's parent, dies.  Call it first thing in a child.

    Ends the calling process if the parent is dead already.  *parent* is the parent's pid as this
    process sees it: 0 where the parent lives outside this process's pid namespace.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def tied_to_caller() -> Callable[[], None]:
    """Return what a child of the calling process runs before exec, so that it dies with it."""
    parent = os.getpid()
    return lambda: die_with_parent(parent)


def run(
    argv: Sequence[str],
    timeout_s: float,
    *,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Finished:
    """Run a program to its end.

    Raises ApparatusError if there is no such program; LabError if it takes longer than *timeout_s*
    or, with *check*, ends with another status than 0.  *env* replaces the environment.
    """
    with _start(argv, env) as process:
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{_name(argv)} did not end within {timeout_s:g} s") from error
        finally:
            _end(process)
    if check and process.returncode != 0:
        said = _last_words((err or out).splitlines())
        raise LabError(f"{_name(argv)} {ending(process.returncode)}{said}")
    return Finished(status=process.returncode, stdout=out, stderr=err)


class Spawned:
    """A program that runs beside us: `contracts.Child`, with the last words of its stderr."""

    stdin: IO[str]
    stdout: IO[str]

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.argv = tuple(argv)
        self._process = _start(argv, env)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdin = self._process.stdin
        self.stdout = self._process.stdout
        self._stderr = self._process.stderr
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = threading.Thread(target=self._drain, name=f"stderr of {argv[0]}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The program's process id, which is its process group's too."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs.  Negative: ended by that signal."""
        return self._process.poll()

    def kill(self) -> None:
        """End it and its process group now; idempotent."""
        _end(self._process)
        self._reader.join(timeout=1.0)
        for pipe in (self.stdin, self.stdout, self._stderr):
            with contextlib.suppress(BrokenPipeError, ValueError):  # unsent text, or a reader still in it
                pipe.close()

    def last_words(self) -> str:
        """Return the last lines that it wrote to stderr, for a message."""
        if self._process.poll() is not None:
            self._reader.join(timeout=1.0)
        return "\n".join(self._last)

    def obituary(self) -> str:
        """Return one sentence on how it ended, e.g. ``python3 was ended by SIGKILL``."""
        status = self._process.poll()
        if status is None:
            return f"{_name(self.argv)} still runs"
        self._reader.join(timeout=1.0)
        return f"{_name(self.argv)} {ending(status)}{_last_words(list(self._last))}"

    def _drain(self) -> None:
        with contextlib.suppress(ValueError):  # closed under us by kill
            self._last.extend(line.rstrip("\n") for line in self._stderr)


def spawn(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Spawned:
    """Start a program with text pipes in a process group of its own; it dies with this process.

    *env* replaces the environment.  Raises ApparatusError if there is no such program.
    """
    return Spawned(argv, env)


def _start(argv: Sequence[str], env: Mapping[str, str] | None) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            bufsize=1,
            env=env,
            start_new_session=True,
            preexec_fn=tied_to_caller(),  # noqa: PLW1509 (calls prctl and getppid, which take no lock)
        )
    except FileNotFoundError as error:
        raise ApparatusError(f"there is no program {argv[0]} on this machine") from error
    except PermissionError as error:
        raise ApparatusError(f"the program {argv[0]} may not be run: {error.strerror}") from error


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the process group of a child that has not been reaped."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ending(status: int) -> str:
    """Say in words what an exit status means: ``ended with status 2``, ``was ended by SIGKILL``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _name(argv: Sequence[str]) -> str:
    return os.path.basename(argv[0])  # noqa: PTH119 (a text, not a file to open)


def _last_words(lines: Sequence[str]) -> str:
    spoken = [line.strip() for line in lines if line.strip()]
    return f": {spoken[-1]}" if spoken else ""
