"""Graph: networkx's home.  The dumped tables as a graph, and the underlay as another.

Reads:    the Snapshot (`openflow` values), the Scenario and its claims.  Never the compiler, never
          `openflow.interpret`: it is a reading of OpenFlow of its own.
Gives:    `GraphChecker` (a `contracts.Checker`), `information` (redundancy, single points of failure,
          co-residency), and for pictures `ForwardingGraph` and `underlay.draw`.

Order of reading: `facts` (what is known of a packet) - `bridge` (a table, indexed) - `pipeline` (what an
entry does) - `fabric` (ports, tunnels, the wire) - `forwarding` (the graph) - `witness` (a packet for a
path) - `checker` (claims).
"""

from sdn_lab.verify.graph.checker import GraphChecker, information

__all__ = ["GraphChecker", "information"]
