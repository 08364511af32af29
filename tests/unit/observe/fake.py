"""A small lab that does what it is told: the apparatus for tests of markers, runner and judge.

Two networks with the same addresses: red and blue, each with ports a (hv1), b (hv1) and c (hv2).  A frame
is delivered to the owner of its MAC in its sender's own network, over the underlay where that is elsewhere.
`Faults` say what goes wrong: who hears nothing, who hears too much, what is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Network, Port, Scenario, Underlay
from sdn_lab.model.observation import Capture, Captured, PointKind, WatchPoint, Window
from sdn_lab.model.verdict import Claim, Kind
from sdn_lab.observe.constants import Constants
from sdn_lab.observe.world import World
from sdn_lab.openflow.packet import Outer, vxlan_encap

PLACES = {"a": "hv1", "b": "hv1", "c": "hv2"}
VNI = {"blue/net": 5001, "red/net": 5002}


def port_at(path: str, point: PointKind = PointKind.PORT) -> WatchPoint:
    return WatchPoint(kind=point, name=path)


def scenario(tenants: tuple[str, ...] = ("blue", "red"), names: str = "abc", many: int = 0) -> Scenario:
    letters = [*names, *(f"p{n:03}" for n in range(many))]
    ports = [
        Port(
            path=f"{tenant}/{name}",
            tenant=tenant,
            instance=f"{tenant}/{name}",
            network=f"{tenant}/net",
            hypervisor=PLACES.get(name, "hv1"),
            mac=f"02:00:00:00:00:{n:02x}",
            ips=(ip_address(f"10.0.0.{n}"), ip_address(f"fd00::{n:x}")),
        )
        for tenant in tenants
        for n, name in enumerate(letters, start=1)
    ]
    return Scenario(
        name="fake",
        tenants=tenants,
        underlay=Underlay(sites={"here": ("hv1", "hv2")}),
        networks=tuple(
            Network(
                path=f"{tenant}/net",
                tenant=tenant,
                cidrs=(ip_network("10.0.0.0/24"), ip_network("fd00::/64")),
                vni=VNI[f"{tenant}/net"],
            )
            for tenant in tenants
        ),
        ports=tuple(ports),
    )


def claims_of(made: Scenario) -> tuple[Claim, ...]:
    """The claims that tests of the judge need; exact without semantics."""
    paths = sorted(network.path for network in made.networks)
    pairs = [
        (s.path, d.path) for s in made.ports for d in made.ports if s.network == d.network and s is not d
    ]
    kinds = (Kind.NO_SNIFFING, Kind.NO_SPOOFING, Kind.CLEAN, Kind.MANAGEMENT)
    return (
        *(
            Claim(id=f"isolated/{a}/{b}", kind=Kind.ISOLATED, objects=(a, b))
            for n, a in enumerate(paths)
            for b in paths[n + 1 :]
        ),
        *(Claim(id=f"exact/{s}/{d}", kind=Kind.EXACT, objects=(s, d)) for s, d in pairs),
        *(Claim(id=f"{k.value}/{p.path}", kind=k, objects=(p.path,)) for k in kinds for p in made.ports),
    )


def world_of(made: Scenario, constants: Constants | None = None, seed: int = 1) -> World:
    return World(made, claims_of(made), assign(made), constants or Constants(), seed=seed)


@dataclass
class Faults:
    """*deaf*: captures that are dead; *unheard*: ports that no packet of a neighbour reaches; *leak*: further
    captures of a frame sent at a port; *lose*: frames that the apparatus loses, window by window.
    """

    deaf: set[WatchPoint] = field(default_factory=set)
    unheard: set[str] = field(default_factory=set)
    leak: Callable[[str, bytes], list[Capture]] = lambda _src, _frame: []
    lose: list[int] = field(default_factory=list)


class FakeLab:
    """An `Exchange`.  *windows* keeps what was asked of it."""

    def __init__(self, made: Scenario, faults: Faults | None = None) -> None:
        self.scenario, self.assignment = made, assign(made)
        self.faults = faults or Faults()
        self.windows: list[Window] = []

    def exchange(self, window: Window) -> Captured:
        self.windows.append(window)
        seen: list[Capture] = []
        for injection in window.injections:
            if injection.point.kind is PointKind.VETH:
                seen.append(Capture(point=port_at(injection.point.name), frame=injection.frame))
            else:
                seen += self._carry(injection.point.name, injection.frame)
                seen += self.faults.leak(injection.point.name, injection.frame)
        heard = tuple(capture for capture in seen if capture.point not in self.faults.deaf)
        missing = tuple(
            (point, nonce)
            for point, nonce in window.markers
            if not any(capture.point == point and nonce in capture.frame for capture in heard)
        )
        lost = self.faults.lose.pop(0) if self.faults.lose else 0
        return Captured(captures=heard, missing=missing, lost=lost)

    def _carry(self, src: str, frame: bytes) -> list[Capture]:
        sender = self.scenario.port(src)
        mac = frame[:6].hex(":")
        found = [p for p in self.scenario.ports if p.network == sender.network and p.mac == mac]
        seen = []
        for port in found:
            if port.hypervisor != sender.hypervisor:
                seen += self.on_wire(src, frame, port.hypervisor)
            if port.path not in self.faults.unheard:
                seen.append(Capture(point=port_at(port.path), frame=frame))
        return seen

    def on_wire(self, src: str, frame: bytes, to: str, vni: int = 0, source: str = "") -> list[Capture]:
        """What both ends of the underlay see of *frame* from *src* to hypervisor *to*."""
        sender = self.scenario.port(src)
        own = self.assignment.datapaths[source or sender.hypervisor]
        far = self.assignment.datapaths[to]
        outer = Outer(src_mac=own.vtep_mac, dst_mac=far.vtep_mac, src=own.vtep, dst=far.vtep)
        wrapped = vxlan_encap(frame, vni or self.scenario.network(sender.network).vni, outer)
        return [
            Capture(point=port_at(hv, PointKind.UNDERLAY), frame=wrapped) for hv in (sender.hypervisor, to)
        ]
