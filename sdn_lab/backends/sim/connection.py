"""TLS or TCP connections from the switches to their controller, and the wait until both sides rest.

One thread reads all sockets for as long as the lab lives: a controller drops a switch that does not answer
its echo requests, whatever else the lab is doing.  Everything that a message changes is guarded by one lock,
`Channel.lock`; whoever forwards frames holds it.

When both sides rest
--------------------
`Channel.rest` asks for an echo on every connection: once answered, the controller's reader has taken all that
we said.  Then it calls *settle*, which returns when the controller has nothing left to do.  Then another
echo: once answered, all that the controller said has arrived and was done.  If we said anything of substance
meanwhile (a packet-in, a statistics reply), the controller may want to answer that: again from the start.

The lock is free while anything is waited for, so messages are handled; the clock stands still, because nobody
steps it.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.switch import Switch
from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.wire import frame
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.tls import Identity, joining

CONNECT_S = 5.0
ANSWER_S, ENTRY_S, BUSY_S = 20.0, 0.001, 900.0
ROUNDS_MAX = 1000
_CHUNK = 1 << 18
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_SMALL_TALK = frozenset({frame.ECHO_REQUEST, frame.ECHO_REPLY, frame.HELLO})


class Connection:
    """One switch's connection.  All of it under the channel's lock."""

    def __init__(self, switch: Switch, sock: socket.socket, channel: Channel) -> None:
        self.sock, self._channel = sock, channel
        self.agent = Agent(switch, self.send)
        self.open = True
        self.said = 0  # messages of substance
        self.unsent = bytearray()

    def send(self, message: bytes) -> None:
        """Send now as much as goes; the channel's thread sends the rest."""
        if not self.open:
            return
        self.said += message[1] not in _SMALL_TALK
        self.unsent += message
        self.flush()
        if self.unsent:
            self._channel.wake()

    def flush(self) -> None:
        """Send as much as goes."""
        while self.unsent:
            try:
                sent = self.sock.send(self.unsent)
            except _NOTHING_YET:
                return
            except OSError:
                self.unsent.clear()  # the reader will see the end
                return
            del self.unsent[:sent]


