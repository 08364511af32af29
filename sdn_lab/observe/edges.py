"""Where groups change their minds: the ports and ICMP types at the edges of what the claims admit."""

from __future__ import annotations

from sdn_lab.model.intent import IPAddress
from sdn_lab.model.traffic import DHCP_SERVER_PORTS, ICMP, ICMPV6, PORTED, REQUEST_TYPES, Microflow, Traffic

UNSPOKEN = (9, 65535)  # ports that hardly any rule speaks of
ICMP_TYPES = {
    family: tuple(sorted({t + step for t in types for step in (-1, 0, 1)}))
    for family, types in REQUEST_TYPES.items()
}
"""Requests, by family, and the types beside them, which open nothing."""
OF_EVERYTHING = frozenset(
    {0, 1, 65535, 65536, *(n + d for n in DHCP_SERVER_PORTS.values() for d in (-1, 0, 1))}
)
"""Edges of a group that lets everything go: they are nobody's decision."""


def edges_of(traffic: Traffic, protocol: int) -> set[int]:
    """Return the ends of *traffic*'s ranges of *protocol*, and the ports beside them."""
    boxes = [box for box in traffic.allowances if box.protocol == protocol]
    return {e for box in boxes for first, last in box.l4_ports for e in (first - 1, first, last, last + 1)}


def flow_of(src: IPAddress, dst: IPAddress, protocol: int, number: int, own: int) -> Microflow:
    """Return a flow: *number* is its destination port or ICMP type, *own* its source port or identifier."""
    icmp = protocol in (ICMP, ICMPV6)
    return Microflow(
        src=src,
        dst=dst,
        protocol=protocol,
        src_l4=own if icmp or protocol in PORTED else 0,
        dst_l4=number if protocol in PORTED else 0,
        icmp_type=number if icmp else 0,
    )
