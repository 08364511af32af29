"""Which networks are joined: components of the networks' graph, from the pairs that are not apart."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx


def joined(networks: Iterable[str], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return the components of more than one network, each sorted, in order."""
    graph = nx.Graph()
    graph.add_nodes_from(networks)
    graph.add_edges_from(pairs)
    return sorted(tuple(sorted(c)) for c in nx.connected_components(graph) if len(c) > 1)
