"""Frames to compare readings on: every boundary that is known to matter, and random ones from a seed."""

from __future__ import annotations

import random
from struct import pack

from sdn_lab.openflow import packet as pk

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP_A, IP_B = "10.0.0.1", "10.0.0.2"
IP6_A, IP6_B = "fd00:a::1", "fd00:a::2"
CUTS = (60, 15, 18, 20, 22, 33, 34, 35, 41, 42, 45, 53, 54, 55, 61, 62, 69, 70, 77, 78)


def v4(proto: int, payload: bytes, **header: object) -> bytes:
    return pk.ethernet(A, B, 0x0800, pk.ipv4(IP_A, IP_B, proto, payload, **header))  # type: ignore[arg-type]


def v6(proto: int, payload: bytes, **header: object) -> bytes:
    return pk.ethernet(A, B, 0x86DD, pk.ipv6(IP6_A, IP6_B, proto, payload, **header))  # type: ignore[arg-type]


def tcp4(**segment: object) -> bytes:
    return v4(6, pk.tcp(IP_A, IP_B, 1234, 80, b"payload", **segment))  # type: ignore[arg-type]


def tag(frame: bytes, tci: int, eth_type: int = 0x8100) -> bytes:
    return pk.push_vlan(frame, eth_type, tci)


def _transports() -> list[bytes]:
    udp4, udp6 = pk.udp(IP_A, IP_B, 1000, 53, b"datagram"), pk.udp(IP6_A, IP6_B, 1000, 53, b"datagram")
    return [
        tcp4(),
        tcp4(flags=0xFFF, options=b"\x02\x04\x05\xb4\x01\x03\x03\x07"),
        v6(6, pk.tcp(IP6_A, IP6_B, 1234, 80, b"xyz", flags=0x10)),
        v4(17, udp4),
        v4(17, pk.udp(IP_A, IP_B, 1, 2, checksum=False)),
        v4(17, pk.udp(IP_A, IP_B, 0, 0)),
        v6(17, udp6),
        v4(132, pk.sctp(7, 9, b"\x01\0\0\x14" + bytes(16))),
        v6(132, pk.sctp(7, 9, b"chunk")),
        v4(1, pk.icmp_echo(7, 1, b"ping")),
        v4(1, pk.icmp(3, 3, bytes(4) + pk.ipv4(IP_B, IP_A, 17, udp4))),
        v6(58, pk.icmpv6_echo(IP6_A, IP6_B, 7, 1, b"ping")),
        v4(47, bytes(20)),
        v4(0, bytes(20)),
        v4(58, bytes(20)),
        v4(2, bytes(8)),
        v6(1, bytes(20)),
        v6(59, b""),
        v6(0x3B, bytes(4)),
        v4(6, pk.tcp(IP_A, IP_B, 5, 6), ttl=0, tos=0xFF),
        v4(6, pk.tcp(IP_A, IP_B, 5, 6), ttl=1, tos=0x2E),
        v6(17, udp6, hop_limit=255, tos=0xB9, label=0xABCDE),
        v4(17, udp4, options=b"\x94\x04\0\0"),
        v4(17, udp4, options=b"\x83\x07\x04\x0a\0\0\x01\0"),
    ]


def fragments() -> list[bytes]:
    """Return first, later and atomic fragments of every transport."""
    segment = pk.tcp(IP_A, IP_B, 1234, 80, bytes(64), flags=0x12)
    found = [
        v4(6, segment[:40], flags_offset=word) for word in (0x2000, 0x2001, 0x0001, 0x8000, 0x1FFF, 0x6000)
    ]
    found += [v4(1, pk.icmp_echo(1, 1), flags_offset=word) for word in (0x2000, 0x0003)]
    found += [v4(17, pk.udp(IP_A, IP_B, 9, 9), flags_offset=word) for word in (0x2000, 0x0003)]
    udp6 = pk.udp(IP6_A, IP6_B, 1000, 53, b"datagram")
    words = (0, 1, 8, 9, 2, 6, 0xFFF8)
    found += [v6(44, bytes((17, 0)) + pack("!HI", word, 99) + udp6) for word in words]
    found.append(v6(44, bytes((58, 0)) + pack("!HI", 1, 99) + pk.icmpv6_echo(IP6_A, IP6_B, 1, 1)))
    found.append(v6(44, bytes((6, 0)) + pack("!HI", 1, 99) + pk.tcp(IP6_A, IP6_B, 1, 2, flags=0x12)))
    return found


