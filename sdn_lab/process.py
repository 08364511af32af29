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
3.  On Linux every child gets SIGKILL from the kernel when its parent dies, by ``kill -9`` too.  The signal
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
_TIES = hasattr(_libc, "prctl")  # Linux


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A program that ran to its end."""

    status: int
    stdout: str
    stderr: str


def die_with_parent(parent: int) -> None:
    """Ask for SIGKILL when *parent*, the caller's parent, dies.  Call it first thing in a child.

    Ends the calling process if the parent is dead already.  *parent* is the parent's pid as this
    process sees it: 0 where the parent lives outside this process's pid namespace.  Where the system
    has no such signal this does nothing: there a child ends when its standard input does.
    """
    if not _TIES:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def tied_to_caller() -> Callable[[], None] | None:
    """Return what a child of the calling process runs before exec, so that it dies with it, if anything."""
    if not _TIES:
        return None
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


class LastWords:
    """Reads a stream to its end and keeps the last lines: what a program said before it died."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last: deque[str] = deque(maxlen=_LAST_LINES)
        self._reader = threading.Thread(target=self._drain, name="last words", daemon=True)
        self._reader.start()

    def text(self, wait_s: float = 0.0) -> str:
        """Return the last lines; wait up to *wait_s* for the end of the stream."""
        self._reader.join(timeout=wait_s)
        return "\n".join(self._last)

    def close(self) -> None:
        """Stop reading.  The program must have ended."""
        self._reader.join(timeout=1.0)
        if not self._reader.is_alive():  # else somebody inherited the pipe and holds it open
            self._stream.close()

    def _drain(self) -> None:
        with contextlib.suppress(ValueError, OSError):
            self._last.extend(line.rstrip("\n") for line in self._stream)


class Running:
    """A program that runs beside us, in a process group of its own."""

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[str]) -> None:
        self.argv = tuple(argv)
        self._process = process

    @property
    def pid(self) -> int:
        """The program's process id, which is its process group's too."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs.  Negative: ended by that signal."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Wait for its end, not longer than *timeout_s*; return what `poll` says then."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self._process.poll()

    def kill(self) -> None:
        """End it and its process group now; idempotent."""
        _end(self._process)


class Spawned(Running):
    """A program with text pipes: `contracts.Child`, and the last words of its stderr."""

    stdin: IO[str]
    stdout: IO[str]

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[str]) -> None:
        super().__init__(argv, process)
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.stdin = process.stdin
        self.stdout = process.stdout
        self._stderr = LastWords(process.stderr)

    def kill(self) -> None:
        super().kill()
        self._stderr.close()
        for pipe in (self.stdin, self.stdout):
            with contextlib.suppress(BrokenPipeError, ValueError):  # unsent text, or a reader still in it
                pipe.close()

    def last_words(self) -> str:
        """Return the last lines that it wrote to stderr, for a message."""
        return self._stderr.text(0.0 if self.poll() is None else 1.0)

    def obituary(self) -> str:
        """Return one sentence on how it ended, e.g. ``python3 was ended by SIGKILL``."""
        status = self.poll()
        if status is None:
            return f"{_name(self.argv)} still runs"
        return f"{_name(self.argv)} {ending(status)}{_last_words(self.last_words().splitlines())}"


def spawn(
    argv: Sequence[str], env: Mapping[str, str] | None = None, *, pass_fds: Sequence[int] = ()
) -> Spawned:
    """Start a program with text pipes in a process group of its own; it dies with this process.

    *env* replaces the environment; *pass_fds* stay open in it.  Raises ApparatusError if there is no
    such program.
    """
    return Spawned(argv, _start(argv, env, pass_fds=pass_fds))


def launch(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    *,
    stdin: int,
    stdout: int,
    stderr: int,
    directory: str | None = None,
) -> Running:
    """Like `spawn`, on file descriptors of the caller's, who keeps them; in *directory*, or ours."""
    return Running(argv, _start(argv, env, stdin=stdin, stdout=stdout, stderr=stderr, directory=directory))


def detach(argv: Sequence[str], env: Mapping[str, str], *, pass_fds: Sequence[int] = ()) -> None:
    """Start a program that outlives this process, in a session of its own, and wait until it leaves.

    It is one that forks and leaves its child behind, so it does so at once.  Standard error is ours;
    *pass_fds* stay open in it.  The only program that does not die with its parent: `sdn_lab.resident`.
    """
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=pass_fds,
        env=env,
        start_new_session=True,
    )
    process.wait()


def _start(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    *,
    stdin: int = subprocess.PIPE,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    directory: str | None = None,
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            text=True,
            errors="replace",
            bufsize=1,
            cwd=directory,
            env=env,
            start_new_session=True,
            preexec_fn=tied_to_caller(),  # noqa: PLW1509 (calls prctl and getppid, which take no lock)
        )
    except FileNotFoundError as error:
        raise ApparatusError(f"there is no program {argv[0]} on PATH") from error
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
