"""Tables source_ip and source_neighbour: a port speaks under its own identity only.

Every entry tests in_port and eth_src together with the address that the packet claims: testing one
without the other has been a vulnerability more than once (ARP with a right sender and a wrong
Ethernet source, or the reverse).  What matches no entry ends here.

A port's own gratuitous ARP and duplicate address detection are dropped: nobody needs them, since the
controller knows every address, and silence means "unique" (design: decision 4).
"""

from __future__ import annotations

from ipaddress import IPv6Address

from sdn_lab.compiler.classify import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.pipeline import EGRESS_TRACK, FORWARD, NEIGHBOURS, SOURCE_IP, SOURCE_NEIGHBOUR
from sdn_lab.compiler.writer import (
    LocalPort,
    Site,
    Tests,
    Writer,
    address_test,
    ipv4_addresses,
    mac_number,
    neighbour_addresses,
)
from sdn_lab.openflow.fields import ETH_ARP, ETH_IPV6

ARP_REQUEST, ARP_REPLY = 1, 2


def write(site: Site, out: Writer) -> None:
    """Write both tables."""
    for local in site.local_ports:
        origin = ("port", local.port.path)
        sender: Tests = {"in_port": local.attachment.of_port, "eth_src": mac_number(local.port.mac)}
        for address in local.port.ips:
            out.add(
                SOURCE_IP,
                100,
                {**sender, **address_test(address, "src")},
                origin=origin,
                goto=EGRESS_TRACK,
            )
        _arp(local, sender, origin, out)
        for address in neighbour_addresses(local.port):
            _discovery(local, sender, address, origin, out)


def _arp(local: LocalPort, sender: Tests, origin: tuple[str, str], out: Writer) -> None:
    for address in ipv4_addresses(local.port):
        own = int(address)
        out.drop(
            SOURCE_NEIGHBOUR,
            110,
            {**sender, "eth_type": ETH_ARP, "arp_op": ARP_REQUEST, "arp_tpa": own},
            origin=origin,
        )
        for operation, goto in ((ARP_REQUEST, NEIGHBOURS), (ARP_REPLY, FORWARD)):
            out.add(
                SOURCE_NEIGHBOUR,
                100,
                {
                    **sender,
                    "eth_type": ETH_ARP,
                    "arp_op": operation,
                    "arp_sha": mac_number(local.port.mac),
                    "arp_spa": own,
                },
                origin=origin,
                goto=goto,
            )


def _discovery(
    local: LocalPort, sender: Tests, address: IPv6Address, origin: tuple[str, str], out: Writer
) -> None:
    own = int(address)
    solicitation: Tests = {
        **sender,
        "eth_type": ETH_IPV6,
        "ip_proto": 58,
        "icmpv6_type": NEIGHBOUR_SOLICITATION,
    }
    advertisement: Tests = {**solicitation, "icmpv6_type": NEIGHBOUR_ADVERTISEMENT}
    out.drop(SOURCE_NEIGHBOUR, 110, {**solicitation, "nd_target": own}, origin=origin)
    for link_layer in (mac_number(local.port.mac), 0):  # the option may be absent, which reads as 0
        out.add(
            SOURCE_NEIGHBOUR,
            100,
            {**solicitation, "ipv6_src": own, "nd_sll": link_layer},
            origin=origin,
            goto=NEIGHBOURS,
        )
        out.add(
            SOURCE_NEIGHBOUR,
            100,
            {**advertisement, "ipv6_src": own, "nd_target": own, "nd_tll": link_layer},
            origin=origin,
            goto=FORWARD,
        )
