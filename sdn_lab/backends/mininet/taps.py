"""Packet sockets: where frames are put in, and where they are seen.

What
----
A `Tap` is one AF_PACKET socket on one interface, made inside the namespace that has the interface
and usable from outside for as long as it is open.

Invariants
----------
1.  A frame is reported as it was on the wire.  The kernel takes the outer VLAN tag off before a packet
    socket sees the frame, and tells it beside the frame (PACKET_AUXDATA); it is put back here.
2.  What the kernel could not give us is counted (PACKET_STATISTICS), never forgotten.

Reference: packet(7); linux/if_packet.h.
"""

from __future__ import annotations

import socket
import struct

from sdn_lab.backends.mininet.buffers import grow_receive, grow_send
from sdn_lab.backends.mininet.hearing import MARK
from sdn_lab.model.diagnostic import LabError

_ETH_P_ALL = 3
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_STATISTICS, _PACKET_AUXDATA, _PACKET_IGNORE_OUTGOING = 1, 6, 8, 23
_PACKET_MR_PROMISC = 1
_AUXDATA = struct.Struct("=I12xHH")  # of tpacket_auxdata: status, vlan_tci, vlan_tpid
_STATUS_VLAN_VALID, _STATUS_TPID_VALID = 0x10, 0x40
_LARGEST = 1 << 17  # segments that the kernel has not cut yet, on the management wire
_MOST_AT_ONCE = 512


class Tap:
    """A packet socket on *interface* of the namespace that the caller is inside of."""

    def __init__(self, interface: str, *, listen: bool = True, outgoing: bool = False) -> None:
        self.interface = interface
        protocol = _ETH_P_ALL if listen else 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
            grow_send(self._socket)
            if listen:
                grow_receive(self._socket)
                self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
                self._socket.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 0 if outgoing else 1)
                index = socket.if_nametoindex(interface)
                promiscuous = struct.pack("=iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
                self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, promiscuous)
            self._socket.bind((interface, protocol))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def put(self, frame: bytes) -> None:
        """Send *frame* from the interface.  Raises LabError if the interface refuses it."""
        try:
            self._socket.send(frame)
        except OSError as error:
            raise LabError(
                f"a frame of {len(frame)} bytes could not be sent at {self.interface}: {error.strerror}"
            ) from error

    def frames(self) -> list[bytes]:
        """Return frames that are waiting, tags as on the wire; not without end in a broadcast storm."""
        waiting: list[bytes] = []
        try:
            while len(waiting) < _MOST_AT_ONCE:
                data, beside, _, _ = self._socket.recvmsg(_LARGEST, 64)
                waiting.append(tagged(data, beside))
        except BlockingIOError:
            pass
        except OSError as error:
            raise LabError(f"interface {self.interface} is gone: {error.strerror}") from error
        return waiting

    def lost(self) -> int:
        """Return how many frames did not fit the socket's buffer since the last call."""
        return drops_of(self._socket)


def drops_of(sock: socket.socket) -> int:
    """Return how many frames did not fit a packet socket's buffer since it was last asked."""
    _, drops = struct.unpack("=II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    return int(drops)


def tagged(data: bytes, beside: list[tuple[int, int, bytes]]) -> bytes:
    """Return a frame as it was on the wire: with the tag that the kernel tells beside it."""
    for level, kind, value in beside:
        if (level, kind) != (_SOL_PACKET, _PACKET_AUXDATA) or len(value) < _AUXDATA.size:
            continue
        status, tci, tpid = _AUXDATA.unpack_from(value)
        if status & _STATUS_VLAN_VALID:
            ethertype = tpid if status & _STATUS_TPID_VALID else 0x8100
            return data[:12] + struct.pack(">HH", ethertype, tci) + data[12:]
    return data
