"""``dedicated``: hypervisors for one tenant alone, on which the file itself places nobody else."""

from __future__ import annotations

from sdn_lab.model.intent import Dedicated
from sdn_lab.scenario.complaint import quote
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.reading import Reading, whole


def resolve_dedicated(reading: Reading) -> tuple[Dedicated, ...]:
    """Check what is dedicated to whom and return it, in the order of the file."""
    owners: dict[str, tuple[str, Path]] = {}
    found = []
    for index, written in enumerate(reading.file.dedicated):
        path: Path = ("dedicated", index)
        if is_broken(written):
            continue
        reading.written("dedicated", f"dedicated/{index}", path)
        reading.refer("tenant", written.tenant, (*path, "tenant"))
        if not written.hypervisors:
            reading.blame("SCN006", (*path, "hypervisors"), "no hypervisor is named", "it needs at least one")
        for number, name in enumerate(written.hypervisors):
            here: Path = (*path, "hypervisors", number)
            reading.refer("hypervisor", name, here)
            owner, first = owners.setdefault(name, (written.tenant, here))
            if first != here:
                reading.blame(
                    "SCN057",
                    here,
                    f"hypervisor {quote(name)} is dedicated to {quote(owner)} already",
                    "it can be kept for one tenant only",
                    "leave one of them out",
                    first=first,
                )
        found.append(
            Dedicated(
                path=f"dedicated/{index}",
                tenant=written.tenant,
                hypervisors=tuple(sorted(set(written.hypervisors))),
            )
        )
    _check_instances(reading, owners)
    return tuple(found)


def _check_instances(reading: Reading, owners: dict[str, tuple[str, Path]]) -> None:
    for tenant_name, tenant in reading.tenants():
        for name, instance in whole(tenant.instances):
            owner, path = owners.get(instance.hypervisor, (tenant_name, ()))
            if owner != tenant_name and owner in reading.file.tenants:
                reading.blame(
                    "SCN058",
                    ("tenants", tenant_name, "instances", name, "hypervisor"),
                    f"instance '{tenant_name}/{name}' is on {quote(instance.hypervisor)}",
                    f"this hypervisor is dedicated to {quote(owner)}",
                    f"move '{tenant_name}/{name}', or keep another hypervisor for {quote(owner)}",
                    first=path,
                    first_is="dedicated at",
                )
