"""Who listens at points of the simulator.

The network calls a listener in whatever thread moves it, so what was overheard waits in a queue, and a pipe
wakes the one who listens.  Nothing is lost: a listener who is too slow only has a longer queue.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Overheard, PointKind, WatchPoint

if TYPE_CHECKING:
    from sdn_lab.backends.sim.network import Network


class Ear:
    """`contracts.Listening`."""

    def __init__(self, network: Network, points: Collection[WatchPoint]) -> None:
        for point in points:
            where = network.instances if point.kind is PointKind.PORT else network.integration
            if point.kind is PointKind.VETH or point.name not in where:
                raise LabError(f"nobody can listen at {point}")
        self._points = frozenset(points)
        self._network = network
        self._heard: deque[Overheard] = deque()
        self._woken, self._waker = os.pipe()
        for end in (self._woken, self._waker):
            os.set_blocking(end, False)
        network.listeners.append(self._hear)

    def filenos(self) -> Sequence[int]:
        return (self._woken,)

    def frames(self) -> Sequence[Overheard]:
        """Return what was overheard since the last call."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 1 << 16)
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        """Listen no more."""
        self._network.listeners.remove(self._hear)
        os.close(self._woken)
        os.close(self._waker)

    def _hear(self, seen: Overheard) -> None:
        if seen.point in self._points:
            self._heard.append(seen)
            with contextlib.suppress(BlockingIOError):
                os.write(self._waker, b"\0")
