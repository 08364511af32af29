"""Where in a frame's first bytes its fields are, for frames of plain structure.

What
----
The cache keys packets by bits of the frame.  A `Layout` says which bits decide the structure (EtherType,
header lengths, protocol: always part of the key) and which bits each field is.  Frames of any other structure
(fragments, IPv6 extension headers, neighbour discovery, LLC, truncated or malformed ones) have no layout and
are never cached: the known mistakes of caches (CVE-2020-35498, CVE-2023-1668) are all among them.

Bits are those of the integer ``int.from_bytes(frame[:HEAD], "little")``: byte n is bits 8n to 8n + 7,
whatever the length of the frame.

Invariants
----------
1.  Two frames that agree in `pinned` and both satisfy the length test have the same layout, and `dissect`
    finds the same fields in both, at the same places.
2.  A layout that reads a frame otherwise than `dissect` does is none: `layout_of` compares.  So a field that
    is new to the parser makes its frames uncacheable until it has a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6, ETH_QINQ, ETH_VLAN
from sdn_lab.openflow.packet_exthdr import SEEN
from sdn_lab.openflow.packet_parse import (
    ETH_TYPE_MIN,
    EXTENSIONS,
    ICMP,
    ICMPV6,
    NA,
    NS,
    SCTP,
    TCP,
    UDP,
    dissect,
)

HEAD = 80  # bytes: a tag, IPv6 and TCP are 78
_DEEPER = frozenset({0x8847, 0x8848, 0x88E7, 0x894F})  # MPLS, PBB, NSH: parsed further, or may be
_ARP_START = b"\x00\x01\x08\x00\x06\x04"
_LEAST = {TCP: 20, UDP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}  # bytes of a whole transport header


@dataclass(frozen=True, slots=True)
class Spot:
    """A field's place: the big-endian word of *size* bytes at *at*, shifted right by *shift*."""

    at: int
    size: int
    shift: int = 0
    whole: int | None = None  # the word's bits that any test of the field pins, where parts say too little

    def bits(self, mask: int) -> int:
        """Return the bits of the head that a test under *mask* looks at."""
        word = mask << self.shift if self.whole is None else self.whole
        return int.from_bytes(word.to_bytes(self.size), "little") << 8 * self.at


@dataclass(frozen=True, slots=True)
class Layout:
    """The structure of one frame.

    *fixed* are the fields that `pinned` determines.  Length test: the frame is longer than *beyond* by at
    least *least* bytes, and so is the length that the header at *length_at* (-1: none) says, and no longer
    than the frame.
    """

    pinned: int
    spots: Mapping[str, Spot]
    fixed: Mapping[str, int]
    l3: int
    beyond: int
    least: int
    length_at: int = -1

    def looked_at(self, name: str, mask: int) -> int | None:
        """Return the bits of the head that a test looks at, or None for a field that is not known here."""
        if name in self.fixed:
            return 0
        spot = self.spots.get(name)
        return None if spot is None else spot.bits(mask)


def layout_of(frame: bytes) -> Layout | None:
    """Return the layout of *frame*, or None where its structure is not a plain one."""
    if len(frame) < 14:
        return None
    pins = {12: 0xFF, 13: 0xFF}
    fixed = {"vlan_vid": 0, "vlan_pcp": 0}
    l3, eth_type = 14, frame[12] << 8 | frame[13]
    if eth_type in (ETH_VLAN, ETH_QINQ):
        if len(frame) < 18:
            return None
        pins.update(dict.fromkeys(range(14, 18), 0xFF))
        fixed = {"vlan_vid": 0x1000 | (frame[14] << 8 | frame[15]) & 0xFFF, "vlan_pcp": frame[14] >> 5}
        l3, eth_type = 18, frame[16] << 8 | frame[17]
    if eth_type < ETH_TYPE_MIN:
        return None
    fixed["eth_type"] = eth_type
    spots = {"eth_dst": Spot(0, 6), "eth_src": Spot(6, 6)}
    if eth_type == ETH_IP:
        beyond, least, length_at = _ipv4(frame, l3, pins, fixed, spots)
    elif eth_type == ETH_IPV6:
        beyond, least, length_at = _ipv6(frame, l3, pins, fixed, spots)
    elif eth_type == ETH_ARP:
        beyond, least, length_at = _arp(frame, l3, pins, spots)
    else:
        beyond, least, length_at = l3, -1 if eth_type in _DEEPER else 0, -1
    if least < 0 or max(pins) >= HEAD:
        return None
    pinned = sum(mask << 8 * at for at, mask in pins.items())
    layout = Layout(pinned, spots, fixed, l3, beyond, least, length_at)
    return layout if fits(frame, layout) and _reads_alike(frame, layout) else None


def fits(frame: bytes, layout: Layout) -> bool:
    """Say whether *frame*, which has the bits that *layout* pins, has the lengths as well."""
    room = len(frame) - layout.beyond
    if room < layout.least:
        return False
    at = layout.length_at
    return at < 0 or layout.least <= (frame[at] << 8 | frame[at + 1]) <= room


