"""What a datapath sends to its controller, seen on the management wire.

OpenFlow is plain TCP there, so the bytes of a packet-in's packet are bytes of a TCP segment from the
hypervisor to the controller.  A segment is therefore reported as a capture at ``packet_in:<hypervisor>``;
nobody asks Open vSwitch.

Invariants
----------
1.  A nonce that is cut in two by a segment boundary is found: each view begins with the last bytes of
    the segment before it.
2.  What the controller sends (packet-out, flow entries) is not a packet-in and not a leak: a packet-out's
    packet was in a packet-in first, or is the controller's own.

Limit: with a ``max_len`` in the output action, the datapath sends only the beginning of a packet.  A
nonce beyond it is not seen.
"""

from __future__ import annotations

from sdn_lab.model.observation import NONCE_BYTES

_ETHERNET, _TCP, _IPV4 = 14, 6, b"\x08\x00"


class PacketIns:
    """Reads one hypervisor's management wire.  *hypervisor* and *controller* are IPv4, packed."""

    def __init__(self, hypervisor: bytes, controller: bytes) -> None:
        self._up = hypervisor + controller
        self._down = controller + hypervisor
        self._carry: dict[bytes, bytes] = {}

    def read(self, frame: bytes) -> bytes | None:
        """Return what a frame tells the controller: b"" for nothing, None if it is not OpenFlow."""
        addresses = frame[26:34]
        if frame[12:14] != _IPV4 or frame[23:24] != bytes([_TCP]) or addresses not in {self._up, self._down}:
            return None
        if addresses == self._down:
            return b""
        tcp = _ETHERNET + (frame[14] & 15) * 4
        end = _ETHERNET + int.from_bytes(frame[16:18], "big")
        payload = frame[tcp + (frame[tcp + 12] >> 4) * 4 : end if end > tcp else len(frame)]
        if not payload:
            return b""
        l4_ports = frame[tcp : tcp + 4]
        view = self._carry.get(l4_ports, b"") + payload
        self._carry[l4_ports] = view[-(NONCE_BYTES - 1) :]
        return view
