"""One packet's run through the tables: look-ups, instructions, the action set.

What
----
A `Run` holds the state of one packet's way: what was sent, what was looked up, how deep it is.  It carries
out instructions; each action is carried out by its handler in `interpret_actions`, which calls back (`emit`,
`enter`, `perform`).

Order is OpenFlow's and Open vSwitch's: the actions of an entry as they stand; then clear, write, metadata,
goto; the action set when a pipeline ends.  A run that goes too deep emits nothing at all, as in Open vSwitch.

Reference: OpenFlow 1.3.5 sections 5.1, 5.9 to 5.12; ovs-actions(7); ``ofproto/ofproto-dpif-xlate.c``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from sdn_lab.openflow.action import Action
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.interpret_actions import HANDLERS
from sdn_lab.openflow.interpret_groups import in_order
from sdn_lab.openflow.interpret_lookup import TableIndex
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopTable
from sdn_lab.openflow.interpret_result import OVERLAP, Emission, PacketIn, Reason, Result, Taken
from sdn_lab.openflow.match import Match

MAX_DEPTH = 64
MAX_RESUBMITS = 4096


class _TooDeep(Exception):  # noqa: N818 - control flow, not an error that anybody sees
    """Resubmits without end: the whole run is void."""


class Run:
    """The state of one run; make one for each packet."""

    def __init__(
        self,
        tables: Mapping[int, TableIndex],
        groups: Mapping[int, Group],
        ports: Sequence[int],
        tracker: Tracker | None,
        now_ns: int,
    ) -> None:
        self.groups, self.ports = groups, ports
        self.tracker, self.now_ns = tracker, now_ns
        self._tables = tables
        self._emissions: list[Emission] = []
        self._packet_ins: list[PacketIn] = []
        self._path: list[Taken] = []
        self._notes: list[str] = []
        self._depth = self._lookups = self._recirculations = 0

    # -- what a run is asked for

    def pipeline(self, packet: Packet, table_id: int = 0) -> Result:
        """Process from *table_id* on."""
        try:
            self.restart(packet, table_id, [])
        except _TooDeep:
            return Result(path=tuple(self._path), notes=("too many resubmits: nothing is sent",))
        return self._result()

    def actions(self, packet: Packet, actions: Iterable[Action]) -> Result:
        """Execute the action list of a packet-out."""
        try:
            self.perform(packet, actions, Place([]))
        except _TooDeep:
            return Result(path=tuple(self._path), notes=("too many resubmits: nothing is sent",))
        except StopTable:
            pass
        return self._result()

    def _result(self) -> Result:
        return Result(
            emissions=tuple(self._emissions),
            packet_ins=tuple(self._packet_ins),
            path=tuple(self._path),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    # -- what handlers call

    def perform(self, packet: Packet, actions: Iterable[Action], place: Place) -> None:
        """Execute actions in the order in which they stand."""
        for action in actions:
            HANDLERS[type(action)](self, packet, action, place)

    def perform_set(self, packet: Packet, listed: Sequence[Action], place: Place) -> None:
        """Execute an action set or a bucket: in OpenFlow's order."""
        with suppress(StopTable):
            self.perform(packet, in_order(listed), place)

    def restart(self, packet: Packet, table_id: int, action_set: list[Action]) -> None:
        """Run a pipeline of its own from *table_id*, its action set included."""
        self.enter(packet, table_id, action_set, packet.fields["in_port"])
        self.perform_set(packet, action_set, Place([]))

    def recirculate(self, packet: Packet, table_id: int, action_set: list[Action]) -> None:
        """Run a pipeline of its own on what came out of the tracker."""
        with self.deeper():
            self._recirculations += 1
            self.restart(packet, table_id, action_set)
            self._recirculations -= 1

    def enter(self, packet: Packet, table_id: int, action_set: list[Action], in_port: int) -> None:
        """Look up in *table_id*, and on from there by goto, until there is none."""
        with self.deeper():
            following: int | None = table_id
            while following is not None:
                self._lookups += 1
                if self._lookups > MAX_RESUBMITS:
                    raise _TooDeep
                entry = self._find(packet, following, in_port)
                if entry is None:
                    return
                try:
                    following = self._instructions(packet, entry, action_set)
                except StopTable:
                    return
                in_port = packet.fields["in_port"]

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """Count one level of nesting; too many void the run."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeep
        yield
        self._depth -= 1

    def emit(self, packet: Packet, of_port: int) -> None:
        """Send out of a port, if it is there."""
        if of_port in self.ports:
            self._emissions.append(Emission(of_port=of_port, frame=packet.frame, tunnel=packet.tunnel))

    def packet_in(self, packet: Packet, max_len: int, place: Place) -> None:
        """Send to the controller."""
        entry, held = place.entry, packet.fields
        miss = entry is not None and entry.priority == 0 and entry.match == Match()
        names = ("in_port", "metadata", "tun_id", "tun_src", "tun_dst", "ct_state", "ct_zone", "ct_mark")
        registers = tuple(f"reg{n}" for n in range(16))
        self._packet_ins.append(
            PacketIn(
                frame=packet.frame,
                in_port=held["in_port"],
                table_id=place.table_id,
                reason=Reason.NO_MATCH if miss else Reason.ACTION,
                max_len=max_len,
                cookie=entry.cookie if entry is not None else 0xFFFFFFFFFFFFFFFF,
                pipeline={name: held[name] for name in names + registers if held[name]},
            )
        )

    def note(self, text: str) -> None:
        """Say where this result is not the only one possible, or not modelled."""
        self._notes.append(text)

    # -- tables

    def _find(self, packet: Packet, table_id: int, in_port: int) -> FlowEntry | None:
        table = self._tables.get(table_id)
        entry, tie = None, False
        if table is not None:
            fields = packet.fields
            if fields["in_port"] != in_port:  # a resubmit that looks up as if it had come in elsewhere
                fields = {**fields, "in_port": in_port}
            entry, tie = table.find(fields)
        self._path.append(Taken(table_id=table_id, entry=entry))
        if tie and entry is not None:
            self.note(f"table {table_id}: entries of priority {entry.priority} {OVERLAP}")
        return entry

    def _instructions(self, packet: Packet, entry: FlowEntry, action_set: list[Action]) -> int | None:
        todo = entry.instructions
        self.perform(packet, todo.apply, Place(action_set, entry.table_id, entry))
        if todo.clear:
            action_set.clear()
        action_set.extend(todo.write)
        if todo.metadata is not None:
            value, mask = todo.metadata
            packet.fields["metadata"] = packet.fields["metadata"] & ~mask | value & mask
        return todo.goto
