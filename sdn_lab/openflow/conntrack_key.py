"""Which connection a packet belongs to: the tracker's key, or that it has none (``+inv``).

A key is the zone, the family, the protocol and both ends; an end is an address with a port, or with
an ICMP identifier and type.  An ICMP error has the key of the packet that it quotes, reversed, so that it
is found wherever that packet's connection is.

A packet without a key is invalid to Open vSwitch's userspace tracker: a wrong IPv4, TCP, UDP, ICMP or ICMPv6
checksum, a TCP or UDP port 0, a truncated header, an ICMP type outside requests, replies and errors, an error
that quotes a packet which its addressee did not send.  Protocols without ports (SCTP is one, to this
tracker) have one key for each pair of addresses.

Reference: Open vSwitch 3.1.0, ``lib/conntrack.c``, `conn_key_extract`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack_from

from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6
from sdn_lab.openflow.packet_checksum import internet, raw_sum
from sdn_lab.openflow.packet_parse import ICMP, ICMPV6, TCP, UDP, Dissection, walk_extensions

_REVERSE_TYPE = {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 128: 129, 129: 128}
_ECHO_LIKE = {ICMP: frozenset({0, 8, 13, 14, 15, 16}), ICMPV6: frozenset({128, 129})}
_ERRORS = {ICMP: frozenset({3, 4, 5, 11, 12}), ICMPV6: frozenset({1, 2, 3, 4})}
_QUOTED_BYTES = 8  # of the quoted transport header must be there (RFC 792); of TCP over IPv6 all 20

End = tuple[bytes, int, int]  # address; port or ICMP identifier; ICMP type


@dataclass(frozen=True, slots=True)
class Key:
    """One direction of a connection."""

    zone: int
    eth_type: int
    proto: int
    src: End
    dst: End

    def reversed(self) -> Key:
        """The key of the packets that go the other way."""
        return Key(self.zone, self.eth_type, self.proto, self.dst, self.src)

    def fields(self) -> dict[str, int]:
        """Return the first packet's fields, ``ct_nw_src`` and so on; protocol 0 has none."""
        if not self.proto:
            return {}
        (src, *src_l4), (dst, *dst_l4) = self.src, self.dst
        is_icmp = _is_icmp(self.eth_type, self.proto)
        names = ("ct_nw_src", "ct_nw_dst") if self.eth_type == ETH_IP else ("ct_ipv6_src", "ct_ipv6_dst")
        return {
            names[0]: int.from_bytes(src),
            names[1]: int.from_bytes(dst),
            "ct_nw_proto": self.proto,
            "ct_tp_src": src_l4[1] if is_icmp else src_l4[0],
            "ct_tp_dst": 0 if is_icmp else dst_l4[0],
        }


def key_of(frame: bytes, found: Dissection, zone: int) -> tuple[Key, bool] | None:
    """Return the key of a frame and whether it is an ICMP error, or None where the packet is invalid."""
    eth_type, at = found.fields["eth_type"], found.l4_start
    if found.real_proto is None or found.fields["ip_frag"] or at is None:
        return None
    if eth_type == ETH_IP:
        if internet(frame[found.l3 : at]):
            return None
        src, dst = frame[found.l3 + 12 : found.l3 + 16], frame[found.l3 + 16 : found.l3 + 20]
    elif eth_type == ETH_IPV6:
        src, dst = frame[found.l3 + 8 : found.l3 + 24], frame[found.l3 + 24 : found.l3 + 40]
    else:
        return None
    proto, message = found.real_proto, frame[at : found.end]
    if not _intact(eth_type, proto, message, src, dst):
        return None
    if _is_icmp(eth_type, proto) and message[0] in _ERRORS[proto]:
        quoted = _quoted_key(eth_type, message[8:], zone)
        if quoted is None or quoted.src[0] != dst:
            return None
        return quoted.reversed(), True
    ends = _ends(eth_type, proto, message, src, dst)
    return (Key(zone, eth_type, proto, *ends), False) if ends else None


def _is_icmp(eth_type: int, proto: int) -> bool:
    return proto == (ICMP if eth_type == ETH_IP else ICMPV6)


def _intact(eth_type: int, proto: int, message: bytes, src: bytes, dst: bytes) -> bool:
    """Say whether lengths and checksum of the transport header are right."""
    if proto == TCP:
        if len(message) < 20 or not 20 <= (message[12] >> 4) * 4 <= len(message):
            return False
    elif proto == UDP:
        if len(message) < 8 or not 8 <= (message[4] << 8 | message[5]) <= len(message):
            return False
        if message[6:8] == b"\0\0" and eth_type == ETH_IP:
            return True
    elif _is_icmp(eth_type, proto):
        if len(message) < 8:
            return False
        if proto == ICMP:
            return internet(message) == 0
    else:
        return True
    return internet(message, raw_sum(src) + raw_sum(dst) + proto + len(message)) == 0


def _ends(eth_type: int, proto: int, message: bytes, src: bytes, dst: bytes) -> tuple[End, End] | None:
    """Return both ends from the first bytes of a transport header."""
    if proto in (TCP, UDP):
        sport, dport = unpack_from("!HH", message)
        return ((src, sport, 0), (dst, dport, 0)) if sport and dport else None
    if _is_icmp(eth_type, proto):
        kind, code, ident = message[0], message[1], message[4] << 8 | message[5]
        if kind not in _ECHO_LIKE[proto] or code:
            return None
        return (src, ident, kind), (dst, ident, _REVERSE_TYPE[kind])
    return (src, 0, 0), (dst, 0, 0)


def _quoted_key(eth_type: int, quoted: bytes, zone: int) -> Key | None:
    """Return the key of the packet that an ICMP error quotes."""
    if eth_type == ETH_IP:
        if len(quoted) < 20:
            return None
        at = (quoted[0] & 0xF) * 4
        if at < 20 or len(quoted) < at or (quoted[6] << 8 | quoted[7]) & 0x3FFF:
            return None
        proto, src, dst = quoted[9], quoted[12:16], quoted[16:20]
    else:
        if len(quoted) < 40:
            return None
        walked = walk_extensions(quoted, 40, len(quoted), quoted[6])
        if walked is None or walked[2]:
            return None
        at, proto, _ = walked
        src, dst = quoted[8:24], quoted[24:40]
    message = quoted[at:]
    needed = 20 if proto == TCP and eth_type == ETH_IPV6 else _QUOTED_BYTES
    if (proto in (TCP, UDP) or _is_icmp(eth_type, proto)) and len(message) < needed:
        return None
    ends = _ends(eth_type, proto, message, src, dst)
    return Key(zone, eth_type, proto, *ends) if ends else None
