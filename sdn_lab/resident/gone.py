"""Wait until a process and everything below it have ended.

A lab's processes end one after the other; the last of them only when the kernel has cleaned up after the
rest.  A pidfd names a process for good, so one that ends and whose number is given away is not mistaken for
another.

Reference: pidfd_open(2); proc(5), /proc/pid/stat.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Family:
    """A process and what is below it now.  A context: leaving it forgets them."""

    def __init__(self, pid: int) -> None:
        self._alive: dict[int, int] = {}
        self.first = self._name(pid)
        for child in _below(pid):
            self._name(child)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pidfd in self._alive:
            os.close(pidfd)
        self._alive.clear()

    def wait(self, limit_s: float) -> bool:
        """Wait until all have ended, *limit_s* at most; say whether they have."""
        deadline = time.monotonic() + limit_s
        waiting = select.poll()
        for pidfd in self._alive:
            waiting.register(pidfd, select.POLLIN)
        while self._alive and (left := deadline - time.monotonic()) > 0:
            for pidfd, _ in waiting.poll(left * 1000):
                waiting.unregister(pidfd)
                del self._alive[pidfd]
                os.close(pidfd)
        return not self._alive

    def kill(self) -> None:
        """End the first now; the others die with it."""
        if self.first in self._alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)

    def _name(self, pid: int) -> int:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return -1
        self._alive[pidfd] = pid
        return pidfd


def _below(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
