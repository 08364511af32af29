"""The probes' packets, built with scapy.

What
----
One function a kind of packet; each returns the frame's bytes with right lengths and checksums, and with the
nonce in its payload, or behind it in the Ethernet trailer where the packet has no payload of its own (ARP,
neighbour discovery, a bare TCP segment).

Why templates
-------------
scapy needs about a millisecond a packet, and a run sends thousands.  So scapy builds each *shape* once, and
the addresses, ports, lengths and checksums of a packet are written into a copy.  `tests/unit/observe`
compares the result with what scapy itself builds, field by field.  scapy is imported on first use: it costs
0.4 s.

Not `openflow.frames`: that is the simulator's own belief about what a packet looks like, and a probe is
the second opinion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack, pack_into
from typing import Any

from sdn_lab.model.intent import IPAddress
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow

BROADCAST = "ff:ff:ff:ff:ff:ff"
NOBODY = "00:00:00:00:00:00"
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
OPENING_SEQ, ANSWER_SEQ = 1000, 5000
DATA_BYTES = 16  # what `tcp(data=True)` carries: the nonce
MIN_FRAME = 60
IPV6_FRAGMENT = 44
VXLAN_PORT = 4789  # scapy's own VXLAN binding would write 8472


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Who a packet says it is from, and whom it is for."""

    eth_src: str
    eth_dst: str
    src: IPAddress
    dst: IPAddress


def prepare() -> None:
    """Import scapy now: it takes 0.4 s, which a lab that is starting hides."""
    _template("ipv6")


@cache
def _template(shape: str) -> bytes:
    """Return what scapy makes of *shape*; everything variable in it is overwritten later."""
    from scapy.layers import inet  # noqa: PLC0415 - scapy is slow to import
    from scapy.layers.inet6 import IPv6  # noqa: PLC0415
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415

    ether = Ether(src=NOBODY, dst=NOBODY)
    shapes: Mapping[str, Callable[[], Any]] = {
        "ipv4": lambda: ether / inet.IP(src="0.0.0.0", dst="0.0.0.0", flags="DF"),  # noqa: S104
        "ipv6": lambda: ether / IPv6(src="::", dst="::"),
        "arp": lambda: ether / ARP(hwsrc=NOBODY, hwdst=NOBODY, psrc="0.0.0.0", pdst="0.0.0.0"),  # noqa: S104
        "udp": lambda: inet.UDP(chksum=0),
        "tcp": lambda: inet.TCP(window=64240, chksum=0),
    }
    return bytes(shapes[shape]())


@cache
def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


@cache
def _scapy_checksum() -> Callable[[bytes], int]:
    from scapy.utils import checksum  # noqa: PLC0415

    return checksum  # type: ignore[no-any-return]


def _checksum(data: bytes) -> int:
    return _scapy_checksum()(data)


def _covered(ends: Ends, protocol: int, message: bytes) -> int:
    """Return the checksum of *message* with its pseudo-header."""
    return _checksum(ends.src.packed + ends.dst.packed + pack("!II", len(message), protocol) + message)


def ip(
    ends: Ends, protocol: int, message: bytes, trailer: bytes = b"", *, ttl: int = 64, tos: int = 0
) -> bytes:
    """Return an IPv4 or IPv6 packet in its frame; *trailer* follows it inside the frame."""
    if isinstance(ends.src, IPv4Address):
        frame = bytearray(_template("ipv4"))
        pack_into("!BH", frame, 15, tos, 20 + len(message))
        pack_into("!BBH4s4s", frame, 22, ttl, protocol, 0, ends.src.packed, ends.dst.packed)
        pack_into("!H", frame, 24, _checksum(bytes(frame[14:])))
    else:
        frame = bytearray(_template("ipv6"))
        pack_into("!H", frame, 14, 0x6000 | tos << 4)
        pack_into("!HBB", frame, 18, len(message), protocol, ttl)
        frame[22:54] = ends.src.packed + ends.dst.packed
    frame[:12] = _mac(ends.eth_dst) + _mac(ends.eth_src)
    return (bytes(frame) + message + trailer).ljust(MIN_FRAME, b"\0")


