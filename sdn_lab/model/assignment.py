"""Which number stands for what in a built lab: datapath ids, OpenFlow ports, ct zones, VTEPs.

The compiler needs the numbers, the backend makes the ports that carry them, the snapshot repeats
them as read back, and the verifier names things by them.  `assign` is the one place that gives
numbers to a fresh lab (design: decision 7): tunnels from 1, instances from 100, zones from 1, in
sorted order per hypervisor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from sdn_lab.model.intent import Scenario

TUNNEL_OF_PORT = 1
FIRST_INSTANCE_OF_PORT = 100
FIRST_ZONE = 1
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
    tunnel port (``remote_ip=flow key=flow``).
    """

    hypervisor: str
    dpid: str
    vtep: IPv4Address
    vtep_mac: str
    attachments: tuple[Attachment, ...]
    tunnel_of_port: int = TUNNEL_OF_PORT


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


def assign(scenario: Scenario) -> Assignment:
    """Number a fresh lab.  Deterministic; raises ValueError when two names hash to one dpid."""
    datapaths: dict[str, Datapath] = {}
    seen: dict[str, str] = {}
    for index, hypervisor in enumerate(scenario.underlay.hypervisors, start=1):
        dpid = _dpid(hypervisor)
        if dpid in seen:
            raise ValueError(f"hypervisors {seen[dpid]} and {hypervisor} hash to one datapath id {dpid}")
        seen[dpid] = hypervisor
        local = sorted(p.path for p in scenario.ports if p.hypervisor == hypervisor)
        datapaths[hypervisor] = Datapath(
            hypervisor=hypervisor,
            dpid=dpid,
            vtep=UNDERLAY_BASE + index,
            vtep_mac=f"0e:00:00:00:{index >> 8:02x}:{index & 255:02x}",
            attachments=tuple(
                Attachment(port=path, of_port=FIRST_INSTANCE_OF_PORT + n, zone=FIRST_ZONE + n)
                for n, path in enumerate(local)
            ),
        )
    return Assignment(datapaths=datapaths)


def _dpid(hypervisor: str) -> str:
    digest = hashlib.sha256(b"dpid:" + hypervisor.encode()).hexdigest()
    return "0000" + digest[:12]  # 48 bits, as a bridge's own id would have
