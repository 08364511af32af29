"""Ryu's hub on native threads, as os-ken's is.

What
----
Ryu 4.34 (2020) does everything that waits through one module, ``ryu.lib.hub``, and fills it from eventlet:
green threads that take over sockets, locks, sleep and standard input for the whole process.  Eventlet itself
is no longer developed, and what Ryu uses of it has gone.  `install` fills the same module from the standard
library instead, before anything else of Ryu is imported.  Apps, codecs, handshake and application manager
are Ryu's own.

Why not eventlet
----------------
`sdn_lab.control.connection` and `settle` know by poll(2) and by threads whether a controller is at rest, and
TLS is the standard library's: on green threads all of it would have to exist twice, and eventlet has no poll.

Not here: green sockets, and Ryu's web server (``WSGIServer`` and web sockets), which no app of a lab has.

Reference: ryu/lib/hub.py (``RYU_HUB_TYPE``).
"""

from __future__ import annotations

import importlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NoReturn

_log = logging.getLogger("ryu.lib.hub")


class TaskExit(BaseException):
    """What ends a thread on purpose.  Nothing raises it: native threads cannot be killed."""


class _Event(threading.Event):
    """An event that can be sent, as eventlet's can."""

    def _broadcast(self) -> None:
        self.set()


def install() -> None:
    """Fill ``ryu.lib.hub``.  Raises ImportError if there is no Ryu."""
    os.environ["RYU_HUB_TYPE"] = "native"  # with any name but its own, Ryu leaves the module empty
    hub = importlib.import_module("ryu.lib.hub")
    for name, value in {
        "Event": _Event,
        "Queue": queue.Queue,
        "QueueEmpty": queue.Empty,
        "Semaphore": threading.Semaphore,
        "BoundedSemaphore": threading.BoundedSemaphore,
        "TaskExit": TaskExit,
        "StreamServer": _absent,
        "StreamClient": _absent,
        "WSGIServer": _Absent,
        "WebSocketWSGI": _Absent,
        "getcurrent": threading.current_thread,
        "patch": lambda *_, **__: None,
        "sleep": time.sleep,
        "spawn": spawn,
        "spawn_after": spawn_after,
        "kill": lambda _: None,
        "joinall": joinall,
    }.items():
        setattr(hub, name, value)
    _eventlet()


def _eventlet() -> None:
    """Let Ryu's web server, which is imported whether used or not, find the one word that it imports."""
    wsgi = ModuleType("eventlet.wsgi")
    wsgi.ALREADY_HANDLED = object()  # type: ignore[attr-defined]
    sys.modules.setdefault("eventlet", ModuleType("eventlet"))
    sys.modules.setdefault("eventlet.wsgi", wsgi)


def spawn(function: Callable[..., Any], *args: Any, **kwargs: Any) -> threading.Thread:
    """Call *function* in a thread of its own.  An exception is logged, and so heard of."""
    kwargs.pop("raise_error", None)
    thread = threading.Thread(target=_launch, args=(function, args, kwargs), daemon=True)
    thread.start()
    return thread


def spawn_after(seconds: float, function: Callable[..., Any], *args: Any, **kwargs: Any) -> threading.Timer:
    """Call *function* in some time, unless the answer is cancelled."""
    kwargs.pop("raise_error", None)
    timer = threading.Timer(seconds, _launch, (function, args, kwargs))
    timer.daemon = True
    timer.start()
    return timer


def joinall(threads: Iterable[threading.Thread]) -> None:
    """Wait for all."""
    for thread in threads:
        thread.join()


def _launch(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        function(*args, **kwargs)
    except TaskExit:
        pass
    except BaseException:  # noqa: BLE001 (the lab must hear of it, whatever it is)
        _log.exception("a thread of the controller ended")


def _absent(*_: Any, **__: Any) -> NoReturn:
    raise NotImplementedError("a lab's controller listens by itself, and has no web server")


class _Absent:
    def __init__(self, *_: Any, **__: Any) -> None:
        _absent()