class Channel:
    """All connections of a lab."""

    def __init__(self, on_idle: Callable[[], None]) -> None:
        """Make one without connections; *on_idle* is called, under the lock, after messages were handled."""
        self.lock = threading.Condition(threading.Lock())
        self.connections: dict[str, Connection] = {}
        self._settle: Callable[[], None] = lambda: None
        self._on_idle = on_idle
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._rested_at = self._heard = 0

    def connect(
        self,
        switches: Iterable[Switch],
        host: str,
        l4_port: int,
        settle: Callable[[], None],
        identities: Mapping[str, Identity] | None = None,
    ) -> None:
        """Connect every switch, and wait until both sides rest.  Raises LabError."""
        self._settle = settle
        self.disconnect()
        for switch in switches:
            sock = _reach(switch.name, host, l4_port, None if identities is None else identities[switch.name])
            with self.lock:
                connection = Connection(switch, sock, self)
                self.connections[switch.name] = connection
                switch.on_removed = connection.agent.flows_removed
                switch.controller_found()
                connection.agent.greet()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="controller channel", daemon=True)
            self._thread.start()
        self.wake()
        with self.lock:
            self._wait(lambda c: c.agent.ready, "did not ask for its features")
            self.rest()

    def rest(self) -> None:
        """Wait until neither side has anything left to do.  The lock is held, and free while waiting.

        Raises LabError if the controller goes away meanwhile, or does not come to rest.
        """
        for _ in range(ROUNDS_MAX):
            said = self._said()
            self._echo()
            self.lock.release()
            try:
                self._settle()
            finally:
                self.lock.acquire()
            self._echo()
            if self._said() == said:
                self._rested_at = said
                return
        raise LabError(f"the controller did not come to rest: it still spoke after {ROUNDS_MAX} rounds")

    def outstanding(self) -> bool:
        """Say whether the switches have said anything since both sides last rested."""
        return self.talks() and self._said() != self._rested_at

    def talks(self) -> bool:
        """Say whether any switch has a controller."""
        return any(c.open for c in self.connections.values())

    def disconnect(self) -> None:
        """End all connections."""
        with self.lock:
            for connection in self.connections.values():
                self._lose(connection)
            self.connections.clear()

    def close(self) -> None:
        """End all connections and the thread; idempotent."""
        self.disconnect()
        self._closing = True
        self.wake()
        if self._thread is not None:
            self._thread.join(timeout=CONNECT_S)
            self._thread = None
        for end in (self._woken, self._waker):
            end.close()
        self._selector.close()

    def wake(self) -> None:
        """Have the thread look again at what is to be done."""
        with suppress(OSError):
            self._waker.send(b"\0")

    def _said(self) -> int:
        return sum(c.said for c in self.connections.values())

    def _echo(self) -> None:
        for connection in self.connections.values():
            if connection.open:
                connection.agent.ask_echo()
        self._wait(lambda c: not c.agent.echoes, "does not answer")

    def _wait(self, done: Callable[[Connection], bool], what: str) -> None:
        """Wait, the lock free, until *done* holds for every connection.

        A controller of a hundred switches is busy for minutes before it answers the last of them: it has
        given up only when nothing has come from it, on any connection, for `ANSWER_S`, and for `ENTRY_S` for
        each entry that it may be reading in a dump.
        """
        gone, heard, waited_s = False, -1, 0.0
        while not gone and heard != self._heard and waited_s < BUSY_S:
            entries = sum(len(c.agent.switch.table) for c in self.connections.values())
            heard, patience_s = self._heard, ANSWER_S + ENTRY_S * entries
            waited_s += patience_s
            gone = self.lock.wait_for(
                lambda: all(done(c) or not c.open for c in self.connections.values()), patience_s
            )
        for name, connection in self.connections.items():
            if not connection.open:
                raise LabError(f"the controller closed its connection to {name}")
            if not gone and not done(connection):
                raise LabError(f"the controller of {name} {what} (waited {waited_s:g} s)")

    # -- the thread

    def _serve(self) -> None:
        while not self._closing:
            with self.lock:
                self._register()
            ready = self._selector.select()
            if self._closing:
                return
            with self.lock:
                for key, events in ready:
                    if key.data is None:
                        with suppress(BlockingIOError):
                            self._woken.recv(_CHUNK)
                    elif key.data.open:
                        if events & selectors.EVENT_WRITE:
                            key.data.flush()
                        if events & selectors.EVENT_READ:
                            self._read(key.data)
                self._on_idle()
                self.lock.notify_all()

    def _register(self) -> None:
        """Have the selector watch what there is to watch."""
        watched = {k.data: k for k in list(self._selector.get_map().values()) if k.data is not None}
        for connection in self.connections.values():
            if connection.open:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.unsent else 0)
                if connection not in watched:
                    self._selector.register(connection.sock, events, connection)
                elif watched[connection].events != events:
                    self._selector.modify(connection.sock, events, connection)

    def _read(self, connection: Connection) -> None:
        """Take in what has arrived.  TLS may hold more than the selector knows of."""
        more = True
        while more and connection.open:
            try:
                data = connection.sock.recv(_CHUNK)
            except _NOTHING_YET:
                return
            except OSError:
                data = b""
            self._heard += len(data)
            if not data:
                self._lose(connection)
                return
            more = isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending() > 0
            try:
                connection.agent.receive(data)
            except WireError:  # what follows in this stream cannot be understood
                self._lose(connection)

    def _lose(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            with suppress(KeyError, ValueError):
                self._selector.unregister(connection.sock)
            connection.sock.close()
            connection.agent.switch.controller_lost()
            connection.agent.ready = False


def _reach(name: str, host: str, l4_port: int, identity: Identity | None) -> socket.socket:
    """Return a connection of the switch *name* to its controller.  Raises LabError."""
    try:
        sock = socket.create_connection((host, l4_port), timeout=CONNECT_S)
    except OSError as fault:
        why = fault.strerror or fault
        raise LabError(f"{name} cannot reach its controller at {host}:{l4_port}: {why}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if identity is not None:
        try:
            sock = joining(identity).wrap_socket(sock)
        except OSError as fault:
            sock.close()
            why = getattr(fault, "verify_message", "") or getattr(fault, "reason", "") or str(fault)
            raise LabError(f"{name} does not believe the controller at {host}:{l4_port}: {why}") from None
    sock.setblocking(False)
    return sock
