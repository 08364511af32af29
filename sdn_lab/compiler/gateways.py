"""Tables neighbours and advertise: a gateway is nowhere, so the sender's hypervisor answers for it.

An ARP request is turned round in one entry and leaves where it came in.  A neighbour solicitation takes two:
`neighbours` makes it an advertisement, and only then, in `advertise`, may the fields of one be written.
Nothing leaves the hypervisor, and who asks was checked in source_neighbour like the sender of any request.

``arp_op`` is tested before an ARP field is written (`docs/ovs-facts.md`, crashes).  A solicitation must carry
its sender's link-layer option, as every kernel's does: the answer's is made of it, and without one the
answer would not say the MAC that was asked for.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from sdn_lab.compiler.classify import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.pipeline import ADVERTISE, NEIGHBOURS, NETWORK
from sdn_lab.compiler.port_security import ARP_REPLY, ARP_REQUEST
from sdn_lab.compiler.writer import Site, Tests, Writer, mac_number, set_field
from sdn_lab.model.intent import IPAddress, Network
from sdn_lab.openflow.action import IN_PORT, Move, Output, Subfield
from sdn_lab.openflow.fields import ETH_ARP, ETH_IPV6, FIELDS

SOURCE_OPTION, TARGET_OPTION = 1, 2  # RFC 4861, section 4.6.1
FLAGS = 0x60000000  # solicited, override (RFC 4861, section 4.4); nobody is to take it for a default router


def write(site: Site, out: Writer) -> None:
    """Write the answers of every gateway of every network here."""
    for network in site.networks:
        for router in site.scenario.routers:
            for leg in router.interfaces:
                if leg.network != network.path:
                    continue
                origin = ("router", router.path)
                for address in leg.addresses:
                    if isinstance(address, IPv4Address):
                        _arp(network, address, mac_number(leg.mac), origin, out)
                    else:
                        _discovery(network, address, mac_number(leg.mac), origin, out)


def _arp(network: Network, gateway: IPAddress, mac: int, origin: tuple[str, str], out: Writer) -> None:
    out.add(
        NEIGHBOURS,
        100,
        {NETWORK: network.vni, "eth_type": ETH_ARP, "arp_op": ARP_REQUEST, "arp_tpa": int(gateway)},
        origin=origin,
        apply=(
            _copy("eth_src", "eth_dst"),
            set_field("eth_src", mac),
            set_field("arp_op", ARP_REPLY),
            _copy("arp_sha", "arp_tha"),
            _copy("arp_spa", "arp_tpa"),
            set_field("arp_sha", mac),
            set_field("arp_spa", int(gateway)),
            Output(of_port=IN_PORT),
        ),
    )


def _discovery(network: Network, gateway: IPAddress, mac: int, origin: tuple[str, str], out: Writer) -> None:
    common: Tests = {
        NETWORK: network.vni,
        "eth_type": ETH_IPV6,
        "ip_proto": 58,
        "icmpv6_code": 0,
        "nd_target": int(gateway),
    }
    out.add(
        NEIGHBOURS,
        100,
        {**common, "icmpv6_type": NEIGHBOUR_SOLICITATION, "nd_options_type": SOURCE_OPTION},
        origin=origin,
        apply=(
            _copy("eth_src", "eth_dst"),
            set_field("eth_src", mac),
            _copy("ipv6_src", "ipv6_dst"),
            set_field("ipv6_src", int(gateway)),
            set_field("icmpv6_type", NEIGHBOUR_ADVERTISEMENT),
        ),
        goto=ADVERTISE,
    )
    out.add(
        ADVERTISE,
        100,
        {**common, "icmpv6_type": NEIGHBOUR_ADVERTISEMENT},
        origin=origin,
        apply=(
            set_field("nd_options_type", TARGET_OPTION),
            set_field("nd_reserved", FLAGS),
            set_field("nd_tll", mac),
            Output(of_port=IN_PORT),
        ),
    )


def _copy(source: str, target: str) -> Move:
    return Move(
        source=Subfield(field=source, start=0, bits=FIELDS[source].bits),
        target=Subfield(field=target, start=0, bits=FIELDS[target].bits),
    )
