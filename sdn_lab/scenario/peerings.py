"""Peerings: between two networks that have routers, allowed something that can happen, approved by owners.

A peering with fewer approvals than it needs is valid, and closed: that is how approval is withdrawn.
"""

from __future__ import annotations

from sdn_lab.model.intent import Network, Peering, PeeringRule, Protocol, Router
from sdn_lab.model.joined import first_leg, legs_of
from sdn_lab.scenario import format as format_
from sdn_lab.scenario.complaint import quote
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.groups import PORTED_WORDS, blame_ports, check_types, sorted_ranges
from sdn_lab.scenario.reading import Reading


def resolve_peerings(
    reading: Reading, networks: tuple[Network, ...], routers: tuple[Router, ...]
) -> tuple[Peering, ...]:
    """Check all peerings and return them, in the order of the file."""
    known = {n.path for n in networks}
    found = []
    for index, written in enumerate(reading.file.peerings):
        path: Path = ("peerings", index)
        if is_broken(written):
            continue
        reading.written("peering", f"peerings/{index}", path)
        between = _between(reading, written, path, known)
        if between is not None:
            _check_routers(reading, between, (*path, "between"), routers)
        _check_approval(reading, written, path)
        rules = tuple(
            _rule(reading, allowed, (*path, "allow", number)) for number, allowed in enumerate(written.allow)
        )
        if between is not None:
            found.append(
                Peering(
                    path=f"peerings/{index}",
                    between=between,
                    approved_by=tuple(sorted(set(written.approved_by))),
                    allow=rules,
                )
            )
    return tuple(found)


def _between(
    reading: Reading, written: format_.Peering, path: Path, networks: set[str]
) -> tuple[str, str] | None:
    where: Path = (*path, "between")
    if len(written.between) != 2:
        reading.blame("SCN007", where, f"a peering is between two networks, not {len(written.between)}")
    elif written.between[0] == written.between[1]:
        reading.blame("SCN029", where, f"this joins {quote(written.between[0])} to itself")
    unknown = [n for n, name in enumerate(written.between) if name not in networks]
    for number in unknown:
        name = written.between[number]
        if not _was_broken(reading, name):
            reading.unknown("SCN023", (*where, number), "network", name, networks, among=("tenants",))
    if unknown or len(set(written.between)) != 2 or len(written.between) != 2:
        return None
    one, other = written.between
    return one, other


def _check_routers(
    reading: Reading, between: tuple[str, str], path: Path, routers: tuple[Router, ...]
) -> None:
    """Complain of a side without a router, or of two gateways that have no family in common."""
    legs = [first_leg(routers, name) for name in between]
    for number, name in enumerate(between):
        tenant = reading.file.tenants[name.partition("/")[0]]
        refused = any(is_broken(router) for router in tenant.routers.values())
        if legs[number] is None and not refused:
            reading.blame(
                "SCN054",
                (*path, number),
                f"network '{name}' has no router",
                "a peering's packets go through the routers of both networks",
                f"write e.g. 'routers: {{r1: {{interfaces: {{{name.partition('/')[2]}: [...]}}}}}}'"
                f" in '{name.partition('/')[0]}'",
            )
    joined = legs_of(routers, between)
    if joined is not None and all(leg.addresses for leg in joined):
        one, other = ({a.version for a in leg.addresses} for leg in joined)
        if not one & other:
            reading.blame(
                "SCN056",
                path,
                f"no packet can go between '{between[0]}' and '{between[1]}'",
                "one router has an IPv4 address only, the other an IPv6 address only",
                "give both an address of one family",
            )


def _check_approval(reading: Reading, written: format_.Peering, path: Path) -> None:
    owners = {name.partition("/")[0] for name in written.between}
    for number, name in enumerate(written.approved_by):
        where: Path = (*path, "approved_by", number)
        if name not in reading.file.tenants:
            reading.refer("tenant", name, where)
        elif name not in owners:
            reading.blame(
                "SCN059",
                where,
                f"tenant {quote(name)} cannot approve this peering",
                "it owns neither network",
                f"the owners approve: {', '.join(sorted(owners))}",
            )


def _rule(reading: Reading, written: format_.Allowed, path: Path) -> PeeringRule:
    if written.ports is not None and written.protocol not in PORTED_WORDS:
        blame_ports(reading, (*path, "ports"), written.protocol)
    types = written.types
    if types is not None:
        check_types(reading, (*path, "types"), written.protocol, types)
    return PeeringRule(
        protocol=Protocol(written.protocol),
        l4_ports=None if written.ports is None else sorted_ranges(written.ports),
        icmp_types_v4=None if types is None else tuple(sorted(set(types.v4))),
        icmp_types_v6=None if types is None else tuple(sorted(set(types.v6))),
    )


def _was_broken(reading: Reading, name: str) -> bool:
    tenant_name, _, network = name.partition("/")
    tenant = reading.file.tenants.get(tenant_name)
    return is_broken(tenant) or (tenant is not None and is_broken(tenant.networks.get(network)))
