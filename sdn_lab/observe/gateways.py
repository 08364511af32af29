"""Gateways as probes see them: who is behind which, and what a packet through one looks like at both ends.

Where it sits
-------------
Reads:    `model.joined` (which networks the scenario joins, and by which interfaces); never an entry.
Used by:  `world`, and by every family that sends between networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sdn_lab.model.intent import IPAddress, Port, RouterInterface, Scenario
from sdn_lab.model.joined import Way, Ways, ways
from sdn_lab.observe import frames

_IPV6 = b"\x86\xdd"


@dataclass(slots=True)
class Gateways:
    """The gateways of one scenario."""

    scenario: Scenario
    _ways: Ways = field(init=False)
    _members: dict[str, list[Port]] = field(default_factory=dict)
    _legs: dict[str, list[RouterInterface]] = field(default_factory=dict)
    _owners: dict[tuple[str, IPAddress], Port] = field(default_factory=dict)
    _joined: dict[str, list[Port]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ways = ways(self.scenario)
        for port in self.scenario.ports:
            self._members.setdefault(port.network, []).append(port)
            self._owners.update({(port.network, address): port for address in port.ips})
        for near, far in self._ways:
            self._joined.setdefault(near, []).extend(self._members.get(far, ()))
        for router in self.scenario.routers:
            for leg in router.interfaces:
                self._legs.setdefault(leg.network, []).append(leg)

    def of(self, network: str) -> Sequence[RouterInterface]:
        """Return the router interfaces of a network."""
        return self._legs.get(network, [])

    def addresses(self, network: str) -> set[IPAddress]:
        """Return the gateway addresses of a network."""
        return {address for leg in self.of(network) for address in leg.addresses}

    def ways(self, src: Port, dst: Port, family: int) -> list[Way]:
        """Return the ways from *src*'s network to *dst*'s that carry *family*; none within a network."""
        found = self._ways.get((src.network, dst.network), ())
        return [way for way in found if family in way.families]

    def joined(self, port: Port) -> Sequence[Port]:
        """Return the ports of the networks that are joined to *port*'s."""
        return self._joined.get(port.network, [])

    def pairs(self) -> Iterator[tuple[Port, Port]]:
        """Yield every ordered pair of ports of joined networks."""
        for near, far in self._ways:
            for src in self._members.get(near, ()):
                for dst in self._members.get(far, ()):
                    yield src, dst

    def behind(self, port: Port, mac: str, address: IPAddress) -> tuple[Port, Way] | None:
        """Return whom a packet of *port* to *address* reaches through the gateway *mac*, and by which way."""
        for (near, far), between in self._ways.items():
            for way in between if near == port.network else ():
                if way.near.mac == mac and address.version in way.families:
                    owner = self._owners.get((far, address))
                    if owner is not None:
                        return owner, way
        return None

    def along(self, src: Port, dst: Port, frame: bytes, way: Way | None = None) -> tuple[bytes, bytes]:
        """Return an IP frame from *src* to *dst* as it must be sent, and as it must arrive if that differs.

        Without a *way*, the first one; within a network, and between networks that nothing joins, it is sent
        as it is.
        """
        family = 6 if frame[12:14] == _IPV6 else 4
        chosen = way or next(iter(self.ways(src, dst, family)), None)
        if chosen is None:
            return frame, b""
        sent = frames.addressed(frame, chosen.near.mac)
        return sent, frames.routed(sent, chosen.far.mac, dst.mac)


def some_may_talk(scenario: Scenario) -> bool:
    """Say whether any two ports may talk: of one network, or of two that are joined."""
    within = len({port.network for port in scenario.ports}) < len(scenario.ports)
    return within or any(True for _ in Gateways(scenario).pairs())
