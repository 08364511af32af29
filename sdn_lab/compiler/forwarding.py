"""Tables forward, deliver and output: to the one port that owns the destination.

`forward` decides by network and MAC whether the owner is here or behind a peer's VTEP.  `deliver`
runs on the owner's hypervisor and asks for network, MAC *and* destination address together, so a
frame to a right MAC with somebody else's address ends.  Unknown MACs have no entry and reach nobody;
broadcast and multicast MACs have one where `copies` gives it, a gateway's where `routing` does.
"""

from __future__ import annotations

from ipaddress import IPv6Address

from sdn_lab.compiler.classify import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.pipeline import (
    DELIVER,
    DESTINATION,
    DESTINATION_ZONE,
    FORWARD,
    INGRESS_TRACK,
    NETWORK,
    OUTPUT,
)
from sdn_lab.compiler.port_security import ARP_REPLY, ARP_REQUEST
from sdn_lab.compiler.writer import (
    LocalPort,
    Site,
    Tests,
    Writer,
    address_test,
    ipv4_addresses,
    mac_number,
    neighbour_addresses,
    set_field,
)
from sdn_lab.openflow.action import Output
from sdn_lab.openflow.fields import ETH_ARP, ETH_IPV6

_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))  # RFC 4291, section 2.7.1


def write(site: Site, out: Writer) -> None:
    """Write the three tables."""
    _forward(site, out)
    for local in site.local_ports:
        _deliver(local, out)
        out.add(
            OUTPUT,
            100,
            {NETWORK: local.network.vni, DESTINATION: local.attachment.of_port},
            origin=("port", local.port.path),
            apply=(Output(of_port=local.attachment.of_port),),
        )


def _forward(site: Site, out: Writer) -> None:
    for network in site.networks:
        for port in site.members(network):
            owner: Tests = {NETWORK: network.vni, "eth_dst": mac_number(port.mac)}
            if site.is_local(port):
                out.add(FORWARD, 100, owner, origin=("port", port.path), goto=DELIVER)
            else:
                out.add(
                    FORWARD,
                    100,
                    owner,
                    origin=("port", port.path),
                    apply=(
                        set_field("tun_id", network.vni),
                        set_field("tun_dst", int(site.vtep(port))),
                        Output(of_port=site.datapath.tunnel_of_port),
                    ),
                )


def _deliver(local: LocalPort, out: Writer) -> None:
    origin = ("port", local.port.path)
    owner: Tests = {NETWORK: local.network.vni, "eth_dst": mac_number(local.port.mac)}
    to_port = set_field(DESTINATION, local.attachment.of_port)
    tracked = (to_port, set_field(DESTINATION_ZONE, local.attachment.zone))
    for address in local.port.ips:
        out.add(
            DELIVER,
            100,
            {**owner, **address_test(address, "dst")},
            origin=origin,
            apply=tracked,
            goto=INGRESS_TRACK,
        )
    for v4 in ipv4_addresses(local.port):
        for operation in (ARP_REQUEST, ARP_REPLY):
            out.add(
                DELIVER,
                110,
                {**owner, "eth_type": ETH_ARP, "arp_op": operation, "arp_tpa": int(v4)},
                origin=origin,
                apply=(to_port,),
                goto=OUTPUT,
            )
    for v6 in neighbour_addresses(local.port):
        for tests in _discovery(int(v6)):
            out.add(
                DELIVER,
                110,
                {**owner, "eth_type": ETH_IPV6, "ip_proto": 58, **tests},
                origin=origin,
                apply=(to_port,),
                goto=OUTPUT,
            )


def _discovery(own: int) -> tuple[Tests, ...]:
    """What neighbour discovery may arrive for an address: asked for it, or answered to it."""
    asked: Tests = {"icmpv6_type": NEIGHBOUR_SOLICITATION, "icmpv6_code": 0, "nd_target": own}
    return (
        {**asked, "ipv6_dst": own},
        {**asked, "ipv6_dst": _SOLICITED_NODE | own & 0xFFFFFF},
        {"icmpv6_type": NEIGHBOUR_ADVERTISEMENT, "icmpv6_code": 0, "ipv6_dst": own},
    )
