"""Listen at points of a lab on Mininet: sockets that the daemon opens and the command's side reads.

A packet socket is made inside the namespace that has the interface, and can be read by whoever it is handed
to.  So the daemon, which is busy with other things, opens it (`open_point`) and keeps nothing.

    port         both ways: what arrives at the instance, and what it sends
    underlay     both ways, at the hypervisor's NIC
    management   the management wire, and what reaches the host's own stack (LOCAL of both bridges)
    packet_in    the packets that the datapath sends to its controller

What the kernel or a full buffer dropped is counted.  A VLAN tag is put back where it was on the wire.

Reference: packet(7); socket(7), SO_TIMESTAMPNS.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sdn_lab.backends.mininet.build import MANAGEMENT_INTERFACE, Built
from sdn_lab.backends.mininet.namespaces import inside
from sdn_lab.backends.mininet.ovs import INTEGRATION, NIC, PHYSICAL
from sdn_lab.backends.mininet.packet_ins import PacketIns
from sdn_lab.backends.mininet.taps import Tap, drops_of, tagged
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Overheard, PointKind, WatchPoint

_INTERFACES = {
    PointKind.UNDERLAY: (NIC,),
    PointKind.MANAGEMENT: (MANAGEMENT_INTERFACE, INTEGRATION, PHYSICAL),
}
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("qq")
_PACKET_OUTGOING = 4
_LARGEST, _BESIDE = 1 << 17, 256
_MOST_AT_ONCE = 512
_SECOND_NS = 1_000_000_000


def open_point(built: Built, point: WatchPoint) -> list[int]:
    """Return descriptors to listen with.  Raises LabError where nobody can listen."""
    if point.kind is PointKind.PORT:
        for planned in built.plan.instances:
            for port in planned.ports:
                if port.path == point.name:
                    with inside(built.instances[planned.node].pid):
                        return [_handed_over(Tap(port.interface, outgoing=True))]
    if point.name in built.hypervisors:
        if point.kind is PointKind.PACKET_IN:
            management = built.switches[point.name].management(INTEGRATION)
            return [_handed_over(PacketIns(management))]
        with inside(built.hypervisors[point.name].pid):
            interfaces = _INTERFACES.get(point.kind, ())
            found = [_handed_over(Tap(interface, outgoing=True)) for interface in interfaces]
            if found:
                return found
    raise LabError(f"nobody can listen at {point}")


def _handed_over(ear: Tap | PacketIns) -> int:
    with contextlib.closing(ear):
        return os.dup(ear.fileno())


class Ears:
    """`contracts.Listening`."""

    def __init__(self) -> None:
        self._read: dict[int, Callable[[], list[Overheard]]] = {}
        self._close: list[Callable[[], None]] = []
        self._sockets: list[socket.socket] = []

    def add(self, point: WatchPoint, descriptors: Sequence[int]) -> None:
        """Listen at *point* too, with what `open_point` gave."""
        for descriptor in descriptors:
            self._add(point, socket.socket(fileno=descriptor))

    def filenos(self) -> Sequence[int]:
        return tuple(self._read)

    def frames(self) -> Sequence[Overheard]:
        """Return what was overheard since the last call, in the order of time."""
        return sorted((seen for read in self._read.values() for seen in read()), key=lambda seen: seen.at_ns)

    def lost(self) -> int:
        """Return how many frames did not fit a socket's buffer since the last call."""
        return sum(drops_of(sock) for sock in self._sockets)

    def close(self) -> None:
        """Listen no more."""
        for close in self._close:
            close()
        self._read.clear()

    def _add(self, point: WatchPoint, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._close.append(sock.close)
        if point.kind is PointKind.PACKET_IN:
            packet_ins = PacketIns(Path(str(point)), sock)
            self._read[sock.fileno()] = lambda: [
                Overheard(point=point, frame=frame, at_ns=time.time_ns()) for frame in packet_ins.frames()
            ]
            return
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._sockets.append(sock)
        self._read[sock.fileno()] = lambda: _waiting_at(point, sock)


def _waiting_at(point: WatchPoint, sock: socket.socket) -> list[Overheard]:
    found: list[Overheard] = []
    try:
        while len(found) < _MOST_AT_ONCE:
            data, beside, _, address = sock.recvmsg(_LARGEST, _BESIDE)
            at_ns = next((_time(v) for lv, k, v in beside if (lv, k) == _STAMP), time.time_ns())
            sent = address[2] == _PACKET_OUTGOING
            found.append(Overheard(point=point, frame=tagged(data, beside), at_ns=at_ns, sent=sent))
    except BlockingIOError:
        pass
    except OSError as error:
        raise LabError(f"{point} is gone: {error.strerror}") from error
    return found


_STAMP = (socket.SOL_SOCKET, _SO_TIMESTAMPNS)


def _time(stamp: bytes) -> int:
    seconds, nanoseconds = _TIMESPEC.unpack_from(stamp)
    return int(seconds * _SECOND_NS + nanoseconds)
