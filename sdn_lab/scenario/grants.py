"""What rules speak of, apart from whom: protocols, each with ranges of ports or types; and their algebra.

A *grant* is computed once for each set of rules and used for every pair of addresses that the set fits, so
the semantics of 10,000 pairs take about a second.

Used by:  `scenario.semantics` (unicast), `scenario.copies` (broadcast), `scenario.claims` (wishes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sdn_lab.model.intent import IPAddress, PeeringRule, PortRange, Protocol, Rule
from sdn_lab.model.traffic import (
    DHCP_SERVER_PORTS,
    ICMP,
    ICMP_OF,
    ICMPV6,
    REQUEST_TYPES,
    SCTP,
    TCP,
    UDP,
    Allowance,
)

Ranges = tuple[tuple[int, int], ...]  # sorted, disjoint, not adjacent, both ends included
Grant = Mapping[int | None, Ranges]  # IP protocol (None: all others) to ports, types, or `PRESENT`

ALL_PORTS: Ranges = ((1, 65535),)
PRESENT: Ranges = ((0, 0),)
NUMBER: Mapping[Protocol, int] = {Protocol.TCP: TCP, Protocol.UDP: UDP, Protocol.SCTP: SCTP}
ORDER = (TCP, UDP, SCTP, ICMP, ICMPV6, None)  # of a grant's protocols, so that equal sets are equal values


def grant(protocol: Protocol, family: int, rule: Rule | PeeringRule | None = None) -> Grant:
    """Return what *protocol* means over one family, within the ports or types of *rule*, if given."""
    ports = ALL_PORTS if rule is None or rule.l4_ports is None else merged(_ends(rule.l4_ports))
    named = None if rule is None else rule.icmp_types_v4 if family == 4 else rule.icmp_types_v6
    types = REQUEST_TYPES[family] if named is None else REQUEST_TYPES[family] & set(named)
    icmp: Grant = {ICMP_OF[family]: merged((t, t) for t in types)}
    if protocol is Protocol.ICMP:
        found = icmp
    elif protocol is Protocol.ANY:
        found = {TCP: ports, UDP: ports, SCTP: ports, **icmp, None: PRESENT}
    else:
        found = {NUMBER[protocol]: ports}
    server = DHCP_SERVER_PORTS[family]
    return {
        number: without(ranges, server) if number == UDP else ranges
        for number, ranges in found.items()
        if ranges
    }


def boxes(granted: Grant, source: IPAddress, destination: IPAddress) -> Iterable[Allowance]:
    """Give a grant's allowances for one pair of addresses."""
    for number, ranges in granted.items():
        if not ranges:
            continue
        if number in {TCP, UDP, SCTP}:
            yield Allowance(src=source, dst=destination, protocol=number, l4_ports=ranges)
        elif number is None:
            yield Allowance(src=source, dst=destination, protocol=None)
        else:
            types = tuple(t for first, last in ranges for t in range(first, last + 1))
            yield Allowance(src=source, dst=destination, protocol=number, icmp_types=types)


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Return the union of ranges: sorted, overlapping and adjacent ones joined.

    >>> merged([(80, 90), (22, 22), (91, 95), (85, 86)])
    ((22, 22), (80, 95))
    """
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return tuple(found)


def without(ranges: Ranges, hole: int) -> Ranges:
    """Return the ranges less one number.

    >>> without(((1, 100),), 67)
    ((1, 66), (68, 100))
    """
    parts = (
        p for first, last in ranges for p in ((first, min(last, hole - 1)), (max(first, hole + 1), last))
    )
    return tuple(sorted({(first, last) for first, last in parts if first <= last}))


def union(rules: Sequence[Rule] | Sequence[PeeringRule], family: int) -> Grant:
    """Return what a set of rules admits together over one family."""
    parts: dict[int | None, list[tuple[int, int]]] = {}
    for rule in rules:
        for number, ranges in grant(rule.protocol, family, rule).items():
            parts.setdefault(number, []).extend(ranges)
    return {number: merged(parts[number]) for number in ORDER if number in parts}


def both(one: Ranges, other: Ranges) -> Ranges:
    """Return the intersection of two unions of ranges."""
    return tuple(
        (max(a[0], b[0]), min(a[1], b[1])) for a in one for b in other if max(a[0], b[0]) <= min(a[1], b[1])
    )


def _ends(ranges: tuple[PortRange, ...]) -> Iterable[tuple[int, int]]:
    return ((r.first, r.last) for r in ranges)
