"""Table neighbours: a question about an address goes to its one owner, never to everybody.

The Ethernet destination of an ARP request or a neighbour solicitation is replaced by the owner's
MAC; the owner's own stack answers, through its own port security.  Nothing is flooded, nobody
else learns who asks for whom, and the datapath invents no packet (`docs/adr/0001`), except for gateways,
which have no stack: `gateways`.
"""

from __future__ import annotations

from sdn_lab.compiler.classify import NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.pipeline import FORWARD, NEIGHBOURS, NETWORK
from sdn_lab.compiler.port_security import ARP_REQUEST
from sdn_lab.compiler.writer import (
    Site,
    Writer,
    ipv4_addresses,
    mac_number,
    neighbour_addresses,
    set_field,
)
from sdn_lab.openflow.fields import ETH_ARP, ETH_IPV6


def write(site: Site, out: Writer) -> None:
    """Write the table: one entry per address of every network that has a port here."""
    for network in site.networks:
        for port in site.members(network):
            to_owner = (set_field("eth_dst", mac_number(port.mac)),)
            origin = ("port", port.path)
            for v4 in ipv4_addresses(port):
                out.add(
                    NEIGHBOURS,
                    100,
                    {NETWORK: network.vni, "eth_type": ETH_ARP, "arp_op": ARP_REQUEST, "arp_tpa": int(v4)},
                    origin=origin,
                    apply=to_owner,
                    goto=FORWARD,
                )
            for v6 in neighbour_addresses(port):
                out.add(
                    NEIGHBOURS,
                    100,
                    {
                        NETWORK: network.vni,
                        "eth_type": ETH_IPV6,
                        "ip_proto": 58,
                        "icmpv6_type": NEIGHBOUR_SOLICITATION,
                        "nd_target": int(v6),
                    },
                    origin=origin,
                    apply=to_owner,
                    goto=FORWARD,
                )
