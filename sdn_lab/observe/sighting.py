"""What a captured frame means: delivered, altered, or somewhere that it must not be.

The rules, for a packet that port *s* of network A sent:

* at *s* itself: an honest instance answered it (echo); says nothing;
* at its addressee, where it may be delivered: compared byte by byte with what was sent, or with what a router
  or an answerer makes of it (`Shot.arriving`); more bytes, fewer, or a tag is *altered*;
* at any other port, of whatever network: a leak, unless it is a broadcast that goes there too;
* on the underlay: it must be encapsulated, under A's VNI (once routed: its addressee's), from the VTEP of
  *s*'s hypervisor (an answer: from the answerer's), and a *confined* packet must not be there at all;
* on the management network, on a hypervisor's own stack, or sent to the controller: a leak.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Capture, Expected, Outcome, PointKind, Sighting, WatchPoint
from sdn_lab.observe.case import Shot
from sdn_lab.openflow.frames_tunnel import geneve_decap, vxlan_decap

_FULL_FRAME = 60  # a NIC may pad to this with zeros


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the captures of one packet add up to."""

    delivered: bool = False
    sightings: tuple[Sighting, ...] = ()

    def outcome(self, shot: Shot, *, blind: bool) -> Outcome:
        """Return the outcome; with a *blind* watch point absence means nothing."""
        at_home = [s for s in self.sightings if s.point.name == shot.dst and s.point.kind is PointKind.PORT]
        if len(self.sightings) > len(at_home) or (at_home and shot.expected is Expected.NOTHING):
            return Outcome.LEAKED
        if self.delivered:
            return Outcome.DELIVERED
        return Outcome.INCONCLUSIVE if blind else Outcome.NOT_DELIVERED


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads captures of one lab."""

    scenario: Scenario
    assignment: Assignment
    _hypervisors: dict[str, str] = field(default_factory=dict)
    _vnis: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._hypervisors.update({port.path: port.hypervisor for port in self.scenario.ports})
        self._vnis.update({network.vni: network.path for network in self.scenario.networks})

    @property
    def networks(self) -> Mapping[str, str]:
        """The network of every port."""
        return {port.path: port.network for port in self.scenario.ports}

    @property
    def gateways(self) -> Mapping[str, str]:
        """The router behind every gateway's MAC."""
        return {leg.mac: router.path for router in self.scenario.routers for leg in router.interfaces}

    @property
    def peerings(self) -> Mapping[tuple[str, str], str]:
        """The peering between two networks, whose paths are sorted, that is or could be."""
        return {(min(p.between), max(p.between)): p.path for p in self.scenario.peerings}

    def read(self, shot: Shot, captures: Iterable[Capture]) -> Meaning:
        """Say what *captures*, all of which carry *shot*'s nonce, mean."""
        delivered = False
        sightings: dict[tuple[object, str], Sighting] = {}
        on_underlay: dict[bytes, tuple[str, str] | None] = {}  # both ends of a wire see the same frame
        for capture in captures:
            point = capture.point
            if point.kind is PointKind.VETH or (point.kind is PointKind.PORT and _says_nothing(shot, point)):
                continue
            sighting: Sighting | None
            if point.kind is PointKind.PORT:
                expected_here = point.name == shot.dst and shot.expected is not Expected.NOTHING
                delivered = delivered or expected_here
                sighting = self._at_port(shot, capture, expected_here=expected_here)
            elif point.kind is PointKind.UNDERLAY:
                if capture.frame not in on_underlay:
                    on_underlay[capture.frame] = self._on_underlay(shot, capture.frame)
                wrong = on_underlay[capture.frame]
                sighting = Sighting(point=point, network=wrong[0], what=wrong[1]) if wrong else None
            elif point.kind is PointKind.PACKET_IN:
                sighting = Sighting(point=point, what="sent to the controller")
            else:
                sighting = Sighting(
                    point=point, what="seen on the management network or the host's own stack"
                )
            if sighting is not None:
                sightings.setdefault((sighting.point, sighting.what), sighting)
        return Meaning(delivered, tuple(sightings.values()))

    def _at_port(self, shot: Shot, capture: Capture, *, expected_here: bool) -> Sighting | None:
        network = self.scenario.port(capture.point.name).network
        whole = shot.arriving or shot.frame
        if expected_here:
            change = alteration(whole, capture.frame, redirected=shot.redirected)
            return Sighting(point=capture.point, network=network, what=change) if change else None
        change = alteration(whole, capture.frame, redirected=True)
        what = "received, though it must not be" if capture.point.name == shot.dst else "received by a third"
        return Sighting(point=capture.point, network=network, what=what + (f" ({change})" if change else ""))

    def _on_underlay(self, shot: Shot, frame: bytes) -> tuple[str, str] | None:
        """Return the network that *frame* is in and what is wrong with that, or None."""
        own = self.scenario.port(shot.src)
        opened = vxlan_decap(frame) or geneve_decap(frame)
        if opened is None:
            return "", "on the underlay, not encapsulated"
        network = self._vnis.get(opened.vni, "")
        within, sender = own.network, own.hypervisor
        routed = bool(shot.arriving) and shot.dst != shot.src
        if shot.dst and (shot.arriving or shot.frame)[6:12] != opened.inner[6:12]:
            sender = self._hypervisors[shot.dst]  # its answer
        elif routed:
            within = self.scenario.port(shot.dst).network
        if network != within:
            return network, f"on the underlay under VNI {opened.vni}" + (", not routed" if routed else "")
        senders = {self.assignment.datapaths[sender].vtep}
        outer = IPv4Address(opened.outer_src)
        if outer not in senders:
            return "", f"on the underlay from {outer}, not its own VTEP"
        if shot.confined:
            return network, "let out to the underlay"
        return None


def _says_nothing(shot: Shot, point: WatchPoint) -> bool:
    """Say whether a packet is nobody's business at a port: its sender's own, or one that gets a copy."""
    return point.name in shot.copies or (point.name == shot.src and shot.dst != shot.src)


def alteration(sent: bytes, received: bytes, *, redirected: bool) -> str:
    """Return in words how *received* differs from *sent*, or nothing.

    Zero padding up to a full Ethernet frame is no difference; nor is, when *redirected*, the destination MAC.
    """
    if redirected:
        sent = received[:6] + sent[6:]
    if received == sent or (len(received) <= _FULL_FRAME and received.ljust(_FULL_FRAME, b"\0") == sent):
        return ""
    if received[: len(sent)] == sent and len(received) <= _FULL_FRAME and not any(received[len(sent) :]):
        return ""
    if received[12:14] != sent[12:14]:
        return f"altered: EtherType 0x{received[12:14].hex()} instead of 0x{sent[12:14].hex()}"
    if len(received) != len(sent):
        return f"altered: {len(received)} bytes instead of {len(sent)}"
    at = next(i for i, (a, b) in enumerate(zip(sent, received, strict=True)) if a != b)
    return f"altered: byte {at} is 0x{received[at]:02x} instead of 0x{sent[at]:02x}"
