"""The scenario as a value: what the user wants, free of files, tables and packets.

Where it sits
-------------
Made by:  `sdn_lab.scenario.load` (from YAML) and by generators in `topologies/*.py`.
Read by:  `scenario.claims` (the reference semantics), `compiler`, `observe`, `verify.graph`.

Names
-----
A tenant's object is named by its path: network ``red/app``, security group ``red/web``, port
``red/vm1`` (an instance with one port) or ``red/vm1:eth1`` (one of several).  Hypervisors, sites
and underlay switches have plain names.

Invariants (`scenario.load` establishes them for files)
----------
1.  Every name that is referred to exists, and paths are unique.
2.  Tuples are sorted by name or path, so equal scenarios are equal values.
3.  Within one network, MAC addresses and IP addresses are unique.  Across networks they are not.
4.  VNIs are unique in the scenario, 1..16777215.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sdn_lab.model.diagnostic import Span

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network


class Direction(Enum):
    """Seen from the port that the group is attached to."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Protocol(Enum):
    """What a rule or an intent speaks of.  ``ICMP`` is ICMP for IPv4 and ICMPv6 for IPv6."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"
    ICMP = "icmp"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRange:
    """TCP, UDP or SCTP ports *first* to *last*, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyRemote:
    """Whoever is on the other side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CidrRemote:
    """Addresses in *cidr* less those in *excluded*."""

    cidr: IPNetwork
    excluded: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRemote:
    """The ports that have this security group (a path, ``red/web``)."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRemote:
    """The ports of this network (a path, ``red/app``)."""

    network: str


