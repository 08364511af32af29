"""Routers: in networks of their own tenant, each with an address there that nobody else has.

A router's MAC addresses are never written: they are stable hashes of the interface's path, as a port's
MAC is of the port's (`scenario.derive`).
"""

from __future__ import annotations

from sdn_lab.model.intent import IPAddress, Network, Router, RouterInterface
from sdn_lab.scenario import format as format_
from sdn_lab.scenario.complaint import listed
from sdn_lab.scenario.derive import gateway_mac
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.reading import Reading, whole
from sdn_lab.scenario.taken import Owner, Taken


def resolve_routers(reading: Reading, networks: tuple[Network, ...], taken: Taken) -> tuple[Router, ...]:
    """Check all routers and return them, sorted by path.  *taken* knows what ports have already."""
    by_name = {n.path: n for n in networks}
    found = []
    for tenant, parts in reading.tenants():
        for name, written in whole(parts.routers):
            path: Path = ("tenants", tenant, "routers", name)
            full_name = f"{tenant}/{name}"
            reading.written("router", full_name, path)
            _check_frame(reading, full_name, written, path)
            legs = [
                _interface(reading, full_name, by_name[f"{tenant}/{network}"], addresses, path, taken)
                for network, addresses in written.interfaces.items()
                if _is_own(reading, tenant, network, (*path, "interfaces", network), by_name)
            ]
            found.append(
                Router(
                    path=full_name,
                    tenant=tenant,
                    interfaces=tuple(sorted(legs, key=lambda leg: leg.network)),
                )
            )
    return tuple(sorted(found, key=lambda r: r.path))


def _check_frame(reading: Reading, router: str, written: format_.Router, path: Path) -> None:
    """Complain of a router that is nowhere, or of an interface that can reach no other one."""
    where: Path = (*path, "interfaces")
    if not written.interfaces and reading.is_whole(where):
        reading.blame(
            "SCN051",
            where,
            f"router '{router}' is in no network",
            "it has an interface in each network that it joins",
        )
    families = {name: {a.version for a in addresses} for name, addresses in written.interfaces.items()}
    for name, own in families.items():
        others = [other for other in families if other != name]
        if own and others and not any(own & families[other] for other in others):
            reading.blame(
                "SCN056",
                (*where, name),
                f"router '{router}' joins '{name}' to nothing",
                f"its other interfaces ({listed(others)}) have no address of the same family",
                "give both sides an address of one family, or leave this interface out",
            )


def _is_own(reading: Reading, tenant: str, name: str, path: Path, networks: dict[str, Network]) -> bool:
    """Say whether the tenant has this network; complain if nobody has, or somebody else."""
    if f"{tenant}/{name}" in networks:
        return True
    owners = sorted(n.tenant for n in networks.values() if n.path == f"{n.tenant}/{name}")
    if owners and name not in reading.file.tenants[tenant].networks:
        reading.blame(
            "SCN052",
            path,
            f"network '{name}' is not of tenant '{tenant}'",
            f"'{owners[0]}/{name}' is another tenant's, and a router joins its own tenant's networks",
            "give each tenant a router, and join the networks by a peering",
        )
    else:
        reading.refer("network", name, path, tenant)
    return False


def _interface(
    reading: Reading,
    router: str,
    network: Network,
    addresses: list[IPAddress],
    path: Path,
    taken: Taken,
) -> RouterInterface:
    name = network.path.partition("/")[2]
    where: Path = (*path, "interfaces", name)
    if not addresses:
        reading.blame(
            "SCN006", where, f"router '{router}' has no address in '{name}'", "it needs at least one"
        )
    by_family: dict[int, Path] = {}
    for index, address in enumerate(addresses):
        here: Path = (*where, index)
        first = by_family.setdefault(address.version, here)
        if first != here:
            reading.blame(
                "SCN050",
                here,
                f"router '{router}' has two IPv{address.version} addresses in '{name}'",
                "a gateway has at most one of each family",
                "leave one out, or add a router",
                first=first,
            )
            continue
        _check_address(reading, router, address, network, here)
        _claim_address(reading, router, address, network, here, taken)
    return RouterInterface(
        network=network.path,
        addresses=tuple(sorted(set(addresses), key=lambda a: (a.version, a))),
        mac=_mac(reading, router, network, where, taken),
    )


def _check_address(reading: Reading, router: str, address: IPAddress, network: Network, path: Path) -> None:
    prefix = next((c for c in network.cidrs if c.version == address.version and address in c), None)
    if prefix is None:
        prefixes = [str(c) for c in network.cidrs]
        reading.blame(
            "SCN017",
            path,
            f"router '{router}' has address {address}, outside its network",
            f"network '{network.path}' is {listed(prefixes)}",
            f"choose an address in {prefixes[0]}" if prefixes else "",
        )
        return
    if prefix.max_prefixlen - prefix.prefixlen < 2:
        return  # point-to-point prefixes have neither (RFC 3021, RFC 6164)
    kind = ""
    if address == prefix.network_address:
        kind = "network address" if address.version == 4 else "subnet-router anycast address"
    elif address.version == 4 and address == prefix.broadcast_address:
        kind = "broadcast address"
    if kind:
        reading.blame(
            "SCN049", path, f"{address} cannot be a gateway's address", f"it is the {kind} of {prefix}"
        )


def _claim_address(
    reading: Reading, router: str, address: IPAddress, network: Network, path: Path, taken: Taken
) -> None:
    mine = Owner(kind="router", name=router, path=path)
    other = taken.ips.setdefault((network.path, address), mine)
    if other is not mine:
        reading.blame(
            "SCN048",
            path,
            f"router '{router}' has address {address}, and so has {other.kind} '{other.name}',"
            f" in network '{network.path}'",
            "whoever asks for this address would get two answers",
            "choose an address that nobody has",
            first=other.path,
        )


def _mac(reading: Reading, router: str, network: Network, path: Path, taken: Taken) -> str:
    mac = gateway_mac(router, network.path)
    mine = Owner(kind="router", name=router, path=path)
    other = taken.macs.setdefault((network.path, mac), mine)
    if other is not mine:
        reading.blame(
            "SCN053",
            path,
            f"router '{router}' has MAC {mac}, and so has {other.kind} '{other.name}',"
            f" in network '{network.path}'",
            "a router's MAC is derived from its name and the network's",
            f"write another 'mac' for '{other.name}'"
            if other.kind == "port"
            else "rename one of the routers",
            first=other.path,
        )
    return mac
