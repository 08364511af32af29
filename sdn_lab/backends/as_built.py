"""What a backend builds of every datapath, whichever it is: ports, fail mode, physical bridges' entries.

    states = as_built(scenario, assignment)    # {"hv1": ..., "hv1/underlay": ...}

An integration bridge has no entries here: those are the controller's.  Worked out from the assignment
alone, never looked up in what exists: it is what a dump is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdn_lab.backends.sim import physical
from sdn_lab.backends.sim.network import ENCAPSULATIONS
from sdn_lab.model.assignment import Assignment, Datapath
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.action import LOCAL
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.snapshot import DatapathState

FAIL_MODE = "secure"


def as_built(scenario: Scenario, assignment: Assignment) -> Mapping[str, DatapathState]:
    """Return the state of every bridge as built, by its name in a snapshot."""
    l4_port = ENCAPSULATIONS[scenario.underlay.encap].l4_port
    states: dict[str, DatapathState] = {}
    for name, datapath in sorted(assignment.datapaths.items()):
        peers = [d.vtep for other, d in sorted(assignment.datapaths.items()) if other != name]
        states[name] = DatapathState(
            name=name, tables=Tables(), fail_mode=FAIL_MODE, ports=_integration_ports(datapath)
        )
        below = f"{name}/underlay"
        states[below] = DatapathState(
            name=below,
            tables=Tables(entries=physical.entries(datapath.vtep, peers, l4_port)),
            fail_mode=FAIL_MODE,
            ports={physical.UPLINK_OF_PORT: "uplink", LOCAL: "local"},
        )
    return states


def _integration_ports(datapath: Datapath) -> dict[int, str]:
    tenants = {attachment.of_port: f"port:{attachment.port}" for attachment in datapath.attachments}
    return {LOCAL: "local", datapath.tunnel_of_port: "tunnel", **tenants}
