"""Whose death means that the lab has failed.

What
----
`Watch` holds every process that the daemon owns, with a name for people.  `check` raises LabError
once one of them has ended; the first death stays the reason for ever, because what follows is
mostly its consequence.  `reap` collects orphans: the daemon is the first process of its pid
namespace, so every orphan becomes its child.

Why a process that nobody asks for is missed at once
----------------------------------------------------
Each has a pidfd, which becomes readable when it ends; the daemon's main loop and every loop that
waits inside a request look at them.  So a death is noticed in well under a second, and by name.
"""

from __future__ import annotations

import os
import select
import threading
from dataclasses import dataclass
from typing import Protocol

from sdn_lab.model.diagnostic import LabError
from sdn_lab.process import ending


class Process(Protocol):
    """What `process.Running` and `subprocess.Popen` have in common."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class _Owned:
    what: str
    process: Process
    pidfd: int
    may_finish: bool
    may_fail: bool


class Watch:
    """The processes of a lab."""

    def __init__(self) -> None:
        self._owned: dict[int, _Owned] = {}
        self._poll = select.poll()
        self._lock = threading.Lock()  # the guard and the threads that build look as well
        self.failure: str | None = None

    def own(self, what: str, process: Process, *, may_finish: bool = False, may_fail: bool = False) -> None:
        """Watch over *process*.  *may_finish*: with status 0; *may_fail*: in any way."""
        pidfd = os.pidfd_open(process.pid)
        with self._lock:
            self._owned[pidfd] = _Owned(what, process, pidfd, may_finish, may_fail)
            self._poll.register(pidfd, select.POLLIN)

    def disown(self, process: Process) -> None:
        """Stop watching over *process*: its end is wanted."""
        with self._lock:
            for owned in [o for o in self._owned.values() if o.process is process]:
                self._forget(owned)

    def check(self) -> None:
        """Raise LabError if a process that the lab needs has ended."""
        self.note()
        if self.failure is not None:
            raise LabError(self.failure)

    def note(self, wait_ms: int = 0) -> None:
        """Look who has ended, for *wait_ms* at most; the first becomes the `failure`.

        A program's pipes close an instant before it can be seen to have ended.
        """
        with self._lock:
            for pidfd, _ in self._poll.poll(wait_ms):
                owned = self._owned[pidfd]
                status = owned.process.poll()
                if status is None:
                    continue
                self._forget(owned)
                if self.failure is None and not owned.may_fail and not (owned.may_finish and status == 0):
                    self.failure = f"{owned.what} {ending(status)}"

    def census(self) -> list[tuple[str, int]]:
        """Name the processes, with their pids."""
        return [(owned.what, owned.process.pid) for owned in self._owned.values()]

    def reap(self) -> None:
        """Collect dead children that nobody here started.  Not while another thread runs programs."""
        ours = {o.process.pid for o in self._owned.values()}
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None or dead.si_pid in ours:
                return  # one of ours: `check` sees to it, and the rest waits for the next time
            os.waitid(os.P_PID, dead.si_pid, os.WEXITED | os.WNOHANG)

    def _forget(self, owned: _Owned) -> None:
        del self._owned[owned.pidfd]
        self._poll.unregister(owned.pidfd)
        os.close(owned.pidfd)
