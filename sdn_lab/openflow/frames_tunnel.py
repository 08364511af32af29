"""VXLAN and Geneve: an inner frame inside real outer Ethernet, IPv4 and UDP headers.

The outer header is what Open vSwitch's userspace tunnels write: TTL 64, don't-fragment, UDP checksum 0,
and a source port that is a hash of the inner flow, so that an underlay may balance by it.

`*_decap` returns None for what is not ours.  For VXLAN: the I flag must be set and every reserved bit
clear (RFC 7348 would have a receiver ignore them; Open vSwitch 3.1.0 refuses such a frame, and so do
we).  For Geneve: version 0, an Ethernet payload, no control message, and
no critical option, since we know none.

Reference: RFC 7348 section 5, RFC 8926 section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import pack, unpack_from
from zlib import crc32

from sdn_lab.openflow.frames import Ip, Mac, ethernet, ipv4
from sdn_lab.openflow.packet_checksum import internet, raw_sum
from sdn_lab.openflow.packet_parse import SCTP, TCP, UDP, dissect

VXLAN_PORT, GENEVE_PORT = 4789, 6081
_VXLAN_FLAGS = 0x08000000
_TRANSPARENT_ETHERNET = 0x6558
_WITH_PORTS = frozenset({TCP, UDP, SCTP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """The underlay's end points of one tunnel."""

    src_mac: Mac
    dst_mac: Mac
    src: Ip
    dst: Ip


@dataclass(frozen=True, slots=True, kw_only=True)
class Decapsulated:
    """What was in a tunnel frame.  Addresses are integers."""

    vni: int
    outer_src: int
    outer_dst: int
    inner: bytes


def vxlan_header(vni: int) -> bytes:
    """Return VXLAN's own header."""
    return pack("!II", _VXLAN_FLAGS, vni << 8)


def geneve_header(vni: int) -> bytes:
    """Return Geneve's own header, without options."""
    return pack("!HHI", 0, _TRANSPARENT_ETHERNET, vni << 8)


def vxlan_encap(inner: bytes, vni: int, outer: Outer) -> bytes:
    """Return the underlay frame that carries *inner* in VXLAN segment *vni*."""
    return _wrap(vxlan_header(vni) + inner, VXLAN_PORT, inner, outer)


def geneve_encap(inner: bytes, vni: int, outer: Outer) -> bytes:
    """Return the underlay frame that carries *inner* in Geneve segment *vni*, without options."""
    return _wrap(geneve_header(vni) + inner, GENEVE_PORT, inner, outer)


def vxlan_decap(frame: bytes) -> Decapsulated | None:
    """Return what *frame* carries, or None where it is no VXLAN frame for us."""
    opened = _unwrap(frame, VXLAN_PORT)
    if opened is None:
        return None
    src, dst, payload = opened
    if len(payload) < 8 + 14:
        return None
    flags, vni = unpack_from("!II", payload)
    if flags != _VXLAN_FLAGS or vni & 0xFF:
        return None
    return Decapsulated(vni=vni >> 8, outer_src=src, outer_dst=dst, inner=payload[8:])


def geneve_decap(frame: bytes) -> Decapsulated | None:
    """Return what *frame* carries, or None where it is no Geneve frame for us."""
    opened = _unwrap(frame, GENEVE_PORT)
    if opened is None:
        return None
    src, dst, payload = opened
    if len(payload) < 8:
        return None
    first, protocol, vni = unpack_from("!HHI", payload)
    start = 8 + (first >> 8 & 0x3F) * 4
    control_or_critical = first & 0xC0
    if first >> 14 or control_or_critical or protocol != _TRANSPARENT_ETHERNET or len(payload) < start + 14:
        return None
    return Decapsulated(vni=vni >> 8, outer_src=src, outer_dst=dst, inner=payload[start:])


def flow_hash(inner: bytes) -> int:
    """Return the outer source port for *inner*: the same for all packets of one inner flow and direction."""
    return 32768 + crc32(_flow(inner)) % (61000 - 32768)


def _flow(inner: bytes) -> bytes:
    """Return the addresses, the protocol and the ports of a frame, one after the other."""
    if inner[12:15] == b"\x08\0\x45" and len(inner) >= 38 and not (inner[20] & 0x3F or inner[21]):
        return inner[:12] + inner[23:24] + inner[26 : 38 if inner[23] in _WITH_PORTS else 34]
    fields = dissect(inner).fields
    key = inner[:12] + bytes((fields.get("ip_proto", 0),))
    for name, size in (("ipv4_src", 4), ("ipv4_dst", 4), ("ipv6_src", 16), ("ipv6_dst", 16)):
        key += fields[name].to_bytes(size) if name in fields else b""
    for name in ("tcp_src", "tcp_dst", "udp_src", "udp_dst", "sctp_src", "sctp_dst"):
        key += fields[name].to_bytes(2) if name in fields else b""
    return key


def _wrap(payload: bytes, l4_port: int, inner: bytes, outer: Outer) -> bytes:
    datagram = pack("!HHHH", flow_hash(inner), l4_port, 8 + len(payload), 0) + payload
    before, addresses, partial = _outer(outer)
    size = 20 + len(datagram)
    total = partial + size
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return b"".join((before, pack("!HIHH", size, 0x4000, 0x4011, checksum), addresses, datagram))


@lru_cache(maxsize=1 << 14)  # pairs of tunnel ends
def _outer(outer: Outer) -> tuple[bytes, bytes, int]:
    """Return what stays the same in all outer headers: before the length, after the checksum, and its sum."""
    frame = ethernet(outer.src_mac, outer.dst_mac, 0x0800, ipv4(outer.src, outer.dst, 17))
    return frame[:16], frame[26:], raw_sum(frame[14:16] + b"\0\0" + frame[18:24] + frame[26:])


def _unwrap(frame: bytes, l4_port: int) -> tuple[int, int, bytes] | None:
    """Return (outer source, destination, UDP payload), or None unless it is intact UDP to *l4_port*."""
    if frame[12:15] == b"\x08\0\x45" and frame[20:24] == b"\x40\0\x40\x11" and len(frame) >= 42:
        return _unwrap_plain(frame, l4_port)
    found = dissect(frame)
    fields = found.fields
    if found.tagged or found.l4 is None or fields.get("udp_dst") != l4_port or "ipv4_src" not in fields:
        return None
    at = found.l4
    if internet(frame[found.l3 : at]) != 0:
        return None
    payload = _payload(frame, found.l3, at, found.end)
    return None if payload is None else (fields["ipv4_src"], fields["ipv4_dst"], payload)


def _unwrap_plain(frame: bytes, l4_port: int) -> tuple[int, int, bytes] | None:
    """Do the same for a header as tunnel ends write it: no options, no fragment, TTL 64."""
    total, src, dst, to = unpack_from("!H8xII2xH", frame, 16)
    if not 28 <= total <= len(frame) - 14 or to != l4_port or internet(frame[14:34]) != 0:
        return None
    payload = _payload(frame, 14, 34, 14 + total)
    return None if payload is None else (src, dst, payload)


def _payload(frame: bytes, l3: int, at: int, end: int) -> bytes | None:
    """Return what an intact UDP datagram carries."""
    length, checksum = unpack_from("!HH", frame, at + 4)
    if not 8 <= length <= end - at:
        return None
    if checksum:
        covered = raw_sum(frame[l3 + 12 : l3 + 20]) + 17 + length
        if internet(frame[at : at + length], covered) != 0:
            return None
    return frame[at + 8 : at + length]
