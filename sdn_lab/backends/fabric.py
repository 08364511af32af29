"""The physical network as backends build it: switches, links, and the way to every hypervisor.

What
----
`fabric` reads a scenario's underlay: one switch per site, sites meshed, a hypervisor on its site's switch;
links that the scenario writes replace what they speak of.  `next_hops` says, for every place and every
hypervisor, through which neighbour: the shortest way over the links that are not cut.

Where it sits
-------------
Used by:    both backends, which only do what is worked out here.
Not here:   redundancy, single points of failure: `sdn_lab.verify.graph.underlay`, which reads the same
            links by itself, with networkx.  `tests/unit/backends/test_fabric.py` compares the two.

Invariants
----------
1.  A hypervisor carries nobody else's traffic: no way leads over one.
2.  Along the way to a hypervisor the distance falls at every step, so no frame goes round, whatever loops the
    links make.  This holds for any part of `next_hops`, too.
3.  Deterministic.  Among equally short ways the hypervisors take turns in order of their names, so that
    several spines are all in use.

Reference: E. F. Moore, "The Shortest Path Through a Maze", 1959 (breadth first); RFC 2992 (equal-cost ways).

>>> from sdn_lab.model.intent import Underlay
>>> drawn = fabric(Underlay(sites={"east": ("hv1",), "west": ("hv2",)}))
>>> [link.between for link in drawn.links]
[('east', 'hv1'), ('east', 'west'), ('hv2', 'west')]
>>> next_hops(drawn)["hv1", "hv2"], next_hops(drawn)["east", "hv2"]
('east', 'west')
>>> ("hv1", "hv2") in next_hops(drawn, {("east", "west")})
False
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Link, Underlay

Ends = tuple[str, str]
"""A link by its two ends, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """Who is there and what joins whom.  *links*: written and implied, sorted; all names sorted."""

    hypervisors: tuple[str, ...]
    switches: tuple[str, ...]
    links: tuple[Link, ...]

    def ends(self, link: Collection[str]) -> Ends:
        """Return the ends of the link between two names, in either order.  Raises LabError if none is."""
        wanted = tuple(sorted(link))
        for known in self.links:
            if known.between == wanted:
                return known.between
        there = ", ".join(" - ".join(known.between) for known in self.links)
        raise LabError(f"the underlay has no link {' - '.join(link)}: there is {there}")

    def neighbours(self, down: Collection[Ends] = ()) -> Mapping[str, tuple[str, ...]]:
        """Return who is joined to whom by links that are not *down*."""
        found: dict[str, list[str]] = {name: [] for name in (*self.hypervisors, *self.switches)}
        for link in self.links:
            if link.between not in down:
                one, other = link.between
                found[one].append(other)
                found[other].append(one)
        return {name: tuple(sorted(names)) for name, names in found.items()}


def fabric(underlay: Underlay) -> Fabric:
    """Read how the underlay is built; see `model.intent.Underlay`."""
    hypervisors = underlay.hypervisors
    links = {_ends(*link.between): link for link in underlay.links}
    wired = {name for ends in links for name in ends}
    for site, members in underlay.sites.items():
        for hypervisor in members:
            if hypervisor not in wired:
                links[_ends(site, hypervisor)] = Link(between=_ends(site, hypervisor))
    switches = sorted({name for ends in links for name in ends} - set(hypervisors))
    if not _joined(underlay):
        for pair in combinations(sorted(set(underlay.sites) & set(switches)), 2):
            links[pair] = Link(between=pair)
    return Fabric(
        hypervisors=hypervisors,
        switches=tuple(switches),
        links=tuple(links[ends] for ends in sorted(links)),
    )


def next_hops(drawn: Fabric, down: Collection[Ends] = ()) -> dict[tuple[str, str], str]:
    """Return the neighbour to go through, by (place, hypervisor); nothing where no way leads."""
    neighbours = drawn.neighbours(down)
    ends = frozenset(drawn.hypervisors)
    hops: dict[tuple[str, str], str] = {}
    for turn, to in enumerate(drawn.hypervisors):
        distance = _distances(neighbours, ends, to)
        for place, steps in distance.items():
            nearer = [
                name
                for name in neighbours[place]
                if distance.get(name) == steps - 1 and (name == to or name not in ends)
            ]
            if nearer:
                hops[place, to] = nearer[turn % len(nearer)]
    return hops


def way(hops: Mapping[tuple[str, str], str], here: str, to: str) -> tuple[Ends, ...] | None:
    """Return the links from one place to a hypervisor, in order, or None if it cannot be reached."""
    return tuple(_steps(hops, here, to)) if here == to or (here, to) in hops else None


def cut_links(down: Collection[Ends]) -> tuple[str, ...]:
    """Return a remark on every link that is cut."""
    return tuple(f"the underlay link {' - '.join(ends)} is cut" for ends in sorted(down))


def _steps(hops: Mapping[tuple[str, str], str], here: str, to: str) -> Iterator[Ends]:
    while here != to:
        onward = hops[here, to]
        yield _ends(here, onward)
        here = onward


def _distances(neighbours: Mapping[str, tuple[str, ...]], ends: Collection[str], to: str) -> dict[str, int]:
    """Count the links from everywhere to *to*, breadth first; beyond another of *ends* nothing is reached."""
    distance, waiting = {to: 0}, deque([to])
    while waiting:
        place = waiting.popleft()
        for name in neighbours[place]:
            if name not in distance:
                distance[name] = distance[place] + 1
                if name not in ends:
                    waiting.append(name)
    return distance


def _joined(underlay: Underlay) -> bool:
    """Say whether written links, over switches, join any two sites."""
    group = {name: name for link in underlay.links for name in link.between}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for link in underlay.links:
        if not set(link.between) & set(underlay.hypervisors):
            group[root(link.between[0])] = root(link.between[1])
    sites = [root(site) for site in underlay.sites if site in group]
    return len(sites) != len(set(sites))


def _ends(one: str, other: str) -> Ends:
    return (one, other) if one < other else (other, one)
