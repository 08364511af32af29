"""What the cache does to a packet instead of looking it up: short programs, and where they are kept.

What
----
A `Program` is what the slow path did to one packet, as operations on any packet that takes the same way:
change bytes, send, go through the tracker.  A `Node` is a point at which packets enter the tables with known
constants (port, tunnel, registers); it keeps programs by the bits of the packet that they depend on.

The tracker's answer is never cached.  A `Track` operation asks it, and goes on, where the packet
recirculates, at the node for that answer.

Where it sits
-------------
Used by:    `fast_record`, which writes programs; `fast`, which runs them.
Not here:   whether a program is right: that is decided by what the recorder put in its key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from typing import Any, Protocol

from sdn_lab.openflow import packet_rewrite
from sdn_lab.openflow.action import Action
from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fast_layout import HEAD, Layout
from sdn_lab.openflow.fast_track import Shortcut
from sdn_lab.openflow.fast_trail import Leg, Trails
from sdn_lab.openflow.interpret_result import Chosen, Emission, PacketIn, Result, Shortened, Taken, Tunnel
from sdn_lab.openflow.packet_parse import dissect

# What packets behind one ct() differ in; the zone is the action's, and the fields that come from the origin
# are not read by anything that is cached (`fast_watch`).
_SAME_WAY = ("connection", "zone", "origin", "is_reply", "is_error")
outcome: Callable[[PacketState], Any] = attrgetter(
    *(row.name for row in fields(PacketState) if row.name not in _SAME_WAY)
)


_NONE = PacketState()  # nobody writes to it

Sends = tuple[tuple[int, Tunnel | None], ...]
"""Where a packet is sent as it came: port and tunnel, in order."""


class Onward(Protocol):
    """Who takes over where the cache knows no way."""

    def recirculate(self, flight: Flight, track: Track, frame: bytes, state: PacketState) -> None:
        """Process a packet that came out of the tracker by the tables."""


class Flight:
    """One packet on its way through programs, and what came of it so far.

    *path* is kept where somebody wants to see it; *taken* and *buckets* are what no program
    counts.
    """

    __slots__ = (
        *("buckets", "emissions", "learned", "notes", "now_ns", "octets", "onward", "packet_ins", "path"),
        *("shortened", "taken", "tracker"),
    )

    def __init__(self, tracker: Any, now_ns: int, octets: int, onward: Onward, *, traced: bool) -> None:
        self.tracker, self.now_ns, self.octets, self.onward = tracker, now_ns, octets, onward
        self.emissions: list[Emission] = []
        self.packet_ins: list[PacketIn] = []
        self.taken: list[Taken] = []
        self.buckets: list[Chosen] = []
        self.learned: list[FlowEntry] = []
        self.shortened: list[Shortened] = []
        self.notes: list[str] = []
        self.path: list[Taken] | None = [] if traced else None

    def result(self) -> Result:
        """Return what came of it."""
        return Result(
            emissions=tuple(self.emissions),
            packet_ins=tuple(self.packet_ins),
            path=tuple(self.taken if self.path is None else self.path),
            buckets=tuple(self.buckets),
            learned=tuple(self.learned),
            shortened=tuple(self.shortened),
            notes=tuple(dict.fromkeys(self.notes)),
        )

    @property
    def only_sent(self) -> bool:
        """Whether nothing came of it but what was sent, and programs count the rest."""
        return not (self.packet_ins or self.taken or self.notes)


@dataclass(slots=True)
class Scratch:
    """One run of one program: the versions of the packet's bytes without tags, and of its tracker state."""

    whole: bytes
    bare: list[bytes]
    states: list[PacketState]


class Op(Protocol):
    """One operation."""

    def run(self, flight: Flight, scratch: Scratch) -> None:
        """Do it."""


