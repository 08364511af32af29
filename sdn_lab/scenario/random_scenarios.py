"""Random scenarios, pure in their seed: small worlds in which everything overlaps.

What they are for
-----------------
The differential tests compare claims, `interpret`, the proof and real OVS on hundreds of them.  So they
are small (pairs are what costs time) and crooked: tenants share prefixes, addresses, MACs and names;
addresses lie beside the edges of prefixes, ports beside the ends of ranges; rules come in every form
that the language has, the empty ones too.  A failing one is saved with `write.to_yaml`.

*joined* adds what connects networks on purpose, in three of four (`random_joins`); only the networks that it
concerns get prefixes of their own.  *broadcast* lets some networks broadcast.  Both can be left out.

Invariants
----------
1.  Equal seeds and sizes give equal scenarios, on every machine and in every run.
2.  Every scenario could be a file: `load` accepts what `to_yaml` makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sdn_lab.model.intent import (
    Link,
    Network,
    Port,
    PortRange,
    Protocol,
    Scenario,
    SecurityGroup,
    Underlay,
    Wish,
)
from sdn_lab.scenario.random_dice import HOSTS, Dice, host_of, prefix_of
from sdn_lab.scenario.random_groups import EDGES, PORTED, draw_groups
from sdn_lab.scenario.random_joins import Joins, draw_dedicated, draw_joins

TENANTS = ("red", "blue", "green")
NETWORKS = ("app", "db", "web")


def random_scenario(
    seed: int,
    *,
    max_ports: int = 8,
    max_tenants: int = 3,
    max_hypervisors: int = 3,
    joined: bool = True,
    broadcast: bool = True,
) -> Scenario:
    """Return a scenario of 2 to *max_ports* ports (at most twelve in one network)."""
    return _World(
        dice=Dice(seed),
        max_ports=max_ports,
        max_tenants=min(max_tenants, len(TENANTS)),
        max_hypervisors=max_hypervisors,
        joined=joined,
        broadcast=broadcast,
    ).scenario(f"random-{seed}")


@dataclass(slots=True, kw_only=True)
class _World:
    """One scenario in the making."""

    dice: Dice
    max_ports: int
    max_tenants: int
    max_hypervisors: int
    joined: bool
    broadcast: bool
    joins: Joins = field(default_factory=Joins)
    networks: list[Network] = field(default_factory=list)
    groups: dict[str, list[SecurityGroup]] = field(default_factory=dict)

    def scenario(self, name: str) -> Scenario:
        tenants = TENANTS[: self.dice.randint(1, self.max_tenants)]
        underlay = self.underlay()
        families = self.dice.choice(((4,), (6,), (4, 6), (4, 6)))
        vnis = iter(self.dice.sample(range(1, 1 << 24), len(tenants) * len(NETWORKS)))
        for tenant in tenants:
            for network in NETWORKS[: self.dice.choice((1, 1, 2, 3))]:
                own = families if self.dice.often(80) else families[:1]
                cidrs = tuple(prefix_of(f) for f in own)
                path = f"{tenant}/{network}"
                self.networks.append(Network(path=path, tenant=tenant, cidrs=cidrs, vni=next(vnis)))
        if self.joined and self.dice.often(75):
            self.joins = draw_joins(self.dice, tuple(self.networks))
            self.networks = [replace(n, cidrs=self.joins.moved(n)) for n in self.networks]
        if self.broadcast:
            self.networks = [replace(n, broadcast=self.dice.often(50)) for n in self.networks]
        for tenant in tenants:
            paths = tuple(n.path for n in self.networks if n.tenant == tenant)
            self.groups[tenant] = draw_groups(self.dice, tenant, paths, self.joins.numbers)
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
            if self.dice.often(50):
                links = (Link(between=("east", "west"), delay_ms=2.5, rate_bps=10**9, loss=0.001),)
        return Underlay(
            encap=self.dice.choice(("vxlan", "geneve")),
            mtu=self.dice.choice((1500, 1600, 9000)),
            sites=sites,
            links=links,
        )

    def ports(self, hypervisors: tuple[str, ...]) -> list[Port]:
        """Draw ports; the first two share a network, or nothing could ever talk."""
        found: list[Port] = []
        first = self.dice.choice(self.networks)
        free = {n.path: self.dice.sample(HOSTS, len(HOSTS)) for n in self.networks}
        macs = {n.path: self.dice.sample(range(1, 13), 12) for n in self.networks}
        wanted = self.dice.randint(2, max(2, self.max_ports))
        meeting = [n for n in self.networks if n.path in self.joins.numbered]
        while len(found) < wanted:
            pool = self.networks if not meeting or self.dice.often(50) else meeting
            network = first if len(found) < 2 else self.dice.choice(pool)
            if not free[network.path]:
                if not any(free.values()):
                    break
                continue
            instance = f"{network.tenant}/vm{sum(p.tenant == network.tenant for p in found) + 1}"
            leg, hypervisor = "", self.dice.choice(hypervisors)
            mates = [p for p in found if p.tenant == network.tenant and p.path.endswith(":eth0")]
            if mates and self.dice.often(50):
                instance, hypervisor, leg = mates[-1].instance, mates[-1].hypervisor, ":eth1"
                mates = [p for p in found if p.instance == instance]
                leg = f":eth{len(mates)}"
            elif self.dice.often(20):
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
        if free[network.path] and self.dice.often(15):
            hosts.append(free[network.path].pop())
        families = [c.version for c in network.cidrs]
        if len(families) > 1 and self.dice.often(25):
            families = [self.dice.choice(families)]
        number = self.joins.number(network.path)
        ips = {host_of(family, host, number) for family in families for host in hosts}
        groups = [g.path for g in self.groups[network.tenant]]
        mine = self.dice.some(groups, 3) if self.dice.often(85) else []
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
        for one, other in self.dice.some(pairs, 3):
            protocol = self.dice.choice(tuple(Protocol))
            port = self.dice.choice([e for e in EDGES if e not in {67, 547}])
            ranges = (PortRange(first=port, last=port),) if protocol in PORTED else None
            kind = self.dice.choice(("reachable", "unreachable"))
            found.append(Wish(kind=kind, subject=one, object_=other, protocol=protocol, l4_ports=ranges))
        if len(sites) > 1 and self.dice.often(30):
            found.append(Wish(kind="redundant", subject="east", object_="west"))
        return tuple(found)


def _alone(port: Port, ports: list[Port]) -> Port:
    """Name a port after its instance where it is the only one."""
    if sum(p.instance == port.instance for p in ports) > 1:
        return port
    return replace(port, path=port.instance)
