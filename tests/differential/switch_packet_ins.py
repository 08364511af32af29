"""Hear what a bridge of real Open vSwitch sends to its controller: a small OpenFlow 1.3 client.

It connects to the bridge's management socket and asks for whole packets.  What `ovs_process` says of frames
holds here too: once the main loop has been round, a packet-in has been written.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from sdn_lab.openflow.fields import FIELDS, Domain
from sdn_lab.openflow.wire import error, oxm
from sdn_lab.openflow.wire.error import WireError

from .ovs_process import EndedError

HELLO, SET_CONFIG, ECHO_REQUEST, PACKET_IN, BARRIER_REQUEST, BARRIER_REPLY = 0, 9, 2, 10, 20, 21
_HEADER = Struct("!BBHI")
_PACKET_IN = Struct("!IHBBQ")
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One packet-in; *pipeline* are the fields of its match, by name."""

    frame: bytes
    table_id: int
    reason: int
    cookie: int
    pipeline: tuple[tuple[str, int], ...]


class Listener:
    """One connection; made once, read after each frame."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(str(path))
        self._held = b""
        self._send(HELLO, b"")
        self._send(SET_CONFIG, b"\0\0\xff\xff")
        self._send(BARRIER_REQUEST, b"")
        while BARRIER_REPLY not in [kind for kind, _ in self._messages(self._socket.recv(1 << 16))]:
            pass
        self._socket.setblocking(False)

    def new(self) -> list[Heard]:
        """Return the packet-ins that have arrived since the last call."""
        heard = []
        while True:
            try:
                data = self._socket.recv(1 << 18)
            except BlockingIOError:
                return heard
            except ConnectionError as error:
                raise EndedError(f"ovs-vswitchd: {error!r}") from None
            if not data:
                raise EndedError("ovs-vswitchd closed the management connection")
            for kind, body in self._messages(data):
                if kind == ECHO_REQUEST:
                    self._send(ECHO_REQUEST + 1, body)
                elif kind == PACKET_IN:
                    heard.append(_read(body))

    def close(self) -> None:
        self._socket.close()

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(_HEADER.pack(4, kind, 8 + len(body), 1) + body)

    def _messages(self, data: bytes) -> list[tuple[int, bytes]]:
        self._held += data
        found = []
        while len(self._held) >= 8:
            _, kind, length, _ = _HEADER.unpack_from(self._held)
            if len(self._held) < length:
                break
            found.append((kind, self._held[8:length]))
            self._held = self._held[length:]
        return found


def _read(body: bytes) -> Heard:
    _, _, reason, table_id, cookie = _PACKET_IN.unpack_from(body)
    length = int.from_bytes(body[18:20])
    return Heard(
        frame=body[16 + (length + 7) // 8 * 8 + 2 :],
        table_id=table_id,
        reason=reason,
        cookie=cookie,
        pipeline=tuple(sorted(_fields(body, 20, 16 + length))),
    )


def _fields(body: bytes, at: int, stop: int) -> Iterator[tuple[str, int]]:
    """Yield the fields beside the packet; ``ct_nw_src`` and what goes with it are left out."""
    while at < stop:
        following = at + 4 + body[at + 3]
        try:
            code, value, _, _ = oxm.read_element(body, at, stop)
        except WireError as fault:
            if fault.pair != error.MATCH_BAD_FIELD:
                raise
        else:
            if FIELDS[code.name].domain is not Domain.PACKET:
                yield code.name, value
        at = following
