"""Random scenarios, pure in their seed: small worlds in which everything overlaps.

What they are for
-----------------
The differential tests compare claims, `interpret`, the proof and real OVS on hundreds of them.  So they
are small (pairs are what costs time) and crooked: tenants share prefixes, addresses, MACs and names;
addresses lie beside the edges of prefixes, ports beside the ends of ranges; rules come in every form
that the language has, the empty ones too.  A failing one is saved with `write.to_yaml`.

*joined* adds what connects networks on purpose, now and then (`random_joins`); only the networks that it
concerns get prefixes of their own.  *broadcast* lets some networks broadcast.  Without them, scenarios are
what they were before there was either.

Invariants
----------
1.  Equal seeds and sizes give equal scenarios, on every machine and in every run.
2.  Every scenario could be a file: `load` accepts what `to_yaml` makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from random import Random
from typing import TypeVar

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    IPAddress,
    IPNetwork,
    Link,
    Network,
    NetworkRemote,
    Port,
    PortRange,
    Protocol,
    Remote,
    Rule,
    Scenario,
    SecurityGroup,
    Underlay,
    Wish,
)
from sdn_lab.scenario.random_joins import Joins, draw_dedicated, draw_joins, host_of, prefix_of

T = TypeVar("T")

TENANTS = ("red", "blue", "green")
NETWORKS = ("app", "db", "web")
GROUPS = ("g0", "g1", "g2", "g3")
HOSTS = (1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 129, 254)  # at and beside the edges of longer prefixes
EDGES = (1, 2, 21, 22, 23, 66, 67, 68, 79, 80, 81, 546, 547, 548, 1023, 1024, 32767, 32768, 65534, 65535)
TYPES = {4: (0, 3, 5, 8, 11, 13, 14, 15, 17), 6: (1, 2, 127, 128, 129, 133, 135)}
REQUESTS = {4: (8, 13, 15), 6: (128,)}
PORTED = (Protocol.TCP, Protocol.UDP, Protocol.SCTP)
LENGTHS = {family: prefix_of(family).prefixlen for family in (4, 6)}


def random_scenario(
    seed: int,
    *,
    max_ports: int = 8,
    max_tenants: int = 3,
    max_hypervisors: int = 3,
    joined: bool = False,
    broadcast: bool = False,
) -> Scenario:
    """Return a scenario of 2 to *max_ports* ports (at most twelve in one network)."""
    return _Dice(
        dice=Random(seed),
        max_ports=max_ports,
        max_tenants=min(max_tenants, len(TENANTS)),
        max_hypervisors=max_hypervisors,
        joined=joined,
        broadcast=broadcast,
    ).scenario(f"random-{seed}")


@dataclass(slots=True, kw_only=True)
class _Dice:
    """One scenario in the making."""

    dice: Random
    max_ports: int
    max_tenants: int
    max_hypervisors: int
    joined: bool
    broadcast: bool
    joins: Joins = field(default_factory=Joins)
    networks: list[Network] = field(default_factory=list)
    groups: dict[str, list[SecurityGroup]] = field(default_factory=dict)
    group_names: tuple[str, ...] = ()  # of the tenant whose rules are being drawn

    def often(self, percent: int) -> bool:
        return self.dice.randrange(100) < percent

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """Return 0 to *most* different items, in the order of *items*."""
        count = self.dice.randint(0, min(most, len(items)))
        return [items[i] for i in sorted(self.dice.sample(range(len(items)), count))]

    def scenario(self, name: str) -> Scenario:
        tenants = TENANTS[: self.dice.randint(1, self.max_tenants)]
        underlay = self.underlay()
        families = self.dice.choice(((4,), (6,), (4, 6), (4, 6)))
        vnis = iter(self.dice.sample(range(1, 1 << 24), len(tenants) * len(NETWORKS)))
        for tenant in tenants:
            for network in NETWORKS[: self.dice.choice((1, 1, 2, 3))]:
                own = families if self.often(80) else families[:1]
                cidrs = tuple(prefix_of(f) for f in own)
                path = f"{tenant}/{network}"
                self.networks.append(Network(path=path, tenant=tenant, cidrs=cidrs, vni=next(vnis)))
        if self.joined and self.often(75):
            self.joins = draw_joins(self.dice, tuple(self.networks))
            self.networks = [replace(n, cidrs=self.joins.moved(n)) for n in self.networks]
        if self.broadcast:
            self.networks = [replace(n, broadcast=self.often(50)) for n in self.networks]
        for tenant in tenants:
            self.groups[tenant] = self.security_groups(tenant)
        ports = tuple(sorted(self.ports(underlay.hypervisors), key=lambda p: p.path))
        return Scenario(
            name=name,
            tenants=tuple(sorted(tenants)),
            underlay=underlay,
            networks=tuple(sorted(self.networks, key=lambda n: n.path)),
            security_groups=tuple(g for tenant in sorted(tenants) for g in self.groups[tenant]),
            ports=ports,
            routers=self.joins.routers,
            peerings=self.joins.peerings,
            dedicated=draw_dedicated(self.dice, ports, underlay, tenants) if self.joined else (),
            wishes=self.wishes(ports, tuple(underlay.sites)),
        )

    def underlay(self) -> Underlay:
        hypervisors = [f"hv{n}" for n in range(1, self.dice.randint(1, self.max_hypervisors) + 1)]
        cut = self.dice.randint(1, len(hypervisors))
        sites = {"east": tuple(hypervisors[:cut])}
        links: tuple[Link, ...] = ()
        if cut < len(hypervisors):
            sites["west"] = tuple(hypervisors[cut:])
            if self.often(50):
                links = (Link(between=("east", "west"), delay_ms=2.5, rate_bps=10**9, loss=0.001),)
        return Underlay(
            encap=self.dice.choice(("vxlan", "geneve")),
            mtu=self.dice.choice((1500, 1600, 9000)),
            sites=sites,
            links=links,
        )

    # -- groups

    def security_groups(self, tenant: str) -> list[SecurityGroup]:
        found = []
        self.group_names = GROUPS[: self.dice.randint(1, len(GROUPS))]
        for name in self.group_names:
            path = f"{tenant}/{name}"
            rules = tuple(
                self.rule(f"{path}/rules/{n}", tenant) for n in range(self.dice.choice((0, 1, 2, 2, 3, 4)))
            )
            found.append(SecurityGroup(path=path, tenant=tenant, rules=rules, egress_deny=self.often(10)))
        return found

    def rule(self, path: str, tenant: str) -> Rule:
        if self.often(12):  # a generous one now and then: worlds in which nothing passes teach little
            return Rule(path=path, direction=Direction.INGRESS, protocol=Protocol.ANY)
        protocol = self.dice.choice((*PORTED, Protocol.TCP, Protocol.ICMP, Protocol.ICMP, Protocol.ANY))
        typed = protocol is Protocol.ICMP and self.often(60)
        types = self.types() if typed else {4: None, 6: None}
        return Rule(
            path=path,
            direction=Direction.INGRESS if self.often(75) else Direction.EGRESS,
            protocol=protocol,
            l4_ports=self.l4_ports() if protocol in PORTED and self.often(80) else None,
            icmp_types_v4=types[4],
            icmp_types_v6=types[6],
            remotes=self.remotes(tenant),
        )

    def l4_ports(self) -> tuple[PortRange, ...]:
        ranges = set()
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))):
            first = self.dice.choice(EDGES)
            last = first if self.often(40) else self.dice.choice([e for e in EDGES if e >= first])
            ranges.add((first, last))
        return tuple(PortRange(first=first, last=last) for first, last in sorted(ranges))

    def types(self) -> dict[int, tuple[int, ...] | None]:
        """Draw types of both families; if any is named, one that opens flows is among them."""
        found = {family: set(self.some(TYPES[family], 3)) for family in (4, 6)}
        if (found[4] or found[6]) and not any(found[f] & set(REQUESTS[f]) for f in found):
            family = self.dice.choice((4, 6))
            found[family].add(self.dice.choice(REQUESTS[family]))
        return {family: tuple(sorted(types)) for family, types in found.items()}

    def remotes(self, tenant: str) -> tuple[Remote, ...]:
        if self.often(40):
            return (AnyRemote(),)
        return tuple(self.remote(tenant) for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))))

    def remote(self, tenant: str) -> Remote:
        kind = self.dice.choice(("cidr", "cidr", "cidr", "group", "group", "network"))
        if kind == "group":
            return GroupRemote(group=f"{tenant}/{self.dice.choice(self.group_names)}")
        if kind == "network":
            return NetworkRemote(
                network=self.dice.choice([n.path for n in self.networks if n.tenant == tenant])
            )
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
        hosts = (a for n in self.joins.numbers for a in (host_of(cidr.version, h, n) for h in HOSTS))
        inside = [a for a in hosts if a in cidr] or [cidr.network_address]
        length = self.dice.randint(cidr.prefixlen, cidr.max_prefixlen)
        return ip_network(f"{self.dice.choice(inside)}/{length}", strict=False)

    # -- ports

    def address(self, family: int) -> IPAddress:
        numbers = self.joins.numbers
        number = self.dice.choice(numbers) if len(numbers) > 1 else 0
        return host_of(family, self.dice.choice(HOSTS), number)

    def ports(self, hypervisors: tuple[str, ...]) -> list[Port]:
        """Draw ports; the first two share a network, or nothing could ever talk."""
        found: list[Port] = []
        first = self.dice.choice(self.networks)
        free = {n.path: self.dice.sample(HOSTS, len(HOSTS)) for n in self.networks}
        macs = {n.path: self.dice.sample(range(1, 13), 12) for n in self.networks}
        wanted = self.dice.randint(2, max(2, self.max_ports))
        meeting = [n for n in self.networks if n.path in self.joins.numbered]
        while len(found) < wanted:
            pool = self.networks if not meeting or self.often(50) else meeting
            network = first if len(found) < 2 else self.dice.choice(pool)
            if not free[network.path]:
                if not any(free.values()):
                    break
                continue
            instance = f"{network.tenant}/vm{sum(p.tenant == network.tenant for p in found) + 1}"
            leg, hypervisor = "", self.dice.choice(hypervisors)
            mates = [p for p in found if p.tenant == network.tenant and p.path.endswith(":eth0")]
            if mates and self.often(50):
                instance, hypervisor, leg = mates[-1].instance, mates[-1].hypervisor, ":eth1"
                mates = [p for p in found if p.instance == instance]
                leg = f":eth{len(mates)}"
            elif self.often(20):
                leg = ":eth0"
            found.append(self.port(network, f"{instance}{leg}", instance, hypervisor, free, macs))
        return [_alone(port, found) for port in found]

    def port(
        self,
        network: Network,
        path: str,
        instance: str,
        hypervisor: str,
        free: dict[str, list[int]],
        macs: dict[str, list[int]],
    ) -> Port:
        hosts = [free[network.path].pop()]
        if free[network.path] and self.often(15):
            hosts.append(free[network.path].pop())
        families = [c.version for c in network.cidrs]
        if len(families) > 1 and self.often(25):
            families = [self.dice.choice(families)]
        number = self.joins.number(network.path)
        ips = {host_of(family, host, number) for family in families for host in hosts}
        groups = [g.path for g in self.groups[network.tenant]]
        mine = self.some(groups, 3) if self.often(85) else []
        return Port(
            path=path,
            tenant=network.tenant,
            instance=instance,
            network=network.path,
            hypervisor=hypervisor,
            mac=f"02:00:00:00:00:{macs[network.path].pop():02x}",
            ips=tuple(sorted(ips, key=lambda a: (a.version, a))),
            groups=tuple(mine),
        )

    def wishes(self, ports: tuple[Port, ...], sites: tuple[str, ...]) -> tuple[Wish, ...]:
        pairs = [
            (a.path, b.path)
            for a in ports
            for b in ports
            if a is not b and {i.version for i in a.ips} & {i.version for i in b.ips}
        ]
        found = []
        for one, other in self.some(pairs, 3):
            protocol = self.dice.choice(tuple(Protocol))
            port = self.dice.choice([e for e in EDGES if e not in {67, 547}])
            ranges = (PortRange(first=port, last=port),) if protocol in PORTED else None
            kind = self.dice.choice(("reachable", "unreachable"))
            found.append(Wish(kind=kind, subject=one, object_=other, protocol=protocol, l4_ports=ranges))
        if len(sites) > 1 and self.often(30):
            found.append(Wish(kind="redundant", subject="east", object_="west"))
        return tuple(found)


def _alone(port: Port, ports: list[Port]) -> Port:
    """Name a port after its instance where it is the only one."""
    if sum(p.instance == port.instance for p in ports) > 1:
        return port
    return replace(port, path=port.instance)
