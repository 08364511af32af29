"""Which tracked flows may go on under a scenario, and which may not.

A datapath passes an established flow whatever its tables have come to say (``+est`` outlives the rule that
let it in).  So after a change every tracked flow is asked the question that its opening packet would be
asked now; the answer is the reference semantics', not the compiler's.

A flow may stay in a zone if it may be opened now, from the port that opened it to the port that it was
opened to.  What only its sender's groups let go is forgotten, too: its next opening packet makes it known
again.  Flows of a zone that is nobody's are never allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import SCTP, Microflow, Traffic
from sdn_lab.scenario.semantics import Semantics


def outlawed(scenario: Scenario, assignment: Assignment, flows: Iterable[Tracked]) -> Iterator[Tracked]:
    """Yield those of *flows* that *scenario* does not allow."""
    semantics = Semantics(scenario)
    owners: dict[IPAddress, list[Port]] = {}
    for port in scenario.ports:
        for ip in port.ips:
            owners.setdefault(ip, []).append(port)
    zones = {
        (name, attachment.zone): scenario.port(attachment.port)
        for name, datapath in assignment.datapaths.items()
        for attachment in datapath.attachments
    }
    for flow in flows:
        holder = zones.get((flow.hypervisor, flow.zone))
        if holder is None or not _allowed(semantics, holder, owners, flow.flow):
            yield flow


def _allowed(semantics: Semantics, port: Port, owners: dict[IPAddress, list[Port]], flow: Microflow) -> bool:
    if flow.src in port.ips:
        return any(
            _admits(semantics.pair(port, peer).new, flow)
            for peer in owners.get(flow.dst, ())
            if peer is not port
        )
    return flow.dst in port.ips and any(
        _admits(semantics.pair(peer, port).new, flow) for peer in owners.get(flow.src, ()) if peer is not port
    )


def _admits(traffic: Traffic, flow: Microflow) -> bool:
    """Say whether *traffic* admits *flow*.  Of SCTP the tracker knows no ports: any that is allowed will do,
    because the tables look at the ports of every SCTP packet.
    """
    if flow.protocol == SCTP and not flow.dst_l4:
        ends = flow.src, flow.dst
        return any(a.protocol == SCTP and (a.src, a.dst) == ends and a.l4_ports for a in traffic.allowances)
    return traffic.admits(flow)
