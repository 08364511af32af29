"""A flow as ``ofproto/trace`` prints it: to a packet of ours, and from one for comparison.

A flow is not a frame: it may have a TTL of 0, or an EtherType without anything behind it.  So a frame is made
that is as near to the flow as a frame can be, and what it cannot say is put into the packet's fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from sdn_lab.openflow import frames
from sdn_lab.openflow.action import ANY
from sdn_lab.openflow.fields import FIELDS, Domain
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.text_match import KEYWORDS
from sdn_lab.openflow.text_values import FRAGMENTS, of_port, read_masked
from sdn_lab.openflow.text_words import NAMES

_WORD = re.compile(r"(?:[^,(]|\([^)]*\))+")
_PORTS = {6: "tcp", 17: "udp", 132: "sctp"}
_IGNORED = frozenset({"eth", "recirc_id", "tun_ttl", "dp_hash", "skb_priority"})
_TAG = re.compile(r"(dl_vlan|dl_vlan_pcp|vlan_tci)(\d?)")
_UNPRINTED = ("actset_output", "nd_options_type", "nd_reserved", "in_phy_port")
_ERSPAN = {"tun_erspan_idx": (1,), "tun_erspan_dir": (2,), "tun_erspan_hwid": (2,)}  # by version
_CONGESTED = 3
_KEY_FLAG = 8
_PADDING = 46


class Flow:
    """*fields* by our names, *tags* as (VLAN, priority), outermost first."""

    def __init__(self, text: str, ports: Mapping[str, int] = MappingProxyType({})) -> None:
        self.fields: dict[str, int] = {}
        self.labels: list[int] = []
        self._ports = ports
        self.tags: list[tuple[int, int]] = []
        self.outer_ecn = 0
        words = [word.partition("=")[::2] for word in _WORD.findall(text)]
        proto: int | None = None
        for key, value in words:
            if not value and key in KEYWORDS:
                eth_type, proto = KEYWORDS[key]
                self.fields["eth_type"] = eth_type
                if proto is not None:
                    self.fields["ip_proto"] = proto
        named = dict(words)
        for level in ("", "1"):
            if f"dl_vlan{level}" in named:
                self.tags.append((int(named[f"dl_vlan{level}"]), int(named[f"dl_vlan_pcp{level}"])))
        for key, value in words:
            if value and key not in _IGNORED and not _TAG.fullmatch(key):
                self._add(key, value)

    def _add(self, key: str, value: str) -> None:
        fields = self.fields
        eth_type, proto = fields.get("eth_type"), fields.get("ip_proto")
        if key == "in_port":
            known = self._ports.get(value.strip('"'))
            fields["in_port"] = ANY if value == "ANY" else of_port(value) if known is None else known
        elif key.startswith("mpls_lse"):
            self.labels.append(int(value, 0))
        elif key.startswith("tun_tos"):
            self.outer_ecn = int(value, 0) & 3
        elif key == "nw_tos":
            fields["ip_dscp"] = int(value, 0) >> 2
        elif key == "nw_frag":
            fields["ip_frag"] = FRAGMENTS[value][0]
        elif key in ("nw_src", "nw_dst"):
            fields[f"ipv4_{key[3:]}"] = read_masked(FIELDS["ipv4_src"], value)[0]
        elif key in ("tp_src", "tp_dst"):
            fields[f"{_PORTS[proto or 6]}_{key[3:]}"] = int(value, 0)
        elif key in ("icmp_type", "icmp_code"):
            fields[f"icmpv{4 if eth_type == 0x0800 else 6}_{key[5:]}"] = int(value, 0)
        elif NAMES[key].domain is not Domain.PACKET or NAMES[key].name not in (
            "nw_ttl",
            "ip_ecn",
            "ip_proto",
        ):
            fields[NAMES[key].name] = read_masked(NAMES[key], value)[0]
        elif eth_type in (0x0800, 0x86DD):  # the flow of NSH prints them as zeroes
            fields[NAMES[key].name] = int(value, 0)

    def packet(self) -> Packet:
        """Return a packet as it would enter table 0."""
        fields = self.fields
        made = frames.ethernet(
            fields.get("eth_src", 0), fields.get("eth_dst", 0), fields.get("eth_type", 0), self._payload()
        )
        packet = Packet.received(made, fields.get("in_port", ANY), None)
        packet.tags = [b"\x81\x00" + (pcp << 13 | vid).to_bytes(2) for vid, pcp in self.tags]
        own = {n: v for n, v in fields.items() if not n.startswith("vlan_")}
        missing = [n for n in packet.fields if FIELDS[n].domain is Domain.PACKET and n not in own]
        for name in missing:
            if not name.startswith(("vlan", "nd_", "ipv6_", "mpls", "pbb")):
                del packet.fields[name]
        packet.fields.update(own)
        if self.outer_ecn == _CONGESTED and own.get("ip_ecn"):
            packet.write("ip_ecn", _CONGESTED)  # as the tunnel port does, RFC 6040
        packet.retag(packet.tags)
        return packet

    def _payload(self) -> bytes:
        held = self.fields.get
        eth_type = held("eth_type")
        if eth_type == 0x0806:
            return frames.arp(*(held(f"arp_{n}", 0) for n in ("op", "sha", "spa", "tha", "tpa")))
        tos = held("ip_dscp", 0) << 2 | held("ip_ecn", 0)
        if eth_type == 0x0800:
            src, dst, proto = held("ipv4_src", 0), held("ipv4_dst", 0), held("ip_proto", 0)
            src, dst = src.to_bytes(4), dst.to_bytes(4)
            return frames.ipv4(
                src, dst, proto, self._transport(src, dst, proto), ttl=held("nw_ttl", 0), tos=tos
            )
        if eth_type == 0x86DD:
            src, dst, proto = held("ipv6_src", 0), held("ipv6_dst", 0), held("ip_proto", 0)
            src, dst = src.to_bytes(16), dst.to_bytes(16)
            body = self._transport(src, dst, proto)
            label = held("ipv6_flabel", 0)
            return frames.ipv6(src, dst, proto, body, hop_limit=held("nw_ttl", 0), tos=tos, label=label)
        if eth_type in (0x8847, 0x8848):
            entry = held("mpls_label", 0) << 12 | held("mpls_tc", 0) << 9
            entry |= held("mpls_bos", 0) << 8 | held("mpls_ttl", 0)
            more = b"".join(label.to_bytes(4) for label in self.labels)
            return entry.to_bytes(4) + more + frames.ipv4(bytes(4), bytes(4), 0, b"", ttl=0)
        return bytes(_PADDING)

    def _transport(self, src: bytes, dst: bytes, proto: int) -> bytes:
        held = self.fields.get
        if proto == 6:
            flags = held("tcp_flags", 0)
            return frames.tcp(src, dst, held("tcp_src", 0), held("tcp_dst", 0), flags=flags)
        if proto == 17:
            return frames.udp(src, dst, held("udp_src", 0), held("udp_dst", 0), bytes(18))
        if proto == 132:
            return frames.sctp(held("sctp_src", 0), held("sctp_dst", 0), bytes(18))
        if proto == 1 and len(src) == 4:
            return frames.icmp(held("icmpv4_type", 0), held("icmpv4_code", 0), bytes(4))
        if proto == 58 and len(src) == 16:
            kind, body = held("icmpv6_type", 0), bytes(4)
            if kind in (135, 136):
                body += held("nd_target", 0).to_bytes(16)
                option = held("nd_sll" if kind == 135 else "nd_tll", 0)
                body += (bytes((kind - 134, 1)) + option.to_bytes(6)) if option else b""
            return frames.icmpv6(src, dst, kind, held("icmpv6_code", 0), body)
        return bytes(8)


def shown(packet: Packet) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """Return what ``ofproto/trace`` would print of a packet: the fields that are not 0, and the tags."""
    held = {n: v for n, v in packet.fields.items() if v and not n.startswith("vlan_")}
    for name in _UNPRINTED:
        held.pop(name, None)
    outer = held.get("tun_dst") or held.get("tun_ipv6_dst")
    for name in [n for n in held if FIELDS[n].domain is Domain.TUNNEL]:
        # the tunnel is printed where it has a destination, and its key then where a flag says that it has one
        if name == "tun_id":
            if outer and not held.get("tun_flags", 0) & _KEY_FLAG:
                del held[name]
        elif not outer or held.get("tun_erspan_ver", 0) not in _ERSPAN.get(
            name, (held.get("tun_erspan_ver", 0),)
        ):
            del held[name]
    tags = [(int.from_bytes(raw[2:]) & 0xFFF, raw[2] >> 5) for raw in packet.tags]
    return held, tags


def printed(flow: Flow) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """Return the same of a printed flow."""
    return {n: v for n, v in flow.fields.items() if v}, flow.tags


def differences(packet: Packet, flow: Flow) -> list[str]:
    """Return in what a packet is not the printed flow."""
    own, own_tags = shown(packet)
    told, told_tags = printed(flow)
    found = [
        f"{name}: {own.get(name, 0):#x}, not {told.get(name, 0):#x}"
        for name in sorted(own.keys() | told.keys())
        if own.get(name, 0) != told.get(name, 0) and name not in ("in_phy_port", "conj_id")
    ]
    if own_tags != told_tags:
        found.append(f"tags: {own_tags}, not {told_tags}")
    return found
