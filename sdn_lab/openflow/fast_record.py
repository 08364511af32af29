"""The slow path, taking notes: from one packet's run, a program for all packets that would run alike.

What
----
A `RecordingRun` is an ordinary `interpret_run.Run` on a `fast_watch.Watched` packet.  What its look-ups and
handlers depended on becomes the program's key, what they did its operations.

Invariants
----------
1.  The result is the slow path's own: recording changes nothing.
2.  Only what is listed in `KNOWN` is cached.  A new action, instruction or field of a value (unless it has
    its default), a note, an answer of a kind that is not known here: no program.  So whoever adds an action
    need not know of the cache; it is slow until it has a row here.
3.  What a packet does beside itself (the tracker) is done again by every packet: an operation, not a result.

Reference: Open vSwitch, ``ofproto/ofproto-dpif-xlate.c`` (`wc` in every function).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from sdn_lab.openflow import action as act
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.fast_lookup import looked_at
from sdn_lab.openflow.fast_program import Look, Node, Onwards, Op, Program, Send, Tell, Track, outcome
from sdn_lab.openflow.fast_track import Shortcut
from sdn_lab.openflow.fast_watch import Recording, Watched
from sdn_lab.openflow.fields import FIELDS, Domain
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place
from sdn_lab.openflow.interpret_result import Emission, PacketIn, Result
from sdn_lab.openflow.interpret_run import Run

KNOWN: Mapping[type[Any], frozenset[str]] = {
    act.Output: frozenset({"of_port", "max_len"}),
    act.OutputField: frozenset({"source", "max_len"}),
    act.SetField: frozenset({"field", "value", "mask"}),
    act.Move: frozenset({"source", "target"}),
    act.GroupAction: frozenset({"group_id"}),
    act.PushVlan: frozenset({"eth_type"}),
    act.PopVlan: frozenset(),
    act.DecTtl: frozenset(),
    act.Resubmit: frozenset({"in_port", "table"}),
    act.Ct: frozenset({"commit", "force", "table", "zone", "exec_"}),
    act.CtClear: frozenset(),
    act.Conjunction: frozenset({"id", "clause", "n_clauses"}),
    Instructions: frozenset({"apply", "clear", "write", "metadata", "goto"}),
    Group: frozenset({"group_id", "type", "buckets"}),
    Bucket: frozenset({"actions", "weight", "watch_port"}),
    Emission: frozenset({"of_port", "frame", "tunnel"}),
}
_RESERVED = frozenset({act.IN_PORT, act.FLOOD, act.ALL, act.CONTROLLER, act.LOCAL, act.ANY})
_GROUPS = frozenset({GroupType.ALL, GroupType.INDIRECT, GroupType.FAST_FAILOVER})
_OUTPUT_FIELD_RESERVED = 0xFFF8
# Fields that are not of the packet, and those of them that the tracker does not give.
_BESIDE = tuple(name for name, row in FIELDS.items() if row.domain is not Domain.PACKET)
_CONSTANT = tuple(name for name in _BESIDE if FIELDS[name].domain is not Domain.CONNTRACK)


def is_known(value: Any) -> bool:
    """Say whether all that *value* says is known here: other fields than those listed have their defaults."""
    listed = KNOWN.get(type(value))
    if listed is None:
        return False
    for row in fields(value):
        if row.name in listed:
            continue
        default = row.default_factory() if row.default_factory is not MISSING else row.default
        if getattr(value, row.name) != default:
            return False
    return True


class RecordingRun(Run):
    """A run whose packets are watched.  Call `begin` with the first packet, and `keep` when it is over."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._recordings: list[Recording] = []
        self._spoilt = ""
        self._acting: Watched | None = None
        self._shared: dict[Any, Onwards] = {}
        if self.tracker is not None:
            self.tracker = _Overheard(self, self.tracker)  # type: ignore[assignment]

    def begin(self, packet: Packet, home: Node | tuple[Onwards, Any], shared: dict[Any, Onwards]) -> Watched:
        """Return *packet*, watched; *shared* are the points behind the tracker that are known already."""
        self._shared = shared
        recording = Recording(packet.frame, home)
        self._recordings.append(recording)
        return Watched.entering(packet, recording)

    def resume(self, level: int) -> None:
        """Go on behind *level* trips through the tracker."""
        self._recirculations = level

    def keep(self) -> list[Program]:
        """Keep a program for every recording that is whole; return them."""
        kept = []
        for recording in self._recordings:
            if self._spoilt or recording.spoilt or not recording.whole:
                continue
            home = recording.home
            node = home if isinstance(home, Node) else home[0].nodes.setdefault(home[1], Node())
            program = _program(recording)
            node.keep(recording.mask, recording.frame, program)
            kept.append(program)
        return kept

    def result(self) -> Result:
        """Return what came of it."""
        return self._result()

    def why_not(self) -> str:
        """Return why the first packet's way is not kept, or nothing where it is."""
        return self._spoilt or next((r.spoilt for r in self._recordings if r.spoilt), "")

    def _of(self, packet: Packet) -> Recording | None:
        if isinstance(packet, Watched):
            return packet.recording
        self._spoilt = self._spoilt or "a packet that nobody watched"
        return None

    # -- what the slow path does, overheard

    def perform(self, packet: Packet, actions: Iterable[act.Action], place: Place) -> None:
        for action in actions:
            recording = self._of(packet)
            if recording is not None:
                self._consider(packet, action, recording)
                self._acting = packet if isinstance(packet, Watched) else None
            super().perform(packet, (action,), place)

    def emit(self, packet: Packet, of_port: int) -> None:
        before = len(self._emissions)
        super().emit(packet, of_port)
        recording = self._of(packet)
        if recording is None or not isinstance(packet, Watched):
            return
        for sent in self._emissions[before:]:
            if not is_known(sent) or sent.frame != packet.frame:
                recording.spoil("a frame was sent that is not the packet")
            recording.ops.append(Send(packet.shown(), sent.of_port, sent.tunnel))

    def packet_in(self, packet: Packet, *args: Any, **kwargs: Any) -> None:
        before = len(self._packet_ins)
        super().packet_in(packet, *args, **kwargs)
        recording = self._of(packet)
        if recording is None or not isinstance(packet, Watched):
            return
        for told in self._packet_ins[before:]:
            if told.frame != packet.frame or not _only_constants(told):
                recording.spoil("a packet-in that is more than the packet")
            recording.ops.append(Tell(packet.shown(), told))

    def choose(self, packet: Packet, group_id: int, bucket: int | None) -> None:
        super().choose(packet, group_id, bucket)
        recording = self._of(packet)
        if recording is not None:
            recording.buckets.append(self._buckets[-1])

    def note(self, text: str) -> None:
        super().note(text)
        self._spoilt = self._spoilt or text

    def recirculate(self, packet: Packet, table_id: int, action_set: list[act.Action]) -> None:
        if not isinstance(packet, Watched):  # not the one that `fast` goes on with
            packet = self._behind(packet, table_id, action_set)
        super().recirculate(packet, table_id, action_set)

    def restart(self, packet: Packet, table_id: int, action_set: list[act.Action]) -> None:
        super().restart(packet, table_id, action_set)  # too many resubmits end it by an exception
        recording = self._of(packet)
        if recording is not None:
            recording.whole = True

    def _find(self, packet: Packet, table_id: int, in_port: int) -> FlowEntry | None:
        recording = self._of(packet)
        if recording is None or not isinstance(packet, Watched):
            return super()._find(packet, table_id, in_port)
        watched, before = packet.watched, len(self._path)
        held = watched.plain()
        packet.fields = held
        entry = super()._find(packet, table_id, in_port)
        packet.fields = watched
        table = self._tables.get(table_id)
        if table is not None:
            seen = {**held, "in_port": in_port}
            recording.mask = looked_at(table, seen, entry, recording.mask, watched.bits_of)
        recording.ops.append(Look(tuple(self._path[before:])))
        if entry is not None and not is_known(entry.instructions):
            recording.spoil("an instruction that is not known here")
        return entry

    # -- what it means

    def _consider(self, packet: Packet, action: act.Action, recording: Recording) -> None:
        if not is_known(action):
            recording.spoil(f"{type(action).__name__} is not known here")
        elif isinstance(action, act.Output):
            if action.of_port >= act.MAX_PORT and action.of_port not in _RESERVED:
                recording.spoil(f"output to {action.of_port:#x}")
        elif isinstance(action, act.OutputField):
            if (packet.read(action.source) or 0) >= _OUTPUT_FIELD_RESERVED:
                recording.spoil("output to a reserved port that was read")
        elif isinstance(action, act.GroupAction):
            group = self.groups.get(action.group_id)
            if group is not None and not (
                is_known(group) and all(map(is_known, group.buckets)) and group.type in _GROUPS
            ):
                recording.spoil("a group that is not known here")

    def overheard(
        self, frame: bytes, before: PacketState, after: Any, zone: int, how: Mapping[str, Any]
    ) -> None:
        """The tracker was asked about the packet that an action is being done to."""
        packet = self._acting
        if packet is None or packet.frame != frame or type(after) is not PacketState:
            self._spoilt = self._spoilt or "the tracker was asked about something else"
            return
        recording = packet.recording
        recording.ops.append(Track(packet.shown(), recording.version_of(before), zone, dict(how)))
        recording.states.append([after])

    def _behind(self, packet: Packet, table_id: int, action_set: list[act.Action]) -> Packet:
        """Return a packet that comes out of the tracker, watched, to be kept behind that operation."""
        above = self._acting
        track = above.recording.ops[-1] if above is not None and above.recording.ops else None
        if not isinstance(track, Track) or track.onwards is not None:
            self._spoilt = self._spoilt or "a packet that came from nowhere"
            return packet
        fields = packet.fields
        held = {name: fields[name] for name in _BESIDE if name in fields}
        constants = tuple([(name, held[name]) for name in _CONSTANT if name in held])
        known = (table_id, tuple(action_set), self._recirculations, track.zone, constants)
        onwards = self._shared.get(known)
        if onwards is None:
            onwards = Onwards(held, table_id, tuple(action_set), self._recirculations)
            self._shared[known] = onwards
        track.onwards = onwards
        return self.begin(packet, (onwards, outcome(packet.ct)), self._shared)