Remote = AnyRemote | CidrRemote | GroupRemote | NetworkRemote


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One security-group rule: what it *allows*.

    *l4_ports* ``None`` means every port; an empty tuple means none (the rule admits nothing).
    *icmp_types_v4*, *icmp_types_v6* ``None`` means every type; an empty tuple means none of that
    family.  *remotes* is a union; empty admits nothing.  *path* is ``red/web/rules/0``.
    """

    path: str
    direction: Direction
    protocol: Protocol
    l4_ports: tuple[PortRange, ...] | None = None
    icmp_types_v4: tuple[int, ...] | None = None
    icmp_types_v6: tuple[int, ...] | None = None
    remotes: tuple[Remote, ...] = (AnyRemote(),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """Stateful allow-list.  Ingress always; egress once *egress_deny* or an egress rule says so."""

    path: str
    tenant: str
    rules: tuple[Rule, ...] = ()
    egress_deny: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A tenant's virtual network: one VNI."""

    path: str
    tenant: str
    cidrs: tuple[IPNetwork, ...]
    vni: int
    broadcast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A tenant's attachment (Neutron port).  *mac* is lower case, colon separated.

    *groups* are paths.  Without any, nothing comes in and everything may go out.
    """

    path: str
    tenant: str
    instance: str
    network: str
    hypervisor: str
    mac: str
    ips: tuple[IPAddress, ...]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterInterface:
    """Where a router meets a network: the gateway's addresses there (at most one a family) and its MAC.

    The MAC is derived from the interface's path by `scenario.load`; it is nobody else's in the network.
    """

    network: str
    addresses: tuple[IPAddress, ...]
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Joins networks of one tenant, pairwise and directly: an instance never forwards for another.

    *path* is ``red/r1``.  Distributed: the sender's hypervisor routes, and takes one off the TTL.
    """

    path: str
    tenant: str
    interfaces: tuple[RouterInterface, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeeringRule:
    """What a peering lets ports of its first network open to ports of its second.  Fields as in `Rule`."""

    protocol: Protocol
    l4_ports: tuple[PortRange, ...] | None = None
    icmp_types_v4: tuple[int, ...] | None = None
    icmp_types_v6: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Peering:
    """Joins two networks, of two tenants as a rule, once the tenants of both approve.

    *path* is ``peerings/0``.  Packets go through each network's own router (the one with the first path),
    so both networks have one.  Connections are opened from ``between[0]`` to ``between[1]`` only, and an
    empty *allow* opens nothing; both ends' security groups apply as well.
    """

    path: str
    between: tuple[str, str]
    approved_by: tuple[str, ...]
    allow: tuple[PeeringRule, ...]

    @property
    def approved(self) -> bool:
        """Whether both tenants have approved; else the peering is closed and its networks isolated."""
        return {network.partition("/")[0] for network in self.between} <= set(self.approved_by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dedicated:
    """Hypervisors that carry one tenant's instances and nobody else's.  *path* is ``dedicated/0``."""

    path: str
    tenant: str
    hypervisors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An underlay link between two sites, hypervisors or underlay switches.

    *delay_ms*, *rate_bps*, *loss* (0..1) are 0 where the file does not say.  *jitter_ms* is by how much a
    delay varies in either direction, *queue* how many frames wait where there is a rate; 0 is no end to it.
    """

    between: tuple[str, str]
    delay_ms: float = 0.0
    rate_bps: int = 0
    loss: float = 0.0
    jitter_ms: float = 0.0
    queue: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Underlay:
    """The physical network.  *sites* maps a site to its hypervisors.

    *links* is as written.  Without any link between two sites, they are meshed; a hypervisor hangs
    on its site's switch unless a link names it.  A name that is neither site nor hypervisor is a
    switch.  Datapaths follow the links (`sdn_lab.backends.fabric`) and `verify.graph` reads them, each by
    itself; a hypervisor carries nobody else's traffic.
    """

    encap: str = "vxlan"
    mtu: int = 1500
    sites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    links: tuple[Link, ...] = ()

    @property
    def hypervisors(self) -> tuple[str, ...]:
        """All hypervisors, sorted."""
        return tuple(sorted(h for members in self.sites.values() for h in members))

    @property
    def inner_mtu(self) -> int:
        """MTU of instances: the underlay's, less outer IPv4, UDP, VXLAN or Geneve, inner Ethernet."""
        return self.mtu - 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An entry of ``intents``: reachable, unreachable or redundant, as the user wrote it.

    For (un)reachable, *subject* and *object_* are port paths and *l4_ports* is ``None`` for all.
    For redundant they are two sites, and *protocol* is ``ANY``.
    """

    kind: str
    subject: str
    object_: str
    protocol: Protocol = Protocol.ANY
    l4_ports: tuple[PortRange, ...] | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True)  # no slots: look-ups by path are cached on the instance
class Scenario:
    """All of one scenario file, resolved and checked.

    *sources* maps an object's path (also ``red/web/rules/0``) to the place that wrote it; it takes
    no part in comparison, so a scenario equals its re-formatted self.  A network, a group and a port
    may share a path: with its kind before it (``network:red/db``, also group, rule, port, hypervisor,
    site, router, peering, dedicated) it is exact; alone it means the port, else the group, else the
    network, else the router.
    """

    name: str
    tenants: tuple[str, ...]
    underlay: Underlay
    networks: tuple[Network, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    ports: tuple[Port, ...] = ()
    routers: tuple[Router, ...] = ()
    peerings: tuple[Peering, ...] = ()
    dedicated: tuple[Dedicated, ...] = ()
    wishes: tuple[Wish, ...] = ()
    sources: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    def network(self, path: str) -> Network:
        """Return the network with this path.  Raises KeyError if there is none."""
        return self._networks[path]

    def security_group(self, path: str) -> SecurityGroup:
        """Return the security group with this path.  Raises KeyError if there is none."""
        return self._security_groups[path]

    def port(self, path: str) -> Port:
        """Return the port with this path.  Raises KeyError if there is none."""
        return self._ports[path]

    @cached_property
    def _networks(self) -> Mapping[str, Network]:
        return {n.path: n for n in self.networks}

    @cached_property
    def _security_groups(self) -> Mapping[str, SecurityGroup]:
        return {g.path: g for g in self.security_groups}

    @cached_property
    def _ports(self) -> Mapping[str, Port]:
        return {p.path: p for p in self.ports}
