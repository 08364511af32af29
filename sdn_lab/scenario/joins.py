"""Which networks are connected on purpose, by what, and over which address families.

Where it sits
-------------
Reads:    routers and peerings of a scenario, as values.
Used by:  `scenario.peerings` and `scenario.apart` (may they be joined?), `scenario.semantics` and
          `scenario.claims` (what may pass then?).  The compiler reads routers and peerings on its own.

The rules
---------
1.  A router joins its networks pairwise and directly: what it routed is never routed again.  So two
    routers with one network in common do not join the others.
2.  An approved peering joins its two networks through the router of each that has the first path.
3.  A family is joined only where both interfaces have an address of it.  Without any, nothing is joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

from sdn_lab.model.intent import Peering, Router, RouterInterface, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One way from a network to another: over these families, and within this peering, if it is one."""

    source: str
    destination: str
    families: frozenset[int]
    peering: Peering | None = None


Joins = Mapping[tuple[str, str], tuple[Join, ...]]


def joins_of(scenario: Scenario) -> Joins:
    """Return all ways by ordered pair of networks.  A pair that is not there is isolated."""
    found: dict[tuple[str, str], list[Join]] = {}
    for join in (*_routed(scenario.routers), *_peered(scenario)):
        if join.families:
            found.setdefault((join.source, join.destination), []).append(join)
    return {pair: tuple(joins) for pair, joins in found.items()}


def pairs_of(joins: Joins) -> tuple[tuple[str, str], ...]:
    """Return the pairs of networks that are joined, each once, sorted."""
    return tuple(sorted(pair for pair in joins if pair[0] < pair[1]))


def first_router(routers: Iterable[Router], network: str) -> RouterInterface | None:
    """Return where the router with the first path meets *network*, if one does."""
    found = sorted(
        ((router.path, leg) for router in routers for leg in router.interfaces if leg.network == network),
        key=lambda found: found[0],
    )
    return found[0][1] if found else None


def legs_of(
    routers: Iterable[Router], between: tuple[str, str]
) -> tuple[RouterInterface, RouterInterface] | None:
    """Return the two interfaces that a peering's packets go through, if there are two."""
    known = tuple(routers)
    one, other = (first_router(known, name) for name in between)
    return None if one is None or other is None else (one, other)


def _routed(routers: tuple[Router, ...]) -> Iterator[Join]:
    for router in routers:
        for near, far in permutations(router.interfaces, 2):
            yield Join(source=near.network, destination=far.network, families=_common(near, far))


def _peered(scenario: Scenario) -> Iterator[Join]:
    for peering in scenario.peerings:
        legs = legs_of(scenario.routers, peering.between)
        if peering.approved and legs is not None:
            for source, destination in permutations(peering.between):
                yield Join(source=source, destination=destination, families=_common(*legs), peering=peering)


def _common(near: RouterInterface, far: RouterInterface) -> frozenset[int]:
    return frozenset(a.version for a in near.addresses) & frozenset(a.version for a in far.addresses)
