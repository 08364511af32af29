"""What the backend builds, as a value: nodes, interfaces, addresses.

What
----
`plan` turns a scenario and its assignment into a `Plan`: plain texts and numbers, which travel to
the lab daemon as JSON.  Nothing here touches the machine.

Invariants
----------
1.  Node and interface names are internal ids of at most 15 characters (IFNAMSIZ less one); people
    see the scenario's names.
2.  Addresses of the underlay and of management are the lab's own.  They live in other namespaces
    than the tenants' and may equal a tenant's.
3.  Deterministic: equal scenarios and assignments give equal plans.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from sdn_lab.backends.routes import routes_of
from sdn_lab.model.assignment import UNDERLAY_PREFIX, Assignment
from sdn_lab.model.intent import IPAddress, Link, Network, Scenario, Underlay
from sdn_lab.model.succession import Name, instances

MANAGEMENT_BASE = IPv4Address("172.30.0.1")  # the controller; hypervisor n is base + n
MANAGEMENT_PREFIX = 16
USERSPACE = "netdev"  # the datapath of which everything was measured; the other is `kernel_datapath.TYPE`
ENCAPSULATION_L4_PORT: Mapping[str, int] = {"vxlan": 4789, "geneve": 6081}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPort:
    """A tenant's port: *interface* in the instance, *peer* at its hypervisor.

    *addresses* carry the prefix length of the network's cidr; *routes* are pairs (prefix, gateway).
    """

    path: str
    interface: str
    peer: str
    of_port: int
    mac: str
    addresses: tuple[str, ...]
    routes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedInstance:
    """An instance: the Mininet host *node*, on *hypervisor*."""

    node: str
    hypervisor: str
    ports: tuple[PlannedPort, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedHypervisor:
    """A hypervisor: the Mininet switch *node*.  *uplink* is the underlay's end of its wire,
    *control* the management bridge's end.
    """

    name: str
    node: str
    dpid: str
    vtep: str
    vtep_mac: str
    tunnel_of_port: int
    management: str
    uplink: str
    control: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of a lab.  *datapath* is the bridges' type."""

    datapath: str
    encap: str
    underlay_mtu: int
    inner_mtu: int
    controller: str
    underlay: Underlay
    hypervisors: tuple[PlannedHypervisor, ...]
    instances: tuple[PlannedInstance, ...]

    def as_json(self) -> dict[str, Any]:
        """Return what `json.dumps` accepts and `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Read what `as_json` wrote."""
        rest = {k: v for k, v in value.items() if k not in {"underlay", "hypervisors", "instances"}}
        return cls(
            underlay=_underlay_from_json(value["underlay"]),
            hypervisors=tuple(PlannedHypervisor(**h) for h in value["hypervisors"]),
            instances=tuple(
                PlannedInstance(
                    node=i["node"],
                    hypervisor=i["hypervisor"],
                    ports=tuple(_port_from_json(p) for p in i["ports"]),
                )
                for i in value["instances"]
            ),
            **rest,
        )


def _underlay_from_json(value: Mapping[str, Any]) -> Underlay:
    return Underlay(
        encap=value["encap"],
        mtu=value["mtu"],
        sites={site: tuple(members) for site, members in value["sites"].items()},
        links=tuple(Link(**{**link, "between": tuple(link["between"])}) for link in value["links"]),
    )


def _port_from_json(value: Mapping[str, Any]) -> PlannedPort:
    routes = tuple((prefix, gateway) for prefix, gateway in value["routes"])
    return PlannedPort(**{**value, "addresses": tuple(value["addresses"]), "routes": routes})


def plan(
    scenario: Scenario,
    assignment: Assignment,
    nodes: Mapping[Name, str] | None = None,
    *,
    datapath: str = USERSPACE,
) -> Plan:
    """Name and number everything that the lab needs; *nodes* names the instances' nodes in a running one."""
    names = sorted(assignment.datapaths)
    return Plan(
        datapath=datapath,
        encap=scenario.underlay.encap,
        underlay_mtu=scenario.underlay.mtu,
        inner_mtu=scenario.underlay.inner_mtu,
        controller=str(MANAGEMENT_BASE),
        underlay=scenario.underlay,
        hypervisors=tuple(
            PlannedHypervisor(
                name=name,
                node=f"h{n}",
                dpid=assignment.datapaths[name].dpid,
                vtep=f"{assignment.datapaths[name].vtep}/{UNDERLAY_PREFIX}",
                vtep_mac=assignment.datapaths[name].vtep_mac,
                tunnel_of_port=assignment.datapaths[name].tunnel_of_port,
                management=f"{MANAGEMENT_BASE + n}/{MANAGEMENT_PREFIX}",
                uplink=f"u{n}",
                control=f"m{n}",
            )
            for n, name in enumerate(names, start=1)
        ),
        instances=_instances(scenario, assignment, nodes or fresh_nodes(scenario)),
    )


def fresh_nodes(scenario: Scenario) -> dict[Name, str]:
    """Name the instances' nodes of a lab that is to be built."""
    return {name: f"i{n}" for n, name in enumerate(sorted(instances(scenario)), start=1)}


def _instances(
    scenario: Scenario, assignment: Assignment, nodes: Mapping[Name, str]
) -> tuple[PlannedInstance, ...]:
    return tuple(
        PlannedInstance(
            node=nodes[name],
            hypervisor=ports[0].hypervisor,
            ports=tuple(
                PlannedPort(
                    path=port.path,
                    interface=f"eth{index}",
                    peer=f"p{assignment.locate(port.path)[1].of_port}",
                    of_port=assignment.locate(port.path)[1].of_port,
                    mac=port.mac,
                    addresses=tuple(_with_prefix(ip, scenario.network(port.network)) for ip in port.ips),
                    routes=tuple((str(r.prefix), str(r.gateway)) for r in routes_of(scenario, port)),
                )
                for index, port in enumerate(ports)
            ),
        )
        for name, ports in sorted(instances(scenario).items())
    )


def _with_prefix(ip: IPAddress, network: Network) -> str:
    for cidr in network.cidrs:
        if ip in cidr:
            return f"{ip}/{cidr.prefixlen}"
    return f"{ip}/{ip.max_prefixlen}"
