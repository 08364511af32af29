"""Random security groups, for `random_scenarios`: every form that rules have, the empty ones too.

Prefixes are drawn around addresses that ports have, and ports around the ends of ranges, so that what is
allowed and what is refused lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    IPAddress,
    IPNetwork,
    NetworkRemote,
    PortRange,
    Protocol,
    Remote,
    Rule,
    SecurityGroup,
)
from sdn_lab.scenario.random_dice import HOSTS, Dice, host_of, prefix_of

GROUPS = ("g0", "g1", "g2", "g3")
EDGES = (1, 2, 21, 22, 23, 66, 67, 68, 79, 80, 81, 546, 547, 548, 1023, 1024, 32767, 32768, 65534, 65535)
TYPES = {4: (0, 3, 5, 8, 11, 13, 14, 15, 17), 6: (1, 2, 127, 128, 129, 133, 135)}
REQUESTS = {4: (8, 13, 15), 6: (128,)}
PORTED = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
LENGTHS = {family: prefix_of(family).prefixlen for family in (4, 6)}


def draw_groups(
    dice: Dice, tenant: str, networks: Sequence[str], numbers: Sequence[int]
) -> list[SecurityGroup]:
    """Draw the groups of a tenant who has *networks* (paths), in a scenario of these network numbers."""
    names = GROUPS[: dice.randint(1, len(GROUPS))]
    return _Groups(
        dice=dice, tenant=tenant, networks=networks, numbers=numbers, names=names
    ).security_groups()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    """One tenant's groups in the making."""

    dice: Dice
    tenant: str
    networks: Sequence[str]
    numbers: Sequence[int]
    names: Sequence[str]

    def security_groups(self) -> list[SecurityGroup]:
        found = []
        for name in self.names:
            path = f"{self.tenant}/{name}"
            rules = tuple(self.rule(f"{path}/rules/{n}") for n in range(self.dice.choice((0, 1, 2, 2, 3, 4))))
            found.append(
                SecurityGroup(path=path, tenant=self.tenant, rules=rules, egress_deny=self.dice.often(10))
            )
        return found

    def rule(self, path: str) -> Rule:
        if self.dice.often(12):  # a generous one now and then: worlds in which nothing passes teach little
            return Rule(path=path, direction=Direction.INGRESS, protocol=Protocol.ANY)
        protocol = self.dice.choice((*PORTED, Protocol.TCP, Protocol.ICMP, Protocol.ICMP, Protocol.ANY))
        typed = protocol is Protocol.ICMP and self.dice.often(60)
        types = self.types() if typed else {4: None, 6: None}
        return Rule(
            path=path,
            direction=Direction.INGRESS if self.dice.often(75) else Direction.EGRESS,
            protocol=protocol,
            l4_ports=self.l4_ports() if protocol in PORTED and self.dice.often(80) else None,
            icmp_types_v4=types[4],
            icmp_types_v6=types[6],
            remotes=self.remotes(),
        )

    def l4_ports(self) -> tuple[PortRange, ...]:
        ranges = set()
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))):
            first = self.dice.choice(EDGES)
            last = first if self.dice.often(40) else self.dice.choice([e for e in EDGES if e >= first])
            ranges.add((first, last))
        return tuple(PortRange(first=first, last=last) for first, last in sorted(ranges))

    def types(self) -> dict[int, tuple[int, ...] | None]:
        """Draw types of both families; if any is named, one that opens flows is among them."""
        found = {family: set(self.dice.some(TYPES[family], 3)) for family in (4, 6)}
        if (found[4] or found[6]) and not any(found[f] & set(REQUESTS[f]) for f in found):
            family = self.dice.choice((4, 6))
            found[family].add(self.dice.choice(REQUESTS[family]))
        return {family: tuple(sorted(types)) for family, types in found.items()}

    def remotes(self) -> tuple[Remote, ...]:
        if self.dice.often(40):
            return (AnyRemote(),)
        return tuple(self.remote() for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))))

    def remote(self) -> Remote:
        kind = self.dice.choice(("cidr", "cidr", "cidr", "group", "group", "network"))
        if kind == "group":
            return GroupRemote(group=f"{self.tenant}/{self.dice.choice(self.names)}")
        if kind == "network":
            return NetworkRemote(network=self.dice.choice(self.networks))
        cidr = self.prefix(self.dice.choice((4, 6)))
        holes = {self.hole(cidr) for _ in range(self.dice.choice((0, 0, 1, 2)))}
        return CidrRemote(cidr=cidr, excluded=tuple(sorted(holes, key=lambda c: (c.version, c))))

    def prefix(self, family: int) -> IPNetwork:
        """Draw a prefix around some host: from everything to that host alone."""
        bits = 32 if family == 4 else 128
        length = self.dice.choice((0, LENGTHS[family], *range(bits - 8, bits + 1)))
        return ip_network(f"{self.address(family)}/{length}", strict=False)

    def hole(self, cidr: IPNetwork) -> IPNetwork:
        """Draw a part of *cidr*, around some host where one lies inside."""
        hosts = (a for n in self.numbers for a in (host_of(cidr.version, h, n) for h in HOSTS))
        inside = [a for a in hosts if a in cidr] or [cidr.network_address]
        length = self.dice.randint(cidr.prefixlen, cidr.max_prefixlen)
        return ip_network(f"{self.dice.choice(inside)}/{length}", strict=False)

    def address(self, family: int) -> IPAddress:
        number = self.dice.choice(self.numbers) if len(self.numbers) > 1 else 0
        return host_of(family, self.dice.choice(HOSTS), number)
