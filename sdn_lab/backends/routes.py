"""What an instance knows of networks beyond its own: the routes that a cloud's DHCP would give it.

Used by both backends.  Read from intent alone; what a datapath really routes is the compiler's business, and
a route that leads nowhere shows as a legitimate packet that does not arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sdn_lab.model.intent import IPAddress, IPNetwork, Port, RouterInterface, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """*prefix* is reached through *gateway*, an address in the port's own network."""

    prefix: IPNetwork
    gateway: IPAddress


def routes_of(scenario: Scenario, port: Port) -> tuple[Route, ...]:
    """Return the routes of a port, each prefix once, sorted."""
    found: dict[IPNetwork, Route] = {}
    for near, far in _joined(scenario, port.network):
        for prefix in scenario.network(far.network).cidrs:
            gateway = _address(near, prefix.version)
            reached = _address(far, prefix.version) is not None
            if gateway is not None and reached and any(ip.version == prefix.version for ip in port.ips):
                found.setdefault(prefix, Route(prefix=prefix, gateway=gateway))
    return tuple(sorted(found.values(), key=lambda r: (r.prefix.version, int(r.prefix.network_address))))


def _joined(scenario: Scenario, network: str) -> Iterator[tuple[RouterInterface, RouterInterface]]:
    """Yield (the router's leg here, its leg there) for every network that can be sent to from *network*."""
    for router in scenario.routers:
        for near in router.interfaces:
            if near.network == network:
                yield from ((near, far) for far in router.interfaces if far is not near)
    for peering in scenario.peerings:
        if peering.approved and network in peering.between:
            one, other = peering.between
            near_leg, far_leg = _leg(scenario, network), _leg(scenario, other if network == one else one)
            if near_leg is not None and far_leg is not None:
                yield near_leg, far_leg


def _leg(scenario: Scenario, network: str) -> RouterInterface | None:
    """Return where a network's first router meets it."""
    legs = (i for router in scenario.routers for i in router.interfaces if i.network == network)
    return next(legs, None)


def _address(leg: RouterInterface, version: int) -> IPAddress | None:
    return next((a for a in leg.addresses if a.version == version), None)
