"""The few entries of a hypervisor's physical bridge, written before any port exists.

The physical bridge has the uplink and, as LOCAL, the hypervisor's own end of its tunnels.  Between them pass
ARP and tunnel packets of this end and its peers; everything else misses and is dropped.  No controller
touches it.  Reference: what real Open vSwitch gets from `sdn_lab.backends.mininet.physical`; the two are
compared in `tests/unit/backends/sim/test_physical.py`.

What they trust: a tunnel packet with a peer's source address is taken for the peer's.  The underlay must keep
its own port security.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address

from sdn_lab.openflow.action import LOCAL, Output
from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import FlowEntry, Instructions, Origin
from sdn_lab.openflow.fields import ETH_ARP, ETH_IP
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.packet_parse import UDP

UPLINK_OF_PORT = 1
PRIORITY = 100


def entries(vtep: IPv4Address, peers: Iterable[IPv4Address], l4_port: int) -> tuple[FlowEntry, ...]:
    """Return the entries of the bridge whose own tunnel end is *vtep*."""
    own, made = int(vtep), []
    for peer in peers:
        origin = Origin(stage="underlay", kind="hypervisor", path=str(peer))
        there = int(peer)
        tunnel = {"eth_type": ETH_IP, "ip_proto": UDP, "ip_frag": 0, "udp_dst": l4_port, "vlan_vid": 0}
        arp = {"eth_type": ETH_ARP, "vlan_vid": 0}
        for match, of_port in (
            (Match.of(in_port=UPLINK_OF_PORT, arp_spa=there, arp_tpa=own, **arp), LOCAL),
            (Match.of(in_port=LOCAL, arp_spa=own, arp_tpa=there, **arp), UPLINK_OF_PORT),
            (Match.of(in_port=UPLINK_OF_PORT, ipv4_src=there, ipv4_dst=own, **tunnel), LOCAL),
            (Match.of(in_port=LOCAL, ipv4_src=own, ipv4_dst=there, **tunnel), UPLINK_OF_PORT),
        ):
            made.append(
                FlowEntry(
                    priority=PRIORITY,
                    match=match,
                    instructions=Instructions(apply=(Output(of_port=of_port),)),
                    cookie=encode(origin),
                    origin=origin,
                )
            )
    return tuple(made)