def _reads_alike(frame: bytes, layout: Layout) -> bool:
    """Say whether the parser finds exactly these fields in the frame, with these values."""
    found = dissect(frame)
    read = dict(layout.fixed)
    for name, spot in layout.spots.items():
        word = int.from_bytes(frame[spot.at : spot.at + spot.size])
        full = (1 << spot.size * 8 - spot.shift) - 1
        held = found.fields.get(name)
        if spot.whole is None and (held is None or (word >> spot.shift & _width(name, full)) != held):
            return False
        read[name] = held if held is not None else -1
    return read == found.fields and not found.behind


def _width(name: str, full: int) -> int:
    return _NARROW.get(name, full)


_NARROW = {"ip_dscp": 0x3F, "ip_ecn": 3, "ipv6_flabel": 0xFFFFF, "tcp_flags": 0xFFF}
_NOT_PLAIN = (0, -1, -1)


def _ipv4(
    frame: bytes, l3: int, pins: dict[int, int], fixed: dict[str, int], spots: dict[str, Spot]
) -> tuple[int, int, int]:
    if len(frame) < l3 + 20 or (frame[l3 + 6] << 8 | frame[l3 + 7]) & 0x3FFF:
        return _NOT_PLAIN
    header = (frame[l3] & 0xF) * 4
    if header < 20:
        return _NOT_PLAIN
    proto = frame[l3 + 9]
    pins.update({l3: 0xFF, l3 + 6: 0x3F, l3 + 7: 0xFF, l3 + 9: 0xFF})
    fixed.update(ip_frag=0, ip_proto=proto)
    spots.update(
        ip_dscp=Spot(l3 + 1, 1, 2),
        ip_ecn=Spot(l3 + 1, 1),
        nw_ttl=Spot(l3 + 8, 1),
        ipv4_src=Spot(l3 + 12, 4),
        ipv4_dst=Spot(l3 + 16, 4),
    )
    room = _transport(frame, l3 + header, proto if proto != ICMPV6 else -1, pins, spots, "icmpv4")
    return (l3, header + room, l3 + 2) if room >= 0 else _NOT_PLAIN


def _ipv6(
    frame: bytes, l3: int, pins: dict[int, int], fixed: dict[str, int], spots: dict[str, Spot]
) -> tuple[int, int, int]:
    if len(frame) < l3 + 40 or frame[l3 + 6] in EXTENSIONS | SEEN:
        return _NOT_PLAIN
    proto, l4 = frame[l3 + 6], l3 + 40
    pins[l3 + 6] = 0xFF
    fixed.update(ip_frag=0, ip_proto=proto, ipv6_exthdr=0)
    spots.update(
        ip_dscp=Spot(l3, 2, 6),
        ip_ecn=Spot(l3, 2, 4),
        ipv6_flabel=Spot(l3, 4),
        nw_ttl=Spot(l3 + 7, 1),
        ipv6_src=Spot(l3 + 8, 16),
        ipv6_dst=Spot(l3 + 24, 16),
    )
    if proto == ICMPV6:
        if len(frame) <= l4 or frame[l4] in (NS, NA):
            return _NOT_PLAIN
        pins[l4] = 0xFF
    room = _transport(frame, l4, proto if proto != ICMP else -1, pins, spots, "icmpv6")
    return (l4, room, l3 + 4) if room >= 0 else _NOT_PLAIN


def _arp(frame: bytes, l3: int, pins: dict[int, int], spots: dict[str, Spot]) -> tuple[int, int, int]:
    if frame[l3 : l3 + 6] != _ARP_START:
        return _NOT_PLAIN
    pins.update(dict.fromkeys(range(l3, l3 + 6), 0xFF))
    spots.update(
        arp_op=Spot(l3 + 6, 2, whole=0xFFFF),  # one above 255 reads as 0
        arp_sha=Spot(l3 + 8, 6),
        arp_spa=Spot(l3 + 14, 4),
        arp_tha=Spot(l3 + 18, 6),
        arp_tpa=Spot(l3 + 24, 4),
    )
    return l3, 28, -1


def _transport(
    frame: bytes, at: int, proto: int, pins: dict[int, int], spots: dict[str, Spot], icmp: str
) -> int:
    """Add the transport fields; return how many bytes must be there, or -1 where they are not."""
    least = _LEAST.get(proto, 0)
    if proto == TCP:
        if len(frame) < at + 20:
            return -1
        pins[at + 12] = 0xF0
        least = (frame[at + 12] >> 4) * 4
        if least < 20:
            return -1
        spots["tcp_flags"] = Spot(at + 12, 2)
    for number, name in ((TCP, "tcp"), (UDP, "udp"), (SCTP, "sctp")):
        if proto == number:
            spots[name + "_src"], spots[name + "_dst"] = Spot(at, 2), Spot(at + 2, 2)
    if proto in (ICMP, ICMPV6):
        spots[icmp + "_type"], spots[icmp + "_code"] = Spot(at, 1), Spot(at + 1, 1)
    if proto in _LEAST and at + 14 > HEAD:
        return -1
    return least
