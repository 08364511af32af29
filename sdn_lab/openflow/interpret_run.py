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

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType

from sdn_lab.openflow import mirroring
from sdn_lab.openflow.action import IN_PORT, Action
from sdn_lab.openflow.bridging import Bridging
from sdn_lab.openflow.conntrack import EST, NEW, RPL, Tracker
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.fields import ETH_IP, FIELDS, Domain
from sdn_lab.openflow.interpret_actions import HANDLERS
from sdn_lab.openflow.interpret_groups import destination, in_order
from sdn_lab.openflow.interpret_lookup import TableIndex
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopEntries, StopPacket, StopTable, Void
from sdn_lab.openflow.interpret_result import (
    OVERLAP,
    Chosen,
    Emission,
    PacketIn,
    Reason,
    Result,
    Shortened,
    Taken,
)
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meter import BandType, Policer, remarked
from sdn_lab.openflow.mirroring import Mirror
from sdn_lab.openflow.reading import Reading

MAX_DEPTH = 64
MAX_RESUBMITS = 4096
MAX_RECIRCULATIONS = 6
MAX_LOOKUPS = 2 * MAX_RESUBMITS
_FRAMES = 16 * MAX_RESUBMITS  # of Python: forward resubmits nest as often as there are resubmits

VOID = "too many resubmits: nothing is sent"
VOID_TRACKED = "too many resubmits after ct(): Open vSwitch would not have tracked the packet"
WRITTEN_BEHIND_NAT = "written behind ct(nat) as it was before: Open vSwitch may leave the translation"
RETAGGED = "vlan_tci took a tag off and put one on: Open vSwitch may bring back what was below"
CUT = "bytes counted behind a push or pop: Open vSwitch may count those that were there before"
TOO_MUCH = "recirculated without end: not followed, nothing is sent"


_ORIGIN_V4 = ("ct_nw_proto", "ct_nw_src", "ct_nw_dst", "ct_tp_src", "ct_tp_dst")
_ORIGIN_V6 = ("ct_nw_proto", "ct_ipv6_src", "ct_ipv6_dst", "ct_tp_src", "ct_tp_dst")
_NOT_TOLD = (
    *_ORIGIN_V4,
    *_ORIGIN_V6,
    "conj_id",
    "in_phy_port",
    "actset_output",
    "packet_type",
    "recirc_id",
    "dp_hash",
)
_TOLD = tuple(
    row.name for row in FIELDS.values() if row.domain is not Domain.PACKET and row.name not in _NOT_TOLD
)


class _TooMuch(Exception):  # noqa: N818
    """Recirculation multiplies resubmits: the switch would be busy for seconds, and we as well."""


