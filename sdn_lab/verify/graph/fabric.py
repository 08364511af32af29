"""How the bridges of a snapshot hang together: ports, tunnels, the physical network.

What
----
`Fabric.onward` takes a packet from one table to the next tables, of this bridge or another.  A tunnel port
leads to the tunnel port of the hypervisor that owns ``tun_dst`` (every other one where it is not known) and,
as an encapsulated frame, through the physical bridges.  A `Sink` is where a way ends.

Invariants
----------
1.  A VNI has 24 bits: what is above is lost on the way, so ``tun_id=0x1000065`` arrives as 101.
2.  An encapsulated frame at a physical bridge's LOCAL port is the tunnel's own arrival; a plain one is a
    tenant's frame in the hypervisor's stack, which may forge any tunnel frame from there.
3.  A bridge that is not ``fail_mode=secure`` may forward as a learning switch at any time.
4.  What leaves under a VNI is on the wire under it, whoever takes it in or not.
5.  The underlay delivers: whether its entries let a tunnel frame through is not asked for isolation, only
    where else they let it go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sdn_lab.openflow.action import LOCAL
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.verify.graph.bridge import LOCAL_KIND, PORT, TUNNEL, UPLINK, Bridge
from sdn_lab.verify.graph.facts import Bits, Facts, Fit
from sdn_lab.verify.graph.pipeline import Arrival, ToController, ToPort, ToTable, run

UNDERLAY = "/underlay"
_ENCAPSULATION_L4_PORT = {"vxlan": 4789, "geneve": 6081}
_VNI = (1 << 24) - 1
_FULL_TUN_ID = FIELDS["tun_id"].full_mask
_FULL_IPV4 = FIELDS["tun_dst"].full_mask


class End(Enum):
    """What a way can end in."""

    PORT = "port"  # a tenant's port
    LOCAL = "local"  # a hypervisor's own stack, with a tenant's plain frame
    UPLINK = "uplink"  # the physical network, with a tenant's plain frame
    CONTROLLER = "controller"
    WIRE = "wire"  # a tunnel, under a VNI
    VTEP = "vtep"  # a tunnel frame where tunnel frames belong
    UNKNOWN = "unknown"  # an interface of which the snapshot does not say what it is


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a way ends.  *name*: port path, bridge, or interface.  *doubt* as in `Facts`.

    *vni* is what a frame on the `WIRE` travels under, *to* the hypervisor whose VTEP it is for (empty:
    nobody's); each None where it is not known, or it is no wire.
    """

    end: End
    name: str
    doubt: str = ""
    vni: int | None = None
    to: str | None = None

    def __str__(self) -> str:
        vni = "" if self.vni is None else f" VNI {self.vni}"
        return f"{self.end.value} {self.name}{vni}" + (f" to {self.to}" if self.to else "")

    @property
    def certain(self) -> Sink:
        """The same place, without the doubt."""
        return replace(self, doubt="")


@dataclass(frozen=True, slots=True)
class State:
    """A packet about to be looked up in a table."""

    bridge: str
    table: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Hop:
    """One entry (None: the bridge's fail mode) leads to *target*."""

    bridge: str
    entry: FlowEntry | None
    target: State | Sink


