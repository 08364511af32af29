"""Which networks the tables join, and which port lets it happen.

The forwarding graph projected to networks: two networks are joined when a frame of one may reach a port of
the other.  Its connected components should be the scenario's networks, one each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import networkx as nx

from sdn_lab.verify.graph.fabric import End
from sdn_lab.verify.graph.forwarding import ForwardingGraph


def reach(graph: ForwardingGraph, networks: Mapping[str, tuple[str, ...]]) -> nx.DiGraph:
    """Return which network's frames may reach which network's ports; *networks* maps to port paths."""
    homes = {path: network for network, paths in networks.items() for path in paths}
    result = nx.DiGraph()
    result.add_nodes_from(networks)
    for network, paths in networks.items():
        for sink in graph.reached_from(paths):
            if sink.end is End.PORT and homes.get(sink.name, network) != network:
                result.add_edge(network, homes[sink.name])
    return result


def joined(networks: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the components of more than one network, given the pairs that are joined."""
    graph = nx.Graph()
    graph.add_nodes_from(networks)
    graph.add_edges_from(pairs)
    return sorted(tuple(sorted(c)) for c in nx.connected_components(graph) if len(c) > 1)
