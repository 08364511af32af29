"""What moves a lab: one job after the other, in the thread that made the lab.

A lab dies with the thread that made it, and programs die with the thread that started them
(`sdn_lab.process`, invariant 3); so whatever may start one, a check, a change, is done by the main thread.
Connections have threads of their own, hand a job in with `do`, and wait.

Invariants
----------
1.  Jobs do not overlap.
2.  A job's progress is told to the one who asked for it, and to nobody else.
3.  Whoever waits is answered, also when the lab ends first: with a LabError.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sdn_lab.contracts import Progress
from sdn_lab.model.diagnostic import LabError

T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    what: str
    work: Callable[[], Any]
    progress: Progress
    result: Future[Any] = field(default_factory=Future)


class Jobs:
    """A queue with one worker."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._now: _Job | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def busy(self) -> str:
        """What is being done; empty if nothing."""
        job = self._now
        return "" if job is None else job.what

    def do(self, what: str, work: Callable[[], T], progress: Progress) -> T:
        """Have *work* done and return its result, or raise its error.  Not from the main thread."""
        job = _Job(what, work, progress)
        with self._lock:
            if self._closed:
                raise LabError("the lab is being taken down")
            self._waiting.put(job)
        result: T = job.result.result()
        return result

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell progress to whoever asked for what is being done."""
        job = self._now
        if job is not None:
            job.progress(what, done, total)

    def work(self, tick_s: float, tick: Callable[[], None]) -> None:
        """Do jobs, for ever, and *tick* between them: the body of the main thread."""
        while True:
            try:
                job = self._waiting.get(timeout=tick_s)
            except queue.Empty:
                tick()
                continue
            self._now = job
            try:
                job.result.set_result(job.work())
            except Exception as error:  # noqa: BLE001 (it is the asker's)
                job.result.set_exception(error)
            except BaseException:
                job.result.set_exception(LabError(f"the lab was taken down during {job.what}"))
                raise
            finally:
                self._now = None

    def close(self) -> None:
        """Take no more, and answer who still waits."""
        with self._lock:
            self._closed = True
            while not self._waiting.empty():
                self._waiting.get().result.set_exception(LabError("the lab was taken down"))
