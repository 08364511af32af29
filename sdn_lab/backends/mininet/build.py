"""Build a lab from its plan.

    instance --- p100 [br-int  tun]==[br-phy] nic --- u1 [bridges: `wires`]    the underlay
                  hypervisor          mgmt ------- m1 [bridge "control"]       management, the controller

Order matters: a namespace is hardened before it has an interface, a bridge is secure and br-phy has
its entries before it has a port, and instances come up last.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sdn_lab.backends.mininet import kernel_datapath
from sdn_lab.backends.mininet.hearing import deafen
from sdn_lab.backends.mininet.namespaces import inside, sysctl
from sdn_lab.backends.mininet.nodes import Hypervisor, Instance, Wiring
from sdn_lab.backends.mininet.offload import compute_checksums
from sdn_lab.backends.mininet.ovs import NIC, PHYSICAL, OpenVSwitch
from sdn_lab.backends.mininet.plan import MANAGEMENT_PREFIX, Plan, PlannedHypervisor, PlannedInstance
from sdn_lab.backends.mininet.watch import Watch
from sdn_lab.backends.mininet.wires import Wires

RUN = Path("/run/sdn-lab")
MANAGEMENT_INTERFACE = "mgmt"
THREADS = 4  # programs are started from so many threads; more do not help on few cores


@dataclass(slots=True)
class Built:
    """The nodes of a lab, by the scenario's names; instances by node name."""

    plan: Plan
    underlay: Instance
    management: Instance
    wires: Wires
    hypervisors: dict[str, Hypervisor] = field(default_factory=dict)
    switches: dict[str, OpenVSwitch] = field(default_factory=dict)
    switch_pids: list[int] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)


def build(plan: Plan, watch: Watch, progress: Callable[[str, int, int], None]) -> Built:
    """Build everything.  Raises LabError."""
    total = 2 + 2 * len(plan.hypervisors) + len(plan.instances)
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(what, done, total)
        watch.check()

    underlay = Instance("underlay", "the underlay", watch)
    built = Built(
        plan,
        underlay=underlay,
        wires=Wires(underlay.pid, plan),
        management=Instance("management", "the management network", watch),
    )
    for node in (built.underlay, built.management):
        node.harden(ipv6=False)
    step("underlay and management network")
    wiring = Wiring()
    for planned in plan.hypervisors:
        built.hypervisors[planned.name] = _hypervisor(planned, built, watch, wiring)
        step(f"hypervisor {planned.name}")
    with ThreadPoolExecutor(THREADS) as pool:
        for instance, node in zip(
            plan.instances, pool.map(lambda i: make_instance(i, watch), plan.instances), strict=True
        ):
            built.instances[instance.node] = node
            wire_instance(instance, built, wiring)
            step(f"instance {instance.ports[0].path}")
    wiring.make()
    _configure_networks(built)
    step("Open vSwitch")
    for planned in plan.hypervisors:
        daemon = built.switches[planned.name].start_switch(watch.check)
        built.switch_pids.append(daemon.pid)
        watch.own(f"ovs-vswitchd of {planned.name}", daemon)
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(lambda h: _finish_hypervisor(h, built, watch), plan.hypervisors):
            step("Open vSwitch")
        list(pool.map(lambda i: finish_instance(i, built), plan.instances))
    watch.check()
    return built


def know_peers(us: PlannedHypervisor, built: Built) -> None:
    """Tell a tunnel endpoint all the others.  Open vSwitch forgets them after a while."""
    peers = {h.vtep.partition("/")[0]: h.vtep_mac for h in built.plan.hypervisors if h != us}
    if built.plan.datapath == kernel_datapath.TYPE:
        built.hypervisors[us.name].configure(list(kernel_datapath.neighbours(PHYSICAL, peers)))
    else:
        built.switches[us.name].know_peers(peers)


