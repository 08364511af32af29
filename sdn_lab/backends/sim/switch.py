"""One simulated switch: ports, tables, groups, counters, and what happens to a frame.

What
----
Forwarding is `openflow.interpret`'s; this module keeps what that needs (tables that change, ports that go
down, time) and what a controller may ask (counters, ages).  Frames leave through `on_emit`, packets for the
controller through `on_packet_in`; both are set by whoever builds the network.

Fail mode
---------
``secure``: when the controller is lost, everything stays as it is.  ``standalone``: once it has been lost for
`FAIL_OPEN_NS`, the switch ignores its tables and floods, as Open vSwitch does with learning left out: each
frame goes to every port, so that nothing is hidden from a verifier by what happened to be learned.

Reference: OpenFlow 1.3.5 sections 5 and 6.3; ovs-vswitchd.conf.db(5), "fail_mode".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdn_lab.backends.sim import groups, meters
from sdn_lab.backends.sim.check import check_actions, check_entry
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.groups import GroupCounted, GroupCounts
from sdn_lab.backends.sim.table import FlowTable, Removed, Row, groups_of
from sdn_lab.backends.sim.table import Saved as SavedRows
from sdn_lab.openflow import action as act
from sdn_lab.openflow.bridging import Bridging
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import FlowEntry, Group, Tables
from sdn_lab.openflow.fast import Cache
from sdn_lab.openflow.fast_program import Flight
from sdn_lab.openflow.interpret import PacketIn, Pipeline, Result, Tunnel
from sdn_lab.openflow.interpret_labels import VOID_LABELS
from sdn_lab.openflow.interpret_run import VOID, VOID_TRACKED
from sdn_lab.openflow.meter import Policer
from sdn_lab.openflow.reading import Reading
from sdn_lab.openflow.wire import error, request
from sdn_lab.openflow.wire import port as port_wire
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.reply import PortState
from sdn_lab.openflow.wire.stats import Counted

FAIL_OPEN_NS = 15_000_000_000  # three of Open vSwitch's inactivity probes
N_TABLES = 254
_DEAF = port_wire.PORT_DOWN | port_wire.NO_RECV
_MUTE = port_wire.PORT_DOWN | port_wire.NO_FWD
_LETTER = Reading.LETTER
_VOID = {VOID, VOID_TRACKED, VOID_LABELS}  # such a packet is dropped by every switch: nothing is lost by us

Emit = Callable[[int, bytes, Tunnel | None, bool], None]
"""Takes what leaves: port, frame, what the tunnel fields held (see `interpret_result.Emission`); and whether
nothing else comes of what arrived."""


Saved = tuple[SavedRows, dict[int, Group], dict[int, Policer], dict[int, PortState], GroupCounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A port of a switch: what a controller sees, and what is behind it, in the snapshot's words."""

    state: PortState
    behind: str


