"""Captures from many points in one file: pcapng, with a comment on every packet.

A point is an interface of the file (its name is the point's, ``port:red/vm1``), so a reader can filter by it;
each packet's comment says where it was seen and which way it went.  Times are in nanoseconds.

Why not scapy's writer: versions that we allow write one interface or no comments.

Reference: draft-ietf-opsawg-pcapng, sections 4.1 (section header), 4.2 (interface), 4.3 (enhanced packet).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO

from sdn_lab.model.observation import Overheard, WatchPoint

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFF
_ETHERNET = 1
_END, _COMMENT, _NAME, _FLAGS, _APPLICATION, _RESOLUTION = 0, 1, 2, 2, 4, 9
_NANOSECONDS = bytes([9])
_DIRECTION = {None: 0, False: 1, True: 2}  # unknown, inbound, outbound


class Writer:
    """Writes to an open binary file; what was written so far is a whole file at any moment."""

    def __init__(self, file: IO[bytes], points: Sequence[WatchPoint]) -> None:
        self._file = file
        self._numbers = {point: number for number, point in enumerate(points)}
        head = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
        self._block(_SECTION, head, [(_APPLICATION, b"sdn-lab")])
        for point in points:
            name = str(point).encode()
            self._block(
                _INTERFACE,
                struct.pack("<HHI", _ETHERNET, 0, 0),
                [(_NAME, name), (_RESOLUTION, _NANOSECONDS)],
            )
        file.flush()

    def write(self, seen: Overheard) -> None:
        """Add one packet."""
        frame, at = seen.frame, seen.at_ns
        head = struct.pack(
            "<IIIII", self._numbers[seen.point], at >> 32, at & 0xFFFFFFFF, len(frame), len(frame)
        )
        self._block(
            _PACKET,
            head + _padded(frame),
            [
                (_COMMENT, str(seen).encode()),
                (_FLAGS, struct.pack("<I", _DIRECTION[seen.sent])),
            ],
        )

    def flush(self) -> None:
        """Let readers see what was written."""
        self._file.flush()

    def _block(self, kind: int, body: bytes, options: Sequence[tuple[int, bytes]]) -> None:
        for code, value in options:
            body += struct.pack("<HH", code, len(value)) + _padded(value)
        body += struct.pack("<HH", _END, 0)
        length = len(body) + 12
        self._file.write(struct.pack("<II", kind, length) + body + struct.pack("<I", length))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