def _extensions() -> list[bytes]:
    udp6 = pk.udp(IP6_A, IP6_B, 1000, 53, b"datagram")
    options = lambda nxt, words=0: bytes((nxt, words)) + bytes(6 + 8 * words)  # noqa: E731
    ah = bytes((17, 4)) + bytes(22)
    return [
        v6(0, options(17) + udp6),
        v6(0, options(60, 1) + options(43, 2) + options(17) + udp6),
        v6(43, options(17) + udp6),
        v6(60, options(58) + pk.icmpv6_echo(IP6_A, IP6_B)),
        v6(51, ah + udp6),
        v6(0, options(17, 9)),
        v6(0, options(44) + bytes((17, 0, 0, 0)) + bytes(4) + udp6),
        v6(44, bytes((0, 0, 0, 1)) + bytes(4) + options(17) + udp6),
        v6(0, bytes((17,))),
        v6(135, options(17) + udp6),
        v6(50, bytes(16)),
    ]


def _neighbours() -> list[bytes]:
    def nd(kind: int, body: bytes, code: int = 0) -> bytes:
        return v6(58, pk.icmpv6(IP6_A, IP6_B, kind, code, body), hop_limit=255)

    target = pk.ip_bytes(IP6_B)
    sll, tll = b"\x01\x01" + pk.mac_bytes(A), b"\x02\x01" + pk.mac_bytes(B)
    found = []
    for kind in (135, 136):
        head = b"\x60\0\0\0" + target
        tails = (b"", sll, tll, sll + tll, tll + sll, sll + sll, tll + tll, sll + tll + sll, sll[:7])
        found += [nd(kind, head + tail) for tail in tails]
        found += [nd(kind, head + b"\x01\x02" + bytes(14) + sll), nd(kind, head + b"\x01\0" + bytes(6) + sll)]
        found += [
            nd(kind, head + b"\x05\x01" + bytes(6) + sll),
            nd(kind, head + b"\x01\x01" + bytes(6) + sll),
        ]
        found += [nd(kind, head + sll, code=1), nd(kind, head[:12]), nd(kind, b"\0\0\0\0")]
        found += [nd(kind, head + b"\x05\xff" + bytes(6) + sll)]
    found += [nd(kind, b"\0" * 12) for kind in (128, 130, 133, 134, 137, 143, 1, 255)]
    found += [v6(58, b"\x87\0\0"), v6(58, b"\x87\0\0\0" + bytes(4))]
    return found


def _links() -> list[bytes]:
    request = pk.ethernet(A, "ff:ff:ff:ff:ff:ff", 0x0806, pk.arp(1, A, IP_A, 0, IP_B))
    snap = b"\xaa\xaa\x03\0\0\0"
    mac = pk.mac_bytes(B) + pk.mac_bytes(A)
    ip = pk.ipv4(IP_A, IP_B, 17, pk.udp(IP_A, IP_B, 3, 4))
    found = [request, request.ljust(60, b"\0")]
    operations = (0, 2, 3, 8, 255, 256, 257, 65535)
    found += [pk.ethernet(A, B, 0x0806, pk.arp(op, A, IP_A, B, IP_B)) for op in operations]
    found += [
        request[:at] + bytes((value,)) + request[at + 1 :]
        for at, value in ((15, 6), (16, 8), (17, 1), (18, 8), (19, 16), (14, 1))
    ]
    found.append(pk.ethernet(A, B, 0x8035, pk.arp(3, A, IP_A, B, IP_B)))
    found += [
        mac + pack("!H", 8 + len(ip)) + snap + b"\x08\0" + ip,
        mac + b"\x05\xff" + snap + b"\x08\0" + ip,
    ]
    found += [mac + b"\0\x20" + snap + b"\x00\x20" + ip, mac + b"\0\x20" + b"\x42\x42\x03" + bytes(40)]
    found += [mac + b"\0\x20" + b"\xaa\xaa\x03\0\0\xf8\x08\0" + ip, mac + b"\0\x08" + snap + b"\x08"]
    found += [pk.ethernet(A, B, kind, bytes(46)) for kind in (0x0600, 0x88B5, 0x8847, 0x88CC, 0xFFFF, 0x894F)]
    stacks = [(0x8100, 5)], [(0x8100, 0)], [(0x8100, 0xE000)], [(0x88A8, 5)], [(0x8100, 0x1005)]
    stacks += ([(0x8100, 5), (0x8100, 6)], [(0x88A8, 5), (0x8100, 6)], [(0x8100, 0), (0x8100, 0)])
    stacks += ([(0x8100, 1), (0x8100, 2), (0x8100, 3)], [(0x9100, 5)])
    for inner in (request, tcp4(), v6(17, pk.udp(IP6_A, IP6_B, 1, 2))):
        for stack in stacks:
            frame = inner
            for kind, tci in reversed(stack):
                frame = tag(frame, tci, kind)
            found.append(frame)
    return found