@dataclass(frozen=True, slots=True)
class Write:
    """Make a new version of the bytes with a field set."""

    source: int
    name: str
    value: int

    def run(self, _flight: Flight, scratch: Scratch) -> None:
        bare = scratch.bare[self.source]
        if self.name == "eth_dst":
            made = self.value.to_bytes(6) + bare[6:]
        elif self.name == "eth_src":
            made = bare[:6] + self.value.to_bytes(6) + bare[12:]
        else:
            made = packet_rewrite.rewrite(bare, {self.name: self.value})
        scratch.bare.append(made)


@dataclass(frozen=True, slots=True)
class Shown:
    """Which bytes a packet has: as it came (*version* -1), or a version with these tags."""

    version: int
    tags: bytes = b""

    def of(self, scratch: Scratch) -> bytes:
        """Return the bytes."""
        if self.version < 0:
            return scratch.whole
        bare = scratch.bare[self.version]
        return bare[:12] + self.tags + bare[12:] if self.tags else bare


@dataclass(frozen=True, slots=True)
class Send:
    """Send out of a port."""

    shown: Shown
    of_port: int
    tunnel: Tunnel | None

    def run(self, flight: Flight, scratch: Scratch) -> None:
        flight.emissions.append(
            Emission(of_port=self.of_port, frame=self.shown.of(scratch), tunnel=self.tunnel)
        )


@dataclass(frozen=True, slots=True)
class Tell:
    """Send to the controller."""

    shown: Shown
    like: PacketIn

    def run(self, flight: Flight, scratch: Scratch) -> None:
        flight.packet_ins.append(replace(self.like, frame=self.shown.of(scratch)))


@dataclass(frozen=True, slots=True)
class Look:
    """Look-ups that were made here; they count, and do nothing."""

    taken: tuple[Taken, ...]

    def run(self, flight: Flight, _scratch: Scratch) -> None:
        if flight.path is not None:
            flight.path += self.taken


@dataclass(slots=True, eq=False)
class Onwards:
    """Where a recirculated packet goes on: its constants, and the nodes by the tracker's answer."""

    fields: Mapping[str, int]
    table_id: int
    action_set: tuple[Action, ...]
    level: int
    nodes: dict[Any, Node] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Track:
    """Send through the tracker; *before* is the version of the state that the packet carries, -1 for none."""

    shown: Shown
    before: int
    zone: int
    how: Mapping[str, Any]
    onwards: Onwards | None = None
    short: Shortcut | None = None

    def run(self, flight: Flight, scratch: Scratch) -> None:
        frame = self.shown.of(scratch)
        before = scratch.states[self.before] if self.before >= 0 else PacketState()
        after = self.ask(flight, frame, int.from_bytes(frame[:HEAD], "little"), before)
        scratch.states.append(after)
        onwards = self.onwards
        if onwards is None:
            return
        node = onwards.nodes.get(outcome(after))
        program = node.find(frame) if node is not None else None
        if program is None:
            flight.onward.recirculate(flight, self, frame, after)
        else:
            program.run(flight, frame, after.copy())

    def ask(self, flight: Flight, frame: bytes, head: int, before: PacketState) -> PacketState:
        """Return the tracker's answer, by the short cut where there is one."""
        short, held = self.short, before.connection
        if short is None or (held is not None and held.key.zone == self.zone):
            return self._track(flight, frame, before)
        after = short.track(head, frame, flight.now_ns)
        if after is None:
            after = self._track(flight, frame, before)
            short.learn(head, after)
        return after

    def _track(self, flight: Flight, frame: bytes, before: PacketState) -> PacketState:
        after: PacketState = flight.tracker.track(
            frame, dissect(frame), before, self.zone, now_ns=flight.now_ns, **self.how
        )
        return after


