"""The underlay on Mininet: kernel bridges in one namespace, veths between them, and the ways through them.

    hv1: nic ---- u1 [b1 "rack1"] l1a == l1b [b3 "spine1"] ...     every site and switch is a bridge
    hv2: nic ---- u2 [f2 "hv2"] l2a == ...                         so is where one's several links part

Invariants
----------
1.  A bridge learns nothing and floods nothing: it knows, for the MAC of every tunnel end, the one port on the
    way there (`sdn_lab.backends.fabric`).  Nobody else is reached, and loops of links make no loops.
2.  When ways change, every entry that is to go or to change goes before the first one comes: at any moment
    what is there is a part of the old ways or of the new ones, and in neither does a frame go round.
3.  A hypervisor keeps one NIC however many links it has; they part beyond it, at a bridge of its own.  So no
    datapath's entries depend on which links are up (docs/adr/0006).
4.  A cut link is a blocked port at both ends.  The interface stays up, and can be injected at.

Reference: bridge(8), ip-link(8).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from sdn_lab.backends.fabric import Ends, Fabric, cut_links, fabric, next_hops
from sdn_lab.backends.mininet import shaping
from sdn_lab.backends.mininet.namespaces import inside
from sdn_lab.backends.mininet.plan import Plan
from sdn_lab.model.intent import Link
from sdn_lab.process import run

_BRIDGE_S = 30
_SILENT = "type bridge_slave learning off flood off mcast_flood off bcast_flood off"
_DISABLED, _FORWARDING = 0, 3  # states of a bridge's port, linux/if_bridge.h

Entries = dict[tuple[str, str], str]
"""By (bridge, MAC of a tunnel end): the port towards it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which interface is what.  *bridges* by place; *ports* by (place, neighbour); *uplinks*: the far end
    of a hypervisor's NIC, as (place, interface); *veths* join two bridges.
    """

    bridges: Mapping[str, str]
    ports: Mapping[Ends, str]
    uplinks: Mapping[str, Ends]
    veths: tuple[tuple[Link, str, str], ...]


def lay_out(drawn: Fabric, uplinks: Mapping[str, str]) -> Layout:
    """Name what is to be made.  *uplinks*: the far end of each hypervisor's NIC."""
    links: dict[str, list[Link]] = {name: [] for name in drawn.hypervisors}
    for link in drawn.links:
        for name in set(link.between) & set(links):
            links[name].append(link)
    bridges = {name: f"b{n}" for n, name in enumerate(drawn.switches, start=1)}
    for n, (name, own) in enumerate(links.items(), start=1):
        if len(own) != 1 or _is_shaped(own[0]) or set(own[0].between) <= set(links):
            bridges[name] = f"f{n}"
    ports: dict[Ends, str] = {}
    ends = {name: (name, uplinks[name]) for name in drawn.hypervisors}
    veths = []
    for n, link in enumerate(drawn.links, start=1):
        one, other = link.between
        hung = next((name for name in link.between if name not in bridges), None)
        if hung is None:
            ports[one, other], ports[other, one] = f"l{n}a", f"l{n}b"
            veths.append((link, f"l{n}a", f"l{n}b"))
        else:
            switch = other if hung == one else one
            ports[switch, hung] = uplinks[hung]
            ends[hung] = switch, uplinks[hung]
    return Layout(bridges=bridges, ports=ports, uplinks=ends, veths=tuple(veths))


def entries(layout: Layout, hops: Mapping[Ends, str], macs: Mapping[str, str]) -> Entries:
    """Return what the bridges are to know.  *macs*: of the tunnel ends, by hypervisor."""
    known: Entries = {}
    for place, bridge in layout.bridges.items():
        for hypervisor, mac in macs.items():
            if place == layout.uplinks[hypervisor][0]:
                known[bridge, mac] = layout.uplinks[hypervisor][1]
            elif (place, hypervisor) in hops:
                known[bridge, mac] = layout.ports[place, hops[place, hypervisor]]
    return known


