"""Routers, peerings and dedicated hypervisors: read and checked, then refused as "not yet".

They are checked so that a file which waits for them is right on the day that they come.
"""

from __future__ import annotations

from sdn_lab.model.intent import Network
from sdn_lab.scenario.complaint import listed, quote
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.groups import PORTED_WORDS, blame_ports
from sdn_lab.scenario.reading import Reading, whole


def refuse_later_features(reading: Reading, networks: tuple[Network, ...]) -> None:
    """Complain of everything that a later version does, and of what is wrong with it besides."""
    by_name = {n.path: n for n in networks}
    _routers(reading, by_name)
    _peerings(reading, by_name)
    _dedicated(reading)


def _not_yet(reading: Reading, path: Path, what: str) -> None:
    reading.blame("SCN008", path, f"{what} are not supported yet", fix="leave it out for now")


def _routers(reading: Reading, networks: dict[str, Network]) -> None:
    for tenant_name, tenant in reading.tenants():
        for name, router in whole(tenant.routers):
            path: Path = ("tenants", tenant_name, "routers", name)
            _not_yet(reading, path, "routers")
            for network_name, addresses in router.interfaces.items():
                where = (*path, "interfaces", network_name)
                reading.refer("network", network_name, where, tenant_name)
                network = networks.get(f"{tenant_name}/{network_name}")
                for index, address in enumerate(addresses):
                    if network is not None and not any(
                        c.version == address.version and address in c for c in network.cidrs
                    ):
                        reading.blame(
                            "SCN017",
                            (*where, index),
                            f"router '{tenant_name}/{name}' has address {address}, outside its network",
                            f"network '{network.path}' is {listed([str(c) for c in network.cidrs])}",
                        )


def _peerings(reading: Reading, networks: dict[str, Network]) -> None:
    for index, peering in enumerate(reading.file.peerings):
        path: Path = ("peerings", index)
        if is_broken(peering):
            continue
        _not_yet(reading, path, "peerings")
        if len(peering.between) != 2:
            reading.blame(
                "SCN007", (*path, "between"), f"a peering is between two networks, not {len(peering.between)}"
            )
        elif peering.between[0] == peering.between[1]:
            reading.blame("SCN029", (*path, "between"), f"this joins {quote(peering.between[0])} to itself")
        for number, name in enumerate(peering.between):
            if name not in networks and not _was_broken(reading, name):
                reading.unknown(
                    "SCN023", (*path, "between", number), "network", name, networks, among=("tenants",)
                )
        for number, name in enumerate(peering.approved_by):
            reading.refer("tenant", name, (*path, "approved_by", number))
        for number, allowed in enumerate(peering.allow):
            if allowed.ports is not None and allowed.protocol not in PORTED_WORDS:
                blame_ports(reading, (*path, "allow", number, "ports"), allowed.protocol)


def _dedicated(reading: Reading) -> None:
    for index, dedicated in enumerate(reading.file.dedicated):
        path: Path = ("dedicated", index)
        if is_broken(dedicated):
            continue
        _not_yet(reading, path, "dedicated hypervisors")
        reading.refer("tenant", dedicated.tenant, (*path, "tenant"))
        for number, name in enumerate(dedicated.hypervisors):
            reading.refer("hypervisor", name, (*path, "hypervisors", number))


def _was_broken(reading: Reading, name: str) -> bool:
    tenant_name, _, network = name.partition("/")
    tenant = reading.file.tenants.get(tenant_name)
    return is_broken(tenant) or (tenant is not None and is_broken(tenant.networks.get(network)))
