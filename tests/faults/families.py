"""Negative controls, as data: for every family of probes, a guard taken out so that its attack arrives.

Each is a change to a copy of the compiled tables, never to a lab that somebody uses, and the claim that the
family's probes must then report.  A family without a row here fails `test_families.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from sdn_lab.compiler.pipeline import (
    ADMISSION,
    CLASSIFY,
    DELIVER,
    EGRESS_GROUP,
    FORWARD,
    INGRESS_GROUP,
    OUTPUT,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
)
from sdn_lab.openflow.action import CONTROLLER, FLOOD, LOCAL, Action, Output, PopVlan, SetField
from sdn_lab.openflow.entry import FlowEntry, Program
from tests.faults import joined
from tests.faults.broken_by_hand import World, acting, conntrack_zone_shared, without
from tests.faults.planting import Change, Fault, also, loosened, planted, to


def steps(w: World, *changes: Change) -> Program:
    """Make one change after another."""
    for change in changes:
        w = replace(w, program=change(w))
    return w.program


def network_not_tested(w: World) -> Program:
    """ops and web meet: all three places on hv2 that test the network of what goes to front2."""
    return steps(
        w,
        loosened("hv2", FORWARD, "acme/front2", "metadata"),
        loosened("hv2", DELIVER, "acme/front2", "metadata"),
        loosened("hv2", OUTPUT, "acme/front2", "metadata"),
    )


def delivered_to_the_other_tenant(w: World) -> Program:
    """What is for blue's vm1 is put out at red's, who has the same addresses."""
    red = w.of_port("red/vm1")
    return w.edited("hv1", OUTPUT, "blue/vm1", lambda e: [acting(e, Output(of_port=red))])


def mac_without_its_network(w: World) -> Program:
    """One table of MACs for everybody: whoever sends to this MAC reaches red's vm2."""
    zone, port = w.zone("red/vm2"), w.of_port("red/vm2")
    mac = int("02:00:00:00:00:12".replace(":", ""), 16)
    actions = (
        SetField(field="reg5", value=port, mask=0xFFFFFFFF),
        SetField(field="reg7", value=zone, mask=0xFFFFFFFF),
        *to(w, "red/vm2"),
    )
    return also("hv1", planted(DELIVER.id, actions, eth_dst=mac))(w)


def group_skipped_on_one_hypervisor(w: World) -> Program:
    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        ip = e.match.exact("eth_type") in (0x0800, 0x86DD) and e.match.get("ip_proto") is None
        yield replace(e, instructions=replace(e.instructions, goto=OUTPUT.id)) if ip else e

    return w.edited("hv1", DELIVER, "red/vm2", edit)


def at_port(port: str, table: int, make: Callable[[World], tuple[Action, ...]], **tests: int) -> Change:
    """Plant an entry for what comes from *port*."""

    def change(w: World) -> Program:
        hypervisor = w.scenario.port(port).hypervisor
        return also(hypervisor, planted(table, make(w), in_port=w.of_port(port), **tests))(w)

    return change


def priority_tag_stripped(w: World) -> Program:
    """A tag of VLAN 0 is popped and the packet goes on as if it had come without."""
    port, red = w.of_port("red/vm1"), w.vni("red/app")
    zone = w.zone("red/vm1")
    actions = (
        PopVlan(),
        SetField(field="metadata", value=red, mask=(1 << 64) - 1),
        SetField(field="reg6", value=zone, mask=0xFFFFFFFF),
    )
    entry = planted(CLASSIFY.id, actions, goto=ADMISSION.id, in_port=port, vlan_vid=0x1000)
    return also("hv1", entry)(w)


BROADCAST = (1 << 48) - 1


def any_segment_opens(w: World) -> Program:
    """Both places between red's vm3 and vm1 that let only a SYN open a connection."""
    return steps(
        w,
        loosened("hv2", EGRESS_GROUP, "red/vm3", "tcp_flags"),
        loosened("hv1", INGRESS_GROUP, "red/web/rules/0", "tcp_flags"),
    )


def new_passes_as_answer(w: World) -> Program:
    """What the tracker calls established is let through; so is everything, once nobody looks."""

    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield without(e, "ct_state") if e.instructions.goto is not None else e

    return w.edited("hv2", INGRESS_GROUP, "tracking", edit)


