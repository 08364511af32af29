"""The tracker's answer for packets that change next to nothing: the bulk of an open connection.

What
----
A packet of an answered UDP flow, or a plain segment between two established TCP peers, only moves windows and
puts off an end.  `Shortcut` recognises such packets by the bits of their addresses and ports, checks what the
tracker would check (checksums, lengths, windows) and does the same to the same `Connection`.  Anything else
is None: the tracker itself is asked.

Where it sits
-------------
Reads and writes: `conntrack.Connection`, `conntrack_tcp.TcpState`, which stay the tracker's.
Used by:          `fast_program.Track`, `fast_trail`.  `tests/differential/test_fast.py` compares with the
                  tracker.

Invariants
----------
1.  A connection is remembered only while its tracker knows it, and only from an answer of the tracker.
2.  Only what can be told from the constants of the action (no commit, nothing written) is taken short.

Reference: `conntrack_tcp.TcpState`, for a segment with ACK and none of SYN, FIN, RST, URG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from struct import Struct
from typing import Any

from sdn_lab.openflow.conntrack import EST, RPL, TRK, Connection, PacketState
from sdn_lab.openflow.conntrack_tcp import (
    ACK,
    ESTABLISHED,
    FIN,
    MAX_ACK_WINDOW,
    MAX_WSCALE,
    RST,
    SYN,
    URG,
    WSCALE_FLAG,
    WSCALE_MASK,
    WSCALE_UNKNOWN,
    Peer,
)
from sdn_lab.openflow.conntrack_time import Stage
from sdn_lab.openflow.fast_layout import Layout
from sdn_lab.openflow.packet_parse import TCP, UDP

LIMIT = 20_000  # connections that one operation remembers
_PLAIN = ("key", "expires_ns", "tcp", "answered", "mark", "label", "known")
_OTHERS = [row for row in fields(Connection) if row.name not in _PLAIN]
_M32, _HALF = 0xFFFFFFFF, 0x80000000
_TELLING = SYN | FIN | RST | URG | ACK
_SEGMENT = Struct("!IIHH").unpack_from

Segment = tuple[int, int, int, int]
"""Of a plain segment: sequence number, that behind it, acknowledgement, window.  Nothing matters of UDP."""
_DATAGRAM: Segment = (0, 0, 0, 0)


@dataclass(slots=True, eq=False)
class Met:
    """A connection in one direction, as packets of its open phase need it.

    *life_ns*: how long a packet keeps it.  TCP's is that of an established one: when both peers came to be
    so, its stage did (`TcpState._change_states`).  Scales do not change from then on; -1 is not read yet.
    """

    connection: Connection
    state: int
    life_ns: int
    src: Peer | None = None
    dst: Peer | None = None
    sws: int = -1
    dws: int = 0

    @classmethod
    def of(cls, connection: Connection, *, reply: bool) -> Met:
        """Return it for one direction of a connection."""
        state = EST | TRK | RPL if reply else EST | TRK
        tcp = connection.tcp
        stage = Stage.UDP_MULTIPLE if tcp is None else Stage.TCP_ESTABLISHED
        met = cls(connection, state, connection.timeouts.ns(stage))
        if tcp is not None:
            met.src, met.dst = tcp.peers[::-1] if reply else tcp.peers
        return met

    def answer(self) -> PacketState:
        """Return what the tracker says of a packet that was taken short."""
        held = self.connection
        return PacketState(self.state, held.key.zone, held.mark, held.label, held)


def take(met: Met, segment: Segment, now_ns: int) -> bool:
    """Do to a connection what the tracker does for a packet of its open phase; say whether it was one."""
    connection = met.connection
    if not connection.known or connection.expires_ns <= now_ns:
        return False
    if met.src is None:
        if not connection.answered:
            return False
    elif not steady(met, segment):
        return False
    connection.expires_ns = now_ns + met.life_ns
    return True


@dataclass(slots=True, eq=False)
class Shortcut:
    """The connections that one `Track` operation met, by the bits of address and port."""

    bits: int  # of the head: addresses and ports
    proto: int
    addresses: int  # where they start; the transport header follows them
    l4: int
    beyond: int  # the length that the header at `length_at` says begins here
    length_at: int
    header: int  # where the IPv4 header starts, or -1
    met: dict[int, Met]

    @classmethod
    def of(cls, layout: Layout, how: Mapping[str, Any]) -> Shortcut | None:
        """Return the short cut for packets of a layout, or None where there is none."""
        proto = layout.fixed.get("ip_proto")
        version = 4 if "ipv4_src" in layout.spots else 6
        name = {TCP: "tcp", UDP: "udp"}.get(proto or 0)
        if name is None or any(value not in (False, (0, 0), 0, None) for value in how.values()):
            return None
        spots, l3 = layout.spots, layout.l3
        l4 = spots[name + "_src"].at
        if l4 != l3 + (20 if version == 4 else 40):
            return None
        bits = 0
        for field in (f"ipv{version}_src", f"ipv{version}_dst"):
            bits |= spots[field].bits((1 << (32 if version == 4 else 128)) - 1)
        for field in (name + "_src", name + "_dst"):
            bits |= spots[field].bits(0xFFFF)
        return cls(
            bits=bits,
            proto=proto or 0,
            addresses=spots[f"ipv{version}_src"].at,
            l4=l4,
            beyond=layout.beyond,
            length_at=layout.length_at,
            header=l3 if version == 4 else -1,
            met={},
        )

    def learn(self, head: int, after: PacketState) -> None:
        """Remember the connection of a packet for which the tracker was asked."""
        connection = after.connection
        if connection is None or not after.state & EST:
            return
        if any(getattr(connection, row.name) != row.default for row in _OTHERS):
            return
        if len(self.met) >= LIMIT:
            self.met.clear()
        self.met[head & self.bits] = Met.of(connection, reply=bool(after.state & RPL))

    def track(self, head: int, frame: bytes, now_ns: int) -> PacketState | None:
        """Return the tracker's answer, having done to the connection what the tracker would, or None."""
        met = self.met.get(head & self.bits)
        if met is None:
            return None
        if not met.connection.known or met.connection.expires_ns <= now_ns:
            del self.met[head & self.bits]
            return None
        segment = plain(self, frame)
        return met.answer() if segment is not None and take(met, segment, now_ns) else None


