"""Tables egress_track, egress_group, ingress_track, ingress_group: stateful allow-lists.

One zone per *port*, in which both of its groups track (design: decision 2): with a zone per network, B
may open the reverse of a flow that its own ingress group had refused.

Priorities in both decision tables, highest first:

    300  invalid: drop
    250  SCTP that the rules of either direction allow     (see below)
    240  other SCTP: drop
    200  established; related ICMP errors: pass
    100  new, and a rule allows it: commit and pass.  TCP on a pure SYN only
     90  other new TCP: drop
     80  new, and an "any" rule allows the peer: commit and pass

Why a pure SYN: in the userspace tracker a bare ACK and a bare RST are ``+new`` too.

Why SCTP is looked at twice: Open vSwitch 3.1.0's userspace tracker knows no SCTP ports; one allowed
association would make ``+est`` of everything between the two addresses.  So an SCTP packet of a known
connection must itself be what a rule allows, or the answer to what a rule of the other direction allows.

Entries grow with rules x members of the remotes; conjunctions come with a later issue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, collapse_addresses, ip_network

from sdn_lab.compiler.pipeline import (
    DESTINATION,
    DESTINATION_ZONE,
    EGRESS_GROUP,
    EGRESS_TRACK,
    FORWARD,
    INGRESS_GROUP,
    INGRESS_TRACK,
    OUTPUT,
    SOURCE_ZONE,
    Table,
)
from sdn_lab.compiler.services import (
    ESTABLISHED,
    FAMILIES,
    ICMP_TEST,
    INVALID,
    NEW,
    RELATED,
    SCTP,
    l4_test,
    opening,
    sctp_ports,
)
from sdn_lab.compiler.writer import LocalPort, Site, Tests, Writer
from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    IPAddress,
    IPNetwork,
    NetworkRemote,
    Protocol,
    Remote,
    Rule,
)
from sdn_lab.openflow.action import Ct, Subfield
from sdn_lab.openflow.fields import ETH_IP


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What differs between the two directions."""

    direction: Direction
    track: Table
    decide: Table
    after: Table
    port_field: str  # which field names the port whose groups are asked
    zone_field: str
    peer_end: str  # the end of the packet at which the peer is
    other: Direction

    def port_test(self, local: LocalPort) -> Tests:
        return {self.port_field: local.attachment.of_port}

    @property
    def zone(self) -> Subfield:
        return Subfield(field=self.zone_field, start=0, bits=16)


EGRESS = _Side(
    direction=Direction.EGRESS,
    track=EGRESS_TRACK,
    decide=EGRESS_GROUP,
    after=FORWARD,
    port_field="in_port",
    zone_field=SOURCE_ZONE,
    peer_end="dst",
    other=Direction.INGRESS,
)
INGRESS = _Side(
    direction=Direction.INGRESS,
    track=INGRESS_TRACK,
    decide=INGRESS_GROUP,
    after=OUTPUT,
    port_field=DESTINATION,
    zone_field=DESTINATION_ZONE,
    peer_end="src",
    other=Direction.EGRESS,
)


def write(site: Site, out: Writer) -> None:
    """Write all four tables."""
    for side in (EGRESS, INGRESS):
        _tracking(side, out)
        for local in site.local_ports:
            for rule, path in _rules(site, local, side.direction):
                _allow_new(site, side, local, rule, path, out)
                _allow_sctp(site, side, local, rule, path, out, answering=False)
            for rule, path in _rules(site, local, side.other):
                _allow_sctp(site, side, local, rule, path, out, answering=True)


def _tracking(side: _Side, out: Writer) -> None:
    """What holds for every port."""
    tracking, sctp, tcp = ("platform", "tracking"), ("platform", "sctp"), ("platform", "tcp-syn-only")
    out.drop(side.decide, 300, INVALID, origin=tracking)
    out.add(side.decide, 200, ESTABLISHED, origin=tracking, goto=side.after)
    for version, eth_type in FAMILIES:
        family: Tests = {"eth_type": eth_type}
        through = Ct(table=side.decide.id, zone=side.zone)
        out.add(side.track, 100, family, origin=tracking, apply=(through,))
        error: Tests = {**RELATED, **family, "ip_proto": ICMP_TEST[version][0]}
        out.add(side.decide, 200, error, origin=("platform", "related-errors"), goto=side.after)
        out.drop(side.decide, 240, {**family, "ip_proto": SCTP}, origin=sctp)
        out.drop(side.decide, 90, {**NEW, **family, "ip_proto": 6}, origin=tcp)


