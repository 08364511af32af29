"""What is joined must be told apart by its addresses: no overlap, and one way between two networks.

Tenants' prefixes overlap as they like, until somebody joins them.  A peering counts whether it is
approved or not: else a tenant's approval alone could turn a valid file into a wrong one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from sdn_lab.model.intent import Network, Peering, Router
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.reading import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """Two networks that *by* joins, and where that was written."""

    one: str
    other: str
    by: str
    path: Path


def check_joined(
    reading: Reading,
    networks: tuple[Network, ...],
    routers: tuple[Router, ...],
    peerings: tuple[Peering, ...],
) -> None:
    """Complain of networks that overlap though they are joined, to one another or to a third one."""
    by_name = {n.path: n for n in networks}
    joined = [*_by_routers(routers), *_by_peerings(peerings)]
    _check_ways(reading, joined, len(joined) - len(peerings))
    neighbours: dict[str, list[str]] = {}
    told: set[frozenset[str]] = set()
    for join in joined:
        _check(reading, by_name, join, (join.one, join.other), "", told)
        for end, far in ((join.one, join.other), (join.other, join.one)):
            for third in neighbours.setdefault(end, []):
                if third != far:
                    _check(reading, by_name, join, (third, far), end, told)
            neighbours[end].append(far)


def _by_routers(routers: tuple[Router, ...]) -> Iterator[_Joined]:
    for router in routers:
        _, _, name = router.path.partition("/")
        for near, far in combinations(router.interfaces, 2):
            place = ("tenants", router.tenant, "routers", name, "interfaces", far.network.partition("/")[2])
            yield _Joined(one=near.network, other=far.network, by=f"router '{router.path}'", path=place)


def _by_peerings(peerings: tuple[Peering, ...]) -> Iterator[_Joined]:
    for peering in peerings:
        index = int(peering.path.partition("/")[2])
        one, other = peering.between
        yield _Joined(one=one, other=other, by=f"peering {index}", path=("peerings", index, "between"))


def _check_ways(reading: Reading, joined: list[_Joined], routed: int) -> None:
    """Complain of a peering between networks that a router, or another peering, joins already."""
    ways: dict[frozenset[str], _Joined] = {}
    for number, join in enumerate(joined):
        first = ways.setdefault(frozenset((join.one, join.other)), join)
        if number >= routed and first is not join:
            reading.blame(
                "SCN055",
                join.path,
                f"'{join.one}' and '{join.other}' are joined by {first.by} already",
                "nobody could tell which of the two a packet takes, and what it is allowed",
                "leave one of them out",
                first=first.path,
                first_is="joined at",
            )


def _check(
    reading: Reading,
    networks: dict[str, Network],
    join: _Joined,
    pair: tuple[str, str],
    third: str,
    told: set[frozenset[str]],
) -> None:
    """Complain if the networks of *pair* overlap; *third* is what both are joined to, if not each other."""
    one, other = (networks[name] for name in pair)
    clash = next(
        ((a, b) for a in one.cidrs for b in other.cidrs if a.version == b.version and a.overlaps(b)),
        None,
    )
    if clash is None or frozenset(pair) in told:
        return
    told.add(frozenset(pair))
    how = f"and {join.by} joins them" if not third else f"and '{third}' is joined to both"
    reading.blame(
        "SCN047",
        join.path,
        f"networks '{pair[0]}' and '{pair[1]}' overlap, {how}",
        f"{clash[0]} and {clash[1]} have addresses in common, and a router goes by addresses",
        "give one of them another prefix",
    )
