"""A whole way through the tables and the tracker, for packets of one open connection in one direction.

What
----
A packet that only hops through the tracker takes a program, an answer, a program, an answer, a program.
Where all answers were `fast_track`'s, the way is kept as a `Trail`: one look-up finds all of it.  What is the
same for every zone (lengths, checksums, the place in the stream) is worked out once; each connection is asked
and brought forward as before, in order.

Where it sits
-------------
Used by:    `fast.Cache`, before it looks for a program.
Not here:   what decides about one connection: `fast_track.take`.

Invariants
----------
1.  A key has all bits that any program on the way depends on, and the addresses and ports.  So a trail is
    no wider than its programs are.
2.  What the tracker said is never kept: a trail ends before the first connection that is gone, or that would
    say something else now, and the packet goes on from there as if there were none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sdn_lab.openflow import fast_track
from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.fast_track import Met, Shortcut

if TYPE_CHECKING:
    from sdn_lab.openflow.fast_program import Program, Track

Leg = tuple["Program", "Track", PacketState]
"""A program that hops, its way through the tracker, and what that answered."""


@dataclass(slots=True, eq=False)
class Trail:
    """*programs* are one more than *mets*: the last one ends the way.  Counted since anybody asked.

    *said* are mark and label of each answer; *first* is where the way begins.
    """

    short: Shortcut
    mets: tuple[Met, ...]
    said: tuple[tuple[int, int], ...]
    programs: tuple[Program, ...]
    first: Program
    packets: int = 0
    octets: int = 0
    used_ns: int = 0

    def walk(self, frame: bytes, now_ns: int) -> int:
        """Go through the tracker; return how many trips went as they did when this was kept."""
        segment = fast_track.plain(self.short, frame)
        if segment is None:
            return 0
        done, take = 0, fast_track.take
        for met, (mark, label) in zip(self.mets, self.said, strict=True):
            connection = met.connection
            if connection.mark != mark or connection.label != label or not take(met, segment, now_ns):
                break
            done += 1
        return done

    def settle(self) -> None:
        """Hand what was counted to the programs."""
        if self.packets:
            for program in self.programs:
                program.packets += self.packets
                program.octets += self.octets
                program.used_ns = max(program.used_ns, self.used_ns)
            self.packets = self.octets = 0


class Trails:
    """The trails from one point, by the bits of *mask*."""

    __slots__ = ("by_key", "mask")

    def __init__(self) -> None:
        self.mask = 0
        self.by_key: dict[int, Trail] = {}

    def learn(self, head: int, legs: Sequence[Leg], last: Program) -> bool:
        """Keep a way that was gone, if it may be kept; say whether it is."""
        mets = []
        for _, track, state in legs:
            met = track.short.met.get(head & track.short.bits) if track.short is not None else None
            if met is None or met.connection is not state.connection or met.state != state.state:
                return False
            if state.note or state.frame is not None:
                return False
            mets.append(met)
        zones = [track.zone for _, track, _ in legs]
        if any(one == other for one, other in pairwise(zones)):
            return False  # the second trip of a packet through one zone is answered by the first
        short = legs[0][1].short
        if short is None:
            return False
        bits = short.bits | last.mask
        for program, _, _ in legs:
            bits |= program.mask
        if bits & ~self.mask:
            self.forget_all()
            self.mask |= bits
        self.forget(head)
        self.by_key[head & self.mask] = Trail(
            short,
            tuple(mets),
            tuple((state.mark, state.label) for _, _, state in legs),
            (*(program for program, _, _ in legs), last),
            legs[0][0],
        )
        return True

    def forget(self, head: int) -> None:
        """Forget the trail of a packet."""
        trail = self.by_key.pop(head & self.mask, None)
        if trail is not None:
            trail.settle()

    def forget_all(self) -> None:
        """Forget all of them."""
        self.settle()
        self.by_key.clear()

    def settle(self) -> None:
        """Hand what was counted to the programs."""
        for trail in self.by_key.values():
            trail.settle()
