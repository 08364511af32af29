"""Which number stands for what in a built lab: datapath ids, OpenFlow ports, ct zones, VTEPs.

The compiler needs the numbers, the backend makes the ports that carry them, the snapshot repeats
them as read back, and the verifier names things by them.  `assign` is the one place that gives
numbers (design: decision 7): tunnels from 1, instances from 100, zones from 1, in sorted order per
hypervisor.

A running lab keeps what it gave.  A port that comes, or comes to another hypervisor, gets numbers that
this lab never used there: what an old entry, a packet on its way or a tracked flow says of a number is
never said of somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from sdn_lab.model.intent import Scenario

TUNNEL_OF_PORT = 1
FIRST_INSTANCE_OF_PORT = 100
FIRST_ZONE = 1
MOST_EVER = 0xFEFF - FIRST_INSTANCE_OF_PORT  # Open vSwitch's own port numbers end at 0xfeff
UNDERLAY_BASE = IPv4Address("172.31.0.0")  # VTEP n is base + n; the lab's own network, not a tenant's
UNDERLAY_PREFIX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One tenant port on one hypervisor.

    *of_port* is its OpenFlow port on the integration bridge, *zone* its conntrack zone there.
    """

    port: str
    of_port: int
    zone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Datapath:
    """One hypervisor's integration bridge.

    *dpid* is 16 hex digits; *vtep* the outer address of its tunnels; *tunnel_of_port* the one
    tunnel port (``remote_ip=flow key=flow``).  *ever* counts the attachments that it ever had: the next
    one's numbers follow from it.
    """

    hypervisor: str
    dpid: str
    vtep: IPv4Address
    vtep_mac: str
    attachments: tuple[Attachment, ...]
    tunnel_of_port: int = TUNNEL_OF_PORT
    ever: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All datapaths of a lab, by hypervisor name."""

    datapaths: Mapping[str, Datapath]

    def locate(self, port: str) -> tuple[Datapath, Attachment]:
        """Return where a port is attached.  Raises KeyError if it is nowhere."""
        for datapath in self.datapaths.values():
            for attachment in datapath.attachments:
                if attachment.port == port:
                    return datapath, attachment
        raise KeyError(port)

    def port_at(self, hypervisor: str, of_port: int) -> str | None:
        """Return the tenant port behind an OpenFlow port, or None."""
        for attachment in self.datapaths[hypervisor].attachments:
            if attachment.of_port == of_port:
                return attachment.port
        return None

    def port_of_zone(self, hypervisor: str, zone: int) -> str | None:
        """Return the tenant port whose flows are tracked in a zone, or None."""
        for attachment in self.datapaths[hypervisor].attachments:
            if attachment.zone == zone:
                return attachment.port
        return None

    def without(self, ports: Collection[str]) -> Assignment:
        """Return it with these ports detached.  Their numbers are not given again."""
        return Assignment(
            datapaths={
                name: replace(d, attachments=tuple(a for a in d.attachments if a.port not in ports))
                for name, d in self.datapaths.items()
            }
        )


def assign(scenario: Scenario, before: Assignment | None = None) -> Assignment:
    """Number a lab: a fresh one, or one that is numbered as *before* says and now is to hold *scenario*.

    Deterministic.  Raises ValueError when two names hash to one dpid, when the hypervisors are not those of
    *before*, and when one of them has no numbers left.
    """
    hypervisors = scenario.underlay.hypervisors
    held = _fresh(hypervisors) if before is None else before.datapaths
    if set(held) != set(hypervisors):
        raise ValueError("a lab keeps the hypervisors that it was built with")
    local: dict[str, list[str]] = {name: [] for name in hypervisors}
    for port in scenario.ports:
        local[port.hypervisor].append(port.path)
    return Assignment(datapaths={name: _attach(held[name], sorted(local[name])) for name in hypervisors})


def _fresh(hypervisors: tuple[str, ...]) -> dict[str, Datapath]:
    datapaths: dict[str, Datapath] = {}
    seen: dict[str, str] = {}
    for index, hypervisor in enumerate(hypervisors, start=1):
        dpid = _dpid(hypervisor)
        if dpid in seen:
            raise ValueError(f"hypervisors {seen[dpid]} and {hypervisor} hash to one datapath id {dpid}")
        seen[dpid] = hypervisor
        datapaths[hypervisor] = Datapath(
            hypervisor=hypervisor,
            dpid=dpid,
            vtep=UNDERLAY_BASE + index,
            vtep_mac=f"0e:00:00:00:{index >> 8:02x}:{index & 255:02x}",
            attachments=(),
        )
    return datapaths


def _attach(datapath: Datapath, paths: list[str]) -> Datapath:
    """Let *paths* be what is attached: who is there stays as it is, who is new gets the next numbers."""
    there = {a.port: a for a in datapath.attachments}
    new = [path for path in paths if path not in there]
    if datapath.ever + len(new) > MOST_EVER:
        raise ValueError(f"hypervisor {datapath.hypervisor} has given all its port numbers")
    for n, path in enumerate(new, start=datapath.ever):
        there[path] = Attachment(port=path, of_port=FIRST_INSTANCE_OF_PORT + n, zone=FIRST_ZONE + n)
    return replace(datapath, attachments=tuple(there[path] for path in paths), ever=datapath.ever + len(new))


def _dpid(hypervisor: str) -> str:
    digest = hashlib.sha256(b"dpid:" + hypervisor.encode()).hexdigest()
    return "0000" + digest[:12]  # 48 bits, as a bridge's own id would have
