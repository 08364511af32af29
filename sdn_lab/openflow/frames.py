"""Build frames, to the byte, without scapy.

Every function returns bytes with right lengths and checksums.  Addresses are written as people write
them (``"02:00:00:00:00:01"``, ``"10.0.0.1"``) or given as `ipaddress` values or integers; one layer is the
payload of the next:

>>> segment = tcp("10.0.0.1", "10.0.0.2", 1234, 80, flags=0x02)
>>> packet = ipv4("10.0.0.1", "10.0.0.2", 6, segment)
>>> frame = ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, packet)
>>> len(frame)
54

Where it sits: instances of the simulator, the differential tests and the proof's witnesses build with it.
Probes are built with scapy instead, on purpose: they check what this module believes.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import pack

from sdn_lab.openflow.packet_checksum import crc32c, internet, raw_sum

Mac = str | int | bytes
Ip = str | int | IPv4Address | IPv6Address

TCP_FIN, TCP_SYN, TCP_RST, TCP_PSH, TCP_ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def mac_bytes(mac: Mac) -> bytes:
    """Return the six bytes of a MAC address."""
    if isinstance(mac, bytes):
        return mac
    return mac.to_bytes(6) if isinstance(mac, int) else bytes.fromhex(mac.replace(":", ""))


def ip_bytes(ip: Ip) -> bytes:
    """Return the four or sixteen bytes of an IP address; an integer is taken as IPv4 if it fits 32 bits."""
    if isinstance(ip, (IPv4Address, IPv6Address)):
        return ip.packed
    return ip_address(ip).packed


def ethernet(src: Mac, dst: Mac, eth_type: int, payload: bytes = b"", *, pad: bool = False) -> bytes:
    """Return an Ethernet II frame; *pad* fills it to 60 bytes, as a real NIC does."""
    frame = mac_bytes(dst) + mac_bytes(src) + eth_type.to_bytes(2) + payload
    return frame.ljust(60, b"\0") if pad else frame


def arp(op: int, sha: Mac, spa: Ip, tha: Mac, tpa: Ip) -> bytes:
    """Return an ARP message for Ethernet and IPv4 (op 1 request, 2 reply)."""
    return (
        b"\x00\x01\x08\x00\x06\x04"
        + op.to_bytes(2)
        + mac_bytes(sha)
        + ip_bytes(spa)
        + mac_bytes(tha)
        + ip_bytes(tpa)
    )


def ipv4(
    src: Ip,
    dst: Ip,
    proto: int,
    payload: bytes = b"",
    *,
    ttl: int = 64,
    tos: int = 0,
    ident: int = 0,
    flags_offset: int = 0x4000,
    options: bytes = b"",
) -> bytes:
    """Return an IPv4 packet.  *flags_offset* is the 16-bit word (DF alone by default)."""
    words = 5 + len(options) // 4
    header = pack(
        "!BBHHHBBH4s4s",
        0x40 | words,
        tos,
        words * 4 + len(payload),
        ident,
        flags_offset,
        ttl,
        proto,
        0,
        ip_bytes(src),
        ip_bytes(dst),
    )
    header += options
    return header[:10] + internet(header).to_bytes(2) + header[12:] + payload


def ipv6(
    src: Ip, dst: Ip, proto: int, payload: bytes = b"", *, hop_limit: int = 64, tos: int = 0, label: int = 0
) -> bytes:
    """Return an IPv6 packet; *payload* starts with extension headers where *proto* names one."""
    word = 6 << 28 | tos << 20 | label
    return pack("!IHBB", word, len(payload), proto, hop_limit) + ip_bytes(src) + ip_bytes(dst) + payload


def _covered(src: Ip, dst: Ip, proto: int, message: bytes) -> int:
    """Return the checksum of *message* with the pseudo-header of its addresses' family."""
    pseudo = raw_sum(ip_bytes(src)) + raw_sum(ip_bytes(dst)) + proto + (len(message) >> 16)
    return internet(message, pseudo + (len(message) & 0xFFFF))