def labelled() -> list[bytes]:
    """Return frames behind MPLS labels: one to four, over IP and other things, cut short."""
    inner = [
        tcp4()[14:],
        v6(17, pk.udp(IP6_A, IP6_B, 1000, 53, b"datagram"))[14:],
        _links()[0][14:],
        bytes(30),
    ]
    found = []
    for number, payload in enumerate(inner):
        for depth in (1, 2, 3, 4):
            entries = [
                (at + 16) << 12 | (at % 8) << 9 | (at == depth - 1) << 8 | ttl
                for at, ttl in zip(range(depth), (64, 1, 0, 255), strict=False)
            ]
            stack = b"".join(entry.to_bytes(4) for entry in entries)
            kind = 0x8848 if number == 1 else 0x8847
            found.append(pk.ethernet(A, B, kind, stack + payload))
    whole = found[0]
    found += [whole[:cut] for cut in (15, 17, 18, 19, 30)]
    found += [tag(whole, 5), tag(tag(whole, 6), 5), whole[:14] + b"\0\0\0\0" * 5 + whole[18:]]
    found += [pk.ethernet(A, B, 0x8847, ttl.to_bytes(4) + inner[0]) for ttl in (0x100, 0x101, 0x102)]
    return found


def boundary_frames() -> list[bytes]:
    """Every boundary, and each cut short at every place that a header ends; distinct, at least 15 bytes."""
    whole = _transports() + fragments() + _extensions() + _neighbours() + _links()
    found = dict.fromkeys(whole)
    for frame in (tcp4(), *_transports()[2:5], *_transports()[6:12], _links()[0], tag(tcp4(), 5)):
        found.update(dict.fromkeys(frame[:cut] for cut in CUTS if cut < len(frame)))
    found.update(dict.fromkeys(_wrong_lengths()))
    return [frame for frame in found if len(frame) > 14]


def _wrong_lengths() -> list[bytes]:
    base, base6 = bytearray(tcp4()), bytearray(v6(17, pk.udp(IP6_A, IP6_B, 1, 2, b"abc")))
    found = []
    bytes_ = ((14, 0x44), (14, 0x46), (14, 0x4F), (14, 0x55), (14, 0x65), (46, 0x40), (46, 0xF0))
    found += [bytes(base[:at]) + bytes((value,)) + bytes(base[at + 1 :]) for at, value in bytes_]
    lengths = (0, 19, 20, 24, 39, 40, 41, 100, 0xFFFF)
    found += [bytes(base[:16]) + pack("!H", length) + bytes(base[18:]) for length in lengths]
    found += [bytes(base6[:18]) + pack("!H", n) + bytes(base6[20:]) for n in (0, 4, 8, 10, 12, 0xFFFF)]
    found.append(bytes(base) + bytes(30))
    found.append(bytes(base6[:14]) + b"\x40" + bytes(base6[15:]))
    return found


def random_frame(rng: random.Random) -> bytes:
    """A boundary frame with a few bytes changed, cut, padded or tagged."""
    frame = bytearray(rng.choice(_BASES))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        frame[rng.randrange(12, len(frame))] = rng.choice(
            (0, 1, 2, 6, 8, 17, 44, 58, 64, 128, 255, rng.randrange(256))
        )
    if rng.random() < 0.15:
        del frame[rng.randrange(15, len(frame) + 1) :]
    if rng.random() < 0.2:
        frame += bytes(rng.randrange(1, 20))
    done = bytes(frame)
    for _ in range(rng.choice((0, 0, 0, 0, 1, 2))):
        done = tag(done, rng.choice((0, 5, 0xE005, 0x1000)), rng.choice((0x8100, 0x88A8)))
    return done


_BASES = [frame for frame in boundary_frames() if len(frame) > 20]
