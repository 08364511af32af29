"""Messages between two processes of ours: JSON, and frames behind it.

What
----
A `Channel` wraps one end of a stream socket.  A message is two lengths of four bytes, big-endian, then that
many bytes of JSON, then that many of frames.  The frames are the list of bytes under the message's key
``frames``; in the JSON their lengths are in its place.  File descriptors (a child's pipes) travel beside a
message, as ancillary data of its first byte.

Why JSON and not pickle
-----------------------
The lab daemon is root; what it reads must not be able to run code.  (And no base64: that, with a name at
every frame, took a fifth of all time that probes took.)
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

_LENGTHS = struct.Struct(">II")
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
        frames = message.get("frames", [])
        if "frames" in message:
            message = {**message, "frames": [len(frame) for frame in frames]}
        data = json.dumps(message, separators=(",", ":")).encode()
        behind = b"".join(frames)
        try:
            head = _LENGTHS.pack(len(data), len(behind))
            if descriptors:
                socket.send_fds(self._socket, [head], list(descriptors))
            else:
                self._socket.sendall(head)
            self._socket.sendall(data + behind)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def receive(self) -> tuple[dict[str, Any], list[int]]:
        """Receive one message and the descriptors beside it.  Raises Closed at the end."""
        descriptors: list[int] = []
        try:
            length, behind = _LENGTHS.unpack(self._exactly(_LENGTHS.size, descriptors))
            message = json.loads(self._exactly(length, descriptors))
            frames = self._exactly(behind, descriptors)
            if "frames" in message:
                message["frames"] = _cut(frames, message["frames"])
        except BaseException as error:
            for descriptor in descriptors:
                os.close(descriptor)
            if isinstance(error, ConnectionResetError):
                raise Closed from error
            raise
        return message, descriptors

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


def _cut(frames: bytes, lengths: Sequence[int]) -> list[bytes]:
    ends = list(accumulate(lengths, initial=0))
    if ends[-1] != len(frames):
        raise ValueError(f"{len(frames)} bytes of frames, and lengths that add up to {ends[-1]}")
    return [frames[start:end] for start, end in pairwise(ends)]
