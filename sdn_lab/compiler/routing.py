"""Table route, and what leads to it: packets from one network to another that a router or a peering joins.

Routing happens where the packet enters: the sender's hypervisor takes one off the TTL, writes the MAC of the
far gateway as source and the owner's as destination, and hands it on as a packet of the far network; from
there on nothing tells it from one of that network's own.  The owner's port security and groups are untouched
by this: addresses stay what they are.

Each entry names the sender's network, the gateway's MAC and one exact destination address.  All ports are
known, so there is no prefix, no "rest", and what misses ends here: multicast, link-local addresses,
gateways' own addresses, networks that nobody joins.  A packet with a TTL of 0 or 1 ends too, without an ICMP
error: nobody could say it but the gateway, which is nowhere.

Neighbour discovery reaches `forward` without having been through the sender's groups, so it must not be
routed: it is dropped here before anything else, whatever it is addressed to.

How gateways answer ARP and neighbour solicitations is in `gateways`.
"""

from __future__ import annotations

from sdn_lab.compiler.classify import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.joins import Join
from sdn_lab.compiler.pipeline import DELIVER, FORWARD, NETWORK, ROUTE
from sdn_lab.compiler.services import FAMILIES
from sdn_lab.compiler.writer import Site, Writer, address_test, mac_number, set_field
from sdn_lab.model.intent import IPAddress, Network, Port
from sdn_lab.openflow.action import DecTtl, Output
from sdn_lab.openflow.fields import ETH_IPV6


def write(site: Site, out: Writer) -> None:
    """Write the table, and the way into it."""
    for network in site.networks:
        joins = site.joins_from(network)
        for join in joins:
            _lead(network, join, out)
            for port in site.members_at(join.far.network):
                for address in port.ips:
                    if address.version == join.version:
                        _route(site, network, join, port, address, out)
    if any(site.joins_from(network) for network in site.networks):
        for kind in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
            discovery = {"eth_type": ETH_IPV6, "ip_proto": 58, "icmpv6_type": kind}
            out.drop(ROUTE, 200, discovery, origin=("platform", "neighbour-discovery"))


def _lead(network: Network, join: Join, out: Writer) -> None:
    """Send what is for the gateway's MAC to the table."""
    out.add(
        FORWARD,
        100,
        {
            NETWORK: network.vni,
            "eth_dst": mac_number(join.near.mac),
            "eth_type": dict(FAMILIES)[join.version],
        },
        origin=("network", network.path),
        goto=ROUTE,
    )


def _route(site: Site, network: Network, join: Join, port: Port, address: IPAddress, out: Writer) -> None:
    far = site.scenario.network(join.far.network)
    routed = (
        DecTtl(),
        set_field("eth_src", mac_number(join.far.mac)),
        set_field("eth_dst", mac_number(port.mac)),
        set_field(NETWORK, far.vni),
    )
    tests = {
        NETWORK: network.vni,
        "eth_dst": mac_number(join.near.mac),
        **address_test(address, "dst"),
    }
    if site.is_local(port):
        out.add(ROUTE, 100, tests, origin=join.origin, apply=routed, goto=DELIVER)
    else:
        tunnel = (
            set_field("tun_id", far.vni),
            set_field("tun_dst", int(site.vtep(port))),
            Output(of_port=site.datapath.tunnel_of_port),
        )
        out.add(ROUTE, 100, tests, origin=join.origin, apply=(*routed, *tunnel))
