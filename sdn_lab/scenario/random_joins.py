"""Random routers, peerings and dedications, for `random_scenarios`: valid, and as crooked as that allows.

Networks that are joined, to one another or to a third, must not overlap.  So each network gets a *number*,
the smallest that none of those has: numbers, and with them prefixes, repeat wherever they may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from sdn_lab.model.intent import (
    Dedicated,
    IPNetwork,
    Network,
    Peering,
    PeeringRule,
    Port,
    PortRange,
    Protocol,
    Router,
    RouterInterface,
    Underlay,
)
from sdn_lab.model.joined import legs_of
from sdn_lab.scenario.derive import gateway_mac
from sdn_lab.scenario.random_dice import GATEWAYS, Dice, host_of, prefix_of

ALLOWED_PORTS = ((1, 65535), (22, 22), (80, 81), (1024, 32767), (66, 68), (547, 547))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joins:
    """What was drawn.  *numbered*: the numbers of networks; others have 0."""

    routers: tuple[Router, ...] = ()
    peerings: tuple[Peering, ...] = ()
    numbered: Mapping[str, int] = field(default_factory=dict)

    def number(self, network: str) -> int:
        return self.numbered.get(network, 0)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers that occur, sorted."""
        return tuple(sorted({0, *self.numbered.values()}))

    def moved(self, network: Network) -> tuple[IPNetwork, ...]:
        """Return the prefixes of a network, by its number."""
        return tuple(prefix_of(c.version, self.number(network.path)) for c in network.cidrs)


def draw_joins(dice: Dice, networks: Sequence[Network]) -> Joins:
    """Draw up to two routers a tenant, and up to three peerings."""
    plans = _plans(dice, networks)
    pairs = {pair for _, members in plans for pair in combinations(sorted(members), 2)}
    routed = sorted({name for _, members in plans for name in members})
    peers = [pair for pair in combinations(routed, 2) if pair not in pairs]
    between = dice.sample(peers, min(len(peers), dice.choice((0, 1, 1, 2, 3))))
    numbered = _numbered(routed, [*pairs, *between])
    routers = _routers(dice, plans, {n.path: n for n in networks}, numbered)
    peerings: list[Peering] = []
    for pair in between:
        one, other = pair if dice.randrange(2) else pair[::-1]
        legs = legs_of(routers, (one, other))
        if legs is not None and {a.version for a in legs[0].addresses} & {
            a.version for a in legs[1].addresses
        }:
            peerings.append(_peering(dice, len(peerings), (one, other)))
    return Joins(routers=routers, peerings=tuple(peerings), numbered=numbered)


def draw_dedicated(
    dice: Dice, ports: Sequence[Port], underlay: Underlay, tenants: Sequence[str]
) -> tuple[Dedicated, ...]:
    """Draw, now and then, a hypervisor that nobody else is on, or nobody at all."""
    free = [
        (tenant, name)
        for name in underlay.hypervisors
        for tenant in tenants
        if {p.tenant for p in ports if p.hypervisor == name} <= {tenant}
    ]
    if not free or not dice.often(40):
        return ()
    tenant, name = dice.choice(free)
    return (Dedicated(path="dedicated/0", tenant=tenant, hypervisors=(name,)),)


def _plans(dice: Dice, networks: Sequence[Network]) -> list[tuple[str, list[str]]]:
    """Draw routers' paths and the networks that each is in."""
    found = []
    for tenant in sorted({n.tenant for n in networks}):
        own = [n.path for n in networks if n.tenant == tenant]
        for index in range(dice.choice((0, 1, 1, 2))):
            members = dice.sample(own, dice.randint(min(2, len(own)), len(own)))
            found.append((f"{tenant}/r{index + 1}", sorted(members)))
    return found


def _numbered(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return for each network the smallest number that nobody has who must not overlap it."""
    near = {name: {a if b == name else b for a, b in pairs if name in (a, b)} for name in names}
    found: dict[str, int] = {}
    for name in names:
        apart = near[name] | {far for end in near[name] for far in near[end]}
        taken = {found[other] for other in apart if other in found and other != name}
        found[name] = next(n for n in range(len(names)) if n not in taken)
    return found


def _routers(
    dice: Dice,
    plans: Sequence[tuple[str, list[str]]],
    networks: Mapping[str, Network],
    numbered: Mapping[str, int],
) -> tuple[Router, ...]:
    found = []
    hosts = {name: iter(GATEWAYS) for name in numbered}
    for path, members in plans:
        common = set.intersection(*({c.version for c in networks[n].cidrs} for n in members))
        kept = dice.choice(sorted(common))  # a family in which all of its networks can be joined
        legs = []
        for name in members:
            families = [c.version for c in networks[name].cidrs if c.version == kept or dice.often(75)]
            host = next(hosts[name])
            legs.append(
                RouterInterface(
                    network=name,
                    addresses=tuple(host_of(family, host, numbered[name]) for family in sorted(families)),
                    mac=gateway_mac(path, name),
                )
            )
        found.append(Router(path=path, tenant=path.partition("/")[0], interfaces=tuple(legs)))
    return tuple(found)


def _peering(dice: Dice, index: int, between: tuple[str, str]) -> Peering:
    owners = sorted({name.partition("/")[0] for name in between})
    approved = owners if dice.often(65) else dice.sample(owners, dice.randrange(len(owners)))
    return Peering(
        path=f"peerings/{index}",
        between=between,
        approved_by=tuple(sorted(approved)),
        allow=tuple(_allowed(dice) for _ in range(dice.choice((0, 1, 1, 2, 3)))),
    )


def _allowed(dice: Dice) -> PeeringRule:
    protocol = dice.choice((Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ICMP, Protocol.ANY))
    if protocol is Protocol.ANY or dice.often(30):
        return PeeringRule(protocol=protocol)
    if protocol is Protocol.ICMP:
        return PeeringRule(protocol=protocol, icmp_types_v4=(0, 8), icmp_types_v6=dice.choice(((), (128,))))
    chosen = sorted(dice.sample(ALLOWED_PORTS, dice.choice((0, 1, 1, 2))))
    return PeeringRule(
        protocol=protocol, l4_ports=tuple(PortRange(first=first, last=last) for first, last in chosen)
    )
