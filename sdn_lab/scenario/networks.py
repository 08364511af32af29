"""Tenants' networks: prefixes that do not overlap within one network, VNIs that are unique."""

from __future__ import annotations

from sdn_lab.model.intent import Network
from sdn_lab.scenario.derive import derived_vni
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.reading import Reading, whole


def resolve_networks(reading: Reading) -> tuple[Network, ...]:
    """Check all networks and return them, sorted by path."""
    networks: list[Network] = []
    by_vni: dict[int, tuple[str, Path]] = {}
    for tenant_name, tenant in reading.tenants():
        for name, written in whole(tenant.networks):
            path: Path = ("tenants", tenant_name, "networks", name)
            full_name = f"{tenant_name}/{name}"
            reading.written("network", full_name, path)
            vni = derived_vni(full_name) if written.vni is None else written.vni
            place = path if written.vni is None else (*path, "vni")
            if vni in by_vni:
                other, first = by_vni[vni]
                reading.blame(
                    "SCN022",
                    place,
                    f"network '{full_name}' has VNI {vni}, as '{other}' has",
                    "two networks with one VNI would be one network",
                    "write another 'vni', or leave it out in both" if written.vni else "write a 'vni' here",
                    first=first,
                )
            by_vni.setdefault(vni, (full_name, place))
            networks.append(
                Network(
                    path=full_name,
                    tenant=tenant_name,
                    cidrs=tuple(sorted(written.cidr, key=lambda c: (c.version, c))),
                    vni=vni,
                    broadcast=written.broadcast,
                )
            )
            _check_prefixes(reading, full_name, path)
    return tuple(sorted(networks, key=lambda n: n.path))


def _check_prefixes(reading: Reading, full_name: str, path: Path) -> None:
    _, tenant, _, name = path
    prefixes = reading.file.tenants[str(tenant)].networks[str(name)].cidr
    if not prefixes:
        reading.blame(
            "SCN006", (*path, "cidr"), f"network '{full_name}' has no prefix", "it needs at least one"
        )
    for index, prefix in enumerate(prefixes):
        for earlier in range(index):
            if prefix.version == prefixes[earlier].version and prefix.overlaps(prefixes[earlier]):
                reading.blame(
                    "SCN020",
                    (*path, "cidr", index),
                    f"{prefix} overlaps {prefixes[earlier]}, in one network",
                    "networks may overlap one another, but not themselves",
                    first=(*path, "cidr", earlier),
                )
                break