def plain(short: Shortcut, frame: bytes) -> Segment | None:
    """Return what decides about a packet, or None where its checksums, lengths or flags are not plain."""
    at, length_at, header = short.l4, short.length_at, short.header
    end = short.beyond + (frame[length_at] << 8 | frame[length_at + 1])
    if header >= 0 and int.from_bytes(frame[header:at]) % 0xFFFF:
        return None
    size = end - at
    total = int.from_bytes(frame[short.addresses : end])
    if size & 1:
        total <<= 8
    if (total + short.proto + size) % 0xFFFF:
        return None
    if short.proto == TCP:
        seq, ack, offset_flags, window = _SEGMENT(frame, at + 4)
        if offset_flags & _TELLING != ACK:
            return None
        return seq, seq + size - (offset_flags >> 12) * 4 & _M32, ack, window
    return _DATAGRAM if 8 <= (frame[at + 4] << 8 | frame[at + 5]) <= size else None


def steady(met: Met, segment: Segment) -> bool:
    """Account for a plain segment inside both windows; say whether it was one."""
    src, dst = met.src, met.dst
    if src is None or dst is None or src.state != ESTABLISHED or dst.state != ESTABLISHED:
        return False
    if met.sws < 0:
        _read_scales(met, src, dst)
    seq, stop, ack, window = segment
    low, sws = src.seqlo, met.sws
    if seq == stop:  # no data: ease the restrictions
        seq = stop = low
    skew = dst.seqlo - ack & _M32
    if skew & _HALF:
        skew -= 1 << 32
    if (
        src.seqhi - stop & _HALF
        or seq - low + (dst.max_win << met.dws) & _HALF
        or not -MAX_ACK_WINDOW <= skew <= MAX_ACK_WINDOW << sws
    ):
        return False
    if window > src.max_win:  # noqa: PLR1730 (a call of max takes longer than all of this)
        src.max_win = window
    ahead = stop - low & _M32
    if ahead and not ahead & _HALF:
        src.seqlo = stop
    reach = window << sws
    if not ack + reach - dst.seqhi & _HALF:
        dst.seqhi = ack + (reach or 1) & _M32
    return True


def _read_scales(met: Met, src: Peer, dst: Peer) -> None:
    if src.wscale & WSCALE_FLAG and dst.wscale & WSCALE_FLAG:
        met.sws, met.dws = src.wscale & WSCALE_MASK, dst.wscale & WSCALE_MASK
    elif src.wscale & WSCALE_UNKNOWN and dst.wscale & WSCALE_UNKNOWN:
        met.sws = met.dws = MAX_WSCALE
    else:
        met.sws = met.dws = 0