class _Overheard:
    """The tracker, and who hears what it is asked."""

    def __init__(self, run: RecordingRun, tracker: Tracker) -> None:
        self._run, self._tracker = run, tracker

    def track(
        self, frame: bytes, found: Any, before: PacketState, zone: int, *, now_ns: int = 0, **how: Any
    ) -> Any:
        """Track, and tell."""
        after = self._tracker.track(frame, found, before, zone, now_ns=now_ns, **how)
        self._run.overheard(frame, before, after, zone, how)
        return after

    def __getattr__(self, name: str) -> Any:
        self._run.note(f"the tracker's {name} was used")
        return getattr(self._tracker, name)


def _only_constants(told: PacketIn) -> bool:
    """Say whether nothing but the frame of a packet-in is of the packet itself."""
    return all(FIELDS[name].domain is not Domain.PACKET for name in told.pipeline)


def _program(recording: Recording) -> Program:
    assert recording.layout is not None
    ops: list[Op] = [op for op in recording.ops if not isinstance(op, Look)]
    sends = [(op.of_port, op.tunnel) for op in ops if isinstance(op, Send) and op.shown.version < 0]
    for op in ops:
        if isinstance(op, Track) and op.shown.version < 0:
            op.short = Shortcut.of(recording.layout, op.how)
    last = recording.ops[-1] if len(ops) == 1 else None  # so that no look-up follows it
    hop = last if isinstance(last, Track) and last.shown.version < 0 else None
    return Program(
        recording.layout,
        tuple(ops),
        tuple(recording.ops),
        tuple(t for op in recording.ops if isinstance(op, Look) for t in op.taken),
        tuple(sends) if len(sends) == len(ops) else None,
        hop=hop,
        buckets=tuple(recording.buckets),
    )
