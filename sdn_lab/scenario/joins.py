"""What the claims know of networks that are connected on purpose: over which families, and how far.

`model.joined` says which ways there are; here each is a `Join`, with the peering that limits it, if one does.
The compiler has a reading of its own (`compiler.joins`): that the two agree is for the differential tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.model.intent import Peering, Scenario
from sdn_lab.model.joined import Way, ways


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """One way from a network to another.  Without a *peering*, it is a router's: everything may pass."""

    families: frozenset[int]
    peering: Peering | None = None


Joins = Mapping[tuple[str, str], tuple[Join, ...]]
"""By (network of the sender, network of the receiver); a pair that is not there is isolated."""


def joins_of(scenario: Scenario) -> Joins:
    """Return all ways between networks of *scenario*."""
    peerings = {peering.path: peering for peering in scenario.peerings}

    def join(way: Way) -> Join:
        peering = peerings.get(way.through)
        ends = {way.near.network, way.far.network}
        limited = peering is not None and ends == set(peering.between)  # a router may be called peerings/0
        return Join(families=way.families, peering=peering if limited else None)

    return {pair: tuple(join(way) for way in found) for pair, found in ways(scenario).items()}
