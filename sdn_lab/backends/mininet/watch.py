"""Whose death means that the lab has failed.

What
----
`Watch` holds every process that the daemon owns, with a name for people.  `check` raises LabError
once one of them has ended; the first death stays the reason for ever, because what follows is
mostly its consequence.  `reap` collects orphans: the daemon is the first process of its pid
namespace, so every orphan becomes its child.

In a lab that lives on (`mending`), a process that somebody can restart is no failure: it is restarted at
the next `check`, or by `put_right`, and `mended` says so.  One that does not last is one.

Why a process that nobody asks for is missed at once
----------------------------------------------------
Each has a pidfd, which becomes readable when it ends; the daemon's main loop and every loop that
waits inside a request look at them.  So a death is noticed in well under a second, and by name.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.mended import Mended
from sdn_lab.process import ending

_LASTS_S = 2.0  # what dies again before has not been put right
_TRIES = 3


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


@dataclass(frozen=True, slots=True)
class _Fallen:
    what: str
    how: str
    at: float


class Watch:
    """The processes of a lab."""

    def __init__(self) -> None:
        self._owned: dict[int, _Owned] = {}
        self._poll = select.poll()
        self._lock = threading.Lock()  # the guard and the threads that build look as well
        self.failure: str | None = None
        self.mended: list[Mended] = []
        self._menders: Mapping[str, Callable[[], None]] = {}
        self._spared: Collection[str] = ()
        self._fallen: list[_Fallen] = []
        self._mending = False

    def mending(self, menders: Mapping[str, Callable[[], None]], spared: Collection[str]) -> None:
        """From now on restart by *menders*, in their order, what ends; the end of *spared* is no failure.

        A mender raises LabError if it cannot.
        """
        self._menders, self._spared = menders, spared

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
        """Raise LabError if a process that the lab needs has ended and cannot be restarted."""
        self.note()
        self.put_right()
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
                if owned.may_fail or (owned.may_finish and status == 0) or owned.what in self._spared:
                    continue
                if owned.what in self._menders and self._lasted(owned.what):
                    self._fallen.append(_Fallen(owned.what, ending(status), time.time()))
                elif self.failure is None:
                    self.failure = f"{owned.what} {ending(status)}"

    def put_right(self) -> None:
        """Restart what has ended and can be.  Does nothing but in the main thread: a child of another would
        die with that thread.
        """
        if self._mending or threading.current_thread() is not threading.main_thread():
            return
        self._mending = True
        try:
            while self._fallen:
                with self._lock:
                    order = list(self._menders)
                    fallen = min(self._fallen, key=lambda f: order.index(f.what))
                    self._fallen.remove(fallen)
                self._restart(fallen)
        finally:
            self._mending = False

    def _restart(self, fallen: _Fallen) -> None:
        told = f"{fallen.what} {fallen.how}"
        try:
            self._menders[fallen.what]()
        except LabError as error:
            self.failure = self.failure or f"{told}, and could not be restarted: {error}"
            return
        self.mended.append(Mended(what=told, at=fallen.at, ms=(time.time() - fallen.at) * 1000))

    def _lasted(self, what: str) -> bool:
        """Say whether *what* has not been restarted in vain a few times just now."""
        past = [m for m in self.mended if m.what.startswith(f"{what} ")][-_TRIES:]
        return len(past) < _TRIES or time.time() - past[0].at > _TRIES * _LASTS_S

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