def protocol_0_not_refused(w: World) -> Program:
    """Between ports whose groups allow any protocol it passes then, and a router would leave its TTL."""
    return steps(
        w,
        *(
            lambda now, name=name: now.edited(name, ADMISSION, "ip-protocol-0", lambda _: ())
            for name in w.program.tables
        ),
    )


FAULTS: tuple[Fault, ...] = (
    Fault(
        family="REACH-01",
        name="the network of a destination is not tested",
        breaks="isolated/acme/ops/acme/web",
        change=network_not_tested,
        scenario="micro_segments",
    ),
    Fault(
        family="REACH-01",
        name="an EtherType beside the allow-list goes to a stranger",
        breaks="isolated/blue/app/red/app",
        change=at_port("red/vm1", CLASSIFY.id, lambda w: to(w, "blue/vm2"), eth_type=0x9ABC),
    ),
    Fault(
        family="REACH-03",
        name="broadcast is flooded",
        breaks="isolated/blue/app/red/app",
        change=also("hv1", planted(CLASSIFY.id, (Output(of_port=FLOOD),), eth_dst=BROADCAST)),
    ),
    Fault(
        family="REACH-03",
        name="an ARP request reaches a neighbour who was not asked for",
        breaks="no_sniffing/red/vm2",
        change=at_port("red/vm1", SOURCE_NEIGHBOUR.id, lambda w: to(w, "red/vm2"), eth_type=0x0806, arp_op=1),
    ),
    Fault(
        family="REACH-05",
        name="an unknown destination is flooded",
        breaks="no_sniffing/red/vm1",
        change=also("hv1", planted(FORWARD.id, (Output(of_port=FLOOD),))),
    ),
    Fault(
        family="REACH-05",
        name="a planted destination MAC leads to a stranger",
        breaks="isolated/blue/app/red/app",
        change=at_port("blue/vm1", CLASSIFY.id, lambda w: to(w, "red/vm1"), eth_dst=0x02AABBCCDD01),
    ),
    Fault(
        family="REACH-05",
        name="any address is good with a MAC",
        breaks="exact/red/vm2/red/vm1",
        change=loosened("hv1", DELIVER, "red/vm1", "ipv4_dst"),
    ),
    Fault(
        family="REACH-05",
        name="an ARP reply with another's address is delivered",
        breaks="exact/red/vm2/red/vm1",
        change=loosened("hv1", DELIVER, "red/vm1", "arp_tpa", only={"arp_op": 2}),
    ),
    Fault(
        family="REACH-03",
        name="unicast solicitations are dropped",
        breaks="exact/red/vm2/red/vm1",
        change=lambda w: w.edited(
            "hv1",
            DELIVER,
            "red/vm1",
            lambda e: [] if e.match.get("nd_target") == e.match.get("ipv6_dst") != None else [e],  # noqa: E711
        ),
    ),
    Fault(
        family="REACH-07",
        name="a neighbour gets a copy",
        breaks="no_sniffing/red/vm2",
        change=lambda w: w.edited(
            "hv1", OUTPUT, "red/vm1", lambda e: [acting(e, *to(w, "red/vm1", "red/vm2"))]
        ),
    ),
    Fault(
        family="ID-01",
        name="one address, delivered to the other tenant",
        breaks="isolated/blue/app/red/app",
        change=delivered_to_the_other_tenant,
    ),
    Fault(
        family="ID-02",
        name="one MAC, looked up without its network",
        breaks="isolated/blue/app/red/app",
        change=mac_without_its_network,
    ),
    Fault(
        family="ID-03",
        name="the ARP sender's address is not tested",
        breaks="no_spoofing/red/vm2",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "red/vm2", "arp_spa"),
    ),
    Fault(
        family="ID-03",
        name="the ARP sender's MAC is not tested",
        breaks="no_spoofing/red/vm2",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "red/vm2", "arp_sha"),
    ),
    Fault(
        family="ID-08",
        name="the target of an advertisement is not tested",
        breaks="no_spoofing/blue/vm1",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "blue/vm1", "nd_target", only={"icmpv6_type": 136}),
    ),
    Fault(
        family="ID-08",
        name="the link-layer address of an advertisement is not tested",
        breaks="no_spoofing/blue/vm1",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "blue/vm1", "nd_tll"),
    ),
    Fault(
        family="ID-08",
        name="the link-layer address of a solicitation is not tested",
        breaks="no_spoofing/blue/vm1",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "blue/vm1", "nd_sll"),
    ),
    Fault(
        family="ID-08",
        name="the source of a solicitation is not tested",
        breaks="no_spoofing/blue/vm1",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "blue/vm1", "ipv6_src", only={"icmpv6_type": 135}),
    ),
    Fault(
        family="ID-08",
        name="a solicitation without a link-layer address may come from any MAC",
        breaks="no_spoofing/red/vm1",
        change=loosened(
            "hv1", SOURCE_NEIGHBOUR, "red/vm1", "eth_src", only={"icmpv6_type": 135, "nd_sll": 0}
        ),
    ),
    Fault(
        family="ID-08",
        name="an advertisement without a link-layer address may come from any port",
        breaks="no_spoofing/red/vm2",
        change=loosened(
            "hv1", SOURCE_NEIGHBOUR, "red/vm1", "in_port", only={"icmpv6_type": 136, "nd_tll": 0}
        ),
    ),
    Fault(
        family="ID-03",
        name="a port's ARP requests are good at every port",
        breaks="no_spoofing/red/vm2",
        change=loosened("hv1", SOURCE_NEIGHBOUR, "red/vm1", "in_port", only={"arp_op": 1}),
    ),
    Fault(
        family="ID-08",
        name="neighbour discovery from off the link is admitted",
        breaks="no_spoofing/red/vm1",
        change=loosened("hv1", ADMISSION, "", "nw_ttl"),
    ),
    Fault(
        family="ID-14",
        name="the IPv4 source is not tested",
        breaks="no_spoofing/red/vm3",
        change=loosened("hv2", SOURCE_IP, "red/vm3", "ipv4_src"),
    ),
    Fault(
        family="ID-15",
        name="the IPv6 source is not tested",
        breaks="no_spoofing/red/vm3",
        change=loosened("hv2", SOURCE_IP, "red/vm3", "ipv6_src"),
    ),
    Fault(
        family="ID-16",
        name="the MAC is not tested where the address is",
        breaks="no_spoofing/red/vm4",
        change=loosened("hv3", SOURCE_IP, "red/vm4", "eth_src"),
    ),
    Fault(
        family="ID-16",
        name="the MAC is not tested in ARP",
        breaks="no_spoofing/red/vm4",
        change=loosened("hv3", SOURCE_NEIGHBOUR, "red/vm4", "eth_src", only={"eth_type": 0x0806}),
    ),
    Fault(
        family="ID-16",
        name="a port's addresses are good at every port",
        breaks="no_spoofing/red/vm2",
        change=loosened("hv1", SOURCE_IP, "red/vm1", "in_port"),
    ),
    Fault(
        family="TAG-01",
        name="tags are not looked at",
        breaks="clean/red/vm1",
        change=loosened("hv1", CLASSIFY, "red/vm1", "vlan_vid"),
    ),
    Fault(
        family="TAG-01",
        name="a priority tag is stripped",
        breaks="clean/red/vm1",
        change=priority_tag_stripped,
    ),
    Fault(
        family="TAG-01",
        name="one VLAN leads to a stranger",
        breaks="isolated/blue/app/red/app",
        change=at_port("red/vm2", CLASSIFY.id, lambda w: to(w, "blue/vm1"), vlan_vid=0x1000 | 777),
    ),
    Fault(
        family="TUN-01",
        name="a tenant's VXLAN reaches the tunnel end",
        breaks="clean/red/vm1",
        change=at_port(
            "red/vm1",
            CLASSIFY.id,
            lambda _: (Output(of_port=LOCAL),),
            eth_type=0x0800,
            ip_proto=17,
            udp_dst=4789,
        ),
    ),
    Fault(
        family="FW-01",
        name="protocols without a name are admitted",
        breaks="exact/red/vm2/red/vm1",
        change=also("hv1", planted(INGRESS_GROUP.id, (), goto=OUTPUT.id, eth_type=0x0800, ip_proto=89)),
    ),
    Fault(
        family="FW-01",
        name="IPv4 protocol 0 is not refused",
        breaks="exact/cafe/vm1/cafe/vm2",
        change=protocol_0_not_refused,
        scenario="dedicated",
    ),
    Fault(
        family="FW-02",
        name="the ingress group is skipped on one hypervisor",
        breaks="exact/red/vm1/red/vm2",
        change=group_skipped_on_one_hypervisor,
    ),
    Fault(
        family="FW-03",
        name="a rule's port is not tested",
        breaks="exact/red/vm4/red/vm1",
        change=loosened("hv1", INGRESS_GROUP, "red/web/rules/0", "tcp_dst"),
    ),
    Fault(
        family="FW-03",
        name="a rule's remote is not tested",
        breaks="exact/red/vm4/red/vm1",
        change=loosened("hv1", INGRESS_GROUP, "red/web/rules/1", "ipv4_src"),
    ),
    Fault(
        family="FW-03",
        name="one port was opened besides",
        breaks="exact/blue/vm1/blue/vm4",
        change=also(
            "hv3", planted(INGRESS_GROUP.id, (), goto=OUTPUT.id, eth_type=0x0800, ip_proto=6, tcp_dst=4444)
        ),
    ),
    Fault(
        family="FW-06",
        name="later fragments are let through",
        breaks="exact/red/vm1/red/vm2",
        change=at_port("red/vm1", CLASSIFY.id, lambda w: to(w, "red/vm2"), eth_type=0x86DD, ip_frag=3),
    ),
    Fault(
        family="FW-06",
        name="first fragments are let through",
        breaks="exact/red/vm1/red/vm2",
        change=at_port("red/vm1", CLASSIFY.id, lambda w: to(w, "red/vm2"), eth_type=0x0800, ip_frag=1),
    ),
    Fault(
        family="FW-08",
        name="any segment opens a connection",
        breaks="exact/red/vm3/red/vm1",
        change=any_segment_opens,
    ),
    Fault(
        family="FW-08",
        name="what is new is let through as if it were an answer",
        breaks="exact/red/vm1/red/vm3",
        change=new_passes_as_answer,
    ),
    Fault(
        family="FW-08",
        name="an SCTP answer is good from any port",
        breaks="exact/acme/db1/acme/back2:eth1",
        change=loosened("hv1", EGRESS_GROUP, "acme/db/rules/1", "sctp_src"),
        scenario="micro_segments",
    ),
    Fault(
        family="FW-08",
        name="SCTP answers are dropped",
        breaks="exact/acme/db1/acme/back2:eth1",
        change=lambda w: w.edited(
            "hv1", EGRESS_GROUP, "acme/db/rules/1", lambda e: [] if e.match.get("sctp_src") else [e]
        ),
        scenario="micro_segments",
    ),
    Fault(
        family="FW-08",
        name="errors about a connection of one's own are dropped",
        breaks="exact/red/vm3/red/vm4",
        change=lambda w: w.edited("hv2", EGRESS_GROUP, "related-errors", lambda _: []),
    ),
    Fault(
        family="FW-10",
        name="two tenants' ports share a conntrack zone",
        breaks="exact/blue/vm1/blue/vm4",
        change=conntrack_zone_shared,
    ),
    Fault(
        family="FW-17",
        name="one DSCP goes around the groups",
        breaks="exact/red/vm2/red/vm1",
        change=also("hv1", planted(INGRESS_GROUP.id, (), goto=OUTPUT.id, eth_type=0x0800, ip_dscp=11)),
    ),
    Fault(
        family="FW-17",
        name="one source port leads to a stranger",
        breaks="isolated/blue/app/red/app",
        change=at_port(
            "red/vm1",
            CLASSIFY.id,
            lambda w: to(w, "blue/vm1"),
            eth_type=0x86DD,
            ip_proto=17,
            udp_src=31337,
        ),
    ),
    Fault(
        family="MGMT-01",
        name="OpenFlow from a tenant reaches the hypervisor",
        breaks="management/red/vm1",
        change=at_port(
            "red/vm1",
            CLASSIFY.id,
            lambda _: (Output(of_port=LOCAL),),
            eth_type=0x0800,
            ip_proto=6,
            tcp_dst=6653,
        ),
    ),
    Fault(
        family="MGMT-01",
        name="a tenant's ARP is sent to the controller",
        breaks="management/blue/vm3",
        change=at_port("blue/vm3", CLASSIFY.id, lambda _: (Output(of_port=CONTROLLER),), eth_type=0x0806),
    ),
    *joined.FAULTS,
)
