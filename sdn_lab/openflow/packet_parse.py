"""Frames to fields: what Open vSwitch sees in a frame.

What
----
`dissect` walks a frame exactly as Open vSwitch 3.1.0's flow extraction does and returns the packet
fields of `sdn_lab.openflow.fields`, with the offsets that `packet_rewrite` needs.

Where it sits
-------------
Reads:      the frame, and nothing else.
Used by:    `packet` (which is what the rest of the project imports), `interpret`, `conntrack`.
Not here:   registers, tunnel and conntrack fields, which are not in the frame.

Invariants
----------
1.  A field is present exactly when its prerequisites hold.  Where the header behind it is truncated
    or malformed, it is present *with value 0*, as in Open vSwitch: an IPv4 packet that is cut short
    satisfies ``ip,nw_src=0.0.0.0``.  (`tests/differential/test_interpret_parse.py` holds this to real OVS.)
2.  `vlan_vid` and `vlan_pcp` are always present: 0 on an untagged frame, bit 12 of `vlan_vid` set on a
    tagged one.  Only the outermost tag is taken off (``vlan-limit`` 1, the default): below a second tag
    nothing is parsed, and `eth_type` is that tag's own 0x8100 or 0x88a8.
3.  A fragment of any kind has L4 ports, and ICMP type and code, of 0 (``set-frags normal``, the
    default); the first fragment keeps its `tcp_flags`.

Reference: Open vSwitch, ``lib/flow.c``, `miniflow_extract`; ovs-fields(7).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from struct import unpack_from

from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6, ETH_QINQ, ETH_VLAN, FRAG_ANY, FRAG_LATER
from sdn_lab.openflow.packet_exthdr import SEEN, extension_headers
from sdn_lab.openflow.packet_label_fields import LABELLED, read_labels

NO_ETH_TYPE = 0x05FF  # what `eth_type` is on an 802.3 frame that is not LLC/SNAP with an EtherType
ETH_TYPE_MIN = 0x0600
SNAP = b"\xaa\xaa\x03\x00\x00\x00"
TCP, UDP, SCTP, ICMP, ICMPV6 = 6, 17, 132, 1, 58
HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS = 0, 43, 44, 51, 60
EXTENSIONS = frozenset({HOP_OPTIONS, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION_OPTIONS})
NS, NA = 135, 136


@dataclass(slots=True)
class Dissection:
    """The fields, and where the headers are.

    *l3* is where the network header starts; *l4_start* where a complete IP header ends; *l4* is the same, but
    None unless a transport header was found whole there (so never in a later fragment).  *end* is where the
    L3 payload ends: padding is beyond.
    *tagged*: one tag was parsed.  *real_proto* is the protocol of a complete IP header, else None.
    *behind* holds, for a first fragment, the ports or the ICMP type and code that look-ups see as 0 and
    actions do not.
    """

    fields: dict[str, int]
    l3: int = 0
    l4: int | None = None
    l4_start: int | None = None
    end: int = 0
    tagged: bool = False
    real_proto: int | None = None
    behind: dict[str, int] = field(default_factory=dict)


def parse(frame: bytes) -> dict[str, int]:
    """Return the packet fields that *frame* carries, as Open vSwitch sees them."""
    return dict(dissect(frame).fields)


@lru_cache(maxsize=4096)  # a frame is read at every bridge that it crosses, and after every ct()
def dissect(frame: bytes) -> Dissection:
    """Return the fields of *frame* and the offsets of its headers.  Shared: not to be written to."""
    fields = {"eth_dst": 0, "eth_src": 0, "eth_type": 0, "vlan_vid": 0, "vlan_pcp": 0}
    found = Dissection(fields, end=len(frame))
    if len(frame) < 14:
        return found
    fields["eth_dst"] = int.from_bytes(frame[0:6])
    fields["eth_src"] = int.from_bytes(frame[6:12])
    at = 12
    eth_type = frame[12] << 8 | frame[13]
    if eth_type in (ETH_VLAN, ETH_QINQ) and len(frame) >= 18:
        tci = frame[14] << 8 | frame[15]
        fields["vlan_vid"] = 0x1000 | tci & 0xFFF
        fields["vlan_pcp"] = tci >> 13
        found.tagged = True
        at = 16
        eth_type = frame[16] << 8 | frame[17]
    at += 2
    if eth_type < ETH_TYPE_MIN:
        eth_type, at = _snap(frame, at)
    fields["eth_type"] = eth_type
    found.l3 = at
    if eth_type == ETH_IP:
        _ipv4(frame, found)
    elif eth_type == ETH_IPV6:
        _ipv6(frame, found)
    elif eth_type == ETH_ARP:
        _arp(frame, found)
    elif eth_type in LABELLED:
        fields.update(read_labels(frame, at, eth_type))
    return found


def _snap(frame: bytes, at: int) -> tuple[int, int]:
    """Return EtherType and payload offset of an 802.3 frame whose length field ends at *at*."""
    if frame[at : at + 6] == SNAP and len(frame) >= at + 8:
        eth_type = frame[at + 6] << 8 | frame[at + 7]
        return (eth_type if eth_type >= ETH_TYPE_MIN else NO_ETH_TYPE), at + 8
    return NO_ETH_TYPE, at


def _arp(frame: bytes, found: Dissection) -> None:
    fields, at = found.fields, found.l3
    fields.update(arp_op=0, arp_spa=0, arp_tpa=0, arp_sha=0, arp_tha=0)
    if len(frame) < at + 28 or frame[at : at + 6] != b"\x00\x01\x08\x00\x06\x04":
        return
    found.l4 = at + 28
    op = frame[at + 6] << 8 | frame[at + 7]
    fields["arp_op"] = op if op <= 0xFF else 0
    fields["arp_sha"] = int.from_bytes(frame[at + 8 : at + 14])
    fields["arp_spa"] = int.from_bytes(frame[at + 14 : at + 18])
    fields["arp_tha"] = int.from_bytes(frame[at + 18 : at + 24])
    fields["arp_tpa"] = int.from_bytes(frame[at + 24 : at + 28])


def _ipv4(frame: bytes, found: Dissection) -> None:
    fields, at = found.fields, found.l3
    fields.update(ip_dscp=0, ip_ecn=0, ip_proto=0, nw_ttl=0, ip_frag=0, ipv4_src=0, ipv4_dst=0)
    held = len(frame) - at
    if held < 20:
        return
    header = (frame[at] & 0xF) * 4
    total = frame[at + 2] << 8 | frame[at + 3]
    if header < 20 or held < header or total > held or header > total:
        return
    found.end = at + total
    tos, offset, ttl, proto = unpack_from("!xB4xHBB", frame, at)
    fields["ipv4_src"], fields["ipv4_dst"] = unpack_from("!II", frame, at + 12)
    fields["ip_dscp"], fields["ip_ecn"], fields["nw_ttl"] = tos >> 2, tos & 3, ttl
    if offset & 0x3FFF:
        fields["ip_frag"] = FRAG_ANY | (FRAG_LATER if offset & 0x1FFF else 0)
    fields["ip_proto"] = found.real_proto = proto
    _transport(frame, found, at + header, proto)


def _ipv6(frame: bytes, found: Dissection) -> None:
    fields, at = found.fields, found.l3
    fields.update(ip_dscp=0, ip_ecn=0, ip_proto=0, nw_ttl=0, ip_frag=0, ipv6_src=0, ipv6_dst=0, ipv6_flabel=0)
    fields["ipv6_exthdr"] = 0
    held = len(frame) - at
    if held < 40:
        return
    word, length, proto, ttl = unpack_from("!IHBB", frame, at)
    if length + 40 > held:
        return
    found.end = at + 40 + length
    fields["ipv6_src"] = int.from_bytes(frame[at + 8 : at + 24])
    fields["ipv6_dst"] = int.from_bytes(frame[at + 24 : at + 40])
    if proto in SEEN:
        fields["ipv6_exthdr"] = extension_headers(frame, at + 40, found.end, proto)
    walked = walk_extensions(frame, at + 40, found.end, proto)
    if walked is None:
        return
    at, proto, frag = walked
    fields["ipv6_flabel"] = word & 0xFFFFF
    tos = word >> 20 & 0xFF
    fields["ip_dscp"], fields["ip_ecn"], fields["nw_ttl"] = tos >> 2, tos & 3, ttl
    fields["ip_frag"] = frag
    fields["ip_proto"] = found.real_proto = proto
    _transport(frame, found, at, proto)


def walk_extensions(frame: bytes, at: int, end: int, proto: int) -> tuple[int, int, int] | None:
    """Walk the chain; return (offset, protocol, ip_frag), or None where it is cut short."""
    frag = 0
    while proto in EXTENSIONS:
        if end - at < 8:
            return None
        kind, proto = proto, frame[at]
        if kind == FRAGMENT:
            offset_and_flags = frame[at + 2] << 8 | frame[at + 3]
            at += 8
            if offset_and_flags:
                frag = FRAG_ANY
                if offset_and_flags & 0xFFF8:
                    return at, FRAGMENT, FRAG_ANY | FRAG_LATER
            continue
        length = (frame[at + 1] + 2) * 4 if kind == AUTHENTICATION else (frame[at + 1] + 1) * 8
        if length > end - at:
            return None
        at += length
    return at, proto, frag


def _transport(frame: bytes, found: Dissection, at: int, proto: int) -> None:
    """Add the transport fields; *at* is where the transport header should be."""
    fields = found.fields
    found.l4_start = at
    frag = fields["ip_frag"]
    room = 0 if frag & FRAG_LATER else found.end - at
    v4 = fields["eth_type"] == ETH_IP
    if proto == TCP:
        src = dst = flags = 0
        if room >= 20 and 20 <= (frame[at + 12] >> 4) * 4 <= room:
            src, dst, flags = unpack_from("!HH8xH", frame, at)
            found.l4 = at
        if frag:
            found.behind = {"tcp_src": src, "tcp_dst": dst}
            src = dst = 0
        fields["tcp_src"], fields["tcp_dst"], fields["tcp_flags"] = src, dst, flags & 0xFFF
    elif proto in (UDP, SCTP):
        src = dst = 0
        if room >= (8 if proto == UDP else 12):
            src, dst = unpack_from("!HH", frame, at)
            found.l4 = at
        name = "udp" if proto == UDP else "sctp"
        if frag:
            found.behind = {name + "_src": src, name + "_dst": dst}
            src = dst = 0
        fields[name + "_src"], fields[name + "_dst"] = src, dst
    elif proto == ICMP and v4:
        kind = code = 0
        if room >= 8:
            kind, code = frame[at], frame[at + 1]
            found.l4 = at
        if frag:
            found.behind = {"icmpv4_type": kind, "icmpv4_code": code}
            kind = code = 0
        fields["icmpv4_type"], fields["icmpv4_code"] = kind, code
    elif proto == ICMPV6 and not v4:
        kind = code = 0
        if room >= 8:
            kind, code = frame[at], frame[at + 1]
            found.l4 = at
        if frag:
            found.behind = {"icmpv6_type": kind, "icmpv6_code": code}
            kind = code = 0
        fields["icmpv6_type"], fields["icmpv6_code"] = kind, code
        if kind in (NS, NA):
            _neighbour(frame, found, at, kind, code)


def _neighbour(frame: bytes, found: Dissection, at: int, kind: int, code: int) -> None:
    """Add target and link-layer option; a duplicated option voids all three, as in Open vSwitch."""
    fields = found.fields
    target = kind_of_option = 0
    reserved = 0 if code or found.end - at < 8 else int.from_bytes(frame[at + 4 : at + 8])
    addresses = {1: 0, 2: 0}
    if code == 0 and found.end - at >= 24:
        target = int.from_bytes(frame[at + 8 : at + 24])
        at += 24
        while found.end - at >= 8:
            option, length = frame[at], frame[at + 1] * 8
            if not length or length > found.end - at:
                break
            if option in addresses and length == 8:
                if addresses[option]:
                    target, addresses = 0, {1: 0, 2: 0}
                    break
                kind_of_option = kind_of_option or option
                addresses[option] = int.from_bytes(frame[at + 2 : at + 8])
            at += length
    fields["nd_target"] = target
    fields["nd_reserved"], fields["nd_options_type"] = reserved, kind_of_option
    if kind == NS:
        fields["nd_sll"] = addresses[1]
    else:
        fields["nd_tll"] = addresses[2]
