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
Used by:          `fast_program.Track`.  `tests/differential/test_fast.py` compares with the tracker.

Invariants
----------
1.  A connection is remembered only while its tracker knows it, and only from an answer of the tracker.
2.  Only what can be told from the constants of the action (no commit, nothing written) is taken short.

Reference: `conntrack_tcp.TcpState`, for a segment with ACK and none of SYN, FIN, RST, URG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from struct import unpack_from
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
    TcpState,
)
from sdn_lab.openflow.fast_layout import Layout
from sdn_lab.openflow.packet_parse import TCP, UDP

LIMIT = 20_000  # connections that one operation remembers
_PLAIN = ("key", "expires_ns", "tcp", "answered", "mark", "label", "known")
_OTHERS = [row for row in fields(Connection) if row.name not in _PLAIN]
_M32, _HALF = 0xFFFFFFFF, 0x80000000


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
    met: dict[int, tuple[Connection, bool]]

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
        self.met[head & self.bits] = connection, bool(after.state & RPL)

    def track(self, head: int, frame: bytes, now_ns: int) -> PacketState | None:
        """Return the tracker's answer, having done to the connection what the tracker would, or None."""
        known = self.met.get(head & self.bits)
        if known is None:
            return None
        connection, reply = known
        if not connection.known or connection.expires_ns <= now_ns:
            del self.met[head & self.bits]
            return None
        at, end = self.l4, self.beyond + (frame[self.length_at] << 8 | frame[self.length_at + 1])
        header = self.header
        if header >= 0 and int.from_bytes(frame[header:at]) % 0xFFFF:
            return None
        size = end - at
        total = int.from_bytes(frame[self.addresses : end])
        if size & 1:
            total <<= 8
        if (total + self.proto + size) % 0xFFFF:
            return None
        if self.proto == TCP:
            tcp = connection.tcp
            if tcp is None or not _steady(tcp, frame, at, end, reply=reply):
                return None
        elif not connection.answered or not 8 <= (frame[at + 4] << 8 | frame[at + 5]) <= size:
            return None
        connection.prolong(now_ns)
        state = EST | TRK | RPL if reply else EST | TRK
        return PacketState(state, connection.key.zone, connection.mark, connection.label, connection)


def _steady(tcp: TcpState, frame: bytes, at: int, end: int, *, reply: bool) -> bool:
    """Account for a plain segment inside both windows; say whether it was one."""
    src, dst = (tcp.peers[1], tcp.peers[0]) if reply else (tcp.peers[0], tcp.peers[1])
    if src.state != ESTABLISHED or dst.state != ESTABLISHED:
        return False
    seq, ack, offset_flags, win = unpack_from("!IIHH", frame, at + 4)
    if offset_flags & (SYN | FIN | RST | URG | ACK) != ACK:
        return False
    sws = dws = 0
    if src.wscale & WSCALE_FLAG and dst.wscale & WSCALE_FLAG:
        sws, dws = src.wscale & WSCALE_MASK, dst.wscale & WSCALE_MASK
    elif src.wscale & WSCALE_UNKNOWN and dst.wscale & WSCALE_UNKNOWN:
        sws = dws = MAX_WSCALE
    stop = seq + (end - at - (offset_flags >> 12) * 4) & _M32
    if seq == stop:  # no data: ease the restrictions
        seq = stop = src.seqlo
    skew = dst.seqlo - ack & _M32
    if skew & _HALF:
        skew -= 1 << 32
    if (
        src.seqhi - stop & _HALF
        or seq - src.seqlo + (dst.max_win << dws) & _HALF
        or not -MAX_ACK_WINDOW <= skew <= MAX_ACK_WINDOW << sws
    ):
        return False
    src.max_win = max(src.max_win, win)
    ahead = stop - src.seqlo & _M32
    if ahead and not ahead & _HALF:
        src.seqlo = stop
    reach = win << sws
    if not ack + reach - dst.seqhi & _HALF:
        dst.seqhi = ack + max(reach, 1) & _M32
    return True
