"""Table copies, and what leads to it: what is for everybody, in networks that say ``broadcast: true``.

Head-end replication: the sender's hypervisor sends one frame to each peer that has members, and every
hypervisor, the sender's too, makes one copy for each of its own members.  A copy is resubmitted to
ingress_track with that member's OpenFlow port and zone, so that port's tracker and groups judge it exactly as
they would a unicast.  Before that it passed the sender's egress groups, once.

What counts: IPv4 to 255.255.255.255, to the subnet's broadcast address or to 224.0.0.0/4; IPv6 to ff00::/8;
each under a group MAC.  Never ARP or neighbour discovery, which go to the one owner of an address; never a
unicast address under a group MAC; never to another network, through a gateway or not: the entries name one
network, and the gateway's MAC is no group.

The sender has no copy: its own ends in ingress_track.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from sdn_lab.compiler.classify import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sdn_lab.compiler.pipeline import (
    COPIES,
    DELIVER,
    DESTINATION,
    DESTINATION_ZONE,
    FORWARD,
    INGRESS_TRACK,
    NETWORK,
)
from sdn_lab.compiler.writer import Site, Tests, Writer, set_field
from sdn_lab.model.intent import Network
from sdn_lab.openflow.action import Action, Output, Resubmit
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6

_ALL_ONES = (1 << 48) - 1
_MULTICAST4 = (0xE0000000, 0xF0000000)
_MULTICAST4_MAC = (0x01005E000000, 0xFFFFFF800000)  # RFC 1112, section 6.4
_MULTICAST6 = (0xFF << 120, 0xFF << 120)
_MULTICAST6_MAC = (0x333300000000, 0xFFFF00000000)  # RFC 2464, section 7
_LEAST_HOST_BITS = 2  # a /31 or a /32 has no broadcast address


def write(site: Site, out: Writer) -> None:
    """Write the table for every such network, and the way into it."""
    for network in site.networks:
        if network.broadcast:
            _replicate(site, network, out)
            _copy(site, network, out)


def _for_everybody(network: Network) -> Iterator[Tests]:
    """Tests on frames that are for all of a network."""
    v4: Tests = {NETWORK: network.vni, "eth_type": ETH_IP}
    v6: Tests = {NETWORK: network.vni, "eth_type": ETH_IPV6}
    subnets = [c for c in network.cidrs if isinstance(c, IPv4Network)]
    if subnets:
        last = [int(c.broadcast_address) for c in subnets if 32 - c.prefixlen >= _LEAST_HOST_BITS]
        for address in (0xFFFFFFFF, *last):
            yield {**v4, "eth_dst": _ALL_ONES, "ipv4_dst": address}
        for mac in (_ALL_ONES, _MULTICAST4_MAC):
            yield {**v4, "eth_dst": mac, "ipv4_dst": _MULTICAST4}
    if len(subnets) < len(network.cidrs):
        yield {**v6, "eth_dst": _MULTICAST6_MAC, "ipv6_dst": _MULTICAST6}


def _replicate(site: Site, network: Network, out: Writer) -> None:
    origin = ("broadcast", network.path)
    peers = sorted({p.hypervisor for p in site.members(network) if not site.is_local(p)})
    sent: list[Action] = [set_field("tun_id", network.vni)] if peers else []
    for peer in peers:
        sent.append(set_field("tun_dst", int(site.assignment.datapaths[peer].vtep)))
        sent.append(Output(of_port=site.datapath.tunnel_of_port))
    for tests in _for_everybody(network):
        out.add(FORWARD, 100, tests, origin=origin, apply=sent, goto=DELIVER)
        out.add(DELIVER, 100, tests, origin=origin, goto=COPIES)
        if tests["eth_type"] == ETH_IPV6:
            for kind in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
                discovery = {**tests, "ip_proto": 58, "icmpv6_type": kind}
                out.drop(FORWARD, 110, discovery, origin=("platform", "neighbour-discovery"))


def _copy(site: Site, network: Network, out: Writer) -> None:
    origin = ("broadcast", network.path)
    copies: list[Action] = []
    for local in site.local_ports:
        if local.network.path != network.path:
            continue
        of_port, zone = local.attachment.of_port, local.attachment.zone
        copies.append(set_field(DESTINATION, of_port))
        copies.append(set_field(DESTINATION_ZONE, zone))
        copies.append(Resubmit(table=INGRESS_TRACK.id))
        out.drop(INGRESS_TRACK, 110, {"in_port": of_port, DESTINATION: of_port}, origin=origin)
    out.add(COPIES, 100, {NETWORK: network.vni}, origin=origin, apply=copies)
