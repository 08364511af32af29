"""Which networks a scenario joins on purpose, and by which gateways: the intent, read once for everybody.

A router joins its networks pairwise and directly; an approved peering joins its two, each through the
network's own router with the first path.  Nothing is transitive: two networks that only meet in a third
are apart.

Read by:  `scenario` (what may then be claimed), `observe` (what a routed packet looks like at both ends) and
          `verify.graph` (which pairs are to be apart).  Not by the compiler, whose reading of a scenario is
          its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from sdn_lab.model.intent import Router, RouterInterface, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way from a network to another: in at *near*, out at *far*.

    *through* is the path of the router or of the peering.
    """

    through: str
    near: RouterInterface
    far: RouterInterface

    @property
    def families(self) -> frozenset[int]:
        """The IP versions that both ends have an address of: others it does not carry."""
        near, far = (frozenset(a.version for a in leg.addresses) for leg in (self.near, self.far))
        return near & far


Ways = Mapping[tuple[str, str], tuple[Way, ...]]
"""From (network of the sender, network of the receiver); pairs that are not joined have no entry."""


def ways(scenario: Scenario) -> Ways:
    """Return every way between networks of *scenario* that carries anything, routers' first."""
    found: dict[tuple[str, str], list[Way]] = defaultdict(list)
    for way in filter(lambda w: w.families, (*_routed(scenario), *_peered(scenario))):
        found[way.near.network, way.far.network].append(way)
    return {pair: tuple(between) for pair, between in found.items()}


def joined(scenario: Scenario) -> frozenset[tuple[str, str]]:
    """Return the pairs of networks that are joined on purpose, each sorted."""
    return frozenset((min(pair), max(pair)) for pair in ways(scenario))


def first_leg(routers: Iterable[Router], network: str) -> RouterInterface | None:
    """Return where the router with the first path meets *network*, if one does."""
    legs = ((r.path, leg) for r in routers for leg in r.interfaces if leg.network == network)
    return min(legs, key=lambda found: found[0], default=("", None))[1]


def legs_of(
    routers: Sequence[Router], between: tuple[str, str]
) -> tuple[RouterInterface, RouterInterface] | None:
    """Return the two interfaces that a peering's packets go through, if there are two."""
    one, other = (first_leg(routers, network) for network in between)
    return None if one is None or other is None else (one, other)


def _routed(scenario: Scenario) -> Iterator[Way]:
    for router in scenario.routers:
        for near, far in permutations(router.interfaces, 2):
            yield Way(through=router.path, near=near, far=far)


def _peered(scenario: Scenario) -> Iterator[Way]:
    for peering in scenario.peerings:
        legs = legs_of(scenario.routers, peering.between)
        if peering.approved and legs is not None:
            for near, far in permutations(legs):
                yield Way(through=peering.path, near=near, far=far)
