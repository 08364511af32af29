"""Wait until the controller has nothing left to do.

The simulator's clock stands still while control messages are outstanding; it asks, through the lab,
whether any are.  "Settled" means: nothing has arrived that was not read, no event waits in an app's
queue, no handler runs, nothing waits to be sent.  What the controller does next then depends on the
switches alone.

How
---
Every app has one queue and one thread.  A `Visit` is posted to each; when all have been handled, all that
was queued before them has been too.  A handler may have posted to an app that was visited before,
or a message may have come in meanwhile, so a round counts only if the connections were quiet and the
same before and after it, and two such rounds in a row are wanted.

A handler that waits for a switch which does not read (its socket is full) cannot be waited for: the
switch may be standing still until we answer.  It counts as settled once nothing has moved for
`_STALLED_S`.

Not seen: threads and timers that an app starts for itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from sdn_lab.control import ryu
from sdn_lab.control.connection import Connection

_ROUNDS = 2
_STALLED_S = 0.05
_PAUSE_S = 0.0005


class Visit(ryu.event.EventBase):  # type: ignore[misc]
    """Posted to an app to learn that it has come so far."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = threading.Event()


def receive_visits(apps: Iterable[Any]) -> None:
    """Teach every app to answer a `Visit`.  Call once, before events flow."""
    for app in apps:
        app.register_handler(Visit, lambda visit: visit.handled.set())


def settle(apps: Iterable[Any], connections: Callable[[], Iterable[Connection]]) -> None:
    """Return once nothing is left to do."""
    in_a_row = 0
    while in_a_row < _ROUNDS:
        before = _activity(connections)
        visited = _visit(apps, connections)
        rests = all(c.quiet() for c in connections()) and all(app.events.empty() for app in apps)
        if rests and visited and before == _activity(connections):
            in_a_row += 1
        elif not visited:
            return  # blocked on a switch that does not read
        else:
            in_a_row = 0
            time.sleep(_PAUSE_S)


def _visit(apps: Iterable[Any], connections: Callable[[], Iterable[Connection]]) -> bool:
    """Visit all apps; False if that is impossible because a switch does not read."""
    for app in apps:
        visit = Visit()
        if not _until(partial(_has_room, app), connections):
            return False
        app.send_event(app.name, visit)
        if not _until(visit.handled.is_set, connections):
            return False
    return True


def _has_room(app: Any) -> bool:
    return not app.events.full()


def _until(done: Callable[[], bool], connections: Callable[[], Iterable[Connection]]) -> bool:
    """Wait for *done*; False if nothing moves because a switch does not read."""
    moved, seen = time.monotonic(), _activity(connections)
    while not done():
        time.sleep(_PAUSE_S)
        now = _activity(connections)
        if now != seen or not any(c.stalled for c in connections()):
            moved, seen = time.monotonic(), now
        elif time.monotonic() - moved > _STALLED_S:
            return False
    return True


def _activity(connections: Callable[[], Iterable[Connection]]) -> list[tuple[int, int]]:
    return [c.activity() for c in connections()]
