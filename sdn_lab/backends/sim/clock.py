"""The simulator's clock: what happens next, and when it is.

Virtual nanoseconds, which pass only when nothing is left to do at the present moment.  Events of one moment
happen in the order in which they were planned, so a run depends on nothing but what was put in.

Most events are due at once.  They wait in a queue of their own, behind what was planned earlier for the same
moment: first in, first out is the same order, and cheaper than a heap.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Action = Callable[[], None]
Due = tuple[Callable[[Any], None], Any]
"""What to call, and with what."""


@dataclass(slots=True)
class Clock:
    """Time, and a queue of actions.  *at_once* is this moment's: append to it what must be quick to plan."""

    now_ns: int = 0
    at_once: deque[Due] = field(default_factory=deque)
    _planned: list[tuple[int, int, Due]] = field(default_factory=list)
    _count: int = 0

    def plan(self, action: Action, delay_ns: int = 0) -> None:
        """Have *action* done after *delay_ns*."""
        if delay_ns:
            self._count += 1
            heapq.heappush(self._planned, (self.now_ns + delay_ns, self._count, (_call, action)))
        else:
            self.at_once.append((_call, action))

    def is_idle(self) -> bool:
        """Say whether nothing is due at this moment: what is planned for it now comes next."""
        return not self.at_once and not (self._planned and self._planned[0][0] <= self.now_ns)

    def next_ns(self) -> int | None:
        """Return when the next action is due, or None if there is none."""
        if self._planned and (not self.at_once or self._planned[0][0] < self.now_ns):
            return self._planned[0][0]
        return self.now_ns if self.at_once else None

    def step(self) -> None:
        """Do the next action; time passes until it is due."""
        if self.at_once and not (self._planned and self._planned[0][0] <= self.now_ns):
            action, given = self.at_once.popleft()
        else:
            due, _, (action, given) = heapq.heappop(self._planned)
            self.now_ns = max(self.now_ns, due)
        action(given)

    def finish_moment(self) -> None:
        """Do all that is due by now, and what that causes at once."""
        planned, at_once = self._planned, self.at_once
        while True:
            if planned and planned[0][0] <= self.now_ns:
                action, given = heapq.heappop(planned)[2]
            elif at_once:
                action, given = at_once.popleft()
            else:
                return
            action(given)

    def pass_until(self, moment_ns: int) -> None:
        """Let time pass; nothing must be planned before."""
        while self.at_once and moment_ns > self.now_ns:
            self._count += 1
            heapq.heappush(self._planned, (self.now_ns, self._count, self.at_once.popleft()))
        self.now_ns = max(self.now_ns, moment_ns)

    def clear(self) -> None:
        """Forget what was planned."""
        self._planned.clear()
        self.at_once.clear()


def _call(action: Action) -> None:
    action()
