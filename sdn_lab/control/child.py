"""The controller's process: ``python -m sdn_lab.control.child APP HOST L4_PORT``.

What
----
Loads one app (a file with a Ryu app in it), listens on HOST and L4_PORT and nowhere else, and speaks JSON
lines with the lab: commands on standard input, events on standard output (`sdn_lab.control.lines`).
The first line it reads is ``{"command": "begin", "facts": ..., "tables": ...}``.  It ends when standard
input ends, and dies with its parent.  With an ``identity`` in that line it speaks TLS only, and takes
switches in by their certificates (`sdn_lab.control.door`); its key is nowhere but in its memory.

L4_PORT 0 takes any free one; ``ready`` says which.

Why a process of its own, and why not the framework's own runner
----------------------------------------------------------------
os-ken has one AppManager a process, ever, and its listener outlives it.  os-ken 4.2.2 has no
``osken-manager`` any more, Ryu's wants eventlet from the first import.  Both bind inside a thread, where
a busy port is a line in a log and a controller that never hears anything; both listen on 6653 *and*
6633, on every address, unless told otherwise.  So the socket is bound here, before anything else
starts, and the framework's listener is replaced by a loop that accepts from it.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from sdn_lab.control.lines import line, parse, unpack_tables
from sdn_lab.control.site import site
from sdn_lab.process import die_with_parent
from sdn_lab.tls import Identity, serving


class _Lines:
    """Standard output, for events only: what apps print goes to standard error instead."""

    def __init__(self) -> None:
        self._out: IO[str] = os.fdopen(os.dup(1), "w", encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def tell(self, **event: Any) -> None:
        text = line(**event)
        with self._lock:
            self._out.write(text)
            self._out.flush()


class _Log(logging.Handler):
    """Warnings and errors of apps and framework, as events; an exception is a crash."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            site.tell(event="crashed", where=record.name, text=_sentence(error), trace=_trace(error))
        elif record.getMessage().startswith("HubThread uncaught exception"):
            last = record.getMessage().strip().splitlines()[-1]
            site.tell(event="crashed", where=record.name, text=last, trace=record.getMessage())
        else:
            site.tell(event="said", text=f"{record.name}: {record.getMessage()}")


class CannotStart(Exception):  # noqa: N818 (a sentence for the lab)
    """The controller cannot start; the message says why."""


def main(argv: list[str]) -> int:
    """Run until standard input ends."""
    die_with_parent(os.getppid())
    site.tell = _Lines().tell
    app, host, l4_port = argv
    try:
        begin = parse(sys.stdin.readline())
        site.load(begin["facts"])
        _want(begin["tables"], begin["generation"])
        listener = _listen(host, int(l4_port))
        identity = begin.get("identity")
        run = _start(Path(app), listener, None if identity is None else Identity(**identity))
    except CannotStart as error:
        site.tell(event="failed", text=str(error))
        return 1
    gc.freeze()  # what is wanted stays: a collector that walks through it again and again finds nothing
    run.serve_commands()
    return 0


def _listen(host: str, l4_port: int) -> socket.socket:
    try:
        return socket.create_server((host, l4_port), backlog=64)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotStart(
            f"the controller cannot listen on {host} port {l4_port}: {reason[:1].lower()}{reason[1:]}"
        ) from error


def _want(tables: dict[str, Any], generation: int, *, least: bool = False) -> None:
    wanted = {int(dpid, 16): unpack_tables(packed) for dpid, packed in tables.items()}
    site.want(wanted, generation, least=least)


