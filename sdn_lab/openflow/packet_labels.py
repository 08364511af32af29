"""MPLS labels, PBB and stacked TTLs as bytes: read, push, pop, write.

What
----
Functions on a frame without VLAN tags (as `interpret_packet.Packet` holds it, `bare`): what
follows the addresses is the EtherType at byte 12.

Where a pushed header takes its values from
-------------------------------------------
From what is outermost then, and nothing from a header that is not there: label and traffic class of the
label below, else 0; TTL of the label or of IP, else 0; I-SID of the I-TAG below, else 0; its priority from
the VLAN tag (OpenFlow 1.3.5, section 5.12.1).  Open vSwitch 3.1.0 starts a stack otherwise: `ovs_entry`.

Reference: RFC 3032; IEEE 802.1ah-2008, section 9.7; OpenFlow 1.3.5 sections 5.12 and 7.2.3.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sdn_lab.openflow.field import ETH_IP, ETH_IPV6
from sdn_lab.openflow.packet_checksum import updated
from sdn_lab.openflow.packet_label_fields import MPLS, PLACES
from sdn_lab.openflow.packet_parse import AUTHENTICATION, FRAGMENT, dissect
from sdn_lab.openflow.packet_rewrite import with_pseudo_header

_BOTTOM = 0x100
_IPIP, _IP6_IN = 4, 41
_PBB_TAG = 4


class Ttl(NamedTuple):
    """Where a TTL is, and where the checksum that covers it starts to count (an IPv4 header; else None)."""

    at: int
    ipv4: int | None = None


def write_label(frame: bytes, at: int, name: str, value: int) -> bytes:
    """Return *frame* with a field of the label or I-TAG at *at* set.  Raises ValueError where it has none."""
    if len(frame) < at + 4:
        raise ValueError(f"the frame has no {name}: it is cut short")
    if name == "pbb_isid":
        return frame[: at + 1] + value.to_bytes(3) + frame[at + 4 :]
    shift, bits = PLACES[name]
    entry = int.from_bytes(frame[at : at + 4]) & ~(((1 << bits) - 1) << shift) | value << shift
    return frame[:at] + entry.to_bytes(4) + frame[at + 4 :]


def write_type(bare: bytes, name: str, value: int) -> bytes:
    """Return *bare* with its EtherType, or the protocol of its IP header, set; checksums over it corrected.

    A transport checksum stays where that of the protocol was which the packet has been until now.
    """
    if name == "eth_type":
        return bare[:12] + value.to_bytes(2) + bare[14:]
    found = dissect(bare)
    if found.real_proto is None:
        return bare
    bare = with_pseudo_header(bare, found, found.real_proto.to_bytes(2), value.to_bytes(2))
    if found.fields["eth_type"] == ETH_IP:
        return _with_byte(bare, found.l3 + 9, value, ipv4=found.l3)
    at, behind = found.l3 + 6, found.l3 + 40
    while behind < (found.l4_start or 0):  # the last header of the chain names the protocol
        kind, at = bare[at], behind
        units = {FRAGMENT: 8, AUTHENTICATION: (bare[at + 1] + 2) * 4}
        behind += units.get(kind, (bare[at + 1] + 1) * 8)
    return _with_byte(bare, at, value)


def push_mpls(bare: bytes, eth_type: int, fields: Mapping[str, int], *, as_ovs: bool) -> bytes:
    """Put a label before what follows the EtherType."""
    if fields["eth_type"] in MPLS:
        entry = int.from_bytes(bare[14:18]) & ~_BOTTOM
    elif as_ovs:
        entry = ovs_entry(fields)
    else:
        entry = _BOTTOM | fields.get("nw_ttl", 0)
    return bare[:12] + eth_type.to_bytes(2) + entry.to_bytes(4) + bare[14:]


def ovs_entry(fields: Mapping[str, int]) -> int:
    """Return Open vSwitch's first entry of a stack: explicit null, class from the DSCP, else TTL 64."""
    label = 2 if fields["eth_type"] == ETH_IPV6 else 0
    if fields["eth_type"] not in (ETH_IP, ETH_IPV6):
        return _BOTTOM | 64
    return label << 12 | (fields["ip_dscp"] & 7) << 9 | _BOTTOM | (fields["nw_ttl"] or 64)


def pop_mpls(bare: bytes, eth_type: int, labels: int = 1) -> bytes:
    """Take the outermost label off, or several; what is left is of this EtherType."""
    return bare[:12] + eth_type.to_bytes(2) + bare[14 + 4 * labels :]


def labels(bare: bytes) -> tuple[int, bool]:
    """Return how many labels there are, and whether the last one says that it is the last."""
    at = 14
    while len(bare) >= at + 4:
        at += 4
        if bare[at - 2] & 1:
            return (at - 14) // 4, True
    return (at - 14) // 4, False


def push_pbb(frame: bytes, eth_type: int, fields: Mapping[str, int]) -> bytes:
    """Put a whole frame, tags included, behind an I-TAG and a copy of its addresses."""
    isid = fields.get("pbb_isid", 0)
    tag = (fields["vlan_pcp"] << 29 | isid).to_bytes(4)
    return frame[:12] + eth_type.to_bytes(2) + tag + frame


def pop_pbb(bare: bytes) -> bytes | None:
    """Return the frame inside, or None where there is none whole."""
    inside = bare[14 + _PBB_TAG :]
    return inside if len(inside) >= 14 else None


def ttls(bare: bytes, eth_type: int) -> list[Ttl]:
    """Return the TTLs, outermost first: labels, then IP, then IP inside of IP."""
    found, at = [], 14
    if eth_type in MPLS:
        bottom = False
        while not bottom and len(bare) >= at + 4:
            found.append(Ttl(at + 3))
            bottom = bool(bare[at + 2] & 1)
            at += 4
        version = bare[at] >> 4 if bottom and len(bare) > at else 0
        eth_type = {4: ETH_IP, 6: ETH_IPV6}.get(version, 0)
    for _ in range(2):
        if eth_type == ETH_IP and len(bare) >= at + 20 and (bare[at] & 0xF) >= 5:
            found.append(Ttl(at + 8, ipv4=at))
            inner, at = bare[at + 9], at + (bare[at] & 0xF) * 4
        elif eth_type == ETH_IPV6 and len(bare) >= at + 40:
            found.append(Ttl(at + 7))
            inner, at = bare[at + 6], at + 40
        else:
            break
        eth_type = {_IPIP: ETH_IP, _IP6_IN: ETH_IPV6}.get(inner, 0)
    return found


def copy_ttl(bare: bytes, eth_type: int, *, outwards: bool) -> bytes:
    """Copy the TTL between the outermost two headers that have one; with fewer, nothing happens."""
    places = ttls(bare, eth_type)[:2]
    if len(places) < 2:
        return bare
    target, source = places if outwards else reversed(places)
    return _with_byte(bare, target.at, bare[source.at], ipv4=target.ipv4)


def _with_byte(bare: bytes, at: int, value: int, *, ipv4: int | None = None) -> bytes:
    """Set one byte; in an IPv4 header, at *ipv4*, it is TTL or protocol, one word to the checksum."""
    data = bytearray(bare)
    data[at] = value
    if ipv4 is not None:
        held = int.from_bytes(bare[ipv4 + 10 : ipv4 + 12])
        fixed = updated(held, bare[ipv4 + 8 : ipv4 + 10], bytes(data[ipv4 + 8 : ipv4 + 10]))
        data[ipv4 + 10 : ipv4 + 12] = fixed.to_bytes(2)
    return bytes(data)
