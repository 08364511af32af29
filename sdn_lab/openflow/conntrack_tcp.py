"""TCP as the tracker sees it: which flags may open a connection, and its two peers' states and windows.

The state machine and the window checks are those of Open vSwitch 3.1.0's userspace tracker, which took
them from pf.  Two of its habits matter for isolation: a bare ACK or RST may open a connection
(mid-stream pick-up), and a SYN-ACK may not.

Reference: Open vSwitch, ``lib/conntrack-tcp.c``; G. van Rooij, "Real Stateful TCP Packet Filtering in IP
Filter".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from struct import unpack_from

from sdn_lab.openflow.conntrack_time import Stage

FIN, SYN, RST, PSH, ACK, URG = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
CLOSED, SYN_SENT, ESTABLISHED, CLOSING, FIN_WAIT_2, TIME_WAIT = 0, 2, 4, 7, 9, 10
WSCALE_FLAG, WSCALE_UNKNOWN, WSCALE_MASK, MAX_WSCALE = 0x80, 0x40, 0x0F, 14
MAX_ACK_WINDOW = 0xFFFF + 1500
_M32 = 0xFFFFFFFF


class Update(Enum):
    """What a packet did to a connection that was found."""

    VALID = "valid"
    VALID_NEW = "valid, and still opening"
    INVALID = "invalid"
    NEW = "a new connection in place of a finished one"


@dataclass(slots=True)
class Segment:
    """What the tracker reads of a TCP segment; *length* is that of the payload."""

    flags: int
    seq: int
    ack: int
    window: int
    length: int
    wscale: int

    @classmethod
    def read(cls, message: bytes) -> Segment:
        """Read a segment whose header is known to be whole."""
        seq, ack, offset_flags, window = unpack_from("!IIHH", message, 4)
        header = (offset_flags >> 12) * 4
        return cls(
            flags=offset_flags & 0xFFF,
            seq=seq,
            ack=ack,
            window=window,
            length=len(message) - header,
            wscale=_wscale(message[20:header]),
        )


@dataclass(slots=True)
class Peer:
    """One end: what it may send next, and how far it got."""

    state: int = CLOSED
    seqlo: int = 0
    seqhi: int = 1
    max_win: int = 1
    wscale: int = 0


@dataclass(slots=True)
class TcpState:
    """Both ends; index 0 opened the connection."""

    peers: list[Peer] = field(default_factory=lambda: [Peer(), Peer()])
    stage: Stage = Stage.TCP_SYN_SENT

    @classmethod
    def opened_by(cls, segment: Segment) -> TcpState:
        """Return the state after the first segment was committed."""
        state = cls()
        src, dst = state.peers
        src.state, src.seqlo = SYN_SENT, segment.seq
        src.seqhi = (segment.seq + segment.length + 1) & _M32
        if segment.flags & SYN:
            src.seqhi = (src.seqhi + 1) & _M32
            src.wscale = segment.wscale
        else:
            src.wscale = dst.wscale = WSCALE_UNKNOWN
        src.max_win = max(segment.window, 1)
        if src.wscale & WSCALE_MASK:
            src.max_win = -(-src.max_win // (1 << (src.wscale & WSCALE_MASK)))
        if segment.flags & FIN:
            src.seqhi = (src.seqhi + 1) & _M32
        return state

    def update(self, segment: Segment, *, reply: bool) -> Update:
        """Account for a segment of a connection that was found."""
        if flags_are_illegal(segment.flags):
            return Update.INVALID
        src, dst = (self.peers[1], self.peers[0]) if reply else (self.peers[0], self.peers[1])
        if segment.flags & (SYN | ACK) == SYN:
            if dst.state >= FIN_WAIT_2 and src.state >= FIN_WAIT_2:
                src.state = dst.state = CLOSED
                return Update.NEW
            if src.state <= SYN_SENT:
                src.state = SYN_SENT
                self.stage = Stage.TCP_SYN_SENT
                return Update.VALID_NEW
        return self._track(segment, src, dst)

    def _track(self, segment: Segment, src: Peer, dst: Peer) -> Update:
        flags, seq, win, ack = segment.flags, segment.seq, segment.window, segment.ack
        sws = dws = 0
        if not flags & SYN:
            if src.wscale & WSCALE_FLAG and dst.wscale & WSCALE_FLAG:
                sws, dws = src.wscale & WSCALE_MASK, dst.wscale & WSCALE_MASK
            elif src.wscale & WSCALE_UNKNOWN and dst.wscale & WSCALE_UNKNOWN:
                sws = dws = MAX_WSCALE
        end = seq + segment.length + (flags & SYN != 0) + (flags & FIN != 0) & _M32
        check_ackskew = True
        if src.state < SYN_SENT:  # first packet from this end
            if flags & SYN and dst.wscale & WSCALE_FLAG:
                src.wscale = segment.wscale
                if src.wscale & WSCALE_FLAG:
                    sws = src.wscale & WSCALE_MASK
                    win = -(-win // (1 << sws))
                    dws = dst.wscale & WSCALE_MASK
                else:
                    dst.max_win = dst.max_win << (dst.wscale & WSCALE_MASK) & 0xFFFF
                    dst.wscale = 0
            src.seqlo, src.state = seq, SYN_SENT
            reach = end + max(1, dst.max_win << dws) & _M32
            if src.seqhi == 1 or _geq(reach, src.seqhi):
                src.seqhi = reach
                check_ackskew = False
            src.max_win = max(src.max_win, win)
        if not flags & ACK or (ack == 0 and flags & (ACK | RST) == ACK | RST):
            ack = dst.seqlo
        orig_seq = seq
        if seq == end:  # no data: ease the restrictions
            seq = end = src.seqlo
        skew = _signed(dst.seqlo - ack) if check_ackskew else 0
        near_reset = orig_seq in (src.seqlo, src.seqlo + 1 & _M32, src.seqlo - 1 & _M32)
        inside = (
            _geq(src.seqhi, end)
            and _geq(seq, src.seqlo - (dst.max_win << dws))
            and -MAX_ACK_WINDOW <= skew <= MAX_ACK_WINDOW << sws
            and (not flags & RST or near_reset)
        )
        if inside:
            self._advance(src, dst, end, ack, win, sws)
            self._change_states(flags, src, dst)
            return Update.VALID
        loosely = (
            (dst.state < SYN_SENT or dst.state >= FIN_WAIT_2 or src.state >= FIN_WAIT_2)
            and _geq(src.seqhi + MAX_ACK_WINDOW, end)
            and _geq(seq, src.seqlo - MAX_ACK_WINDOW)
        )
        if not loosely:
            return Update.INVALID
        self._advance(src, dst, end, ack, win, sws)
        if flags & FIN and src.state < CLOSING:
            src.state = CLOSING
        if flags & RST:
            src.state = dst.state = TIME_WAIT
        return Update.VALID

    @staticmethod
    def _advance(src: Peer, dst: Peer, end: int, ack: int, win: int, sws: int) -> None:
        src.max_win = max(src.max_win, win)
        if _signed(end - src.seqlo) > 0:
            src.seqlo = end
        if _geq(ack + (win << sws), dst.seqhi):
            dst.seqhi = ack + max(win << sws, 1) & _M32

    def _change_states(self, flags: int, src: Peer, dst: Peer) -> None:
        if flags & FIN and src.state < CLOSING:
            src.state = CLOSING
        if flags & ACK:
            if dst.state == SYN_SENT:
                dst.state = ESTABLISHED
            elif dst.state == CLOSING:
                dst.state = FIN_WAIT_2
        if flags & RST:
            src.state = dst.state = TIME_WAIT
        low, high = sorted((src.state, dst.state))
        if low >= FIN_WAIT_2:
            self.stage = Stage.TCP_CLOSE
        elif low >= CLOSING:
            self.stage = Stage.TCP_TIME_WAIT
        elif low < ESTABLISHED:
            self.stage = Stage.TCP_SYN_RECV
        elif high >= CLOSING:
            self.stage = Stage.TCP_FIN_WAIT
        else:
            self.stage = Stage.TCP_ESTABLISHED


def flags_are_illegal(flags: int) -> bool:
    """Say whether no TCP sends this combination."""
    if flags & SYN:
        if flags & (RST | FIN):
            return True
    elif not flags & (ACK | RST):
        return True
    return not flags & ACK and bool(flags & (FIN | PSH | URG))


def may_open(flags: int) -> bool:
    """Say whether a segment with these flags is ``+new`` where no connection is known."""
    return not flags_are_illegal(flags) and flags & (SYN | ACK) != SYN | ACK


def _wscale(options: bytes) -> int:
    """Return the window scale option with `WSCALE_FLAG`, or 0."""
    scale, at = 0, 0
    while len(options) - at >= 3:
        kind = options[at]
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if kind == 3:
            scale = min(options[at + 2], MAX_WSCALE) | WSCALE_FLAG
        at += max(options[at + 1], 2)
    return scale


def _signed(value: int) -> int:
    value &= _M32
    return value - (1 << 32) if value >> 31 else value


def _geq(left: int, right: int) -> bool:
    return _signed(left - right) >= 0
