"""Hypervisors, the wires between them, and the instances on them.

Way of a frame
--------------
    instance - integration bridge - tunnel end - physical bridge - wire - physical bridge - tunnel end - ...

The integration bridge (tables by the controller) has the instances' ports, LOCAL, and one tunnel port.  What
leaves there is put into a real VXLAN or Geneve frame and enters the physical bridge as if from the
hypervisor itself; its few entries (`physical`) let it out to the wire.  The underlay's switches and links
(`wires`) bring it to the tunnel end whose MAC it has, if a way leads there.  At the other end the physical
bridge lets in what comes from a peer, and the tunnel end opens what is addressed to it.

Invariants
----------
1.  Every step has its place in the order of events on the clock; one that would be the next in any case is
    done without becoming one.  Nothing is lost but by a link that the scenario says loses, and at a
    hypervisor that was told to stand still: no marker comes from there, so its silence proves nothing.
2.  A frame that comes to the same place again, unchanged, on its own way `_ROUNDS` times goes round for ever:
    `LabError` with the places.  So does a way with more events than `MAX_EVENTS` in one run.
3.  What the host itself receives (LOCAL of either bridge, unless the tunnel end takes it) is seen as
    MANAGEMENT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from sdn_lab.backends.routes import routes_of
from sdn_lab.backends.sim import physical
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.instance import Instance
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.backends.sim.wires import Wires
from sdn_lab.model.assignment import Assignment, Attachment, Datapath
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Capture, Injection, Overheard, PointKind, WatchPoint
from sdn_lab.openflow import packet
from sdn_lab.openflow.action import LOCAL
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.frames_tunnel import GENEVE_PORT, VXLAN_PORT, geneve_header, vxlan_header
from sdn_lab.openflow.frames_tunnel_quick import Wrapper, carried, is_plain, same_header
from sdn_lab.openflow.interpret import PacketIn, Tunnel
from sdn_lab.openflow.wire.reply import PortState

MAX_EVENTS = 200_000
_ROUNDS = 4
_ETHERNET_BYTES = 14
_TUNNELS = 1 << 16  # that one tunnel end remembers, by peer and VNI
_UNDERLAY_DPID = 1 << 48  # the physical bridge's own bit beside the hypervisor's id

Place = tuple[str, int, bytes]
Way = tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encapsulation:
    """How frames travel between hypervisors."""

    l4_port: int
    header: Callable[[int], bytes]
    unwrap: Callable[[bytes], packet.Decapsulated | None]


ENCAPSULATIONS: Mapping[str, Encapsulation] = {
    "vxlan": Encapsulation(l4_port=VXLAN_PORT, header=vxlan_header, unwrap=packet.vxlan_decap),
    "geneve": Encapsulation(l4_port=GENEVE_PORT, header=geneve_header, unwrap=packet.geneve_decap),
}


@dataclass(slots=True, eq=False)
class _Host:
    """One hypervisor: its two bridges, and what its tunnel end has met.

    *wrappers* by the peer's address; *opened* by `same_header`.
    """

    datapath: Datapath
    above: Switch
    below: Switch
    wire: WatchPoint
    management: WatchPoint
    wrappers: dict[int, Wrapper] = field(default_factory=dict)
    opened: dict[int, Tunnel] = field(default_factory=dict)


class Network:
    """All of a lab's data plane."""

    def __init__(self, scenario: Scenario, assignment: Assignment, clock: Clock, seed: int = 0) -> None:
        self.clock, self.assignment = clock, assignment
        self._soon = clock.at_once.append
        self._seen: list[tuple[WatchPoint, bytes]] = []
        self.listeners: list[Callable[[Overheard], None]] = []
        self.wake: Callable[[Instance], None] | None = None  # told of every instance that a frame reaches
        self.events = 0
        self._encap = ENCAPSULATIONS[scenario.underlay.encap]
        self._mtu = scenario.underlay.mtu
        self._way: Way = ()
        self.places: dict[str, tuple[Switch, int]] = {}  # of the instances' ports
        self.behind: dict[tuple[str, int], str] = {}
        self._by_mac = {packet.mac_bytes(d.vtep_mac): hv for hv, d in assignment.datapaths.items()}
        self.wires = Wires(scenario.underlay, self._by_mac, clock, seed, self._then, self._arrive)
        self._by_vtep = {int(d.vtep): d for d in assignment.datapaths.values()}
        self.integration: dict[str, Switch] = {}
        self.physical: dict[str, Switch] = {}
        self.instances: dict[str, Instance] = {}
        self._hosts: dict[str, _Host] = {}
        for hypervisor, datapath in assignment.datapaths.items():
            self._build(hypervisor, datapath, scenario)

    @property
    def captures(self) -> tuple[Capture, ...]:
        """What was seen since `begin`, in order."""
        return tuple(Capture(point=point, frame=frame) for point, frame in self._seen)

    def _build(self, hypervisor: str, datapath: Datapath, scenario: Scenario) -> None:
        number = int(datapath.dpid, 16)
        below = Switch(f"{hypervisor}/underlay", number | _UNDERLAY_DPID, self.clock, _uplink(datapath))
        peers = [d.vtep for name, d in sorted(self.assignment.datapaths.items()) if name != hypervisor]
        below.load(Tables(entries=physical.entries(datapath.vtep, peers, self._encap.l4_port)))
        above = Switch(hypervisor, number, self.clock, _ports(datapath, scenario), tracker=Tracker())
        host = _Host(
            datapath,
            above,
            below,
            _point(PointKind.UNDERLAY, hypervisor),
            _point(PointKind.MANAGEMENT, hypervisor),
        )
        self._hosts[hypervisor] = host
        below.on_emit = partial(self._from_physical, host)
        above.on_emit = partial(self._from_integration, host)
        above.on_packet_in = partial(self.see_packet_in, hypervisor)
        self.physical[hypervisor], self.integration[hypervisor] = below, above
        for attachment in datapath.attachments:
            port = scenario.port(attachment.port)
            self.places[port.path] = above, attachment.of_port
            self.behind[hypervisor, attachment.of_port] = port.path
            send = partial(self.from_instance, port.path)
            self.instances[port.path] = Instance(port.mac, port.ips, send, routes=routes_of(scenario, port))

    @property
    def switches(self) -> dict[str, Switch]:
        """All datapaths by name."""
        return {s.name: s for s in (*self.integration.values(), *self.physical.values())}

    # -- ways in

    def begin(self) -> None:
        """Forget what was seen and counted."""
        self._seen.clear()
        self.events = self.wires.lost = 0

    def inject(self, injection: Injection) -> None:
        """Put a frame in."""
        name, frame = injection.point.name, injection.frame
        if injection.point.kind is PointKind.PORT:
            switch, of_port = self._place(name)
            self._tell(_port(name), frame, sent=True)
            self._enter(switch, frame, of_port)
        elif injection.point.kind is PointKind.VETH:
            self._place(name)
            self._to_instance(name, frame)
        elif injection.point.kind is PointKind.UNDERLAY and name in self.physical:
            self._see(self._hosts[name].wire, frame)
            self._enter(self.physical[name], frame, physical.UPLINK_OF_PORT)
        else:
            raise LabError(f"nothing can be injected at {injection.point}")
        self._way = ()

    def from_instance(self, port: str, frame: bytes) -> None:
        """An instance sends a frame."""
        if port in self.places:
            switch, of_port = self.places[port]
            if self.listeners:
                self._tell(_port(port), frame, sent=True)
            self._next(self._enter, switch, frame, of_port)

    def see_packet_in(self, hypervisor: str, found: PacketIn) -> None:
        """Note what goes to the controller."""
        self._see(_point(PointKind.PACKET_IN, hypervisor), found.frame)

    # -- from place to place

    def _next(self, step: Callable[..., None], *args: Any) -> None:
        """Plan a step for this moment; it goes on along the way that led here."""
        self._soon((self._go, (self._way, step, args)))

    def _then(self, step: Callable[[], None], delay_ns: int) -> None:
        """Plan a step for later; it goes on along the way that led here."""
        self.clock.plan(partial(self._go, (self._way, step, ())), delay_ns)

    def _go(self, planned: tuple[Way, Callable[..., None], tuple[Any, ...]]) -> None:
        way, step, args = planned
        self._way = way
        self.events += 1
        if self.events > MAX_EVENTS:
            raise LabError(f"frames multiply: more than {MAX_EVENTS} steps, {_around(way)}")
        step(*args)
        self._way = ()  # what happens next, e.g. a packet-out, does not come from here

    def _on(self, last: bool, step: Callable[..., None], *args: Any) -> None:
        """Do a step of this moment, as its next event.

        Where that is the next thing to happen anyway, it happens here: nothing else is due, and whoever calls
        does nothing after this call (*last*).  Steps that wait for nothing are few in a row: between any two
        tunnel ends, and before an instance answers, there is an event.
        """
        if not (last and self.clock.is_idle()):
            self._soon((self._go, (self._way, step, args)))
            return
        self.events += 1
        if self.events > MAX_EVENTS:
            raise LabError(f"frames multiply: more than {MAX_EVENTS} steps, {_around(self._way)}")
        step(*args)

    def _enter(self, switch: Switch, frame: bytes, in_port: int, tunnel: Tunnel | None = None) -> None:
        way, here = self._way, (switch.name, in_port, frame)
        if len(way) >= _ROUNDS and way.count(here) >= _ROUNDS:
            raise LabError(f"a frame goes round for ever: {_around(way)}")
        self._way = (*way, here)
        switch.receive(frame, in_port, tunnel)

    def _from_integration(
        self, host: _Host, of_port: int, frame: bytes, tunnel: Tunnel | None, last: bool
    ) -> None:
        datapath = host.datapath
        if of_port == datapath.tunnel_of_port:
            if tunnel is None:
                return
            wrapper = host.wrappers.get(tunnel.tun_dst) or self._wrapper(host, tunnel.tun_dst)
            if wrapper is not None:
                wrapped = wrapper.wrap(frame, tunnel.tun_id & 0xFFFFFF)
                self._on(last, self._enter, host.below, wrapped, LOCAL)
        elif of_port == LOCAL:
            self._see(host.management, frame)
        else:
            self._on(last, self._to_instance, self.behind[datapath.hypervisor, of_port], frame)

    def _wrapper(self, host: _Host, tun_dst: int) -> Wrapper | None:
        """Return what puts frames into the tunnel to an address; None: no tunnel leads there."""
        here, there = host.datapath, self._by_vtep.get(tun_dst)
        if there is None or there is here:
            return None
        ends = packet.Outer(src_mac=here.vtep_mac, dst_mac=there.vtep_mac, src=here.vtep, dst=there.vtep)
        host.wrappers[tun_dst] = made = Wrapper(ends, self._encap.l4_port, self._encap.header)
        return made

    def _from_physical(
        self, host: _Host, of_port: int, frame: bytes, _tunnel: Tunnel | None, last: bool
    ) -> None:
        if of_port == LOCAL:
            self._on(last, self._to_host, host, frame)
        elif len(frame) - _ETHERNET_BYTES <= self._mtu:
            self._see(host.wire, frame)
            self._on(last, self.wires.send, host.datapath.hypervisor, frame)

    def _arrive(self, hypervisor: str, frame: bytes) -> None:
        host = self._hosts[hypervisor]
        self._see(host.wire, frame)
        self._next(self._enter, host.below, frame, physical.UPLINK_OF_PORT)

    def _to_host(self, host: _Host, frame: bytes) -> None:
        """A frame for the hypervisor itself: its tunnel end's, or its own stack's."""
        datapath = host.datapath
        known = host.opened.get(same_header(frame))
        inner = carried(frame) if known is not None else None
        if known is not None and inner is not None:
            self._next(self._enter, host.above, inner, datapath.tunnel_of_port, known)
            return
        opened = self._encap.unwrap(frame)
        mine = self._by_mac.get(frame[:6]) == datapath.hypervisor
        if not mine or not self._is_tunnelled(frame, datapath, opened):
            self._see(host.management, frame)
        elif opened is not None:
            tunnel = Tunnel(tun_id=opened.vni, tun_src=opened.outer_src, tun_dst=opened.outer_dst)
            self._next(self._enter, host.above, opened.inner, datapath.tunnel_of_port, tunnel)
            if is_plain(frame) and carried(frame) == opened.inner and len(host.opened) < _TUNNELS:
                host.opened[same_header(frame)] = tunnel

    def _is_tunnelled(self, frame: bytes, to: Datapath, opened: packet.Decapsulated | None) -> bool:
        """Say whether a tunnel end takes a frame, be it only to find that nothing good is in it."""
        if opened is not None:
            return opened.outer_dst == int(to.vtep)
        fields = packet.parse(frame)
        return (fields.get("ipv4_dst"), fields.get("udp_dst")) == (int(to.vtep), self._encap.l4_port)

    def _to_instance(self, port: str, frame: bytes) -> None:
        instance = self.instances.get(port)
        if instance is not None:  # else it is gone, and so is what was on its way to it
            self._see(_port(port), frame, sent=False)
            if self.wake is not None:
                self.wake(instance)
            instance.receive(frame)

    def _see(self, point: WatchPoint, frame: bytes, *, sent: bool | None = None) -> None:
        self._seen.append((point, frame))
        if self.listeners:
            self._tell(point, frame, sent=sent)

    def _tell(self, point: WatchPoint, frame: bytes, *, sent: bool | None) -> None:
        """Let listeners overhear a frame."""
        for listener in self.listeners:
            listener(Overheard(point=point, frame=frame, at_ns=self.clock.now_ns, sent=sent))

    def _place(self, port: str) -> tuple[Switch, int]:
        try:
            return self.places[port]
        except KeyError:
            raise LabError(f"there is no port {port} in this lab") from None


