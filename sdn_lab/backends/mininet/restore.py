"""Make a hypervisor's bridges again what the backend built.

Fail mode, in-band control, ports under their planned numbers, what copies traffic away (mirrors, sFlow,
NetFlow, IPFIX), whatever `settings` looks at, and the physical bridge's entries.  The integration bridge's
entries are the controller's.

What Open vSwitch cannot be given back, because the interface itself is gone, stays away: whoever asked takes
another snapshot and sees it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sdn_lab.backends.mininet.ovs import INTEGRATION, NIC, PHYSICAL, TUNNEL, OpenVSwitch
from sdn_lab.backends.mininet.physical import UPLINK_OF_PORT, entries
from sdn_lab.backends.mininet.plan import ENCAPSULATION_L4_PORT, Plan, PlannedHypervisor
from sdn_lab.backends.mininet.settings import COPIES

_KEPT = ("fail_mode=secure", "other_config:disable-in-band=true")


def restore(switch: OpenVSwitch, us: PlannedHypervisor, plan: Plan, bridges: Collection[str]) -> None:
    """Restore *bridges* (`INTEGRATION`, `PHYSICAL`) of hypervisor *us*.  Raises LabError."""
    if INTEGRATION in bridges:
        peers = [p for i in plan.instances if i.hypervisor == us.name for p in i.ports]
        tunnel = (f"type={plan.encap}", "options:remote_ip=flow", "options:key=flow")
        _settings(switch, INTEGRATION)
        _ports(
            switch,
            INTEGRATION,
            {TUNNEL: us.tunnel_of_port, **{p.peer: p.of_port for p in peers}},
            {TUNNEL: tunnel},
        )
    if PHYSICAL in bridges:
        _settings(switch, PHYSICAL)
        vtep = us.vtep.partition("/")[0]
        others = [h.vtep.partition("/")[0] for h in plan.hypervisors if h != us]
        lines = "\n".join(entries(vtep, others, ENCAPSULATION_L4_PORT[plan.encap]))
        switch.ofctl("--bundle", "replace-flows", PHYSICAL, "-", stdin=lines + "\n")
        switch.ofctl("del-groups", PHYSICAL)
        _ports(switch, PHYSICAL, {NIC: UPLINK_OF_PORT}, {})


def _settings(switch: OpenVSwitch, bridge: str) -> None:
    switch.vsctl("--", "set", "bridge", bridge, *_KEPT, "--", "clear", "bridge", bridge, *COPIES)
    for setting in switch.altered(bridge):
        if setting.column == "controller" and bridge == INTEGRATION:
            switch.restore_controller()
        else:
            switch.vsctl(*setting.undo)


def _ports(
    switch: OpenVSwitch, bridge: str, wanted: Mapping[str, int], settings: Mapping[str, Sequence[str]]
) -> None:
    """Take away what is foreign or has another number; then add what is not there."""
    given, there = switch.ports(bridge), switch.vsctl("list-ports", bridge).split()
    wrong = [name for name in there if name not in wanted or given.get(name) != wanted[name]]
    away = [word for name in wrong for word in ("--", "del-port", bridge, name)]
    if away:
        switch.vsctl(*away)
    back: list[str] = []
    for name, number in wanted.items():
        if name not in there or name in wrong:
            back += ["--", "add-port", bridge, name, "--", "set", "interface", name]
            back += [*settings.get(name, ()), f"ofport_request={number}"]
    if back:
        switch.vsctl(*back)
