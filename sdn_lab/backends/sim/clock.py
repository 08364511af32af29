"""The simulator's clock: what happens next, and when it is.

Virtual nanoseconds, which pass only when nothing is left to do at the present moment.  Events of one moment
happen in the order in which they were planned, so a run depends on nothing but what was put in.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], None]


@dataclass(slots=True)
class Clock:
    """Time, and a queue of actions."""

    now_ns: int = 0
    _planned: list[tuple[int, int, Action]] = field(default_factory=list)
    _count: int = 0

    def plan(self, action: Action, delay_ns: int = 0) -> None:
        """Have *action* done after *delay_ns*."""
        self._count += 1
        heapq.heappush(self._planned, (self.now_ns + delay_ns, self._count, action))

    def next_ns(self) -> int | None:
        """Return when the next action is due, or None if there is none."""
        return self._planned[0][0] if self._planned else None

    def step(self) -> None:
        """Do the next action; time passes until it is due."""
        due, _, action = heapq.heappop(self._planned)
        self.now_ns = max(self.now_ns, due)
        action()

    def pass_until(self, moment_ns: int) -> None:
        """Let time pass; nothing must be planned before."""
        self.now_ns = max(self.now_ns, moment_ns)

    def clear(self) -> None:
        """Forget what was planned."""
        self._planned.clear()