def tcp(
    src: Ip,
    dst: Ip,
    sport: int,
    dport: int,
    payload: bytes = b"",
    *,
    flags: int = TCP_SYN,
    seq: int = 0,
    ack: int = 0,
    window: int = 64240,
    options: bytes = b"",
) -> bytes:
    """Return a TCP segment; *options* must be a multiple of four bytes."""
    offset_flags = (5 + len(options) // 4) << 12 | flags
    head = pack("!HHIIHHHH", sport, dport, seq, ack, offset_flags, window, 0, 0) + options
    total = _covered(src, dst, 6, head + payload)
    return head[:16] + total.to_bytes(2) + head[18:] + payload


def udp(src: Ip, dst: Ip, sport: int, dport: int, payload: bytes = b"", *, checksum: bool = True) -> bytes:
    """Return a UDP datagram; without *checksum* its checksum is 0 (allowed over IPv4)."""
    head = pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = (_covered(src, dst, 17, head + payload) or 0xFFFF) if checksum else 0
    return head[:6] + total.to_bytes(2) + payload


def sctp(sport: int, dport: int, chunks: bytes = b"", *, tag: int = 0) -> bytes:
    """Return an SCTP packet."""
    head = pack("!HHI", sport, dport, tag)
    return head + crc32c(head + bytes(4) + chunks) + chunks


def icmp(kind: int, code: int, body: bytes) -> bytes:
    """Return an ICMP message for IPv4; *body* is everything after the checksum."""
    total = internet(bytes((kind, code, 0, 0)) + body)
    return bytes((kind, code)) + total.to_bytes(2) + body


def icmp_echo(ident: int = 0, seq: int = 0, payload: bytes = b"", *, reply: bool = False) -> bytes:
    """Return an ICMP echo request or reply for IPv4."""
    return icmp(0 if reply else 8, 0, pack("!HH", ident, seq) + payload)


def icmpv6(src: Ip, dst: Ip, kind: int, code: int, body: bytes) -> bytes:
    """Return an ICMPv6 message; *body* is everything after the checksum."""
    total = _covered(src, dst, 58, bytes((kind, code, 0, 0)) + body)
    return bytes((kind, code)) + total.to_bytes(2) + body


def icmpv6_echo(
    src: Ip, dst: Ip, ident: int = 0, seq: int = 0, payload: bytes = b"", *, reply: bool = False
) -> bytes:
    """Return an ICMPv6 echo request or reply."""
    return icmpv6(src, dst, 129 if reply else 128, 0, pack("!HH", ident, seq) + payload)


def solicited_node(target: Ip) -> IPv6Address:
    """Return the solicited-node multicast address of *target* (RFC 4291)."""
    return IPv6Address(IPv6Address("ff02::1:ff00:0").packed[:13] + ip_bytes(target)[13:])


def neighbour_solicit(src: Ip, target: Ip, sll: Mac | None = None, *, dst: Ip | None = None) -> bytes:
    """Return an ICMPv6 neighbour solicitation, to be sent to *dst* (default: the solicited-node group)."""
    body = bytes(4) + ip_bytes(target) + (b"\x01\x01" + mac_bytes(sll) if sll is not None else b"")
    return icmpv6(src, solicited_node(target) if dst is None else dst, 135, 0, body)


def neighbour_advert(
    src: Ip, dst: Ip, target: Ip, tll: Mac | None = None, *, solicited: bool = True, override: bool = True
) -> bytes:
    """Return an ICMPv6 neighbour advertisement."""
    flags = (0x40000000 if solicited else 0) | (0x20000000 if override else 0)
    option = b"\x02\x01" + mac_bytes(tll) if tll is not None else b""
    return icmpv6(src, dst, 136, 0, flags.to_bytes(4) + ip_bytes(target) + option)
