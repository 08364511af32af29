"""Which networks are joined on purpose, read for the tables: one `Join` for each way, direction and family.

A router joins its networks pairwise and directly; an approved peering joins its two, each through its
network's own router with the first path.  Nothing is transitive, and a peering that is not approved by both
tenants is not here at all: it compiles to nothing.

The claims read the same scenario on their own (`scenario.joins`): neither imports the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

from sdn_lab.model.intent import Peering, RouterInterface, Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """From ports of ``near.network`` to ports of ``far.network``, over one IP version.

    *origin* is (kind, path) of who joins them, as in a cookie; *peering* is set where a peering does.
    """

    near: RouterInterface
    far: RouterInterface
    version: int
    origin: tuple[str, str]
    peering: Peering | None = None


def joins_of(scenario: Scenario) -> tuple[Join, ...]:
    """Return every join, routers' first.  Where a router joins two networks, no peering does."""
    routed = tuple(_routed(scenario))
    ends = {(join.near.network, join.far.network, join.version) for join in routed}
    peered = (j for j in _peered(scenario) if (j.near.network, j.far.network, j.version) not in ends)
    return (*routed, *peered)


def _routed(scenario: Scenario) -> Iterator[Join]:
    for router in scenario.routers:
        for near, far in permutations(router.interfaces, 2):
            for version in _common(near, far):
                yield Join(near=near, far=far, version=version, origin=("router", router.path))


def _peered(scenario: Scenario) -> Iterator[Join]:
    first: dict[str, RouterInterface] = {}
    for router in sorted(scenario.routers, key=lambda r: r.path):
        for interface in router.interfaces:
            first.setdefault(interface.network, interface)
    for peering in scenario.peerings:
        if not peering.approved or not all(network in first for network in peering.between):
            continue
        for near, far in permutations([first[network] for network in peering.between]):
            for version in _common(near, far):
                origin = ("peering", peering.path)
                yield Join(near=near, far=far, version=version, origin=origin, peering=peering)


def _common(near: RouterInterface, far: RouterInterface) -> tuple[int, ...]:
    """The IP versions that both ends have an address of."""
    return tuple(sorted({a.version for a in near.addresses} & {a.version for a in far.addresses}))
