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
1.  Every step is an event on the clock, and nothing happens beside it; nothing is lost but by a link that
    the scenario says loses.
2.  A frame that comes to the same place again, unchanged, on its own way `_ROUNDS` times goes round for ever:
    `LabError` with the places.  So does a way with more events than `MAX_EVENTS` in one run.
3.  What the host itself receives (LOCAL of either bridge, unless the tunnel end takes it) is seen as
    MANAGEMENT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from ipaddress import IPv4Address

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
from sdn_lab.openflow.frames_tunnel import GENEVE_PORT, VXLAN_PORT
from sdn_lab.openflow.interpret import Emission, PacketIn, Tunnel
from sdn_lab.openflow.wire.reply import PortState

MAX_EVENTS = 200_000
_ROUNDS = 4
_ETHERNET_BYTES = 14
_UNDERLAY_DPID = 1 << 48  # the physical bridge's own bit beside the hypervisor's id

Place = tuple[str, int, bytes]
Way = tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encapsulation:
    """How frames travel between hypervisors."""

    l4_port: int
    wrap: Callable[[bytes, int, packet.Outer], bytes]
    unwrap: Callable[[bytes], packet.Decapsulated | None]


ENCAPSULATIONS: Mapping[str, Encapsulation] = {
    "vxlan": Encapsulation(l4_port=VXLAN_PORT, wrap=packet.vxlan_encap, unwrap=packet.vxlan_decap),
    "geneve": Encapsulation(l4_port=GENEVE_PORT, wrap=packet.geneve_encap, unwrap=packet.geneve_decap),
}


