"""One packet's run through the tables: instructions, actions, the action set, groups, the tracker.

Order is OpenFlow's and Open vSwitch's: the actions of an entry as they stand; then clear, write, metadata,
goto; the action set when a pipeline ends.  ``ct(table=N)`` starts a second pipeline at N *before* the actions
after it go on.  A run that goes too deep emits nothing at all, as in Open vSwitch.

Reference: OpenFlow 1.3.5 sections 5.1, 5.6, 5.9 to 5.12; ovs-actions(7); ``ofproto/ofproto-dpif-xlate.c``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from sdn_lab.openflow.action import (
    ALL,
    ANY,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    TABLE,
    Action,
    Ct,
    CtClear,
    DecTtl,
    GroupAction,
    Move,
    Output,
    OutputField,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.interpret_groups import chosen, in_order
from sdn_lab.openflow.interpret_lookup import TableIndex
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_result import OVERLAP, Emission, PacketIn, Reason, Result, Taken
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.packet_parse import dissect

MAX_DEPTH = 64
MAX_RESUBMITS = 4096
_OVS_RESERVED = 0xFFF8  # Open vSwitch's own port numbers have 16 bits; from here on they are reserved ones


class _TooDeep(Exception):  # noqa: N818 - control flow, not an error that anybody sees
    """Resubmits without end: the whole run is void."""


class _StopTable(Exception):  # noqa: N818 - control flow
    """The rest of this entry is not executed (TTL at its end)."""


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
        self._tables, self._groups, self._ports = tables, groups, ports
        self._tracker, self._now_ns = tracker, now_ns
        self._emissions: list[Emission] = []
        self._packet_ins: list[PacketIn] = []
        self._path: list[Taken] = []
        self._notes: list[str] = []
        self._depth = self._lookups = 0

    def pipeline(self, packet: Packet, table_id: int = 0) -> Result:
        """Process from *table_id* on."""
        try:
            self._pipeline(packet, table_id, [])
        except _TooDeep:
            return Result(path=tuple(self._path), notes=("too many resubmits: nothing is sent",))
        return self._result()

    def actions(self, packet: Packet, actions: Iterable[Action]) -> Result:
        """Execute the action list of a packet-out."""
        try:
            self._list(packet, actions, [], 0, None)
        except _TooDeep:
            return Result(path=tuple(self._path), notes=("too many resubmits: nothing is sent",))
        except _StopTable:
            pass
        return self._result()

    def _result(self) -> Result:
        return Result(
            emissions=tuple(self._emissions),
            packet_ins=tuple(self._packet_ins),
            path=tuple(self._path),
            notes=tuple(dict.fromkeys(self._notes)),
        )

    def _pipeline(self, packet: Packet, table_id: int, action_set: list[Action]) -> None:
        self._enter(packet, table_id, action_set, packet.fields["in_port"])
        self._ordered_list(packet, action_set, [], 0, None)

    def _enter(self, packet: Packet, table_id: int, action_set: list[Action], in_port: int) -> None:
        """Look up in *table_id*, and on from there by goto, until there is none."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeep
        following: int | None = table_id
        while following is not None:
            self._lookups += 1
            if self._lookups > MAX_RESUBMITS:
                raise _TooDeep
            entry = self._find(packet, following, in_port)
            if entry is None:
                break
            try:
                following = self._instructions(packet, entry, action_set)
            except _StopTable:
                break
            in_port = packet.fields["in_port"]
        self._depth -= 1

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
            self._notes.append(f"table {table_id}: entries of priority {entry.priority} {OVERLAP}")
        return entry

    def _instructions(self, packet: Packet, entry: FlowEntry, action_set: list[Action]) -> int | None:
        todo = entry.instructions
        self._list(packet, todo.apply, action_set, entry.table_id, entry)
        if todo.clear:
            action_set.clear()
        action_set.extend(todo.write)
        if todo.metadata is not None:
            value, mask = todo.metadata
            packet.fields["metadata"] = packet.fields["metadata"] & ~mask | value & mask
        return todo.goto

    def _list(
        self,
        packet: Packet,
        actions: Iterable[Action],
        action_set: list[Action],
        table_id: int,
        entry: FlowEntry | None,
    ) -> None:
        for action in actions:
            match action:
                case SetField():
                    packet.set_field(action)
                case Output():
                    self._output(packet, action.of_port, action.max_len, table_id, entry)
                case OutputField():
                    self._output_field(packet, action, table_id, entry)
                case Ct():
                    self._ct(packet, action, action_set)
                case Move():
                    packet.move(action)
                case GroupAction():
                    self._group(packet, action.group_id, action_set, table_id, entry)
                case PushVlan():
                    if not packet.push_vlan(action.eth_type):
                        self._notes.append("a third VLAN tag was pushed: Open vSwitch loses count of them")
                case PopVlan():
                    packet.pop_vlan()
                case DecTtl():
                    if not packet.dec_ttl():
                        raise _StopTable
                case Resubmit():
                    in_port = packet.fields["in_port"] if action.in_port is None else action.in_port
                    self._enter(
                        packet, table_id if action.table is None else action.table, action_set, in_port
                    )
                case CtClear():
                    packet.ct = PacketState()
                    packet.clear_ct()
                case _:  # Conjunction: no action of its own
                    pass

    def _ordered_list(
        self,
        packet: Packet,
        listed: Sequence[Action],
        action_set: list[Action],
        table_id: int,
        entry: FlowEntry | None,
    ) -> None:
        """Execute an action set or a bucket."""
        with suppress(_StopTable):
            self._list(packet, in_order(listed), action_set, table_id, entry)

    def _output(
        self, packet: Packet, of_port: int, max_len: int, table_id: int, entry: FlowEntry | None
    ) -> None:
        in_port = packet.fields["in_port"]
        if of_port == CONTROLLER:
            self._packet_in(packet, max_len, table_id, entry)
        elif of_port == IN_PORT:
            self._emit(packet, in_port)
        elif of_port in (FLOOD, ALL):
            for port in self._ports:
                if port != in_port:
                    self._emit(packet, port)
        elif of_port == TABLE:
            self._enter(packet, 0, [], in_port)
        elif of_port not in (in_port, ANY):
            self._emit(packet, of_port)

    def _output_field(
        self, packet: Packet, action: OutputField, table_id: int, entry: FlowEntry | None
    ) -> None:
        of_port = packet.read(action.source)
        if of_port is None or of_port > 0xFFFF:
            return
        if of_port >= _OVS_RESERVED:
            of_port |= 0xFFFF0000
        self._output(packet, of_port, action.max_len, table_id, entry)

    def _emit(self, packet: Packet, of_port: int) -> None:
        if of_port in self._ports:
            self._emissions.append(Emission(of_port=of_port, frame=packet.frame, tunnel=packet.tunnel))

    def _packet_in(self, packet: Packet, max_len: int, table_id: int, entry: FlowEntry | None) -> None:
        miss = entry is not None and entry.priority == 0 and entry.match == Match()
        held = packet.fields
        names = ("in_port", "metadata", "tun_id", "tun_src", "tun_dst", "ct_state", "ct_zone", "ct_mark")
        registers = tuple(f"reg{n}" for n in range(16))
        self._packet_ins.append(
            PacketIn(
                frame=packet.frame,
                in_port=held["in_port"],
                table_id=table_id,
                reason=Reason.NO_MATCH if miss else Reason.ACTION,
                max_len=max_len,
                cookie=entry.cookie if entry is not None else 0xFFFFFFFFFFFFFFFF,
                pipeline={name: held[name] for name in names + registers if held[name]},
            )
        )

    def _ct(self, packet: Packet, action: Ct, action_set: list[Action]) -> None:
        if self._tracker is None:
            self._notes.append("ct() without a tracker: the packet stops")
            raise _StopTable
        zone = action.zone if isinstance(action.zone, int) else (packet.read(action.zone) or 0) & 0xFFFF
        frame = packet.frame
        found = dissect(frame)
        if found.fields.get("ip_frag"):
            self._notes.append("a fragment reached the tracker: reassembly is not modelled, it stops here")
            raise _StopTable
        masked = {"ct_mark": (0, 0), "ct_label": (0, 0)}
        for setter in action.exec_:
            value, mask = masked[setter.field]
            masked[setter.field] = (value & ~setter.mask | setter.value & setter.mask, mask | setter.mask)
        packet.ct = self._tracker.track(
            frame,
            found,
            packet.ct,
            zone,
            commit=action.commit,
            force=action.force,
            mark=masked["ct_mark"],
            label=masked["ct_label"],
            now_ns=self._now_ns,
        )
        if action.table is not None:
            if action_set:
                self._notes.append("ct(table=) with an action set: ovs-vswitchd 3.1.0 aborts")
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise _TooDeep
            self._pipeline(packet.recirculated(packet.ct.copy()), action.table, list(action_set))
            self._depth -= 1
        packet.clear_ct()

    def _group(
        self, packet: Packet, group_id: int, action_set: list[Action], table_id: int, entry: FlowEntry | None
    ) -> None:
        group = self._groups.get(group_id)
        if group is None:
            self._notes.append(f"group {group_id} does not exist")
            return
        buckets, note = chosen(group, packet.fields, self._ports)
        if note:
            self._notes.append(note)
        for bucket in buckets:
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise _TooDeep
            self._ordered_list(packet.copy(), bucket.actions, list(action_set), table_id, entry)
            self._depth -= 1
