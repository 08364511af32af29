"""Messages between the command and the lab daemon: JSON with a length before it.

What
----
A `Channel` wraps one end of a stream socket.  A message is four bytes of length, big-endian, and that
many bytes of JSON.  Frames travel as base64 texts.  File descriptors (a child's pipes) travel beside
a message, as ancillary data of its first byte.

Why JSON and not pickle
-----------------------
The daemon is root; what it reads must not be able to run code.  A window of 128 frames is 40 kB
of JSON, and takes under a millisecond.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
_MOST_DESCRIPTORS = 8


class Closed(Exception):  # noqa: N818 (a state of the channel, not a fault of it)
    """The other side is gone."""


class Channel:
    """One end.  Not thread-safe: its owner keeps requests apart."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end; the other sees `Closed`."""
        self._socket.close()

    def limit(self, timeout_s: float | None) -> None:
        """Let sending and receiving raise TimeoutError after *timeout_s*; None for never."""
        self._socket.settimeout(timeout_s)

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send one message.  The receiver gets duplicates of *descriptors*."""
        data = json.dumps(message, separators=(",", ":")).encode()
        try:
            head = _LENGTH.pack(len(data))
            if descriptors:
                socket.send_fds(self._socket, [head], list(descriptors))
            else:
                self._socket.sendall(head)
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Receive one message and the descriptors beside it.  Raises Closed at the end."""
        descriptors: list[int] = []
        try:
            head = self._exactly(_LENGTH.size, descriptors)
            (length,) = _LENGTH.unpack(head)
            return json.loads(self._exactly(length, descriptors)), descriptors
        except BaseException as error:
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, ConnectionResetError):
                raise Closed from error
            raise

    def _exactly(self, length: int, descriptors: list[int]) -> bytes:
        parts: list[bytes] = []
        while length:
            part, received, _, _ = socket.recv_fds(self._socket, min(length, 1 << 20), _MOST_DESCRIPTORS)
            descriptors.extend(received)
            if not part:
                raise Closed
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def text_of(frame: bytes) -> str:
    """Return a frame as JSON can carry it."""
    return base64.b64encode(frame).decode("ascii")


def frame_of(text: str) -> bytes:
    """Read what `text_of` wrote."""
    return base64.b64decode(text)
