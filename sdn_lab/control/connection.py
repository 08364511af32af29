"""One switch's connection, and whether anything is going on in it.

The framework's own `Datapath`, with five things added:

1.  **Quiet.**  `Connection.quiet` says whether nothing is left to read, nothing to send, and nobody is in
    the middle of either.  `settle` (`sdn_lab.control.settle`) is built on it.
2.  **It ends.**  os-ken's native threads cannot be killed (``hub.kill`` does nothing), so its ``serve`` waits
    for ever for a sender that waits for a message: a switch that left is never noticed.  Here the
    reader, on its way out, marks the connection dead and wakes the sender.
3.  **A transaction id is given once**, also when two apps ask at the same time.
4.  **A slow switch is waited for.**  os-ken gives up on a switch that does not read for 5 s; a simulator
    whose clock stands still may well not.
5.  **It is who its certificate says**, where one is asked for (`sdn_lab.control.door`).

How quiet is known without a race
---------------------------------
The reader waits for data with poll(2) under the flag ``reading``, clears the flag *before* it takes
anything out of the socket, and counts what it took.  So, while the flag is up, whatever has arrived is
still in the socket, where FIONREAD sees it, and TLS has kept nothing back; and whoever looks twice and finds
the same counts knows that nothing happened in between.
"""

from __future__ import annotations

import array
import fcntl
import select
import socket
import ssl
import termios
import threading
from typing import Any

from sdn_lab.control import ryu
from sdn_lab.control.door import Door

_POLL_MS = 1000


class _Socket:
    """A socket that says what it is doing.  Has what the framework's `Datapath` uses, and no more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._using = threading.Lock()  # one TLS session is not for two threads at a time
        self._closed = False
        self.reading = False
        self.stalled = False
        self.taken = 0
        self.sends = 0
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable.register(sock, select.POLLOUT)
        sock.setblocking(False)

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._sock.setsockopt(level, option, value)

    def settimeout(self, _: float) -> None:
        """Waiting is ours: see `recv` and `sendall`."""

    def recv(self, size: int) -> bytes:
        while True:
            if not self._decrypted():
                self.reading = True
                ready = self._readable.poll(_POLL_MS)
                self.reading = False
                if self._closed:
                    return b""
                if not ready:
                    continue
            try:
                with self._using:
                    data = self._sock.recv(size)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue  # a part of a record
            except ssl.SSLError:
                return b""  # the framework would try again for ever
            self.taken += len(data)
            return data

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._closed:
            try:
                with self._using:
                    sent = self._sock.send(view)
                view = view[sent:]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self.stalled = True
                self._writable.poll(_POLL_MS)
                self.stalled = False
        self.sends += 1

    def shutdown(self, how: int) -> None:
        socket.socket.shutdown(self._sock, how)  # TLS's own would let the reader see what is still encrypted

    def close(self) -> None:
        self._closed = True
        self._sock.close()

    def waiting(self) -> int:
        """Return how many bytes have arrived and are not taken out yet."""
        if self._closed:
            return 0
        count = array.array("i", [0])
        fcntl.ioctl(self._sock, termios.FIONREAD, count)
        return count[0]

    def _decrypted(self) -> bool:
        """Say whether there is something to take out that poll(2) does not know of.  The reader asks."""
        if self._tls is None or self._closed:
            return False
        with self._using:
            return self._tls.pending() > 0


class Connection(ryu.controller.Datapath):  # type: ignore[misc]
    """A datapath as apps see it (``ev.msg.datapath``), with what the module's docstring adds."""

    def __init__(self, sock: socket.socket, address: Any, name: str | None = None) -> None:
        """*name* is what its certificate says; None: nobody asked for one."""
        self._watched = _Socket(sock)
        self._counting = threading.Lock()
        self._queued = 0
        super().__init__(self._watched, address)
        if name is not None:
            self.ofp_brick: Any = Door(self.ofp_brick, name, refuse=self.close)

    def end(self) -> None:
        """Close the socket: the framework leaves that to whoever collects its garbage."""
        self.close()
        self._watched.close()

    def quiet(self) -> bool:
        """Say whether this connection rests until the switch or an app does something."""
        reads = self._watched.reading and self._watched.waiting() == 0
        writes = self._watched.sends == self._queued or self._watched.stalled
        return self.state == ryu.DEAD_DISPATCHER or (reads and writes)

    def activity(self) -> tuple[int, int]:
        """Return counts that change whenever something is read or written."""
        return self._watched.taken, self._queued

    @property
    def stalled(self) -> bool:
        """Whether the switch does not read what we send."""
        return self._watched.stalled

    def set_xid(self, msg: Any) -> int:
        with self._counting:
            return int(super().set_xid(msg))

    def send(self, buf: bytes, close_socket: bool = False) -> bool:
        with self._counting:
            self._queued += 1
        accepted = bool(super().send(buf, close_socket=close_socket))
        if not accepted:
            with self._counting:
                self._queued -= 1
        return accepted

    def _recv_loop(self) -> None:
        try:
            super()._recv_loop()
        finally:
            self.set_state(ryu.DEAD_DISPATCHER)
            super().send(b"", close_socket=True)
