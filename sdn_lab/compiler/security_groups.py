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
from sdn_lab.compiler.writer import LocalPort, Site, Tests, Writer
from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    IPNetwork,
    NetworkRemote,
    PortRange,
    Protocol,
    Remote,
    Rule,
)
from sdn_lab.openflow.action import Ct, Subfield
from sdn_lab.openflow.fields import CT_STATE_BITS, ETH_IP, ETH_IPV6, TCP_FLAG_BITS

_FAMILIES = ((4, ETH_IP), (6, ETH_IPV6))
_ICMP = {4: (1, "icmpv4_type"), 6: (58, "icmpv6_type")}
_REQUESTS = {4: (8, 13, 15), 6: (128,)}  # the tracker takes no other type for a new flow
_L4 = {Protocol.TCP: (6, "tcp"), Protocol.UDP: (17, "udp"), Protocol.SCTP: (132, "sctp")}
_EVERY_L4_PORT = (PortRange(first=0, last=0xFFFF),)


def _state(*names: str) -> Tests:
    bits = sum(CT_STATE_BITS[n] for n in ("trk", *names))
    return {"ct_state": (bits, bits)}


def _flags(on: tuple[str, ...], off: tuple[str, ...]) -> Tests:
    value = sum(TCP_FLAG_BITS[f] for f in on)
    return {"tcp_flags": (value, value | sum(TCP_FLAG_BITS[f] for f in off))}


INVALID, ESTABLISHED, RELATED = _state("inv"), _state("est"), _state("rel")
NEW: Tests = {
    "ct_state": (
        CT_STATE_BITS["trk"] | CT_STATE_BITS["new"],
        CT_STATE_BITS["trk"] | CT_STATE_BITS["new"] | CT_STATE_BITS["rel"],
    )
}
PURE_SYN = _flags(("syn",), ("ack", "rst", "fin"))


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
    for version, eth_type in _FAMILIES:
        family: Tests = {"eth_type": eth_type}
        through = Ct(table=side.decide.id, zone=side.zone)
        out.add(side.track, 100, family, origin=tracking, apply=(through,))
        error: Tests = {**RELATED, **family, "ip_proto": _ICMP[version][0]}
        out.add(side.decide, 200, error, origin=("platform", "related-errors"), goto=side.after)
        out.drop(side.decide, 240, {**family, "ip_proto": 132}, origin=sctp)
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
        for priority, what in _services(rule, peer):
            out.add(
                side.decide,
                priority,
                {**NEW, **side.port_test(local), **peer, **what},
                origin=_origin(rule, path, local),
                apply=commit,
                goto=side.after,
            )


def _services(rule: Rule, peer: Tests) -> Iterator[tuple[int, Tests]]:
    """(priority, tests) of what a rule speaks of, in the family of *peer*."""
    version = 4 if peer["eth_type"] == ETH_IP else 6
    if rule.protocol is Protocol.ANY:
        yield 100, {"ip_proto": 6, **PURE_SYN}
        yield 80, {}
    elif rule.protocol is Protocol.ICMP:
        number, field = _ICMP[version]
        wanted = rule.icmp_types_v4 if version == 4 else rule.icmp_types_v6
        for kind in _REQUESTS[version]:
            if wanted is None or kind in wanted:
                yield 100, {"ip_proto": number, field: kind}
    elif rule.protocol is not Protocol.SCTP:
        number, name = _L4[rule.protocol]
        only = PURE_SYN if rule.protocol is Protocol.TCP else {}
        for l4_port in _masked(rule.l4_ports):
            yield 100, {"ip_proto": number, **only, **_l4_test(f"{name}_dst", l4_port)}


def _allow_sctp(
    site: Site, side: _Side, local: LocalPort, rule: Rule, path: str, out: Writer, *, answering: bool
) -> None:
    """Entries for one rule's SCTP: what it allows, or the answers to it."""
    if rule.protocol not in (Protocol.SCTP, Protocol.ANY):
        return
    ranges = rule.l4_ports if rule.protocol is Protocol.SCTP else None
    commit = (Ct(commit=True, zone=side.zone),)
    for peer in _peers(site, local, rule, side.peer_end):
        for l4_port in _masked(ranges):
            ports = _l4_test("sctp_src" if answering else "sctp_dst", l4_port)
            tests: Tests = {**side.port_test(local), **peer, "ip_proto": 132, **ports}
            origin = _origin(rule, path, local)
            out.add(side.decide, 250, {**ESTABLISHED, **tests}, origin=origin, goto=side.after)
            if not answering:
                out.add(side.decide, 250, {**NEW, **tests}, origin=origin, apply=commit, goto=side.after)


def _peers(site: Site, local: LocalPort, rule: Rule, end: str) -> Iterator[Tests]:
    """Tests on the peer's address, per family of the port, for a rule's remotes."""
    versions = {ip.version for ip in local.port.ips}
    for version, eth_type in _FAMILIES:
        if version not in versions:
            continue
        field = f"ipv{version}_{end}"
        prefixes: list[IPNetwork] = []
        for remote in rule.remotes:
            prefixes += [p for p in _prefixes(site, local, remote) if p.version == version]
        for prefix in collapse_addresses(prefixes):  # type: ignore[type-var]  # one family at a time
            value, mask = int(prefix.network_address), int(prefix.netmask)
            yield {"eth_type": eth_type, **({field: (value, mask)} if mask else {})}


def _prefixes(site: Site, local: LocalPort, remote: Remote) -> list[IPNetwork]:
    """The addresses of a remote as prefixes.  Only ports of the same network can be peers."""
    if isinstance(remote, AnyRemote):
        return [ip_network("0.0.0.0/0"), ip_network("::/0")]
    if isinstance(remote, CidrRemote):
        return _subtract(remote.cidr, remote.excluded)
    if isinstance(remote, NetworkRemote):
        members = site.members(local.network) if remote.network == local.network.path else ()
    else:
        assert isinstance(remote, GroupRemote)
        members = tuple(p for p in site.members(local.network) if remote.group in p.groups)
    return [ip_network(ip) for p in members if p.path != local.port.path for ip in p.ips]


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


def _masked(ranges: tuple[PortRange, ...] | None) -> Iterator[tuple[int, int]]:
    """Cover port ranges with the least (value, mask) pairs; merged first, so none overlap."""
    merged: list[list[int]] = []
    wanted = _EVERY_L4_PORT if ranges is None else ranges
    for first, last in sorted((r.first, r.last) for r in wanted):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    for first, last in merged:
        start = first
        while start <= last:
            size = start & -start or 0x10000
            while size > last - start + 1:
                size >>= 1
            yield start, 0x10000 - size
            start += size


def _l4_test(field: str, test: tuple[int, int]) -> Tests:
    return {field: test} if test[1] else {}
