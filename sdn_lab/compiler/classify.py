"""Tables classify and admission: what a packet belongs to, and what nobody may send.

Classification trusts two things only: the OpenFlow port that a frame came in at, and, for frames
out of the tunnel, the VNI together with the outer addresses of a peer that has that network, or routes to it.

Why fragments end in the first table, from the tunnel too: Open vSwitch 3.1.0's userspace reassembly
hands one tenant's fragments to another, so none may ever reach ``ct``; and a later fragment has no
ports to test.

Why the allow-list: an anti-spoof design that ends in "pass the rest" is walked through with stacked
VLAN 0 tags (VU#855201).  So a frame is untagged and ARP, IPv4 or IPv6, or it ends.
"""

from __future__ import annotations

from sdn_lab.compiler.pipeline import (
    ADMISSION,
    CLASSIFY,
    DELIVER,
    NETWORK,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
    SOURCE_ZONE,
)
from sdn_lab.compiler.writer import Site, Tests, Writer, set_field
from sdn_lab.openflow.fields import ETH_ARP, ETH_IP, ETH_IPV6, FRAG_ANY

_IP4: Tests = {"eth_type": ETH_IP}
_IP6: Tests = {"eth_type": ETH_IPV6}
_UDP4: Tests = {**_IP4, "ip_proto": 17}
_UDP6: Tests = {**_IP6, "ip_proto": 17}
_ICMP4: Tests = {**_IP4, "ip_proto": 1}
_ICMP6: Tests = {**_IP6, "ip_proto": 58}
NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 135, 136

# What nobody may send, and why: the path of the origin.
REFUSALS: tuple[tuple[str, Tests], ...] = (
    ("dhcp-server", {**_UDP4, "udp_src": 67}),
    ("dhcp-server", {**_UDP4, "udp_dst": 67}),
    ("dhcp-server", {**_UDP6, "udp_src": 547}),
    ("dhcp-server", {**_UDP6, "udp_dst": 547}),
    ("redirect", {**_ICMP4, "icmpv4_type": 5}),
    ("redirect", {**_ICMP6, "icmpv6_type": 137}),
    ("router-solicitation", {**_ICMP6, "icmpv6_type": 133}),
    ("router-advertisement", {**_ICMP6, "icmpv6_type": 134}),
    *(("mld", {**_ICMP6, "icmpv6_type": kind}) for kind in (130, 131, 132, 143)),
    ("igmp", {**_IP4, "ip_proto": 2}),
    ("igmp", {**_IP6, "ip_proto": 2}),
    ("icmp-of-the-other-family", {**_IP4, "ip_proto": 58}),
    ("icmp-of-the-other-family", {**_IP6, "ip_proto": 1}),
    ("ip-protocol-0", {**_IP4, "ip_proto": 0}),  # a router would leave its TTL; and unreadable headers
    *(  # the tracker refuses port 0 of TCP and UDP by itself, but knows no SCTP ports
        ("l4-port-0", {**family, "ip_proto": number, f"{name}_{end}": 0})
        for family in (_IP4, _IP6)
        for number, name in ((6, "tcp"), (17, "udp"), (132, "sctp"))
        for end in ("src", "dst")
    ),
)


def write(site: Site, out: Writer) -> None:
    """Write both tables."""
    _fragments(out)
    _ports(site, out)
    _tunnels(site, out)
    _admission(out)


def _fragments(out: Writer) -> None:
    for family in (_IP4, _IP6):
        out.drop(CLASSIFY, 200, {**family, "ip_frag": (FRAG_ANY, FRAG_ANY)}, origin=("platform", "fragments"))


def _ports(site: Site, out: Writer) -> None:
    for local in site.local_ports:
        out.add(
            CLASSIFY,
            100,
            {"in_port": local.attachment.of_port, "vlan_vid": 0},
            origin=("port", local.port.path),
            apply=(set_field(NETWORK, local.network.vni), set_field(SOURCE_ZONE, local.attachment.zone)),
            goto=ADMISSION,
        )


def _tunnels(site: Site, out: Writer) -> None:
    for network in site.networks:
        for peer in sorted(site.senders_to(network)):
            out.add(
                CLASSIFY,
                100,
                {
                    "in_port": site.datapath.tunnel_of_port,
                    "tun_id": network.vni,
                    "tun_src": int(site.assignment.datapaths[peer].vtep),
                    "tun_dst": int(site.datapath.vtep),
                    "vlan_vid": 0,
                },
                origin=("network", network.path),
                apply=(set_field(NETWORK, network.vni),),
                goto=DELIVER,
            )


def _admission(out: Writer) -> None:
    for path, tests in REFUSALS:
        out.drop(ADMISSION, 300, tests, origin=("platform", path))
    for kind in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
        discovery: Tests = {**_ICMP6, "icmpv6_type": kind}
        on_link: Tests = {**discovery, "icmpv6_code": 0, "nw_ttl": 255}  # RFC 4861, section 7.1
        out.add(ADMISSION, 250, on_link, origin=("platform", "neighbour-discovery"), goto=SOURCE_NEIGHBOUR)
        out.drop(ADMISSION, 240, discovery, origin=("platform", "neighbour-discovery"))
    for eth_type, table in ((ETH_ARP, SOURCE_NEIGHBOUR), (ETH_IP, SOURCE_IP), (ETH_IPV6, SOURCE_IP)):
        out.add(ADMISSION, 100, {"eth_type": eth_type}, origin=("platform", "ethertypes"), goto=table)
