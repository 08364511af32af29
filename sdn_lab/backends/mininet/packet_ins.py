"""What a datapath sends to its controller, asked of the datapath itself.

What
----
A `PacketIns` is a connection of the lab daemon's own to one bridge's management socket.  It asks for
packet-ins, so the bridge sends it a copy of each that goes to the controller; `frames` are the packets in
them.  It is read like a `taps.Tap`.

Why not from the management wire
--------------------------------
OpenFlow is encrypted there.

Invariants
----------
1.  It only listens: it writes no entry and sends no packet.
2.  It speaks OpenFlow 1.3 from its first message on.  To a connection of an older version Open vSwitch would
    send what no entry matched, for *all* controllers' sake (OpenFlow 1.3 drops it).
3.  While it listens, a packet that an entry sends to the controller is seen also when there is no controller.

Limit: with a ``max_len`` in the output action, the datapath sends only the beginning of a packet.  A
nonce beyond it is not seen.

Reference: OpenFlow 1.3.5, 7.3.2 and 7.4.1; ovs-vswitchd(8) on ``BRIDGE.mgmt``.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.wire import frame
from sdn_lab.openflow.wire.error import WireError

_ALL_OF_IT = struct.pack("!HH", 0, 0xFFFF)  # flags; miss_send_len: not zero, or nothing is sent at all
_MATCH_LENGTH = struct.Struct("!26xH")  # in a packet-in: header, buffer, length, reason, table, cookie, type
_MATCH, _PAD = 24, 2
_CHUNK = 1 << 16
_CHUNKS = 64  # at one call, so that a storm of packets cannot hold up the reader


class PacketIns:
    """Listens at *management*, the Unix socket of a bridge."""

    def __init__(self, management: Path, connected: socket.socket | None = None) -> None:
        """*connected* is a connection to it that another process made, and read nothing of."""
        self.interface = management.name
        self._framer = frame.Framer()
        if connected is not None:
            connected.setblocking(False)
            self._socket = connected
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(management))
            self._socket.sendall(
                frame.message(frame.HELLO, 1) + frame.message(frame.SET_CONFIG, 2, _ALL_OF_IT)
            )
        except OSError as error:
            self._socket.close()
            raise LabError(f"{management.name} cannot be asked for packet-ins: {error.strerror}") from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def frames(self) -> list[bytes]:
        """Return the packets that were sent to the controller since the last call."""
        packets: list[bytes] = []
        for _ in range(_CHUNKS):
            data = self._received()
            if data is None:
                break
            try:
                packets += (packet for message in self._framer.feed(data) if (packet := self._take(message)))
            except WireError as error:
                raise LabError(
                    f"{self.interface} tells of packet-ins what cannot be read: {error.why}"
                ) from error
        return packets

    def _received(self) -> bytes | None:
        """Return some of what has come; None for nothing."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise LabError(f"{self.interface} no longer tells of packet-ins: {error.strerror}") from error
        if not data:
            raise LabError(f"{self.interface} no longer tells of packet-ins")
        return data

    def lost(self) -> int:
        """Return 0: a stream loses nothing."""
        return 0

    def _take(self, message: bytes) -> bytes:
        """Return a packet-in's packet; answer what must be answered."""
        if message[1] == frame.ECHO_REQUEST:
            xid = int.from_bytes(message[4:8], "big")
            self._socket.send(frame.message(frame.ECHO_REPLY, xid, message[8:]))
        return packet_of(message) if message[1] == frame.PACKET_IN else b""


def packet_of(packet_in: bytes) -> bytes:
    """Return the packet inside an OpenFlow 1.3 packet-in."""
    (match,) = _MATCH_LENGTH.unpack_from(packet_in)
    return packet_in[_MATCH + (match + 7) // 8 * 8 + _PAD :]


def is_openflow(frame_: bytes, one: bytes, other: bytes) -> bool:
    """Say whether a frame of the management wire is TCP between two addresses (IPv4, packed)."""
    return (
        frame_[12:14] == b"\x08\x00"
        and frame_[23:24] == b"\x06"
        and {one, other} == {frame_[26:30], frame_[30:34]}
    )