@cache
def _port(name: str) -> WatchPoint:
    return WatchPoint(kind=PointKind.PORT, name=name)


@cache
def _point(kind: PointKind, name: str) -> WatchPoint:
    return WatchPoint(kind=kind, name=name)


def _state(of_port: int, mac: str, name: str, behind: str) -> Attached:
    return Attached(state=PortState(of_port=of_port, mac=packet.mac_bytes(mac), name=name), behind=behind)


def _uplink(datapath: Datapath) -> list[Attached]:
    return [
        _state(physical.UPLINK_OF_PORT, datapath.vtep_mac, "uplink", "uplink"),
        _state(LOCAL, datapath.vtep_mac, "br-phy", "local"),
    ]


def _ports(datapath: Datapath, scenario: Scenario) -> list[Attached]:
    own = f"0e:01{datapath.vtep_mac[5:]}"
    return [
        _state(LOCAL, own, "br-int", "local"),
        _state(datapath.tunnel_of_port, own, "tunnel", "tunnel"),
        *(attached(scenario.port(a.port), a) for a in datapath.attachments),
    ]


def attached(port: Port, attachment: Attachment) -> Attached:
    """Return an instance's port as its switch has it."""
    of_port = attachment.of_port
    return _state(of_port, port.mac, f"p{of_port}", f"port:{port.path}")


def _around(way: Way) -> str:
    """Name the places of the last round of a way."""
    if not way:
        return "between the instances and the controller"
    last = next((n for n in range(len(way) - 2, -1, -1) if way[n][:2] == way[-1][:2]), 0)
    return " -> ".join(f"{name} port {port if port != LOCAL else 'LOCAL'}" for name, port, _ in way[last:])
