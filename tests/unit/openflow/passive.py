"""A switch that waits to be called: so ``ovs-ofctl tcp:127.0.0.1:PORT`` is its controller.

Without privilege, and without Open vSwitch's daemons.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress

from sdn_lab.openflow.wire import decode, frame, reply, request, stats, table_features
from sdn_lab.openflow.wire.error import WireError

Receive = Callable[[bytes], None]
DEADLINE_S = 20


class Passive:
    """Listens on loopback.  *make* gives, for a function that sends, the one that takes what arrives."""

    def __init__(self, make: Callable[[Receive], Receive]) -> None:
        self._make = make
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.where = f"tcp:127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                sock, _ = self._listening.accept()  # ``ovs-ofctl show`` opens a second one beside the first
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with sock, suppress(ConnectionError):
            receive = self._make(sock.sendall)
            while data := sock.recv(1 << 16):
                receive(data)

    def ofctl(self, *words: str, stdin: str | None = None, fails: bool = False) -> str:
        """Run ``ovs-ofctl`` on this switch; return what it printed."""
        argv = ["ovs-ofctl", "-O", "OpenFlow13", *words]
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert (done.returncode != 0) is fails, (argv, done.stdout, done.stderr)
        return done.stdout + done.stderr if fails else done.stdout

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(DEADLINE_S)


class Keeper:
    """Takes every flow-mod that can be read, whatever a switch would say to it, and dumps it."""

    def __init__(self) -> None:
        self.entries, self.bytes = [], []

    def make(self, send: Receive) -> Receive:
        framer = frame.Framer()
        send(reply.hello(1))

        def receive(data: bytes) -> None:
            for message in framer.feed(data):
                self._take(message, send)

        return receive

    def _take(self, message: bytes, send: Receive) -> None:
        xid = int.from_bytes(message[4:8], "big")
        try:
            asked = decode.read(message)
        except WireError as refused:
            send(reply.refusal(xid, refused.pair, message))
            return
        match asked:
            case request.FlowMod():
                self.entries.append(asked.entry)
                self.bytes.append(message)
            case request.Multipart(kind=request.FLOW):
                held = [stats.flow(e, age_ns=0, counted=stats.Counted()) for e in self.entries]
                for part in reply.multipart(xid, asked.kind, held):
                    send(part)
            case request.Multipart():  # names of tables and ports
                tables = [table_features.write(0)] if asked.kind == request.TABLE_FEATURES else []
                send(reply.multipart(xid, asked.kind, tables)[0])
            case request.Plain(kind=frame.BARRIER_REQUEST):
                send(frame.message(frame.BARRIER_REPLY, xid))
            case request.Plain(kind=frame.FEATURES_REQUEST):
                send(reply.features(xid, 1))
            case request.Echo():
                send(frame.message(frame.ECHO_REPLY, xid, asked.data))
            case request.Hello():
                pass
            case _:
                raise AssertionError(f"ovs-ofctl sent {asked}")
