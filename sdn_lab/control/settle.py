"""Wait until the controller has nothing left to do.

The simulator's clock stands still while control messages are outstanding; it asks, through the lab,
whether any are.  "Settled" means: nothing has arrived that was not read, no event waits in an app's
queue, no handler runs, nothing waits to be sent.  What the controller does next then depends on the
switches alone.

How
---
Every app has one queue and one thread.  A `Visit` is posted to each; when all have been handled, all that
was queued before them has been too.  A round of visits counts only if nothing else was posted to any
app during it, and the connections were quiet and the same before and after: a handler, or a message that
came in meanwhile, may have posted to an app that was visited before.  Two rounds in a row are wanted.

A handler that waits for a switch which does not read (its socket is full) cannot be waited for: the
switch may be standing still until we answer.  It counts as settled once nothing has moved for
`_STALLED_S`.

Not seen: threads and timers that an app starts for itself.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sdn_lab.control import ryu
from sdn_lab.control.connection import Connection

_ROUNDS = 2
_STALLED_S = 0.05
_PAUSE_S = 0.0005
_Activity = list[object]


class Visit(ryu.event.EventBase):  # type: ignore[misc]
    """Posted to an app to learn that it has come so far."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = threading.Event()


class Rest:
    """Knows when *apps*, and whatever *connections* returns at the time, have come to rest."""

    def __init__(self, apps: Iterable[Any], connections: Callable[[], Iterable[Connection]]) -> None:
        """Teach every app to answer a `Visit`, and count what is posted to it."""
        self._apps: Sequence[Any] = tuple(apps)
        self._connections = connections
        self._posts = itertools.count(1)
        self._posted = 0
        for app in self._apps:
            app.register_handler(Visit, lambda visit: visit.handled.set())
            app._send_event = partial(self._post, app._send_event)  # noqa: SLF001 (every event passes here)

    def settle(self) -> None:
        """Return once nothing is left to do."""
        in_a_row = 0
        while in_a_row < _ROUNDS:
            before = self._activity()
            if not self._visit():
                return  # blocked on a switch that does not read
            if all(c.quiet() for c in self._connections()) and before == self._activity():
                in_a_row += 1
            else:
                in_a_row = 0
                time.sleep(_PAUSE_S)

    def _post(self, send_event: Callable[[Any, Any], None], ev: Any, state: Any) -> None:
        if not isinstance(ev, Visit):
            self._posted = next(self._posts)
        send_event(ev, state)

    def _visit(self) -> bool:
        """Visit all apps; False if that is impossible because a switch does not read."""
        for app in self._apps:
            visit = Visit()
            if not self._until(partial(_has_room, app)):
                return False
            app.send_event(app.name, visit)
            if not self._until(visit.handled.is_set):
                return False
        return True

    def _until(self, done: Callable[[], bool]) -> bool:
        """Wait for *done*; False if nothing moves because a switch does not read."""
        moved, seen = time.monotonic(), self._activity()
        while not done():
            time.sleep(_PAUSE_S)
            now = self._activity()
            if now != seen or not any(c.stalled for c in self._connections()):
                moved, seen = time.monotonic(), now
            elif time.monotonic() - moved > _STALLED_S:
                return False
        return True

    def _activity(self) -> _Activity:
        return [self._posted, *(c.activity() for c in self._connections())]


def _has_room(app: Any) -> bool:
    return not app.events.full()
