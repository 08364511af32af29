"""``intents``: wishes about ports and sites that exist, and about at least one packet."""

from __future__ import annotations

from sdn_lab.model.intent import Port, PortRange, Protocol, Wish
from sdn_lab.model.traffic import DHCP_SERVER_PORTS
from sdn_lab.scenario import format as format_
from sdn_lab.scenario.document import Path
from sdn_lab.scenario.format import is_broken
from sdn_lab.scenario.groups import PORTED_WORDS, blame_ports, sorted_ranges
from sdn_lab.scenario.ports import broken_instances
from sdn_lab.scenario.reading import Reading

KINDS = ("reachable", "unreachable", "redundant")


def resolve_intents(reading: Reading, ports: tuple[Port, ...]) -> tuple[Wish, ...]:
    """Check all intents and return them, in the order of the file."""
    by_name = {p.path: p for p in ports}
    wishes: list[Wish] = []
    for index, intent in enumerate(reading.file.intents):
        if is_broken(intent):
            continue
        path: Path = ("intents", index)
        said = [kind for kind in KINDS if getattr(intent, kind) is not None]
        if len(said) != 1:
            reading.blame(
                "SCN011",
                path,
                f"intent {index} says {len(said)} things",
                f"it says exactly one of {', '.join(KINDS)}",
            )
            continue
        kind = said[0]
        wish = (
            _redundant(reading, intent.redundant, (*path, kind))
            if intent.redundant is not None
            else _traffic(reading, kind, getattr(intent, kind), (*path, kind), by_name)
        )
        if wish is not None:
            wishes.append(wish)
    return tuple(wishes)


def _redundant(reading: Reading, written: format_.Between, path: Path) -> Wish | None:
    if len(written.between) != 2:
        reading.blame("SCN007", (*path, "between"), f"'between' names two sites, not {len(written.between)}")
        return None
    for index, site in enumerate(written.between):
        reading.refer("site", site, (*path, "between", index))
    first, second = sorted(written.between)
    if first == second:
        reading.blame("SCN040", (*path, "between"), f"site '{first}' is always joined to itself")
        return None
    return Wish(kind="redundant", subject=first, object_=second, span=reading.document.key_place(path).span)


def _traffic(
    reading: Reading, kind: str, written: format_.Traffic, path: Path, ports: dict[str, Port]
) -> Wish | None:
    if written.ports is not None and written.protocol not in PORTED_WORDS:
        blame_ports(reading, (*path, "ports"), written.protocol)
    ends = [
        _end(reading, name, (*path, key), ports)
        for key, name in (("from", written.from_), ("to", written.to))
    ]
    if ends[0] is None or ends[1] is None:
        return None
    source, target = ends[0], ends[1]
    if source == target:
        reading.blame(
            "SCN040",
            (*path, "to"),
            f"'{target.path}' is both ends",
            "what a port sends to itself never leaves it",
        )
        return None
    families = _families(source) & _families(target)
    l4_ports = None if written.ports is None else sorted_ranges(written.ports)
    if not families:
        reading.blame(
            "SCN041",
            path,
            f"no packet goes from '{source.path}' to '{target.path}'",
            "one has IPv4 addresses only, the other IPv6 addresses only",
        )
    elif not _some_port(written.protocol, l4_ports, families):
        reading.blame(
            "SCN041",
            (*path, "ports"),
            "this intent speaks of no packet",
            "an empty list is no port; DHCP servers' ports (67 over IPv4, 547 over IPv6) are always shut",
        )
    return Wish(
        kind=kind,
        subject=source.path,
        object_=target.path,
        protocol=Protocol(written.protocol),
        l4_ports=l4_ports,
        span=reading.document.key_place(path).span,
    )


def _families(port: Port) -> set[int]:
    return {address.version for address in port.ips}


def _some_port(protocol: str, ranges: tuple[PortRange, ...] | None, families: set[int]) -> bool:
    if ranges is None or protocol != "udp":
        return ranges is None or bool(ranges)
    return any(
        r.first != r.last or r.first != DHCP_SERVER_PORTS[family] for r in ranges for family in families
    )


def _end(reading: Reading, name: str, path: Path, ports: dict[str, Port]) -> Port | None:
    if name in ports:
        return ports[name]
    tenant, _, port = name.partition("/")
    instance = f"{tenant}/{port.partition(':')[0]}"
    if is_broken(reading.file.tenants.get(tenant)) or instance in broken_instances(reading):
        return None  # the port was refused above: one complaint is enough
    several = [p for p in ports if p.startswith(f"{name}:")]
    if several:
        reading.blame(
            "SCN027",
            path,
            f"instance '{name}' has several ports",
            f"they are {', '.join(several)}",
            "name one of them",
        )
    else:
        reading.unknown("SCN027", path, "port", name, ports, among=("tenants",))
    return None