def _rules(site: Site, local: LocalPort, direction: Direction) -> Iterator[tuple[Rule, str]]:
    """The rules of a port's groups in one direction, with the path to name as their origin.

    An egress that no group restricts is one rule of the port's own: anything to anybody.
    """
    groups = [site.scenario.security_group(path) for path in local.port.groups]
    rules = [rule for group in groups for rule in group.rules if rule.direction is direction]
    if direction is Direction.EGRESS and not rules and not any(g.egress_deny for g in groups):
        yield Rule(path=local.port.path, direction=direction, protocol=Protocol.ANY), local.port.path
    for rule in rules:
        yield rule, rule.path


def _origin(rule: Rule, path: str, local: LocalPort) -> tuple[str, str]:
    return ("port", path) if rule.path == local.port.path else ("rule", path)


def _allow_new(site: Site, side: _Side, local: LocalPort, rule: Rule, path: str, out: Writer) -> None:
    """Entries that let a rule's new flows through, except SCTP's."""
    commit = (Ct(commit=True, zone=side.zone),)
    for peer in _peers(site, local, rule, side.peer_end):
        for priority, what in opening(rule, 4 if peer["eth_type"] == ETH_IP else 6):
            out.add(
                side.decide,
                priority,
                {**NEW, **side.port_test(local), **peer, **what},
                origin=_origin(rule, path, local),
                apply=commit,
                goto=side.after,
            )


def _allow_sctp(
    site: Site, side: _Side, local: LocalPort, rule: Rule, path: str, out: Writer, *, answering: bool
) -> None:
    """Entries for one rule's SCTP: what it allows, or the answers to it."""
    commit = (Ct(commit=True, zone=side.zone),)
    for peer in _peers(site, local, rule, side.peer_end):
        for l4_port in sctp_ports(rule):
            ports = l4_test("sctp_src" if answering else "sctp_dst", l4_port)
            tests: Tests = {**side.port_test(local), **peer, "ip_proto": SCTP, **ports}
            origin = _origin(rule, path, local)
            out.add(side.decide, 250, {**ESTABLISHED, **tests}, origin=origin, goto=side.after)
            if not answering:
                out.add(side.decide, 250, {**NEW, **tests}, origin=origin, apply=commit, goto=side.after)


def _peers(site: Site, local: LocalPort, rule: Rule, end: str) -> Iterator[Tests]:
    """Tests on the peer's address, per family of the port, for a rule's remotes."""
    versions = {ip.version for ip in local.port.ips}
    for version, eth_type in FAMILIES:
        if version not in versions:
            continue
        field = f"ipv{version}_{end}"
        prefixes: list[IPNetwork] = []
        for remote in rule.remotes:
            prefixes += [p for p in _prefixes(site, local, remote) if p.version == version]
        for value, mask in _collapsed(tuple(prefixes)):
            yield {"eth_type": eth_type, **({field: (value, mask)} if mask else {})}


@lru_cache(maxsize=1 << 12)  # a group's members are asked for by every rule that names it
def _collapsed(prefixes: tuple[IPNetwork, ...]) -> tuple[tuple[int, int], ...]:
    """Return the union of prefixes of one family, as values and masks."""
    union = collapse_addresses(prefixes)  # type: ignore[type-var]  # one family at a time
    return tuple((int(prefix.network_address), int(prefix.netmask)) for prefix in union)


@lru_cache(maxsize=1 << 16)
def _host(address: IPAddress) -> IPNetwork:
    return ip_network(address)


def _prefixes(site: Site, local: LocalPort, remote: Remote) -> list[IPNetwork]:
    """The addresses of a remote as prefixes.

    Names are a tenant's own: a group's or a network's ports are meant in the same network and in those that
    a router or an approved peering joins to it, which never overlap it, nor one another.
    """
    if isinstance(remote, AnyRemote):
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    if isinstance(remote, CidrRemote):
        return _subtract(remote.cidr, remote.excluded)
    if isinstance(remote, NetworkRemote):
        named = [(p, ip) for p, ip in site.peers_of(local) if p.network == remote.network]
    else:
        assert isinstance(remote, GroupRemote)
        named = [(p, ip) for p, ip in site.peers_of(local) if remote.group in p.groups]
    return [_host(ip) for _, ip in named]


def _subtract(cidr: IPNetwork, excluded: tuple[IPNetwork, ...]) -> list[IPNetwork]:
    """*cidr* less every excluded prefix, as prefixes: no priorities, so rules stay a union."""
    left: list[IPNetwork] = [cidr]
    for hole in excluded:
        kept: list[IPNetwork] = []
        for part in left:
            if part.version != hole.version or not part.overlaps(hole):
                kept.append(part)
            elif isinstance(part, IPv4Network):
                assert isinstance(hole, IPv4Network)
                kept += [] if part.subnet_of(hole) else part.address_exclude(hole)
            else:
                assert not isinstance(hole, IPv4Network)
                kept += [] if part.subnet_of(hole) else part.address_exclude(hole)
        left = kept
    return left