def udp(ends: Ends, sport: int, dport: int, payload: bytes) -> bytes:
    """Return a UDP datagram."""
    head = bytearray(_template("udp"))
    pack_into("!HHHH", head, 0, sport, dport, 8 + len(payload), 0)
    total = _covered(ends, UDP, bytes(head) + payload) or 0xFFFF
    pack_into("!H", head, 6, total)
    return ip(ends, UDP, bytes(head) + payload)


def tcp(
    ends: Ends,
    sport: int,
    dport: int,
    nonce: bytes,
    flags: int = SYN,
    *,
    seq: int = OPENING_SEQ,
    ack: int = 0,
    data: bool = False,
) -> bytes:
    """Return a TCP segment; the nonce is its payload with *data*, else it follows in the trailer."""
    head = bytearray(_template("tcp"))
    pack_into("!HHII", head, 0, sport, dport, seq, ack)
    head[13] = flags
    segment = bytes(head) + (nonce if data else b"")
    pack_into("!H", head, 16, _covered(ends, TCP, segment))
    return ip(ends, TCP, bytes(head) + (nonce if data else b""), b"" if data else nonce)


def sctp(ends: Ends, sport: int, dport: int, nonce: bytes) -> bytes:
    """Return an SCTP INIT; the nonce is in the trailer."""
    from scapy.layers import sctp as layer  # noqa: PLC0415

    chunk = layer.SCTPChunkInit(init_tag=1, a_rwnd=65535, n_out_streams=1, n_in_streams=1, init_tsn=1)
    return ip(ends, SCTP, bytes(layer.SCTP(sport=sport, dport=dport, tag=0) / chunk), nonce)


def icmp(ends: Ends, kind: int, code: int, body: bytes, trailer: bytes = b"", *, ttl: int = 64) -> bytes:
    """Return an ICMP or ICMPv6 message; *body* is everything after its checksum."""
    message = bytes((kind, code, 0, 0)) + body
    if isinstance(ends.src, IPv4Address):
        total, protocol = _checksum(message), ICMP
    else:
        total, protocol = _covered(ends, ICMPV6, message), ICMPV6
    return ip(ends, protocol, message[:2] + total.to_bytes(2) + body, trailer, ttl=ttl)


def icmp_query(ends: Ends, kind: int, ident: int, nonce: bytes) -> bytes:
    """Return an ICMP request or reply with identifier *ident* (echo, timestamp, information)."""
    stamps = bytes(12) if isinstance(ends.src, IPv4Address) and kind in (13, 14) else b""
    return icmp(ends, kind, 0, pack("!HH", ident, 1) + stamps + nonce)


def icmp_unreachable(ends: Ends, refused: bytes, nonce: bytes) -> bytes:
    """Return "port unreachable" about the frame *refused*; the nonce is in the trailer."""
    quoted = refused[14:]
    if isinstance(ends.src, IPv4Address):
        return icmp(ends, 3, 3, bytes(4) + quoted[:28], nonce)
    return icmp(ends, 1, 4, bytes(4) + quoted, nonce)


def opening(flow: Microflow, eth_src: str, eth_dst: str, nonce: bytes) -> bytes:
    """Return the first packet of *flow*: what decides whether it may start.

    *flow.src_l4* is the ICMP identifier where the protocol is ICMP.
    """
    ends = Ends(eth_src=eth_src, eth_dst=eth_dst, src=flow.src, dst=flow.dst)
    if flow.protocol == TCP:
        return tcp(ends, flow.src_l4, flow.dst_l4, nonce)
    if flow.protocol == UDP:
        return udp(ends, flow.src_l4, flow.dst_l4, nonce)
    if flow.protocol == SCTP:
        return sctp(ends, flow.src_l4, flow.dst_l4, nonce)
    if flow.protocol == (ICMP if flow.family == 4 else ICMPV6):
        return icmp_query(ends, flow.icmp_type, flow.src_l4, nonce)
    return ip(ends, flow.protocol, bytes(8) + nonce)


def addressed(frame: bytes, eth_dst: str) -> bytes:
    """Return *frame* with another destination MAC."""
    return _mac(eth_dst) + frame[6:]