class Switch:
    """One datapath."""

    def __init__(
        self,
        name: str,
        dpid: int,
        clock: Clock,
        attached: Iterable[Attached],
        *,
        tracker: Tracker | None = None,
        fail_mode: str = "secure",
        reading: Reading = Reading.OPEN_VSWITCH,
    ) -> None:
        self.name, self.dpid, self.clock, self.fail_mode = name, dpid, clock, fail_mode
        self.tracker, self.reading = tracker, reading
        self.table = FlowTable()
        self.table.settle = self._settle
        self.groups: dict[int, Group] = {}
        self.group_counts = GroupCounts()
        self.still = False  # it does nothing with any frame, as if without power
        self.meters: dict[int, Policer] = {}
        self.bridging = Bridging()
        held = {a.state.of_port: a for a in attached}
        self.ports: dict[int, PortState] = {n: a.state for n, a in held.items()}
        self.behind = {n: a.behind for n, a in held.items()}
        self.since_ns = dict.fromkeys(held, clock.now_ns)
        self.received = {n: Counted() for n in held}
        self.sent = {n: Counted() for n in held}
        self._looked_up = [Counted() for _ in range(N_TABLES)]  # octets stand for look-ups, packets for hits
        self.unsure: list[
            str
        ] = []  # results that were not the only possible ones; see interpret.Result.notes
        self.on_emit: Emit = lambda *_: None
        self.on_packet_in: Callable[[PacketIn], None] = lambda _: None
        self.on_removed: Callable[[list[Removed]], None] = lambda _: None
        self._lost_ns: int | None = None
        self._cache: Cache | None = None
        self._made_for = -1, -1
        self._row_of: dict[int, Row] = {}  # by the identity of the entry that the pipeline has
        self._changes = 0  # of groups and ports

    # -- frames

    def receive(self, frame: bytes, in_port: int, tunnel: Tunnel | None = None) -> None:
        """Take a frame that arrives at *in_port*.  One that is down takes nothing."""
        port = self.ports.get(in_port)
        if port is None or not port.up or port.config & _DEAF or self.still:
            return
        counted, octets, now_ns = self.received[in_port], len(frame), self.clock.now_ns
        counted.packets += 1
        counted.octets += octets
        if now_ns >= self.table.earliest_ns:
            self.expire()
        if self._lost_ns is not None and self._failed_open():
            for of_port in self._live():
                if of_port != in_port:
                    self._emit(of_port, frame, None)
            return
        cache, made_for = self._cache, self._made_for
        if cache is None or made_for[0] != self.table.version or made_for[1] != self._changes:
            cache = self._current()
        if self.reading is _LETTER:  # the cache knows Open vSwitch's reading of frames
            self._follow(cache.pipeline.process(frame, in_port, tunnel, now_ns=now_ns), octets)
            return
        done = cache.quickly(frame, in_port, tunnel, now_ns)
        if type(done) is tuple:
            alone = len(done) == 1
            for of_port, out in done:
                counted = self.sent[of_port]
                counted.packets += 1
                counted.octets += octets
                self.on_emit(of_port, frame, out, alone)
        elif done is None:
            self._follow(cache.slowly(frame, in_port, tunnel, now_ns), octets)
        elif isinstance(done, Flight):
            if done.only_sent:
                alone = len(done.emissions) == 1
                for emission in done.emissions:
                    self._emit(emission.of_port, emission.frame, emission.tunnel, last=alone)
            else:
                self._follow(done.result(), octets)

    def packet_out(self, asked: request.PacketOut) -> None:
        """Do a packet-out.  Raises WireError."""
        known = asked.in_port in self.ports or asked.in_port in (act.CONTROLLER, act.ANY)
        if not known:
            raise WireError(error.REQUEST_BAD_PORT, f"there is no port {asked.in_port}")
        if len(asked.data) < 14:
            raise WireError(error.REQUEST_BAD_PACKET, f"a frame of {len(asked.data)} bytes")
        check_actions(asked.actions, None, self.groups)
        if self.still:
            return
        self.expire()
        result = self._current().pipeline.execute(
            asked.actions, asked.data, asked.in_port, now_ns=self.clock.now_ns
        )
        self._follow(result, len(asked.data))

    def _follow(self, result: Result, octets: int) -> None:
        self.unsure += [f"{self.name}: {note}" for note in result.notes if note not in _VOID]
        for taken in result.path:
            seen = self._looked_up[taken.table_id]
            seen.octets += 1
            if taken.entry is not None:
                seen.packets += 1
                self._row_of[id(taken.entry)].count(octets, self.clock.now_ns)
        for chosen in result.buckets:
            self.group_counts.count(chosen, 1, octets)
        for learned in result.learned:
            self.table.change(_added(learned), self.clock.now_ns)
        for ended in result.shortened:
            self.table.shorten(ended)
        for packet_in in result.packet_ins:
            port = self.ports.get(packet_in.in_port)
            if port is None or not port.config & port_wire.NO_PACKET_IN:
                self.on_packet_in(packet_in)
        for emission in result.emissions:
            self._emit(emission.of_port, emission.frame, emission.tunnel)

    def _emit(self, of_port: int, frame: bytes, tunnel: Tunnel | None, *, last: bool = False) -> None:
        counted = self.sent[of_port]
        counted.packets += 1
        counted.octets += len(frame)
        self.on_emit(of_port, frame, tunnel, last)

    def _live(self) -> list[int]:
        return [n for n, port in sorted(self.ports.items()) if port.up and not port.config & _MUTE]

    def _current(self) -> Cache:
        """Return the cached pipeline for what the switch holds now."""
        made_for = self.table.version, self._changes
        if self._cache is None or made_for != self._made_for:
            self._settle()
            self._cache = Cache(
                Pipeline(
                    self.tables(),
                    tracker=self.tracker,
                    ports=self._live(),
                    meters=self.meters,
                    reading=self.reading,
                    bridging=self.bridging,
                )
            )
            self._row_of = {id(row.entry): row for row in self.table.rows()}
            self._made_for = made_for
        return self._cache

    def _settle(self) -> None:
        """Account for the packets of the fast path: counters and ages are behind until somebody asks."""
        if self._cache is None:
            return
        for program in self._cache.settle():
            for taken in program.taken:
                seen = self._looked_up[taken.table_id]
                seen.octets += program.packets
                if taken.entry is not None:
                    seen.packets += program.packets
                    self._row_of[id(taken.entry)].add(program.packets, program.octets, program.used_ns)
            for chosen in program.buckets:
                self.group_counts.count(chosen, program.packets, program.octets)

    @property
    def looked_up(self) -> list[Counted]:
        """What each table was asked: octets stand for look-ups, packets for hits."""
        self._settle()
        return self._looked_up

    # -- tables

    def tables(self) -> Tables:
        """Return what the switch holds."""
        return Tables(entries=self.table.entries(), groups=tuple(self.groups[n] for n in sorted(self.groups)))

    def load(self, tables: Tables) -> None:
        """Replace everything that the switch holds, as a controller would.  Raises WireError."""
        held = {g.group_id: g for g in tables.groups}
        for group in tables.groups:
            groups.check(group, held)
        for entry in tables.entries:
            check_entry(entry, held.keys())
        self._settle()
        self.groups, self.group_counts = held, GroupCounts()
        for group in tables.groups:
            self.group_counts.begin(group, self.clock.now_ns)
        self._changes += 1
        self.table.load(tables.entries, self.clock.now_ns)

    def flow_mod(self, mod: request.FlowMod) -> list[Removed]:
        """Do a flow-mod.  Return what it removed.  Raises WireError."""
        self.expire()
        if mod.command not in (request.DELETE, request.DELETE_STRICT):
            check_entry(mod.entry, self.groups.keys())
            meters.check(mod.entry, self.meters)
        if (
            mod.command in (request.MODIFY, request.MODIFY_STRICT)
            and mod.entry.table_id == request.ALL_TABLES
        ):
            raise WireError(error.FLOW_BAD_TABLE_ID, "modifying needs a table")
        return self.table.change(mod, self.clock.now_ns)

    def group_mod(self, mod: request.GroupMod) -> list[Removed]:
        """Do a group-mod.  Return the entries that went with a deleted group.  Raises WireError."""
        gone, new = groups.changed(self.groups, mod)
        self._settle()
        self._changes += 1
        for group_id in gone:
            self.groups.pop(group_id, None)
            self.group_counts.forget(group_id)
        if new is not None:
            self.groups[new.group_id] = new
            self.group_counts.begin(new, self.clock.now_ns)
        return [removed for group_id in gone for removed in self.table.remove_group(group_id)]

    def counted(self, group_id: int) -> GroupCounted:
        """Return what a group and its buckets counted."""
        self._settle()
        return self.group_counts.of(self.groups[group_id])

    def meter_mod(self, mod: request.MeterMod) -> list[Removed]:
        """Do a meter-mod.  Return the entries that went with a deleted meter.  Raises WireError."""
        gone = meters.change(self.meters, mod, self.clock.now_ns)
        return self.table.remove_metered(gone) if gone else []

    def metered(self, meter_id: int) -> int:
        """Return how many entries refer to a meter."""
        return sum(row.entry.instructions.meter == meter_id for row in self.table.rows())

    def query(self, query: request.FlowQuery) -> list[Row]:
        """Return the rows that a controller asks for."""
        self.expire()
        return self.table.select(query)

    def active(self) -> dict[int, int]:
        """Return how many entries each table holds."""
        counted: dict[int, int] = {}
        for row in self.table.rows():
            counted[row.entry.table_id] = counted.get(row.entry.table_id, 0) + 1
        return counted

    def references(self, group_id: int) -> int:
        """Return how many entries and groups refer to a group."""
        entries = sum(group_id in groups_of(row.entry.instructions) for row in self.table.rows())
        return entries + sum(group_id in groups.members(g) for g in self.groups.values())

    def saved(self) -> Saved:
        """Return what `restore` brings back: what a controller can change."""
        counts = self.group_counts.copy()
        return self.table.saved(), dict(self.groups), dict(self.meters), dict(self.ports), counts

    def restore(self, saved: Saved) -> None:
        """Be again as at `saved`.  No time may have passed, nor a packet, nor a port come or gone."""
        rows, self.groups, meters, self.ports, self.group_counts = saved
        self.meters.clear()
        self.meters.update(meters)
        self._changes += 1
        self.table.restore(rows)

    # -- time, ports, controller

    def expire(self) -> None:
        """Remove what has timed out by now, and say so."""
        removed = self.table.expire(self.clock.now_ns)
        if removed:
            self.on_removed(removed)

    def set_link(self, of_port: int, *, up: bool) -> PortState:
        """Take a port's link up or down.  Return how a controller sees it now."""
        before = self.ports[of_port]
        self._changes += 1
        if not up:
            self.bridging.forget(of_port)
        self.ports[of_port] = replace(before, up=up)
        return self.ports[of_port]

    def port_mod(self, mod: request.PortMod) -> PortState | None:
        """Do a port-mod.  Return how the controller sees the port now, None where nothing changed."""
        before = self.ports.get(mod.of_port)
        if before is None:
            raise WireError(error.PORT_BAD_PORT, f"there is no port {mod.of_port}")
        if before.mac != mod.mac:
            raise WireError(error.PORT_BAD_MAC, f"port {mod.of_port} has another address")
        after = replace(before, config=before.config & ~mod.mask | mod.config & mod.mask)
        if after == before:
            return None
        self._changes += 1
        self.ports[mod.of_port] = after
        return after

    def attach(self, new: Attached) -> None:
        """Add a port."""
        of_port = new.state.of_port
        self.ports[of_port], self.behind[of_port] = new.state, new.behind
        self.received[of_port], self.sent[of_port] = Counted(), Counted()
        self.since_ns[of_port] = self.clock.now_ns
        self._changes += 1

    def detach(self, of_port: int) -> PortState:
        """Remove a port.  Return how a controller saw it."""
        for held in (self.behind, self.received, self.sent, self.since_ns):
            del held[of_port]
        self.bridging.forget(of_port)
        self._changes += 1
        return self.ports.pop(of_port)

    def controller_lost(self) -> None:
        """The controller went away."""
        if self._lost_ns is None:
            self._lost_ns = self.clock.now_ns

    def controller_found(self) -> None:
        """A controller is there."""
        self._lost_ns = None

    def _failed_open(self) -> bool:
        lost = self._lost_ns
        return (
            self.fail_mode == "standalone" and lost is not None and self.clock.now_ns - lost >= FAIL_OPEN_NS
        )


def _added(entry: FlowEntry) -> request.FlowMod:
    """Return the flow-mod that ``learn`` amounts to."""
    return request.FlowMod(
        command=request.ADD, entry=entry, cookie_mask=0, out_port=act.ANY, out_group=act.ANY
    )