class _Running:
    """The framework with its apps, up and listening."""

    def __init__(self, apps: dict[str, Any], rest: Any) -> None:
        self._apps = apps
        self._rest = rest

    def serve_commands(self) -> None:
        """Do what standard input says, one line after the other, until it ends."""
        for text in sys.stdin:
            command = parse(text)
            name = command.pop("command")
            getattr(self, f"_{name}")(**command)

    def _settle(self, n: int) -> None:
        self._rest.settle()
        site.tell(event="settled", n=n)

    def _program(self, facts: dict[str, Any], tables: dict[str, Any], generation: int, least: bool) -> None:
        from sdn_lab.control.console import ProgramChanged  # noqa: PLC0415 (the framework loads late: see _start)

        site.load(facts)
        _want(tables, generation, least=least)
        for app in self._apps.values():
            if ProgramChanged in app.event_handlers:
                app.send_event(app.name, ProgramChanged())

    def _dump(self, dpid: str) -> None:
        from sdn_lab.control.console import DumpWanted  # noqa: PLC0415 (as above)

        console = self._apps["Console"]
        console.send_event(console.name, DumpWanted(int(dpid, 16)))


def _start(path: Path, listener: socket.socket, identity: Identity | None) -> _Running:
    """Load the app, start everything, accept connections."""
    try:
        from sdn_lab.control import ryu  # noqa: PLC0415 (an ImportError must reach the lab as a sentence)
        from sdn_lab.control.connection import Connection  # noqa: PLC0415
        from sdn_lab.control.door import admit  # noqa: PLC0415
        from sdn_lab.control.settle import Rest  # noqa: PLC0415
    except ImportError as error:
        raise CannotStart(f"the controller framework cannot be loaded: {error}") from error
    logging.getLogger().addHandler(_Log(logging.WARNING))
    ryu.cfg.CONF(args=[], project="sdn_lab", default_config_files=[])
    connections: list[Any] = []
    ready = threading.Event()
    context = None if identity is None else serving(identity)

    def serve(sock: socket.socket, address: Any) -> None:
        name = None
        if context is not None:
            admitted = admit(sock, address, context)
            if admitted is None:
                return
            sock, name = admitted
        connection = Connection(sock, address, name)
        connections.append(connection)
        try:
            connection.serve()
        finally:
            connections.remove(connection)
            connection.end()

    def accept() -> None:
        ready.wait()
        while True:
            ryu.hub.spawn(serve, *listener.accept())

    ryu.ofp_handler.OpenFlowController = lambda: accept
    manager = ryu.app_manager.AppManager.get_instance()
    _load(manager, path)
    rest = Rest(manager.applications.values(), lambda: tuple(connections))
    ready.set()
    site.tell(
        event="ready",
        host=listener.getsockname()[0],
        l4_port=listener.getsockname()[1],
        framework=ryu.version(),
        pushes=site.pushes,
    )
    return _Running(manager.applications, rest)


def _load(manager: Any, path: Path) -> None:
    """Load and start the app in *path*, with our console before it.  Raises CannotStart."""
    try:
        compile(path.read_text(encoding="utf-8"), str(path), "exec")
        manager.load_apps(["sdn_lab.control.console", str(path)])
    except OSError as error:
        raise CannotStart(f"the app {path} cannot be read: {error.strerror}") from error
    except SyntaxError as error:
        raise CannotStart(f"the app {path}, line {error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        raise CannotStart(f"the app {path} cannot be loaded: {_sentence(error, path)}") from error
    if str(path) not in manager.applications_cls:
        raise CannotStart(f"{path} holds no Ryu app: no class in it derives from App")
    try:
        manager.instantiate_apps(**manager.create_contexts())
    except (Exception, SystemExit) as error:
        raise CannotStart(f"the app {path} cannot be started: {_sentence(error, path)}") from error


def _sentence(error: BaseException, path: Path | None = None) -> str:
    """Return e.g. ``KeyError: 'hv9' (learning_switch.py, line 40)``: the innermost line, or *path*'s own."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if path is not None and frame.filename == str(path)] or frames
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {error}{place}"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


if __name__ == "__main__":
    try:
        STATUS = main(sys.argv[1:])
    except BaseException as error:  # noqa: BLE001 (the lab must hear of it, whatever it is)
        site.tell(event="failed", text=_sentence(error))
        STATUS = 1
    os._exit(STATUS)  # the framework's threads cannot be ended
