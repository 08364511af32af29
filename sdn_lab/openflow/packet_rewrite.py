"""Change a frame: set fields, push and pop tags, decrement TTL.

What
----
`rewrite` writes field values into a frame at the place where `packet_parse` found them, and corrects
the checksums that cover them: IPv4, TCP, UDP (zero stays zero), ICMP, ICMPv6, and SCTP's CRC32c.

Invariants
----------
1.  Checksums are *corrected*, not recomputed: a frame with a wrong one keeps a wrong one.
2.  A field that the frame has no bytes for is a ValueError; nothing is ever inserted, except by `push_vlan`.
3.  Length never changes, except by four bytes in `push_vlan` and `pop_vlan`.

Reference: Open vSwitch, ``lib/packets.c``, `packet_set_ipv4` and its neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdn_lab.openflow import packet_checksum
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6
from sdn_lab.openflow.packet_parse import (
    AUTHENTICATION,
    EXTENSIONS,
    FRAGMENT,
    ICMP,
    ICMPV6,
    ROUTING,
    SCTP,
    TCP,
    UDP,
    Dissection,
    dissect,
)

_ARP_PLACES = {
    "arp_op": (6, 2),
    "arp_sha": (8, 6),
    "arp_spa": (14, 4),
    "arp_tha": (18, 6),
    "arp_tpa": (24, 4),
}
_PORT_PROTOCOLS = {
    "tcp_src": TCP,
    "tcp_dst": TCP,
    "udp_src": UDP,
    "udp_dst": UDP,
    "sctp_src": SCTP,
    "sctp_dst": SCTP,
}
_PSEUDO_HEADER_SIZES = {TCP: 20, UDP: 8, ICMPV6: 4}
_CHECKSUM_PLACES = {TCP: 16, UDP: 6, ICMP: 2, ICMPV6: 2}


def rewrite(frame: bytes, values: Mapping[str, int]) -> bytes:
    """Return *frame* with these fields set, checksums corrected.  Raises ValueError for one it lacks."""
    if not values:
        return frame
    found = dissect(frame)
    data = bytearray(frame)
    for name, value in values.items():
        if name in ("eth_dst", "eth_src"):
            if len(data) < 14:
                raise ValueError(f"the frame has no {name}: it is cut short")
            at = 0 if name == "eth_dst" else 6
            data[at : at + 6] = value.to_bytes(6)
        elif name in ("vlan_vid", "vlan_pcp"):
            _set_tag(data, found, name, value)
        elif name in _ARP_PLACES:
            at, size = _ARP_PLACES[name]
            if "arp_op" not in found.fields or found.l4 is None:
                raise ValueError(f"the frame has no {name}")
            data[found.l3 + at : found.l3 + at + size] = value.to_bytes(size)
        elif name.startswith("ip") or name == "nw_ttl":
            _set_ip(data, found, name, value)
        else:
            _set_transport(data, found, name, value)
    return bytes(data)


def push_vlan(frame: bytes, eth_type: int = 0x8100, tci: int = 0) -> bytes:
    """Return *frame* with a tag put before whatever follows the addresses."""
    return frame[:12] + eth_type.to_bytes(2) + (tci & 0xFFFF).to_bytes(2) + frame[12:]


def pop_vlan(frame: bytes) -> bytes:
    """Return *frame* without its outermost tag; an untagged frame is returned as it is."""
    return frame[:12] + frame[16:] if dissect(frame).tagged else frame


def dec_ttl(frame: bytes) -> bytes | None:
    """Return *frame* with its TTL or hop limit one lower, or None where it is 0 or 1 already.

    A frame without a complete IP header is returned as it is.
    """
    found = dissect(frame)
    if found.real_proto is None:
        return frame
    ttl = found.fields["nw_ttl"]
    return rewrite(frame, {"nw_ttl": ttl - 1}) if ttl > 1 else None


def _set_tag(data: bytearray, found: Dissection, name: str, value: int) -> None:
    if not found.tagged:
        raise ValueError(f"the frame has no {name}: it is untagged")
    if name == "vlan_vid":
        data[14] = data[14] & 0xF0 | value >> 8 & 0xF
        data[15] = value & 0xFF
    else:
        data[14] = data[14] & 0x1F | value << 5


def _set_ip(data: bytearray, found: Dissection, name: str, value: int) -> None:
    if found.real_proto is None or name not in found.fields:
        raise ValueError(f"the frame has no {name}")
    at = found.l3
    if found.fields["eth_type"] == ETH_IP:
        if name in ("ip_dscp", "ip_ecn"):
            tos = data[at + 1]
            tos = value << 2 | tos & 3 if name == "ip_dscp" else tos & 0xFC | value
            _patch(data, at, bytes((data[at], tos)), at + 10)
        elif name == "nw_ttl":
            _patch(data, at + 8, bytes((value, data[at + 9])), at + 10)
        else:
            where = at + (12 if name == "ipv4_src" else 16)
            old = bytes(data[where : where + 4])
            _patch(data, where, value.to_bytes(4), at + 10)
            _fix_pseudo_header(data, found, old, value.to_bytes(4))
    elif found.fields["eth_type"] == ETH_IPV6:
        if name in ("ipv6_src", "ipv6_dst"):
            where = at + (8 if name == "ipv6_src" else 24)
            old = bytes(data[where : where + 16])
            data[where : where + 16] = value.to_bytes(16)
            _fix_pseudo_header(data, found, old, value.to_bytes(16))
        elif name == "nw_ttl":
            data[at + 7] = value
        else:
            shift, bits = {"ip_dscp": (22, 6), "ip_ecn": (20, 2), "ipv6_flabel": (0, 20)}[name]
            word = int.from_bytes(data[at : at + 4])
            word = word & ~(((1 << bits) - 1) << shift) | value << shift
            data[at : at + 4] = word.to_bytes(4)


def with_pseudo_header(frame: bytes, found: Dissection, old: bytes, new: bytes) -> bytes:
    """Return *frame*, its transport checksum corrected where *old* in the pseudo-header became *new*."""
    data = bytearray(frame)
    _fix_pseudo_header(data, found, old, new)
    return bytes(data)


def _fix_pseudo_header(data: bytearray, found: Dissection, old: bytes, new: bytes) -> None:
    """Correct the transport checksum for an address that changed, where Open vSwitch does.

    It does so in later fragments of IPv4 as well, where there is payload at that place, and not in IPv6
    packets with an atomic fragment header or a live routing header.
    """
    proto, at = found.real_proto, found.l4_start
    if at is None:
        return
    if found.fields["eth_type"] == ETH_IPV6:
        proto = _covered_protocol(data, found)
    elif proto == ICMPV6:
        return
    if proto not in _PSEUDO_HEADER_SIZES or found.end - at < _PSEUDO_HEADER_SIZES[proto]:
        return
    _correct(data, at + _CHECKSUM_PLACES[proto], old, new, udp=proto == UDP)


def _covered_protocol(data: bytearray, found: Dissection) -> int | None:
    """Return the protocol whose checksum covers the addresses of an IPv6 packet, or None."""
    at, proto = found.l3 + 40, data[found.l3 + 6]
    covered = True
    while proto in EXTENSIONS:
        kind, proto = proto, data[at]
        if kind == FRAGMENT:
            offset_and_flags = data[at + 2] << 8 | data[at + 3]
            covered = not offset_and_flags & 0xFFF8 and bool(offset_and_flags & 1)
            at += 8
        elif kind == ROUTING and data[at + 3]:
            return None
        else:
            at += (data[at + 1] + 2) * 4 if kind == AUTHENTICATION else (data[at + 1] + 1) * 8
    return proto if covered else None


def _set_transport(data: bytearray, found: Dissection, name: str, value: int) -> None:
    at = found.l4
    if at is None or name not in found.fields:
        raise ValueError(f"the frame has no {name}")
    if name in _PORT_PROTOCOLS:
        proto = _PORT_PROTOCOLS[name]
        where = at if name.endswith("_src") else at + 2
        if proto == SCTP:
            _set_sctp(data, at, found.end, where, value)
        else:
            _patch(data, where, value.to_bytes(2), at + _CHECKSUM_PLACES[proto], udp=proto == UDP)
    elif name in ("icmpv4_type", "icmpv6_type"):
        _patch(data, at, bytes((value, data[at + 1])), at + 2)
    elif name in ("icmpv4_code", "icmpv6_code"):
        _patch(data, at, bytes((data[at], value)), at + 2)
    elif name == "nd_target" and found.end - at >= 24:
        _patch(data, at + 8, value.to_bytes(16), at + 2)
    elif name == "nd_reserved" and found.end - at >= 24:
        _patch(data, at + 4, value.to_bytes(4), at + 2)
    elif name == "nd_options_type" and found.end - at > 25:
        _patch(data, at + 24, bytes((value, data[at + 25])), at + 2)
    elif name in ("nd_sll", "nd_tll"):
        kind, option = _link_layer_option(data, at + 24, found.end)
        if kind != (1 if name == "nd_sll" else 2):
            raise ValueError(f"the frame has no {name}: its first link-layer option is another, or none")
        _patch(data, option, value.to_bytes(6), at + 2)
    else:
        raise ValueError(f"{name} cannot be written into a frame")


def _link_layer_option(data: bytearray, at: int, end: int) -> tuple[int, int]:
    """Return the kind of the first link-layer option and where its address is, or 0 twice.

    Open vSwitch writes to that one alone, also where a second one makes that no field is read.
    """
    while end - at >= 8 and data[at + 1]:
        if data[at] in (1, 2) and data[at + 1] == 1:
            return data[at], at + 2
        at += data[at + 1] * 8
    return 0, 0


def _set_sctp(data: bytearray, start: int, end: int, where: int, value: int) -> None:
    """SCTP's CRC32c cannot be corrected in part: take the difference between right before and right after."""
    held = bytes(data[start + 8 : start + 12])
    before = packet_checksum.crc32c(bytes(data[start : start + 8]) + bytes(4) + bytes(data[start + 12 : end]))
    data[where : where + 2] = value.to_bytes(2)
    after = packet_checksum.crc32c(bytes(data[start : start + 8]) + bytes(4) + bytes(data[start + 12 : end]))
    data[start + 8 : start + 12] = bytes(h ^ b ^ a for h, b, a in zip(held, before, after, strict=True))


def _patch(data: bytearray, at: int, new: bytes, checksum_at: int, *, udp: bool = False) -> None:
    """Write *new*, of even length at an even distance, and correct the checksum that covers it."""
    old = bytes(data[at : at + len(new)])
    data[at : at + len(new)] = new
    _correct(data, checksum_at, old, new, udp=udp)


def _correct(data: bytearray, checksum_at: int, old: bytes, new: bytes, *, udp: bool = False) -> None:
    held = data[checksum_at] << 8 | data[checksum_at + 1]
    if udp and held == 0:
        return
    fixed = packet_checksum.updated(held, old, new)
    if udp and fixed == 0:
        fixed = 0xFFFF
    data[checksum_at : checksum_at + 2] = fixed.to_bytes(2)
