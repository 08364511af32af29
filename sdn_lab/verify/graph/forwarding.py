"""The forwarding graph: every way that the dumped tables leave open, by the pipeline's constants alone.

What
----
Nodes are tenant ports (`Source`), `State`s (a bridge, a table, the constants known there) and `Sink`s; an
edge is a group of entries that may take a packet from one to the next.  Packet fields and what the
connection tracker says are not looked at: whatever they are, no packet leaves the graph.  So where there is
no path there is no packet; where there is one, `witness` looks closer.

Invariants
----------
1.  Over-approximation: each real way of each packet is a path.  *truncated* says that the bound was met and
    the graph is not all of it; nothing holds then.
2.  States of different ports are shared as soon as nothing that is read later tells them apart, so the
    size grows with ports, not with pairs of ports.

Reference: static reachability of networks, G. Xie et al., INFOCOM 2005; constants as abstract domain,
P. Cousot and R. Cousot, POPL 1977.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx

from sdn_lab.verify.graph.fabric import End, Fabric, Hop, Sink, State

MAX_STATES = 200_000


@dataclass(frozen=True, slots=True)
class Source:
    """A tenant port, as the sender."""

    path: str


Node = Source | State | Sink


class ForwardingGraph:
    """See the module.  Nodes of *graph* are numbers; `node` gives what they stand for."""

    def __init__(self, fabric: Fabric, max_states: int = MAX_STATES) -> None:
        self.fabric = fabric
        self.graph = nx.DiGraph()
        self.truncated = False
        self._nodes: list[Node] = []
        self._numbers: dict[object, int] = {}
        queue: deque[int] = deque()
        for path in fabric.ports:
            source = self._number(Source(path), queue)
            for start in fabric.starts(path):
                live = fabric.bridges[start.bridge].live(start.table)
                first = State(start.bridge, start.table, start.facts.projected(live))
                self.graph.add_edge(source, self._number(first, queue), entry=None)
        while queue:
            number = queue.popleft()
            state = self._nodes[number]
            if not isinstance(state, State):
                continue
            if len(self._nodes) > max_states:
                self.truncated = True
                return
            for hop in fabric.coarse(state):
                target = self._number(_certain(hop), queue)
                if not self.graph.has_edge(number, target):
                    self.graph.add_edge(number, target, entry=hop.entry)

    def __len__(self) -> int:
        return len(self._nodes)

    def node(self, number: int) -> Node:
        """Return what a node of *graph* stands for."""
        return self._nodes[number]

    def find(self, node: Node) -> int | None:
        """Return the number of a node, or None if it is not in the graph."""
        return self._numbers.get(_key(node))

    def reached_from(self, paths: Iterable[str]) -> frozenset[Sink]:
        """Return where frames from these ports may end."""
        seen: set[int] = set()
        for path in paths:
            number = self.find(Source(path))
            if number is not None and number not in seen:
                seen.add(number)
                seen |= nx.descendants(self.graph, number)
        return frozenset(node for node in map(self.node, seen) if isinstance(node, Sink))

    def distances(self, sinks: Iterable[Sink]) -> dict[int, int]:
        """Return, for each node with a path to one of *sinks*, the least number of edges."""
        goals = [n for n in map(self.find, sinks) if n is not None]
        found = dict.fromkeys(goals, 0)
        queue = deque(goals)
        while queue:
            number = queue.popleft()
            for before in self.graph.predecessors(number):
                if before not in found:
                    found[before] = found[number] + 1
                    queue.append(before)
        return found

    def _number(self, node: Node, queue: deque[int]) -> int:
        key = _key(node)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._nodes)
            self._nodes.append(node)
            self.graph.add_node(number)
            queue.append(number)
        return number


def _key(node: Node) -> object:
    return (node.bridge, node.table, node.facts.key) if isinstance(node, State) else node


def _certain(hop: Hop) -> State | Sink:
    """Drop the doubt: in this graph everything is one."""
    return hop.target.certain if isinstance(hop.target, Sink) else hop.target


def port_sinks(paths: Iterable[str]) -> frozenset[Sink]:
    """Return the sinks that stand for tenant ports."""
    return frozenset(Sink(End.PORT, path) for path in paths)
