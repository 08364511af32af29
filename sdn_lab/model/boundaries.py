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
from types import MappingProxyType

from sdn_lab.model.intent import IPAddress, Port
from sdn_lab.model.traffic import (
    DHCP_SERVER_PORTS,
    ICMP_OF,
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
NEVER = (2, 1, 58)  # IGMP, and each family's ICMP over the other: refused for everybody


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
        if protocol != icmp:
            yield Microflow(src=source, dst=destination, protocol=protocol)