@dataclass(slots=True, eq=False)
class Program:
    """Operations, the lengths that a packet must have, and what was counted since anybody asked.

    *traced* are the operations with the look-ups between them.  *sends* is the whole program where it does
    nothing but send packets as they came: port and tunnel of each.  *hop* is, where it does nothing but send
    them so through the tracker.  *mask* are the bits under which it was kept.
    """

    layout: Layout
    ops: tuple[Op, ...]
    traced: tuple[Op, ...]
    taken: tuple[Taken, ...]
    sends: Sends | None = None
    packets: int = 0
    octets: int = 0
    used_ns: int = 0
    hop: Track | None = None
    buckets: tuple[Chosen, ...] = ()
    mask: int = -1
    beyond: int = field(init=False)
    least: int = field(init=False)
    length_at: int = field(init=False)

    def __post_init__(self) -> None:
        self.beyond, self.least = self.layout.beyond, self.layout.least
        self.length_at = self.layout.length_at

    def fits(self, frame: bytes) -> bool:
        """Say whether a frame that has the bits has the lengths as well."""
        at, room = self.length_at, len(frame) - self.beyond
        if room < self.least:
            return False
        return at < 0 or self.least <= (frame[at] << 8 | frame[at + 1]) <= room

    def follow(
        self, flight: Flight, frame: bytes, head: int, state: PacketState = _NONE
    ) -> tuple[list[Leg], Program] | None:
        """Do to *frame* what the tables would: `run`, in a loop as long as it only hops.

        *state* is what the tracker said before.  Return the hops and the program behind them, None where the
        tables had to be asked.
        """
        program, legs = self, list[Leg]()
        while (track := program.hop) is not None and (onwards := track.onwards) is not None:
            program.packets += 1
            program.octets += flight.octets
            program.used_ns = flight.now_ns
            if flight.path is not None:
                flight.path += program.taken
            state = track.ask(flight, frame, head, state if track.before >= 0 else _NONE)
            legs.append((program, track, state))
            node = onwards.nodes.get(outcome(state))
            following = node.find(frame, head) if node is not None else None
            if following is None:
                flight.onward.recirculate(flight, track, frame, state)
                return None
            program = following
        program.run(flight, frame, state if state is not _NONE else PacketState())
        return legs, program

    def run(self, flight: Flight, frame: bytes, state: PacketState) -> None:
        """Do to *frame* what the tables would."""
        self.packets += 1
        self.octets += flight.octets
        self.used_ns = flight.now_ns
        if self.sends is not None and flight.path is None:
            for of_port, tunnel in self.sends:
                flight.emissions.append(Emission(of_port=of_port, frame=frame, tunnel=tunnel))
            return
        tagged = self.layout.l3 == 18  # the tag is no part of the versions
        scratch = Scratch(frame, [frame[:12] + frame[16:] if tagged else frame], [state])
        for op in self.ops if flight.path is None else self.traced:
            op.run(flight, scratch)


class Node:
    """Programs for packets with the same constants, by mask and by the bits under it.

    Every program is right for every packet under its key, so the order does not matter to the result; masks
    that serve move to the front.  *trails* begin here.
    """

    __slots__ = ("masks", "trails")

    def __init__(self) -> None:
        self.masks: list[tuple[int, dict[int, Program]]] = []
        self.trails = Trails()

    def find(self, frame: bytes, head: int = -1) -> Program | None:
        """Return the program for *frame*, or None.  *head* are its first bytes as a number, if known."""
        if head < 0:
            head = int.from_bytes(frame[:HEAD], "little")
        n = -1
        for mask, programs in self.masks:
            n += 1
            program = programs.get(head & mask)
            if program is None:
                continue
            at, room = program.length_at, len(frame) - program.beyond
            if room < program.least:
                continue
            if at >= 0 and not program.least <= (frame[at] << 8 | frame[at + 1]) <= room:
                continue
            if n:
                self.masks[n - 1], self.masks[n] = self.masks[n], self.masks[n - 1]
            return program
        return None

    def keep(self, mask: int, frame: bytes, program: Program) -> None:
        """Keep a program for all packets that agree with *frame* under *mask*."""
        program.mask = mask
        key = int.from_bytes(frame[:HEAD], "little") & mask
        for held, programs in self.masks:
            if held == mask:
                programs[key] = program
                return
        self.masks.append((mask, {key: program}))