class Wires:
    """The underlay of a lab, up or cut.  *pid*: a process in its namespace."""

    def __init__(self, pid: int, plan: Plan) -> None:
        self._pid, self._mtu = pid, plan.underlay_mtu
        self._fabric = fabric(plan.underlay)
        self._layout = lay_out(self._fabric, {h.name: h.uplink for h in plan.hypervisors})
        self._macs = {h.name: h.vtep_mac for h in plan.hypervisors}
        self._down: frozenset[Ends] = frozenset()
        self._known: Entries = {}
        self._not_applied: tuple[str, ...] = ()
        self._queues: shaping.Queues | None = None

    def commands(self) -> Iterator[str]:
        """Yield the ``ip`` commands that make it, given the hypervisors' wires."""
        bridges, mtu = self._layout.bridges, self._mtu
        for bridge in bridges.values():
            yield f"link add name {bridge} mtu {mtu} type bridge stp_state 0 mcast_snooping 0"
        for _, one, other in self._layout.veths:
            yield f"link add name {one} mtu {mtu} type veth peer name {other} mtu {mtu}"
        own = {interface: place for place, interface in self._layout.uplinks.values()}
        ports = {port: place for (place, _), port in self._layout.ports.items()} | own
        for port, place in ports.items():
            yield f"link set {port} mtu {mtu} master {bridges[place]} up"
            yield f"link set {port} {_SILENT}"
        yield from (f"link set {bridge} up" for bridge in bridges.values())

    def open(self) -> None:
        """Let it carry, once it is made.  Raises LabError."""
        with inside(self._pid):
            shaped = [(link, end) for link, *ends in self._layout.veths if _is_shaped(link) for end in ends]
            if shaped:
                self._not_applied = shaping.apply(shaped, self._mtu)
                self._queues = shaping.Queues()
        self._learn(())

    def cut(self, link: Collection[str]) -> None:
        """Let nothing pass a link any more.  Raises LabError if there is none."""
        ends = self._fabric.ends(link)
        self._down |= {ends}
        self._learn(self._ports(ends, _DISABLED))

    def mend(self, link: Collection[str]) -> None:
        """Let a link carry again.  Raises LabError if there is none."""
        ends = self._fabric.ends(link)
        self._down -= {ends}
        self._learn(self._ports(ends, _FORWARDING))

    def remarks(self) -> tuple[str, ...]:
        """Say what is not as the scenario writes it."""
        return (*self._not_applied, *cut_links(self._down))

    def quiet(self) -> bool:
        """Say whether no frame waits in front of a slow link."""
        return self._queues is None or self._queues.empty()

    def lost(self) -> int:
        """Return how many frames links lost since the last call."""
        return 0 if self._queues is None else self._queues.lost()

    def _ports(self, ends: Ends, state: int) -> Iterator[str]:
        for pair in (ends, ends[::-1]):
            if pair in self._layout.ports:
                yield f"link set dev {self._layout.ports[pair]} state {state}"

    def _learn(self, before: Iterable[str]) -> None:
        """Find the ways anew and let the bridges know them, after the ``bridge`` commands *before*."""
        wanted = entries(self._layout, next_hops(self._fabric, self._down), self._macs)
        commands = [*before, *changes(self._known, wanted)]
        with inside(self._pid):
            run(["bridge", "-batch", "-"], _BRIDGE_S, stdin="".join(f"{c}\n" for c in commands))
        self._known = wanted


def changes(known: Entries, wanted: Entries) -> Iterator[str]:
    """Yield the ``bridge`` commands that lead from one to the other: first what goes, then what comes.

    >>> list(changes({("b1", "0e:01"): "l1a"}, {("b1", "0e:01"): "l2a"}))
    ['fdb del 0e:01 dev l1a master', 'fdb add 0e:01 dev l2a master static']
    """
    for key, port in known.items():
        if wanted.get(key) != port:
            yield f"fdb del {key[1]} dev {port} master"
    for key, port in wanted.items():
        if known.get(key) != port:
            yield f"fdb add {key[1]} dev {port} master static"


def _is_shaped(link: Link) -> bool:
    return bool(link.delay_ms or link.rate_bps or link.loss)