class Network:
    """All of a lab's data plane.  *captures* grows as frames are seen; the reader empties it."""

    def __init__(self, scenario: Scenario, assignment: Assignment, clock: Clock, seed: int = 0) -> None:
        self.clock, self.assignment = clock, assignment
        self.captures: list[Capture] = []
        self.listeners: list[Callable[[Overheard], None]] = []
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
        for hypervisor, datapath in assignment.datapaths.items():
            self._build(hypervisor, datapath, scenario)

    def _build(self, hypervisor: str, datapath: Datapath, scenario: Scenario) -> None:
        number = int(datapath.dpid, 16)
        below = Switch(f"{hypervisor}/underlay", number | _UNDERLAY_DPID, self.clock, _uplink(datapath))
        peers = [d.vtep for name, d in sorted(self.assignment.datapaths.items()) if name != hypervisor]
        below.load(Tables(entries=physical.entries(datapath.vtep, peers, self._encap.l4_port)))
        above = Switch(hypervisor, number, self.clock, _ports(datapath, scenario), tracker=Tracker())
        below.on_emit = partial(self._from_physical, hypervisor)
        above.on_emit = partial(self._from_integration, datapath)
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
        self.captures.clear()
        self.events = self.wires.lost = 0

    def inject(self, injection: Injection) -> None:
        """Put a frame in."""
        name, frame = injection.point.name, injection.frame
        if injection.point.kind is PointKind.PORT:
            switch, of_port = self._place(name)
            self._tell(PointKind.PORT, name, frame, sent=True)
            self._enter(switch, frame, of_port)
        elif injection.point.kind is PointKind.VETH:
            self._place(name)
            self._to_instance(name, frame)
        elif injection.point.kind is PointKind.UNDERLAY and name in self.physical:
            self._see(PointKind.UNDERLAY, name, frame)
            self._enter(self.physical[name], frame, physical.UPLINK_OF_PORT)
        else:
            raise LabError(f"nothing can be injected at {injection.point}")
        self._way = ()

    def from_instance(self, port: str, frame: bytes) -> None:
        """An instance sends a frame."""
        if port in self.places:
            switch, of_port = self.places[port]
            self._tell(PointKind.PORT, port, frame, sent=True)
            self._then(partial(self._enter, switch, frame, of_port))

    def see_packet_in(self, hypervisor: str, found: PacketIn) -> None:
        """Note what goes to the controller."""
        self._see(PointKind.PACKET_IN, hypervisor, found.frame)

    # -- from place to place

    def _then(self, step: Callable[[], None], delay_ns: int = 0) -> None:
        """Plan a step; it goes on along the way that led here."""
        way = self._way

        def go() -> None:
            self._way = way
            self.events += 1
            if self.events > MAX_EVENTS:
                raise LabError(f"frames multiply: more than {MAX_EVENTS} steps, {_around(way)}")
            step()
            self._way = ()  # what happens next, e.g. a packet-out, does not come from here

        self.clock.plan(go, delay_ns)

    def _enter(self, switch: Switch, frame: bytes, in_port: int, tunnel: Tunnel | None = None) -> None:
        here = (switch.name, in_port, frame)
        if self._way.count(here) >= _ROUNDS:
            raise LabError(f"a frame goes round for ever: {_around(self._way)}")
        self._way = (*self._way, here)
        switch.receive(frame, in_port, tunnel)

    def _from_integration(self, datapath: Datapath, out: Emission) -> None:
        if out.of_port == datapath.tunnel_of_port:
            peer = self._by_vtep.get(out.tunnel.tun_dst) if out.tunnel is not None else None
            if peer is None or out.tunnel is None or peer is datapath:
                return  # no tunnel leads there
            wrapped = self._encap.wrap(out.frame, out.tunnel.tun_id & 0xFFFFFF, _between(datapath, peer))
            self._then(partial(self._enter, self.physical[datapath.hypervisor], wrapped, LOCAL))
        elif out.of_port == LOCAL:
            self._see(PointKind.MANAGEMENT, datapath.hypervisor, out.frame)
        else:
            path = self.behind[datapath.hypervisor, out.of_port]
            self._then(partial(self._to_instance, path, out.frame))

    def _from_physical(self, hypervisor: str, out: Emission) -> None:
        if out.of_port == LOCAL:
            self._then(partial(self._to_host, hypervisor, out.frame))
        elif len(out.frame) - _ETHERNET_BYTES <= self._mtu:
            self._see(PointKind.UNDERLAY, hypervisor, out.frame)
            self._then(partial(self.wires.send, hypervisor, out.frame))

    def _arrive(self, hypervisor: str, frame: bytes) -> None:
        self._see(PointKind.UNDERLAY, hypervisor, frame)
        self._then(partial(self._enter, self.physical[hypervisor], frame, physical.UPLINK_OF_PORT))

    def _to_host(self, hypervisor: str, frame: bytes) -> None:
        """A frame for the hypervisor itself: its tunnel end's, or its own stack's."""
        datapath = self.assignment.datapaths[hypervisor]
        opened = self._encap.unwrap(frame)
        if self._by_mac.get(frame[:6]) != hypervisor or not self._is_tunnelled(frame, datapath, opened):
            self._see(PointKind.MANAGEMENT, hypervisor, frame)
        elif opened is not None:
            tunnel = Tunnel(tun_id=opened.vni, tun_src=opened.outer_src, tun_dst=opened.outer_dst)
            self._then(
                partial(
                    self._enter, self.integration[hypervisor], opened.inner, datapath.tunnel_of_port, tunnel
                )
            )

    def _is_tunnelled(self, frame: bytes, to: Datapath, opened: packet.Decapsulated | None) -> bool:
        """Say whether a tunnel end takes a frame, be it only to find that nothing good is in it."""
        if opened is not None:
            return opened.outer_dst == int(to.vtep)
        fields = packet.parse(frame)
        return (fields.get("ipv4_dst"), fields.get("udp_dst")) == (int(to.vtep), self._encap.l4_port)

    def _to_instance(self, port: str, frame: bytes) -> None:
        if port in self.instances:  # else it is gone, and so is what was on its way to it
            self._see(PointKind.PORT, port, frame)
            self.instances[port].receive(frame)

    def _see(self, kind: PointKind, name: str, frame: bytes) -> None:
        self.captures.append(Capture(point=_point(kind, name), frame=frame))
        self._tell(kind, name, frame, sent=False if kind is PointKind.PORT else None)

    def _tell(self, kind: PointKind, name: str, frame: bytes, *, sent: bool | None) -> None:
        """Let listeners overhear a frame."""
        for listener in self.listeners:
            point = WatchPoint(kind=kind, name=name)
            listener(Overheard(point=point, frame=frame, at_ns=self.clock.now_ns, sent=sent))

    def _place(self, port: str) -> tuple[Switch, int]:
        try:
            return self.places[port]
        except KeyError:
            raise LabError(f"there is no port {port} in this lab") from None


@cache
def _point(kind: PointKind, name: str) -> WatchPoint:
    return WatchPoint(kind=kind, name=name)


def _between(here: Datapath, there: Datapath) -> packet.Outer:
    """Return the outer addresses between two tunnel ends."""
    return _outer(here.vtep_mac, there.vtep_mac, here.vtep, there.vtep)


@lru_cache(maxsize=1 << 14)
def _outer(src_mac: str, dst_mac: str, src: IPv4Address, dst: IPv4Address) -> packet.Outer:
    return packet.Outer(src_mac=src_mac, dst_mac=dst_mac, src=src, dst=dst)


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
