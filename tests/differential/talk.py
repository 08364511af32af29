"""Packets of random conversations between two ends, plausible or not: what a tracker is asked about."""

from __future__ import annotations

import random
from collections.abc import Iterator

from sdn_lab.openflow import packet as pk

STEPS = 40


class Talk:
    """Draws the next packet of a conversation between two ends, plausible or not."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.v6 = rng.random() < 0.4
        self.ends = ("fd00::1", "fd00::2") if self.v6 else ("10.0.0.1", "10.0.0.2")
        self.kinds = rng.choice(
            (["tcp"], ["tcp"], ["udp"], ["icmp"], ["tcp", "udp", "icmp", "other", "error"])
        )
        self.next_seq = [rng.choice((0, 1000, 0xFFFFFFF0)), rng.choice((5000, 0x7FFFFFFF))]
        self.quotable: list[tuple[int, bytes]] = []

    def frames(self) -> Iterator[tuple[int, bytes]]:
        for _ in range(STEPS):
            side = self.rng.choice((0, 0, 1))
            kind = self.rng.choice(self.kinds)
            if self.rng.random() < 0.1:
                kind = "error"
            proto, message = getattr(self, kind)(side)
            if kind != "error":
                self.quotable.append((side, self.packet(side, proto, message)))
            yield (
                side + 1,
                self.spoil(
                    pk.ethernet(
                        "02:00:00:00:00:01",
                        "02:00:00:00:00:02",
                        0x86DD if self.v6 else 0x0800,
                        self.packet(side, proto, message),
                    )
                ),
            )

    def packet(self, side: int, proto: int, message: bytes) -> bytes:
        build = pk.ipv6 if self.v6 else pk.ipv4
        return build(self.ends[side], self.ends[1 - side], proto, message)

    def spoil(self, frame: bytes) -> bytes:
        if self.rng.random() < 0.05:
            at = self.rng.randrange(14, len(frame))
            return frame[:at] + bytes((frame[at] ^ 1 << self.rng.randrange(8),)) + frame[at + 1 :]
        return frame + bytes(self.rng.choice((0, 0, 0, 6)))

    def tcp(self, side: int) -> tuple[int, bytes]:
        rng = self.rng
        flags = rng.choice(
            (
                0x02,
                0x02,
                0x12,
                0x12,
                0x10,
                0x10,
                0x18,
                0x11,
                0x04,
                0x14,
                0x01,
                0,
                0xC2,
                0x06,
                0x29,
                rng.randrange(256),
            )
        )
        data = bytes(rng.choice((0, 0, 0, 1, 100)))
        seq = (
            self.next_seq[side]
            if rng.random() < 0.85
            else rng.choice(
                (
                    0,
                    self.next_seq[side] + rng.choice((-1, 1, 70000, -70000, 1 << 20, -(1 << 31)))
                    & 0xFFFFFFFF,
                )
            )
        )
        ack = (
            self.next_seq[1 - side]
            if rng.random() < 0.8
            else rng.choice((0, rng.randrange(1 << 32), self.next_seq[1 - side] + 70000 & 0xFFFFFFFF))
        )
        options = rng.choice(
            (b"", b"", b"\x01\x03\x03\x07", b"\x02\x04\x05\xb4", b"\x03\x03\x0f\0", b"\0\0\0\0")
        )
        ports = (4000, 80) if side == 0 else (80, 4000)
        if rng.random() < 0.1:
            ports = rng.choice(((4000, 80), (0, 80), (80, 4000), (4001, 80)))
        if rng.random() < 0.9:
            self.next_seq[side] = seq + len(data) + bool(flags & 2) + bool(flags & 1) & 0xFFFFFFFF
        return 6, pk.tcp(
            self.ends[side],
            self.ends[1 - side],
            *ports,
            data,
            flags=flags,
            seq=seq,
            ack=ack,
            window=rng.choice((0, 1, 1000, 64240, 65535)),
            options=options,
        )

    def udp(self, side: int) -> tuple[int, bytes]:
        ports = (4000, 53) if side == 0 else (53, 4000)
        if self.rng.random() < 0.1:
            ports = self.rng.choice(((0, 53), (4000, 0), (53, 4000), (4000, 53)))
        checksum = self.rng.random() < 0.8
        return 17, pk.udp(self.ends[side], self.ends[1 - side], *ports, b"data", checksum=checksum)

    def icmp(self, side: int) -> tuple[int, bytes]:
        kinds = (128, 129, 128, 129, 135, 1, 200) if self.v6 else (8, 0, 8, 0, 13, 14, 15, 16, 3, 5, 17, 30)
        kind, code = self.rng.choice(kinds), self.rng.choice((0,) * 9 + (1,))
        body = self.rng.choice((7, 7, 8)).to_bytes(2) + bytes(10)
        if self.v6:
            return 58, pk.icmpv6(self.ends[side], self.ends[1 - side], kind, code, body)
        return 1, pk.icmp(kind, code, body)

    def other(self, side: int) -> tuple[int, bytes]:
        proto = self.rng.choice((132, 47, 132, 50, 1 if self.v6 else 58))
        return proto, pk.sctp(self.rng.choice((1, 2)), 3, b"chunkchunk")

    def error(self, side: int) -> tuple[int, bytes]:
        """An ICMP error that quotes an earlier packet, of the other side or (wrongly) of this one."""
        if not self.quotable:
            return self.udp(side)
        _, quoted = self.rng.choice(self.quotable)
        quoted = quoted[: self.rng.choice((len(quoted), 28, 48, 27, 20, 40, 47))]
        if self.v6:
            kind = self.rng.choice((1, 2, 3, 4))
            return 58, pk.icmpv6(self.ends[side], self.ends[1 - side], kind, 0, bytes(4) + quoted)
        return 1, pk.icmp(self.rng.choice((3, 4, 5, 11, 12)), self.rng.choice((0, 3)), bytes(4) + quoted)
