"""Tunnel frames of which nearly all was worked out before: into one, and out of one.

What
----
Between two tunnel ends, frames differ in lengths, header checksum, source port and what they carry.
`Wrapper` keeps the rest of the outer headers and writes these.  `same_header` is the rest as a number, by
which a receiver knows a tunnel that it has opened before; `carried` then checks what differs, and cuts out
the frame.

Where it sits
-------------
Used by:    the simulator's network.
The judge:  `frames_tunnel`, which builds and reads each frame from nothing;
            `tests/unit/openflow/test_tunnel_quick.py` compares, byte by byte.

Invariants
----------
1.  `Wrapper.wrap` gives `vxlan_encap`'s bytes, or `geneve_encap`'s.
2.  If frames have one `same_header`, and one of them `is_plain` and opens as `carried` says, then all of them
    open as `carried` says, None included.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from sdn_lab.openflow.frames import ethernet, ipv4
from sdn_lab.openflow.frames_tunnel import Outer, flow_hash
from sdn_lab.openflow.packet_checksum import raw_sum

_HEADERS = Struct("!16sHIHH8sHHHH8s").pack
_SIZE = 50  # bytes of outer headers: Ethernet, IPv4, UDP, and 8 of the tunnel's own
_DIFFERING = ((16, 18), (24, 26), (34, 36), (38, 40))  # total length, checksum; source port, length
_IP_LEAST, _UDP_LEAST, _OWN = 28, 30, 36  # with headers of 20, 8 and 8 bytes, and an inner frame of 14


def _mask() -> int:
    kept = bytearray(b"\xff" * _SIZE)
    for start, stop in _DIFFERING:
        kept[start:stop] = bytes(stop - start)
    return int.from_bytes(kept, "little")


_SAME = _mask()


class Wrapper:
    """Puts frames into tunnel frames from one end to another."""

    __slots__ = ("_addresses", "_before", "_header", "_headers", "_l4_port", "_partial")

    def __init__(self, outer: Outer, l4_port: int, header: Callable[[int], bytes]) -> None:
        """*header* makes the tunnel's own header for a VNI."""
        frame = ethernet(outer.src_mac, outer.dst_mac, 0x0800, ipv4(outer.src, outer.dst, 17))
        self._before, self._addresses = frame[:16], frame[26:]
        self._partial = raw_sum(frame[14:16] + b"\0\0" + frame[18:24] + frame[26:])
        self._l4_port, self._header = l4_port, header
        self._headers: dict[int, bytes] = {}  # by VNI, of which there are few

    def wrap(self, inner: bytes, vni: int) -> bytes:
        """Return the underlay frame that carries *inner*."""
        header = self._headers.get(vni)
        if header is None:
            header = self._headers[vni] = self._header(vni)
        size = _OWN + len(inner)
        total = self._partial + size
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        return (
            _HEADERS(
                self._before,
                size,
                0x4000,
                0x4011,
                checksum,
                self._addresses,
                flow_hash(inner),
                self._l4_port,
                size - 20,
                0,
                header,
            )
            + inner
        )


def same_header(frame: bytes) -> int:
    """Return what is the same in all frames of one tunnel in one direction, as a number."""
    return int.from_bytes(frame[:_SIZE], "little") & _SAME


def is_plain(frame: bytes) -> bool:
    """Say whether a frame has the outer headers that `Wrapper` writes: no tag, option or fragment."""
    return frame[12:15] == b"\x08\0\x45" and frame[20:24] == b"\x40\0\x40\x11"


def carried(frame: bytes) -> bytes | None:
    """Return what a tunnel frame with plain headers carries; None where lengths or checksum are wrong."""
    if len(frame) < _SIZE or frame[40] or frame[41]:  # with a UDP checksum there is more to check
        return None
    total, length = frame[16] << 8 | frame[17], frame[38] << 8 | frame[39]
    if not _IP_LEAST <= total <= len(frame) - 14 or not _UDP_LEAST <= length <= total - 20:
        return None
    return None if int.from_bytes(frame[14:34]) % 0xFFFF else frame[_SIZE : 34 + length]
