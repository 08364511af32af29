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
    judge = _Judge(scenario)
    zones = {
        (name, attachment.zone): scenario.port(attachment.port)
        for name, datapath in assignment.datapaths.items()
        for attachment in datapath.attachments
    }
    for flow in flows:
        holder = zones.get((flow.hypervisor, flow.zone))
        if holder is None or not judge.allows(holder, flow.flow):
            yield flow


class _Judge:
    """What may be opened between which ports; each pair is worked out once."""

    def __init__(self, scenario: Scenario) -> None:
        self._semantics = Semantics(scenario)
        self._known: dict[tuple[str, str], Traffic] = {}
        self._owners: dict[IPAddress, list[Port]] = {}
        for port in scenario.ports:
            for ip in port.ips:
                self._owners.setdefault(ip, []).append(port)

    def allows(self, port: Port, flow: Microflow) -> bool:
        """Say whether a flow that is tracked in a port's zone might be opened now."""
        if flow.src in port.ips:
            return any(self._may(port, peer, flow) for peer in self._owners.get(flow.dst, ()))
        return flow.dst in port.ips and any(
            self._may(peer, port, flow) for peer in self._owners.get(flow.src, ())
        )

    def _may(self, src: Port, dst: Port, flow: Microflow) -> bool:
        if src is dst:
            return False
        key = src.path, dst.path
        if key not in self._known:
            self._known[key] = self._semantics.pair(src, dst).new
        return _admits(self._known[key], flow)


def _admits(traffic: Traffic, flow: Microflow) -> bool:
    """Say whether *traffic* admits *flow*.  Of SCTP the tracker knows no ports: any that is allowed will do,
    because the tables look at the ports of every SCTP packet.
    """
    if flow.protocol == SCTP and not flow.dst_l4:
        ends = flow.src, flow.dst
        return any(a.protocol == SCTP and (a.src, a.dst) == ends and a.l4_ports for a in traffic.allowances)
    return traffic.admits(flow)