def routed(frame: bytes, eth_src: str, eth_dst: str) -> bytes:
    """Return an IP packet as a router passes it on: other MAC addresses, and one less to live."""
    passed = bytearray(frame)
    passed[:12] = _mac(eth_dst) + _mac(eth_src)
    if frame[12:14] == b"\x86\xdd":
        passed[21] -= 1
    else:
        passed[22] -= 1
        pack_into("!H", passed, 24, 0)
        pack_into("!H", passed, 24, _checksum(bytes(passed[14 : 14 + 4 * (passed[14] & 15)])))
    return bytes(passed)


def arp(
    eth_src: str, eth_dst: str, op: int, sha: str, spa: IPAddress, tha: str, tpa: IPAddress, nonce: bytes
) -> bytes:
    """Return an ARP message with the nonce behind it."""
    frame = bytearray(_template("arp"))
    frame[:12] = _mac(eth_dst) + _mac(eth_src)
    pack_into("!H", frame, 20, op)
    frame[22:42] = _mac(sha) + spa.packed + _mac(tha) + tpa.packed
    return (bytes(frame) + nonce).ljust(MIN_FRAME, b"\0")


def solicit(
    ends: Ends, target: IPAddress, sll: str | None, nonce: bytes, *, ttl: int = 255, code: int = 0
) -> bytes:
    """Return a neighbour solicitation."""
    option = b"\x01\x01" + _mac(sll) if sll else b""
    return icmp(ends, 135, code, bytes(4) + target.packed + option, nonce, ttl=ttl)


def advertise(
    ends: Ends, target: IPAddress, tll: str | None, nonce: bytes, *, ttl: int = 255, flags: int = 0x60
) -> bytes:
    """Return a neighbour advertisement; *flags* 0x60 is solicited and override."""
    option = b"\x02\x01" + _mac(tll) if tll else b""
    return icmp(ends, 136, 0, bytes((flags, 0, 0, 0)) + target.packed + option, nonce, ttl=ttl)


def raw(eth_src: str, eth_dst: str, eth_type: int, payload: bytes) -> bytes:
    """Return a frame of any EtherType (below 0x600 it is a length)."""
    return (_mac(eth_dst) + _mac(eth_src) + eth_type.to_bytes(2) + payload).ljust(MIN_FRAME, b"\0")


def tagged(frame: bytes, *tags: tuple[int, int]) -> bytes:
    """Return *frame* with VLAN tags (EtherType, TCI) put in, outermost first."""
    stack = b"".join(pack("!HH", kind, tci) for kind, tci in tags)
    return frame[:12] + stack + frame[12:]


def fragment(ends: Ends, protocol: int, whole: bytes, nonce: bytes, ident: int, *, later: bool) -> bytes:
    """Return the first or a later fragment of the packet in the frame *whole*, cut after its first 24 bytes.

    The nonce is in the trailer; a first fragment says that more follow, a later one that it is the last.
    """
    start = 34 if isinstance(ends.src, IPv4Address) else 54
    piece = (whole[start : start + 24]).ljust(24, b"\0")
    where = (3 if later else 0, not later)
    if isinstance(ends.src, IPv4Address):
        frame = bytearray(ip(ends, protocol, piece, nonce))
        pack_into("!HH", frame, 18, ident, where[1] << 13 | where[0])
        frame[24:26] = b"\0\0"
        pack_into("!H", frame, 24, _checksum(bytes(frame[14:34])))
        return bytes(frame)
    header = pack("!BBHI", protocol, 0, where[0] << 3 | where[1], ident)
    return ip(ends, IPV6_FRAGMENT, header + piece, nonce)


@cache
def _vxlan_header(vni: int) -> bytes:
    from scapy.layers.vxlan import VXLAN  # noqa: PLC0415

    return bytes(VXLAN(vni=vni, flags=0x08))


def vxlan_payload(vni: int, inner: bytes) -> bytes:
    """Return the UDP payload of a VXLAN frame."""
    return _vxlan_header(vni) + inner


def solicited_node(target: IPAddress) -> tuple[str, IPv6Address]:
    """Return the multicast MAC and address that solicitations for *target* go to (RFC 4291)."""
    low = target.packed[13:]
    return "33:33:ff:" + low.hex(":"), IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + low)


def link_local(mac: str) -> IPAddress:
    """Return the EUI-64 link-local address of a MAC address (RFC 4291, appendix A)."""
    octets = bytearray(_mac(mac))
    octets[0] ^= 2
    return ip_address(bytes.fromhex("fe80000000000000") + bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:]))
