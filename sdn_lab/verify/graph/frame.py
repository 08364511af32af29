"""Frames that fit constraints: from field values to bytes.

`templates` lists ordinary frames from one port to another, as field values; `build` makes the bytes of such
values.  What a frame *really* carries is then read back with `openflow.packet.parse`, and everything after
goes by that: a value that cannot be put into a frame is found out there, not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from sdn_lab.model.intent import Port
from sdn_lab.openflow import packet
from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6, ETH_VLAN, OFPVID_PRESENT

BROADCAST = (1 << 48) - 1
EXPERIMENTAL = 0x88B5  # IEEE 802 local experimental EtherType
SRC_L4, DST_L4 = 40001, 40002
Fields = Mapping[str, int]
_IP = IPv4Address | IPv6Address
_TCP, _UDP, _SCTP, _ICMP, _ICMPV6 = 6, 17, 132, 1, 58
_PAYLOAD = b"sdn-lab graph witness"


def templates(src: Port, dst: Port) -> Iterator[dict[str, int]]:
    """Yield ordinary frames of *src* towards *dst*, unicast first, then broadcast.

    The last of a kind leaves open what comes next, for protocols and EtherTypes that are none of these.
    """
    src_mac, dst_mac = _mac(src.mac), _mac(dst.mac)
    for eth_dst in (dst_mac, BROADCAST):
        ethernet = {"eth_src": src_mac, "eth_dst": eth_dst, "vlan_vid": 0, "vlan_pcp": 0}
        for family in (4, 6):
            src_ip, dst_ip = _address(src, family, 1), _address(dst, family, 2)
            name = f"ipv{family}"
            network = {
                **ethernet,
                "eth_type": ETH_IP if family == 4 else ETH_IPV6,
                f"{name}_src": src_ip,
                f"{name}_dst": dst_ip,
                "nw_ttl": 64,
            }
            yield {**network, "ip_proto": _UDP, "udp_src": SRC_L4, "udp_dst": DST_L4}
            yield {**network, "ip_proto": _TCP, "tcp_src": SRC_L4, "tcp_dst": 80, "tcp_flags": 0x002}
            if family == 4:
                yield {**network, "ip_proto": _ICMP, "icmpv4_type": 8, "icmpv4_code": 0}
                arp = {"arp_spa": src_ip, "arp_tpa": dst_ip, "arp_sha": src_mac, "arp_tha": dst_mac}
                for op in (2, 1):
                    yield {**ethernet, "eth_type": ETH_ARP, "arp_op": op, **arp}
            else:
                icmp = {**network, "ip_proto": _ICMPV6, "icmpv6_code": 0}
                yield {**icmp, "icmpv6_type": 128}
                yield {**icmp, "nw_ttl": 255, "icmpv6_type": 136, "nd_target": src_ip, "nd_tll": src_mac}
                yield {**icmp, "nw_ttl": 255, "icmpv6_type": 135, "nd_target": dst_ip, "nd_sll": src_mac}
            yield network
        yield ethernet


def build(fields: Fields) -> bytes:
    """Return a frame that carries *fields*, as far as a frame can.  Raises ValueError, OverflowError."""
    eth_type = fields.get("eth_type", EXPERIMENTAL)
    payload = _PAYLOAD
    if eth_type == ETH_ARP:
        payload = packet.arp(
            fields.get("arp_op", 1),
            fields.get("arp_sha", 0),
            IPv4Address(fields.get("arp_spa", 0)),
            fields.get("arp_tha", 0),
            IPv4Address(fields.get("arp_tpa", 0)),
        )
    elif eth_type in (ETH_IP, ETH_IPV6):
        payload = _ip(fields, eth_type)
    vlan = fields.get("vlan_vid", 0)
    if vlan & OFPVID_PRESENT:
        tag = fields.get("vlan_pcp", 0) << 13 | vlan & 0xFFF
        payload = tag.to_bytes(2) + eth_type.to_bytes(2) + payload
        eth_type = ETH_VLAN
    return packet.ethernet(fields.get("eth_src", 0), fields.get("eth_dst", 0), eth_type, payload, pad=True)


def _ip(fields: Fields, eth_type: int) -> bytes:
    tos = fields.get("ip_dscp", 0) << 2 | fields.get("ip_ecn", 0)
    proto, ttl = fields.get("ip_proto", 253), fields.get("nw_ttl", 64)
    if eth_type == ETH_IP:
        v4 = IPv4Address(fields.get("ipv4_src", 0)), IPv4Address(fields.get("ipv4_dst", 0))
        offset = {0: 0x4000, 1: 0x2000, 3: 0x2001}[fields.get("ip_frag", 0)]
        return packet.ipv4(*v4, proto, _transport(fields, proto, *v4), ttl=ttl, tos=tos, flags_offset=offset)
    v6 = IPv6Address(fields.get("ipv6_src", 0)), IPv6Address(fields.get("ipv6_dst", 0))
    label = fields.get("ipv6_flabel", 0)
    return packet.ipv6(*v6, proto, _transport(fields, proto, *v6), hop_limit=ttl, tos=tos, label=label)


def _transport(fields: Fields, proto: int, src: _IP, dst: _IP) -> bytes:
    if proto == _TCP:
        ports = fields.get("tcp_src", SRC_L4), fields.get("tcp_dst", 80)
        return packet.tcp(src, dst, *ports, flags=fields.get("tcp_flags", 2))
    if proto == _UDP:
        return packet.udp(src, dst, fields.get("udp_src", SRC_L4), fields.get("udp_dst", DST_L4), _PAYLOAD)
    if proto == _SCTP:
        return packet.sctp(fields.get("sctp_src", SRC_L4), fields.get("sctp_dst", DST_L4), b"\1\0\0\x04")
    if proto == _ICMP:
        return packet.icmp(fields.get("icmpv4_type", 8), fields.get("icmpv4_code", 0), bytes(4) + _PAYLOAD)
    if proto == _ICMPV6:
        kind = fields.get("icmpv6_type", 128)
        body = bytes(4) + _PAYLOAD
        if kind in (135, 136):
            body = bytes(4) + fields.get("nd_target", 0).to_bytes(16)
            for option, name in ((1, "nd_sll"), (2, "nd_tll")):
                if fields.get(name):
                    body += bytes((option, 1)) + fields[name].to_bytes(6)
        return packet.icmpv6(src, dst, kind, fields.get("icmpv6_code", 0), body)
    return _PAYLOAD


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _address(port: Port, family: int, number: int) -> int:
    """Return the port's address, or one of the documentation's where it has none of this family."""
    own = next((ip for ip in port.ips if ip.version == family), None)
    if own is not None:
        return int(own)
    return int(IPv4Address("192.0.2.0")) + number if family == 4 else int(IPv6Address("2001:db8::")) + number
