"""One switch's connection, and whether anything is going on in it.

The framework's own `Datapath`, with four things added:

1.  **Quiet.**  `Connection.quiet` says whether nothing is left to read, nothing to send, and nobody is in
    the middle of either.  `settle` (`sdn_lab.control.settle`) is built on it.
2.  **It ends.**  os-ken's native threads cannot be killed (``hub.kill`` does nothing), so its ``serve`` waits
    for ever for a sender that waits for a message: a switch that left is never noticed.  Here the
    reader, on its way out, marks the connection dead and wakes the sender.
3.  **A transaction id is given once**, also when two apps ask at the same time.
4.  **A slow switch is waited for.**  os-ken gives up on a switch that does not read for 5 s; a simulator
    whose clock stands still may well not.

How quiet is known without a race
---------------------------------
The reader waits for data with poll(2) under the flag ``reading``, clears the flag *before* it takes
anything out of the socket, and counts what it took.  So, while the flag is up, whatever has arrived is
still in the socket, where FIONREAD sees it; and whoever looks twice and finds the same counts knows that
nothing happened in between.
"""

from __future__ import annotations

import array
import fcntl
import select
import socket
import termios
import threading
from typing import Any

from sdn_lab.control import ryu

_POLL_MS = 1000


class _Socket:
    """A socket that says what it is doing.  Has what the framework's `Datapath` uses, and no more."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
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
            self.reading = True
            ready = self._readable.poll(_POLL_MS)
            self.reading = False
            if self._closed:
                return b""
            if ready:
                data = self._sock.recv(size)
                self.taken += len(data)
                return data

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self._closed:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                self.stalled = True
                self._writable.poll(_POLL_MS)
                self.stalled = False
        self.sends += 1

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

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


class Connection(ryu.controller.Datapath):  # type: ignore[misc]
    """A datapath as apps see it (``ev.msg.datapath``), with what the module's docstring adds."""

    def __init__(self, sock: socket.socket, address: Any) -> None:
        self._watched = _Socket(sock)
        self._counting = threading.Lock()
        self._queued = 0
        super().__init__(self._watched, address)

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