class Run:
    """The state of one run; make one for each packet.  *reading*, *meters* and *held* are the pipeline's."""

    reading: Reading = Reading.OPEN_VSWITCH
    meters: Mapping[int, Policer] = MappingProxyType({})
    held: Mapping[int, Sequence[FlowEntry]] = MappingProxyType({})
    bridging: Bridging

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
        self._buckets: list[Chosen] = []
        self._notes: list[str] = []
        self._depth = self._lookups = self._all_lookups = self._recirculations = 0
        self.calls = 0  # of tables by resubmit that have not returned
        self.tracked = 0  # how often the tracker was asked
        self.bridging = Bridging()
        self.mirrored: set[Mirror] = set()
        self.stack: list[int] = []
        self.learned: list[FlowEntry] = []
        self.shortened: list[Shortened] = []

    # -- what a run is asked for

    def pipeline(self, packet: Packet, table_id: int = 0) -> Result:
        """Process from *table_id* on."""
        with self._voidable():
            if self.bridging.mirrors:
                mirroring.copy(self, packet, packet.fields["in_port"], incoming=True)
            self.restart(packet, table_id, [])
        return self._result()

    def actions(self, packet: Packet, actions: Iterable[Action]) -> Result:
        """Execute the action list of a packet-out."""
        with self._voidable(), suppress(StopTable, StopPacket, StopEntries):
            self.perform(packet, actions, Place([]))
        return self._result()

    @contextmanager
    def _voidable(self) -> Iterator[None]:
        """Take back all of it where it goes on without end.

        The limit is raised and never lowered again: another thread may be deep in a run of its own.  Python
        calls alone nest here, which take no C stack.
        """
        if sys.getrecursionlimit() < _FRAMES:
            sys.setrecursionlimit(_FRAMES)
        try:
            yield
        except (Void, _TooMuch) as reason:
            self._emissions.clear()
            self._packet_ins.clear()
            if isinstance(reason, _TooMuch):
                self.note(TOO_MUCH)
            else:
                self.note(VOID_TRACKED if self.tracked else str(reason))

    def _result(self) -> Result:
        return Result(
            emissions=tuple(self._emissions),
            packet_ins=tuple(self._packet_ins),
            path=tuple(self._path),
            buckets=tuple(self._buckets),
            learned=tuple(self.learned),
            shortened=tuple(self.shortened),
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
            self.perform(packet, in_order(listed), place._replace(in_set=True))

    def restart(self, packet: Packet, table_id: int, action_set: list[Action]) -> None:
        """Run a pipeline of its own from *table_id*, its action set included."""
        depth = self._depth
        with suppress(StopPacket, StopEntries):
            first = self.enter(packet, table_id, action_set, packet.fields["in_port"], back=False)
            self.perform_set(packet, action_set, Place([], table_id, first))
        self._depth = depth

    def perform_alone(self, packet: Packet, actions: Iterable[Action], place: Place) -> None:
        """Execute actions and the action set that they leave."""
        with suppress(StopTable):
            self.perform(packet, actions, place)
        self.perform_set(packet, place.action_set, place._replace(action_set=[]))

    def recirculate(self, packet: Packet, table_id: int, action_set: list[Action]) -> None:
        """Run a pipeline of its own on what came out of the tracker.

        Open vSwitch starts anew here: with its own count of resubmits, too many of which (as all else that
        voids a run) void this part alone.  Its datapath recirculates a packet six times at most, and drops it
        then.
        """
        if self._recirculations >= MAX_RECIRCULATIONS:
            return
        depth, lookups, stack, calls = self._depth, self._lookups, list(self.stack), self.calls
        sent, told, tracked = len(self._emissions), len(self._packet_ins), self.tracked
        self._depth = self._lookups = self.calls = 0
        self._recirculations += 1
        try:
            self.restart(packet, table_id, action_set)
        except Void:
            del self._emissions[sent:], self._packet_ins[told:]
            if self.tracked != tracked:
                self.note(VOID_TRACKED)
        finally:
            self._recirculations -= 1
            self._depth, self._lookups, self.stack, self.calls = depth, lookups, stack, calls

    def enter(
        self, packet: Packet, table_id: int, action_set: list[Action], in_port: int, *, back: bool = True
    ) -> FlowEntry | None:
        """Look up in *table_id*, and on from there by goto, until there is none; return the first entry.

        Only the way *back*, to this table or an earlier one, counts as nesting.
        """
        first: FlowEntry | None = None
        with self.deeper(int(back)):
            following: int | None = table_id
            while following is not None:
                if following != table_id and self._depth >= MAX_DEPTH:
                    raise Void(VOID)
                self._lookups += 1
                self._all_lookups += 1
                if self._lookups > MAX_RESUBMITS:
                    raise Void(VOID)
                if self._all_lookups > MAX_LOOKUPS:
                    raise _TooMuch
                entry = self._find(packet, following, in_port)
                if entry is None:
                    break
                first = first or entry
                try:
                    following = self._instructions(packet, entry, action_set)
                except StopTable:
                    break
                in_port = packet.fields["in_port"]
        return first

    @contextmanager
    def deeper(self, levels: int = 1, most: int = MAX_DEPTH) -> Iterator[None]:
        """Count a level of nesting; behind *most* of them nothing more may be asked, and the run is void."""
        if self._depth >= most:
            raise Void(VOID)
        self._depth += levels
        yield
        self._depth -= levels

    def choose(self, _packet: Packet, group_id: int, bucket: int | None) -> None:
        """Account for a packet that a group takes, and for the buckets that take it, one by one."""
        self._buckets.append(Chosen(group_id=group_id, bucket=bucket))

    def emit(self, packet: Packet, of_port: int) -> None:
        """Send out of a port, if it is there."""
        if of_port in self.ports:
            self._doubt(packet)
            self._emissions.append(Emission(of_port=of_port, frame=packet.frame, tunnel=packet.tunnel))
            if self.bridging.mirrors:
                mirroring.copy(self, packet, of_port, incoming=False)

    def emit_cut(self, packet: Packet, of_port: int, max_len: int) -> None:
        """Send the first bytes out of a port, if it is there."""
        port = packet.fields["in_port"] if of_port == IN_PORT else of_port
        if port in self.ports:
            self._doubt(packet)
            frame = packet.frame
            if len(frame) != packet.arrived:
                self.note(CUT)
            frame = frame[:max_len]
            self._emissions.append(Emission(of_port=port, frame=frame, tunnel=packet.tunnel))

    def packet_in(self, packet: Packet, max_len: int, place: Place, reason: Reason | None = None) -> None:
        """Send to the controller; without a *reason*, for the table-miss entry's or an action's."""
        entry, held = place.entry, packet.fields
        self._doubt(packet)
        miss = entry is not None and not place.in_set and entry.priority == 0 and entry.match == Match()
        self._packet_ins.append(
            PacketIn(
                frame=packet.frame,
                in_port=held["in_port"],
                table_id=place.table_id,
                reason=(Reason.NO_MATCH if miss else Reason.ACTION) if reason is None else reason,
                max_len=max_len,
                cookie=entry.cookie if entry is not None else 0xFFFFFFFFFFFFFFFF,
                pipeline=_told(held),
            )
        )

    def _doubt(self, packet: Packet) -> None:
        """Note what Open vSwitch may do otherwise with the bytes of a packet that goes somewhere."""
        if packet.rewritten:
            self.note(WRITTEN_BEHIND_NAT)
        if packet.retagged:
            self.note(RETAGGED)

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

    def _police(self, packet: Packet, meter_id: int) -> None:
        policer = self.meters.get(meter_id)
        if policer is None:
            self.note(f"meter {meter_id} does not exist")
            return
        if not policer.meter.packets and len(packet.frame) != packet.arrived:
            self.note(CUT)
        band = policer.police(len(packet.frame), self.now_ns)
        if band is None:
            return
        if band.type is BandType.DROP:
            raise StopPacket
        dscp = packet.fields.get("ip_dscp")
        if dscp is not None:
            packet.write("ip_dscp", remarked(dscp, band.prec_level))

    def _instructions(self, packet: Packet, entry: FlowEntry, action_set: list[Action]) -> int | None:
        todo = entry.instructions
        if todo.meter is not None:
            self._police(packet, todo.meter)
        self.perform(packet, todo.apply, Place(action_set, entry.table_id, entry))
        if todo.clear:
            action_set.clear()
        action_set.extend(todo.write)
        if todo.clear or todo.write:
            packet.fields["actset_output"] = destination(action_set)
        if todo.metadata is not None:
            value, mask = todo.metadata
            packet.fields["metadata"] = packet.fields["metadata"] & ~mask | value & mask
        return todo.goto


def _told(held: Mapping[str, int]) -> dict[str, int]:
    """Return what a packet-in says beside the packet.

    The fields of a connection's first packet have EtherType and protocol as their prerequisites: they are
    there, 0 or not, where the packet is ``+new``, ``+est`` or ``+rpl``, and not where it is ``+rel`` alone.
    """
    told = {name: held[name] for name in _TOLD if held.get(name)}
    if held["ct_state"] & (NEW | EST | RPL) and held["ct_nw_proto"]:
        family = _ORIGIN_V4 if held.get("eth_type") == ETH_IP else _ORIGIN_V6
        told |= {name: held[name] for name in family}
    return told
