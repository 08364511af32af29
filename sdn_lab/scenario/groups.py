"""Security groups: rules that name what exists and can admit something."""

from __future__ import annotations

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    NetworkRemote,
    PortRange,
    Protocol,
    Remote,
    Rule,
    SecurityGroup,
)
from sdn_lab.model.traffic import REQUEST_TYPES
from sdn_lab.scenario import format as format_
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.reading import Reading, whole

PORTED_WORDS = ("tcp", "udp", "sctp")


def resolve_groups(reading: Reading) -> tuple[SecurityGroup, ...]:
    """Check all groups and return them, sorted by path."""
    groups = []
    for tenant_name, tenant in reading.tenants():
        for name, written in whole(tenant.security_groups):
            path: Path = ("tenants", tenant_name, "security_groups", name)
            full_name = f"{tenant_name}/{name}"
            rules = tuple(
                _rule(reading, tenant_name, f"{full_name}/rules/{index}", rule, (*path, "rules", index))
                for index, rule in enumerate(written.rules)
                if not is_broken(rule)
            )
            reading.written("group", full_name, path)
            groups.append(
                SecurityGroup(
                    path=full_name, tenant=tenant_name, rules=rules, egress_deny=written.egress == "deny"
                )
            )
    return tuple(sorted(groups, key=lambda g: g.path))


def _rule(reading: Reading, tenant: str, name: str, written: format_.Rule, path: Path) -> Rule:
    reading.written("rule", name, path)
    if written.ports is not None and written.protocol not in PORTED_WORDS:
        blame_ports(reading, (*path, "ports"), written.protocol)
    if written.types is not None:
        check_types(reading, (*path, "types"), written.protocol, written.types)
    types = written.types
    return Rule(
        path=name,
        direction=Direction(written.direction),
        protocol=Protocol(written.protocol),
        l4_ports=None if written.ports is None else sorted_ranges(written.ports),
        icmp_types_v4=None if types is None else tuple(sorted(set(types.v4))),
        icmp_types_v6=None if types is None else tuple(sorted(set(types.v6))),
        remotes=tuple(
            _remote(reading, tenant, remote, (*path, "remote", index))
            for index, remote in enumerate(written.remote)
        ),
    )


def sorted_ranges(ranges: list[PortRange]) -> tuple[PortRange, ...]:
    """Put ranges in order, each once; they may overlap."""
    return tuple(sorted(set(ranges), key=lambda r: (r.first, r.last)))


def blame_ports(reading: Reading, path: Path, protocol: str) -> None:
    """Complain of ports beside a protocol that has none."""
    reading.blame(
        "SCN034",
        path,
        f"protocol '{protocol}' has no ports",
        "ports go with tcp, udp and sctp",
        "leave 'ports' out, or name one of these protocols",
    )


def check_types(reading: Reading, path: Path, protocol: str, types: format_.IcmpTypes) -> None:
    """Complain of ICMP types beside another protocol, or of types none of which opens a flow."""
    if protocol != "icmp":
        reading.blame(
            "SCN035", path, f"protocol '{protocol}' has no types", "types go with icmp", "leave 'types' out"
        )
        return
    named = {4: types.v4, 6: types.v6}
    useful = any(set(named[family]) & REQUEST_TYPES[family] for family in named)
    if any(named.values()) and not useful:
        reading.blame(
            "SCN037",
            path,
            "this rule can never admit anything",
            "only requests open a flow: types 8, 13, 15 of v4 and 128 of v6; replies and errors need no rule",
            "name a request type, or leave 'types' out for all of them",
        )


def _remote(reading: Reading, tenant: str, written: format_.Remote, path: Path) -> Remote:
    if written.except_ and written.cidr is None:
        reading.blame(
            "SCN011",
            (*path, "except"),
            "'except' goes with 'cidr' only",
            fix="write {cidr: ..., except: [...]}",
        )
    if written.cidr is not None:
        for index, hole in enumerate(written.except_):
            if hole.version != written.cidr.version or not hole.subnet_of(written.cidr):  # type: ignore[arg-type]
                reading.blame(
                    "SCN038",
                    (*path, "except", index),
                    f"{hole} is not inside {written.cidr}",
                    "an exception outside its prefix would change nothing",
                )
        return CidrRemote(
            cidr=written.cidr, excluded=tuple(sorted(set(written.except_), key=lambda c: (c.version, c)))
        )
    if written.group is not None:
        reading.refer("security group", written.group, (*path, "group"), tenant)
        return GroupRemote(group=f"{tenant}/{written.group}")
    if written.network is not None:
        reading.refer("network", written.network, (*path, "network"), tenant)
        return NetworkRemote(network=f"{tenant}/{written.network}")
    return AnyRemote()