def _hypervisor(planned: PlannedHypervisor, built: Built, watch: Watch, wiring: Wiring) -> Hypervisor:
    node = Hypervisor(planned.node, f"hypervisor {planned.name}", watch, dpid=planned.dpid)
    node.harden(ipv6=False)
    switch = OpenVSwitch(RUN / planned.node, node.into, dict(os.environ))
    built.switches[planned.name] = switch
    watch.own(f"ovsdb-server of {planned.name}", switch.start_database())
    wiring.join(node, NIC, built.underlay, planned.uplink)
    wiring.join(node, MANAGEMENT_INTERFACE, built.management, planned.control)
    return node


def make_instance(planned: PlannedInstance, watch: Watch) -> Instance:
    """Make an instance's node, without a wire."""
    node = Instance(planned.node, f"the instance of {planned.ports[0].path}", watch)
    node.harden(ipv6=any(":" in a for p in planned.ports for a in p.addresses))
    return node


def wire_instance(planned: PlannedInstance, built: Built, wiring: Wiring) -> None:
    """Note the wires of an instance that is among *built*'s."""
    for port in planned.ports:
        wiring.join(
            built.instances[planned.node],
            port.interface,
            built.hypervisors[planned.hypervisor],
            port.peer,
            port.mac,
        )


def _configure_networks(built: Built) -> None:
    plan = built.plan
    built.underlay.configure(list(built.wires.commands()))
    built.wires.open()
    built.management.configure(
        [
            "link set lo up",
            "link add name control type bridge stp_state 0 mcast_snooping 0",
            *(f"link set {h.control} master control up" for h in plan.hypervisors),
            f"address add {plan.controller}/{MANAGEMENT_PREFIX} dev control",
            "link set control up",
        ]
    )


def _finish_hypervisor(planned: PlannedHypervisor, built: Built, watch: Watch) -> None:
    plan, node = built.plan, built.hypervisors[planned.name]
    switch = built.switches[planned.name]
    ports = [p for i in plan.instances if i.hypervisor == planned.name for p in i.ports]
    with inside(node.pid):
        sysctl(f"net/ipv4/conf/{NIC}/arp_ignore", 8)  # else NIC and bridge both answer the underlay's ARP
    node.configure(
        [
            f"link set {NIC} mtu {plan.underlay_mtu} up",
            f"address add {planned.management} dev {MANAGEMENT_INTERFACE}",
            f"link set {MANAGEMENT_INTERFACE} up",
            *(f"link set {p.peer} mtu {plan.inner_mtu} up" for p in ports),
        ]
    )
    switch.make_bridges(planned, plan, watch.check)
    switch.add_ports(planned, plan, ports)
    node.configure(
        [f"address add {planned.vtep} dev {PHYSICAL}", f"link set {PHYSICAL} up", "link set br-int up"]
    )
    know_peers(planned, built)


def finish_instance(planned: PlannedInstance, built: Built) -> None:
    """Bring an instance up."""
    node = built.instances[planned.node]
    deafen(node.pid, [p.interface for p in planned.ports])
    with inside(node.pid):
        for port in planned.ports:
            compute_checksums(port.interface)
            if not any(":" in a for a in port.addresses):
                sysctl(f"net/ipv6/conf/{port.interface}/disable_ipv6", 1)
    commands = ["link set lo up"]
    for port in planned.ports:
        commands.append(f"link set {port.interface} mtu {built.plan.inner_mtu} up")
        commands += [
            f"address add {a} dev {port.interface}" + (" nodad" if ":" in a else "") for a in port.addresses
        ]
    node.configure([*commands, *route_commands("add", planned)])


def route_commands(verb: str, planned: PlannedInstance) -> list[str]:
    """Return the ``ip`` commands that add or delete an instance's routes."""
    return [
        f"route {verb} {prefix} via {gateway} dev {port.interface} metric {metric}"
        for metric, port in enumerate(planned.ports, start=100)  # of two legs to one prefix the first wins
        for prefix, gateway in port.routes
    ]
