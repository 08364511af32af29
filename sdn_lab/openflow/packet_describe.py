"""One line about a frame, for people: reports, traces, pcap comments.

>>> from sdn_lab.openflow.frames import arp, ethernet
>>> request = arp(1, "02:00:00:00:00:01", "10.0.0.1", 0, "10.0.0.2")
>>> describe(ethernet("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", 0x0806, request))
'02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff ARP who-has 10.0.0.2 tell 10.0.0.1 (42 bytes)'
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, NA, NS, SCTP, TCP, UDP, dissect

_TCP_LETTERS = "FSRPAUEWN"
_ICMP4_NAMES = {0: "echo reply", 3: "unreachable", 8: "echo request", 11: "time exceeded"}
_ICMP6_NAMES = {
    1: "unreachable",
    2: "too big",
    3: "time exceeded",
    128: "echo request",
    129: "echo reply",
    133: "router solicitation",
    134: "router advertisement",
    137: "redirect",
}


def mac_text(mac: int) -> str:
    """Return a MAC address, lower case, with colons."""
    return mac.to_bytes(6).hex(":")


def describe(frame: bytes) -> str:
    """Return one line that says what *frame* is."""
    if len(frame) < 14:
        return f"{len(frame)} bytes, too short for an Ethernet header: {frame.hex()}"
    found = dissect(frame)
    fields = found.fields
    words = [f"{mac_text(fields['eth_src'])} > {mac_text(fields['eth_dst'])}"]
    if found.tagged:
        words.append(f"vlan {fields['vlan_vid'] & 0xFFF}")
    eth_type = fields["eth_type"]
    if eth_type == ETH_ARP:
        words.append(_arp(fields))
    elif eth_type in (ETH_IP, ETH_IPV6):
        words.append(_ip(fields, truncated=found.real_proto is None))
    else:
        words.append(f"EtherType 0x{eth_type:04x}")
    words.append(f"({len(frame)} bytes)")
    return " ".join(words)


def _arp(fields: Mapping[str, int]) -> str:
    sender, target = IPv4Address(fields["arp_spa"]), IPv4Address(fields["arp_tpa"])
    if fields["arp_op"] == 1:
        return f"ARP who-has {target} tell {sender}"
    if fields["arp_op"] == 2:
        return f"ARP {sender} is-at {mac_text(fields['arp_sha'])}"
    return f"ARP op {fields['arp_op']} {sender} to {target}"


def _ip(fields: Mapping[str, int], *, truncated: bool) -> str:
    v4 = fields["eth_type"] == ETH_IP
    family = "IPv4" if v4 else "IPv6"
    if truncated:
        return f"{family}, malformed"
    src, dst = (
        (str(IPv4Address(fields["ipv4_src"])), str(IPv4Address(fields["ipv4_dst"])))
        if v4
        else (str(IPv6Address(fields["ipv6_src"])), str(IPv6Address(fields["ipv6_dst"])))
    )
    proto = fields["ip_proto"]
    if fields["ip_frag"]:
        return f"{family} {src} > {dst} fragment of protocol {proto}"
    for number, name in ((TCP, "tcp"), (UDP, "udp"), (SCTP, "sctp")):
        if proto == number:
            ends = f"{_at(src, fields[name + '_src'])} > {_at(dst, fields[name + '_dst'])}"
            return f"{family} {ends} {name.upper()}{_flags(fields) if proto == TCP else ''}"
    if proto == ICMP and v4:
        return f"{family} {src} > {dst} ICMP {_kind(fields, 'icmpv4', _ICMP4_NAMES)}"
    if proto == ICMPV6 and not v4:
        if fields["icmpv6_type"] == NS:
            return f"{family} {src} > {dst} ND who-has {IPv6Address(fields['nd_target'])}"
        if fields["icmpv6_type"] == NA:
            target = IPv6Address(fields["nd_target"])
            return f"{family} {src} > {dst} ND {target} is-at {mac_text(fields['nd_tll'])}"
        return f"{family} {src} > {dst} ICMPv6 {_kind(fields, 'icmpv6', _ICMP6_NAMES)}"
    return f"{family} {src} > {dst} protocol {proto}"


def _at(address: str, l4_port: int) -> str:
    return f"[{address}]:{l4_port}" if ":" in address else f"{address}:{l4_port}"


def _flags(fields: Mapping[str, int]) -> str:
    set_ = "".join(letter for bit, letter in enumerate(_TCP_LETTERS) if fields["tcp_flags"] >> bit & 1)
    return f" [{set_ or 'no flags'}]"


def _kind(fields: Mapping[str, int], prefix: str, names: Mapping[int, str]) -> str:
    kind, code = fields[prefix + "_type"], fields[prefix + "_code"]
    return names.get(kind, f"type {kind}") + (f" code {code}" if code else "")
