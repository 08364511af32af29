"""Which microflows are worth trying between two ports: where "allowed" may turn into "refused".

A mistake in a range, a mask or a remote shows at its edge.  So for every pair of addresses and every
protocol this gives the ends of each range that the pair's semantics knows and the port on either side
of it, the ICMP types that are named and those beside them, and protocols that no rule names.  *named*
adds ports and types that the pair's semantics need not know: what a group admits from somebody else
must be tried from here too.

Read by:  the probes and the differential tests.  Deterministic: no randomness, a fixed order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from types import MappingProxyType

from sdn_lab.model.intent import IPAddress, Network, Port
from sdn_lab.model.traffic import (
    DHCP_SERVER_PORTS,
    ICMP_OF,
    IPV6_EXTENSIONS,
    PORTED,
    REQUEST_TYPES,
    UDP,
    Allowance,
    Microflow,
    PairSemantics,
)

SOURCE_L4 = 40000  # an ordinary ephemeral port; rules do not speak of source ports
USUAL_L4 = (1, 9, 80, 65535)  # both ends of everything, and two in between that a scenario may not name
FOREIGN = (47, 50)  # GRE and ESP: protocols that only "any" allows
GROUPS = {
    4: ("255.255.255.255", "224.0.0.1", "224.0.0.251", "239.1.2.3"),
    6: ("ff02::1", "ff02::fb", "ff05::1:3"),
}
NEVER = (2, 1, 58, 0)  # IGMP, each family's ICMP over the other, and none: refused for everybody


def worth_trying(
    semantics: PairSemantics,
    source: Port,
    destination: Port,
    named: Mapping[int, Collection[int]] = MappingProxyType({}),
) -> tuple[Microflow, ...]:
    """Return microflows from *source* to *destination* to try, admitted or not; each once, in order.

    All are flows between the ports' own addresses of one family.  Whether one may be delivered is
    ``semantics.new.admits(flow)``.  *named*: more ports or ICMP types by IP protocol.
    """
    found = {
        flow: None
        for s in source.ips
        for d in destination.ips
        if s.version == d.version
        for flow in _between(s, d, _known(semantics, s, d), named)
    }
    return tuple(found)


def worth_copying(
    semantics: PairSemantics,
    source: Port,
    network: Network,
    named: Mapping[int, Collection[int]] = MappingProxyType({}),
) -> tuple[Microflow, ...]:
    """Return flows to group addresses of *source*'s network to try, where it broadcasts; each once, in order.

    Whether another member is to have a copy is ``semantics.copies.admits(flow)``.
    """
    return tuple(
        dict.fromkeys(
            flow
            for own in source.ips
            for group in groups_worth_trying(semantics, network, own.version)
            for flow in _between(own, group, _copied(semantics, own), named)
        )
    )


def groups_worth_trying(semantics: PairSemantics, network: Network, family: int) -> tuple[IPAddress, ...]:
    """Return group addresses: everybody's, some in common use, and the edges of what *semantics* knows."""
    subnets = (c.broadcast_address for c in network.cidrs if c.version == 4 == family and c.prefixlen < 31)
    edges = (
        edge
        for box in semantics.copies.allowances
        if box.groups.version == family
        for edges in (box.groups, *box.excluded)
        for edge in (edges.network_address, edges.broadcast_address)
    )
    return tuple(dict.fromkeys((*subnets, *map(ip_address, GROUPS[family]), *edges)))


def _copied(semantics: PairSemantics, source: IPAddress) -> list[Allowance]:
    """Return the boxes of copies as if they were for one address: their ports and types have edges too."""
    return [
        Allowance(
            src=box.src,
            dst=box.groups.network_address,
            protocol=box.protocol,
            l4_ports=box.l4_ports,
            icmp_types=box.icmp_types,
        )
        for box in semantics.copies.allowances
        if box.src == source
    ]


def _known(semantics: PairSemantics, source: IPAddress, destination: IPAddress) -> list[Allowance]:
    """Return the boxes of both directions between two addresses: edges of either may be confused."""
    there, back = (source, destination), (destination, source)
    return [
        box
        for traffic, ends in (
            (semantics.new, there),
            (semantics.egress, there),
            (semantics.reverse_new, back),
            (semantics.reverse_egress, back),
        )
        for box in traffic.allowances
        if (box.src, box.dst) == ends
    ]


def _between(
    source: IPAddress,
    destination: IPAddress,
    known: list[Allowance],
    named: Mapping[int, Collection[int]],
) -> Iterator[Microflow]:
    family = source.version
    server = DHCP_SERVER_PORTS[family]
    for protocol in sorted(PORTED):
        ends = {e for box in known if box.protocol == protocol for ends in box.l4_ports for e in ends}
        ends |= set(named.get(protocol, ()))
        beside = {n for end in ends for n in (end - 1, end + 1)}
        for l4_port in sorted({*USUAL_L4, *ends, *beside} - {0, 65536}):
            yield Microflow(src=source, dst=destination, protocol=protocol, src_l4=SOURCE_L4, dst_l4=l4_port)
    for src_l4, dst_l4 in ((SOURCE_L4, server), (server, 80), (server, server)):
        yield Microflow(src=source, dst=destination, protocol=UDP, src_l4=src_l4, dst_l4=dst_l4)
    icmp = ICMP_OF[family]
    types = {t for box in known if box.protocol == icmp for t in box.icmp_types} | REQUEST_TYPES[family]
    types |= set(named.get(icmp, ()))
    for icmp_type in sorted({t + step for t in types for step in (-1, 0, 1)} - {-1, 256}):
        yield Microflow(src=source, dst=destination, protocol=icmp, icmp_type=icmp_type)
    for protocol in (*FOREIGN, *NEVER):
        if protocol != icmp and not (family == 6 and protocol in IPV6_EXTENSIONS):
            yield Microflow(src=source, dst=destination, protocol=protocol)
