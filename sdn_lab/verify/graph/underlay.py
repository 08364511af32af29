"""The physical network as a graph: redundancy, single points of failure, who shares a hypervisor.

What
----
`draw` reads `scenario.underlay`: one switch per site, sites meshed, a hypervisor on its site's switch; links
that the scenario writes replace what they speak of.  Nodes have a *kind* (hypervisor, site, switch).

How links are read
------------------
* A hypervisor that a link names hangs where its links say, and not on its site's switch.
* Sites are meshed only if no written link, or chain of links over switches, joins two of them.
* A name that is neither site nor hypervisor is a switch.
* A hypervisor carries nobody else's traffic: no path leads over one.

References: R. Tarjan, "Depth-First Search and Linear Graph Algorithms", 1972 (articulation points, bridges);
K. Menger, 1927 (as many disjoint paths as the least cut has links); NIST SP 800-125B (path redundancy).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import networkx as nx

from sdn_lab.model.intent import Scenario, Underlay

_SUPER = "\0site:"  # a terminal that stands for all hypervisors of a site; no name can be this


@dataclass(frozen=True, slots=True, kw_only=True)
class Redundancy:
    """Two sites: how many link-disjoint paths, and what single failure separates them."""

    sites: tuple[str, str]
    disjoint_paths: int
    single_points: tuple[str, ...]

    @property
    def redundant(self) -> bool:
        """No single link or switch between the sites separates them."""
        return self.disjoint_paths > 1 and not self.single_points


def draw(underlay: Underlay) -> nx.Graph:
    """Return the underlay as a graph; see the module."""
    graph = nx.Graph()
    hypervisors = set(underlay.hypervisors)
    wired = {name for link in underlay.links for name in link.between}
    for link in underlay.links:
        for name in link.between:
            kind = "hypervisor" if name in hypervisors else "site" if name in underlay.sites else "switch"
            graph.add_node(name, kind=kind)
        graph.add_edge(*link.between)
    spine = graph.subgraph(n for n in graph if n not in hypervisors)
    together = any(
        a in spine and b in spine and nx.has_path(spine, a, b) for a, b in combinations(underlay.sites, 2)
    )
    for site, members in underlay.sites.items():
        for hypervisor in members:
            graph.add_node(hypervisor, kind="hypervisor")
            if hypervisor not in wired:
                graph.add_node(site, kind="site")
                graph.add_edge(site, hypervisor)
    if not together:
        present = [site for site in underlay.sites if site in graph]
        graph.add_edges_from(combinations(present, 2))
    return graph


def redundancy(underlay: Underlay, first: str, second: str) -> Redundancy:
    """Judge the paths between two sites.

    Left out of account, because they belong to one site and not to what lies between: the sites' own
    switches, and the one link of a hypervisor that has only one.
    """
    graph = draw(underlay)
    others = set(underlay.hypervisors) - {*underlay.sites[first], *underlay.sites[second]}
    flow = nx.DiGraph()
    for a, b in nx.restricted_view(graph, others, []).edges:
        unlimited = _own(graph, a, b)
        for pair in ((a, b), (b, a)):
            flow.add_edge(*pair, **({} if unlimited else {"capacity": 1}))  # no capacity: unlimited
    for site in (first, second):
        for hypervisor in underlay.sites[site]:
            flow.add_edge(_SUPER + site, hypervisor)
            flow.add_edge(hypervisor, _SUPER + site)
    try:
        paths = int(nx.maximum_flow_value(flow, _SUPER + first, _SUPER + second))
    except nx.NetworkXUnbounded:
        paths = 1  # hypervisors of both hang on one switch: no link lies between them, but that switch does
    points = sorted(set(_separating(graph, underlay, first, second)))
    return Redundancy(sites=(first, second), disjoint_paths=paths, single_points=tuple(points))


def single_points(underlay: Underlay) -> tuple[str, ...]:
    """Return every switch and link whose failure cuts some hypervisors off, in words, sorted."""
    graph = draw(underlay)
    spine = _switches(graph)
    joined = _joined_pairs(graph)
    switches = [
        f"{kind} {name}"
        for name, kind in spine.nodes(data="kind")
        if _joined_pairs(nx.restricted_view(graph, [name], [])) < joined
    ]
    suspects = {*nx.bridges(spine), *(edge for edge in graph.edges if not spine.has_edge(*edge))}
    links = [
        "link " + " - ".join(sorted(edge))
        for edge in suspects
        if not _own(graph, *edge) and _joined_pairs(nx.restricted_view(graph, [], [edge])) < joined
    ]
    return tuple(sorted(switches) + sorted(links))


def information(scenario: Scenario) -> tuple[str, ...]:
    """Return remarks that are no claims: redundancy, single points of failure, co-residency."""
    underlay = scenario.underlay
    lines: list[str] = []
    graph = draw(underlay)
    parts = [sorted(set(c) & set(underlay.hypervisors)) for c in nx.connected_components(graph)]
    parts = sorted(p for p in parts if p)
    if len(parts) > 1:
        lines.append("the underlay falls apart as drawn: " + " | ".join(", ".join(p) for p in parts))
    for first, second in combinations(sorted(underlay.sites), 2):
        found = redundancy(underlay, first, second)
        lines.append(f"sites {first} and {second}: {counted(found.disjoint_paths)}")
    lines.extend(f"single point of failure: {what}" for what in single_points(underlay))
    single = [name for name in underlay.hypervisors if graph.degree[name] == 1]
    if single:
        lines.append(f"on a single link each: {', '.join(single)}")
    for hypervisor, tenants in co_residency(scenario).items():
        if len(tenants) > 1:
            lines.append(f"{hypervisor} is shared by tenants {', '.join(tenants)}")
    return tuple(lines)


def counted(paths: int) -> str:
    """Return a number of paths in words."""
    return f"{paths} link-disjoint path" + ("" if paths == 1 else "s")


def co_residency(scenario: Scenario) -> dict[str, tuple[str, ...]]:
    """Return which tenants have ports on which hypervisor."""
    return {
        hypervisor: tuple(sorted({p.tenant for p in scenario.ports if p.hypervisor == hypervisor}))
        for hypervisor in scenario.underlay.hypervisors
    }


def _own(graph: nx.Graph, a: str, b: str) -> bool:
    """Say whether a link is the only one of a hypervisor, to a switch."""
    hypervisors = [n for n in (a, b) if graph.nodes[n]["kind"] == "hypervisor"]
    return len(hypervisors) == 1 and graph.degree[hypervisors[0]] == 1


def _separating(graph: nx.Graph, underlay: Underlay, first: str, second: str) -> Iterator[str]:
    pairs = list(product(underlay.sites[first], underlay.sites[second]))
    for a, b in graph.edges:
        if not _own(graph, a, b) and not _all_joined(nx.restricted_view(graph, [], [(a, b)]), pairs):
            yield "link " + " - ".join(sorted((a, b)))
    for name, kind in graph.nodes(data="kind"):
        if kind == "hypervisor" or name in (first, second):
            continue
        if not _all_joined(nx.restricted_view(graph, [name], []), pairs):
            yield f"{kind} {name}"


def _switches(graph: nx.Graph) -> nx.Graph:
    """Return the part of a graph that carries other people's traffic."""
    return graph.subgraph(name for name, kind in graph.nodes(data="kind") if kind != "hypervisor")


def _reached(graph: nx.Graph) -> dict[str, frozenset[int]]:
    """Return, for each hypervisor, which connected parts of the switches it hangs on."""
    parts = {name: n for n, part in enumerate(nx.connected_components(_switches(graph))) for name in part}
    return {
        name: frozenset(parts[near] for near in graph[name] if near in parts)
        for name, kind in graph.nodes(data="kind")
        if kind == "hypervisor"
    }


def _all_joined(graph: nx.Graph, pairs: list[tuple[str, str]]) -> bool:
    reached = _reached(graph)
    return all(reached[a] & reached[b] or graph.has_edge(a, b) for a, b in pairs)


def _joined_pairs(graph: nx.Graph) -> int:
    """Count the pairs of hypervisors that reach one another."""
    reached = _reached(graph)
    alike = Counter(reached.values())
    count = sum(n * (n - 1) // 2 for parts, n in alike.items() if parts)
    count += sum(alike[a] * alike[b] for a, b in combinations(alike, 2) if a & b)
    return count + sum(
        1 for a, b in graph.edges if a in reached and b in reached and not reached[a] & reached[b]
    )