class Fabric:
    """All bridges of a snapshot."""

    def __init__(self, snapshot: Snapshot, encapsulation: str) -> None:
        self.bridges = {name: Bridge(name, state) for name, state in sorted(snapshot.datapaths.items())}
        self.size = sum(bridge.size for bridge in self.bridges.values())
        self._l4_port = _ENCAPSULATION_L4_PORT.get(encapsulation, 4789)
        self._vteps = {name: int(d.vtep) for name, d in snapshot.assignment.datapaths.items()}
        self._owners = {vtep: name for name, vtep in self._vteps.items()}
        self._attached: dict[str, list[tuple[str, int]]] = {}
        for bridge in self.bridges.values():
            for of_port in bridge.of_ports(PORT):
                path = bridge.behind(of_port)[1]
                self._attached.setdefault(path, []).append((bridge.name, of_port))

    @property
    def ports(self) -> tuple[str, ...]:
        """All tenant ports that are attached somewhere, sorted."""
        return tuple(sorted(self._attached))

    def attached(self, hypervisor: str) -> tuple[str, ...] | None:
        """Return the tenant ports on a hypervisor's bridge, or None if the snapshot has no such bridge."""
        bridge = self.bridges.get(hypervisor)
        return None if bridge is None else tuple(bridge.behind(n)[1] for n in bridge.of_ports(PORT))

    def starts(self, path: str, frame: Facts | None = None) -> list[State]:
        """Return where a frame from this tenant port is first looked up."""
        held = Facts() if frame is None else frame
        return [State(name, 0, held.enter(of_port)) for name, of_port in self._attached.get(path, ())]

    def coarse(self, state: State) -> Iterator[Hop]:
        """Return the hops by the pipeline's constants alone, entries that do the same taken together."""
        bridge = self.bridges[state.bridge]
        table = bridge.tables.get(state.table)
        for row in table.rows(state.facts) if table is not None else ():
            entry = row.entries[0]
            facts = state.facts.assume(row.tracked)
            if facts is None:
                continue
            for arrival in run(bridge, entry, facts, new=False):
                for target in self._targets(bridge, arrival):
                    yield Hop(bridge.name, entry, self._projected(target))
        for target in self._failing(bridge, state):
            yield Hop(bridge.name, None, self._projected(target))

    def fine(self, state: State, *, new: bool) -> Iterator[Hop]:
        """Return the hops entry by entry, with all that is known of the frame."""
        for entry, _ in self.met(state):
            for target in self.taken(state, entry, new=new):
                yield Hop(state.bridge, entry, target)
        for target in self._failing(self.bridges[state.bridge], state):
            yield Hop(state.bridge, None, target)

    def met(self, state: State) -> list[tuple[FlowEntry, Fit]]:
        """Return the entries that a packet may meet in this state, best priority first."""
        table = self.bridges[state.bridge].tables.get(state.table)
        return table.entries(state.facts) if table is not None else []

    def taken(self, state: State, entry: FlowEntry, *, new: bool) -> Iterator[State | Sink]:
        """Return where a packet goes that meets this entry."""
        bridge = self.bridges[state.bridge]
        facts = state.facts.assume(entry.match)
        for arrival in run(bridge, entry, facts, new=new) if facts is not None else ():
            yield from self._targets(bridge, arrival)

    def _projected(self, target: State | Sink) -> State | Sink:
        if isinstance(target, Sink):
            return target
        live = self.bridges[target.bridge].live(target.table)
        return State(target.bridge, target.table, target.facts.projected(live))

    def _failing(self, bridge: Bridge, state: State) -> Iterator[State | Sink]:
        """Give where a packet may go beside all entries: by the fail mode, or by what was learned."""
        if state.table in bridge.learned:
            facts = state.facts.unknown(f"what was learned into table {state.table} of {bridge.name}")
            for of_port in sorted(bridge.ports):
                yield from self._leave(bridge, of_port, facts)
        if state.table or bridge.fail_mode == "secure":
            return
        facts = state.facts.doubting(f"{bridge.name} is fail_mode={bridge.fail_mode}, not secure")
        for of_port in sorted(bridge.ports):
            yield from self._leave(bridge, of_port, facts)

    def _targets(self, bridge: Bridge, arrival: Arrival) -> Iterator[State | Sink]:
        match arrival:
            case ToTable(table=table, facts=facts):
                if table in bridge.tables or table in bridge.learned:
                    yield State(bridge.name, table, facts)
            case ToController(facts=facts):
                yield Sink(End.CONTROLLER, bridge.name, facts.doubt)
            case ToPort(of_port=of_port, facts=facts):
                yield from self._leave(bridge, of_port, facts)

    def _leave(self, bridge: Bridge, of_port: int, facts: Facts) -> Iterator[State | Sink]:
        kind, name = bridge.behind(of_port)
        if kind == PORT:
            yield Sink(End.PORT, name, facts.doubt)
        elif kind == TUNNEL:
            yield from self._tunnel(bridge, facts)
        elif kind == LOCAL_KIND:
            yield from self._local(bridge, facts)
        elif kind == UPLINK:
            if not facts.encapsulated:
                yield Sink(End.UPLINK, bridge.name, facts.doubt)
            for other in self.bridges.values():
                for uplink in other.of_ports(UPLINK) if other is not bridge else ():
                    yield State(other.name, 0, facts.enter(uplink))
        elif kind:
            yield Sink(End.UNKNOWN, f"{name} of {bridge.name}", facts.doubt)

    def _local(self, bridge: Bridge, facts: Facts) -> Iterator[State | Sink]:
        if facts.encapsulated:
            yield Sink(End.VTEP, bridge.name, facts.doubt)
            return
        yield Sink(End.LOCAL, bridge.name, facts.doubt)
        hypervisor = bridge.name.removesuffix(UNDERLAY)
        if hypervisor != bridge.name:
            forged = Facts().doubting(f"what a plain frame makes of itself in {bridge.name}'s stack")
            unknown: dict[str, Bits] = dict.fromkeys(("tun_id", "tun_src", "tun_dst"), (0, 0))
            yield from self._decapsulated(hypervisor, forged, unknown)

    def _tunnel(self, bridge: Bridge, facts: Facts) -> Iterator[State | Sink]:
        destination, mask = facts.bits("tun_dst")
        vni, vni_mask = facts.bits("tun_id")
        source = self._vteps.get(bridge.name, 0)
        others = [name for name in self._vteps if name != bridge.name]
        owner: str | None = None
        if mask == _FULL_IPV4:
            owner = self._owners.get(destination, "")
            others = [owner] if owner in others else []
        else:
            facts = facts.doubting("a tunnel to a hypervisor that is not known")
        if mask != _FULL_IPV4 or destination not in (0, source):
            known = vni_mask & _VNI == _VNI
            yield Sink(End.WIRE, bridge.name, facts.doubt, vni & _VNI if known else None, owner)
        for name in others:
            carried: dict[str, Bits] = {
                "tun_id": (vni & _VNI, vni_mask & _VNI | _FULL_TUN_ID & ~_VNI),
                "tun_src": (source, _FULL_IPV4),
                "tun_dst": (self._vteps[name], _FULL_IPV4),
            }
            yield from self._decapsulated(name, facts, carried)
        underlay = self.bridges.get(bridge.name + UNDERLAY)
        if underlay is not None and not facts.encapsulated:
            yield State(underlay.name, 0, self._outer(source, (destination, mask)).enter(LOCAL))

    def _decapsulated(self, hypervisor: str, facts: Facts, tunnel: dict[str, Bits]) -> Iterator[State]:
        bridge = self.bridges.get(hypervisor)
        for of_port in bridge.of_ports(TUNNEL) if bridge is not None else ():
            yield State(hypervisor, 0, facts.enter(of_port, tunnel))

    def _outer(self, source: int, destination: Bits) -> Facts:
        known: dict[str, Bits] = {
            "eth_type": (0x0800, 0xFFFF),
            "ip_proto": (17, 0xFF),
            "udp_dst": (self._l4_port, 0xFFFF),
            "ipv4_src": (source, _FULL_IPV4),
            "ipv4_dst": destination,
        }
        return Facts(known=known, encapsulated=True).doubting("the way of a tunnel frame itself")
