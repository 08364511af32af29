"""The graph where networks are joined: what a router joins is no leak, what it does not join is one.

The base is compiled; what routes, answers and replicates is written by hand here, in a few entries, so that
the graph is tested on other entries than the compiler's own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from ipaddress import ip_address
from itertools import combinations

import pytest

from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Router, RouterInterface, Scenario
from sdn_lab.model.joined import joined
from sdn_lab.model.verdict import Claim, Kind, Status
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.text import parse_flows
from sdn_lab.openflow.walk import Walk
from sdn_lab.scenario import loads
from sdn_lab.verify.graph import GraphChecker
from tests.unit.verify.graph_world import compiled, with_entries

FORWARD, DELIVER, INGRESS_TRACK, OUTPUT = 70, 80, 90, 110
BASE = """
version: 1
name: rooms
underlay: {sites: {east: [hv1, hv2, hv3]}}
tenants:
  red:
    networks:
      a: {cidr: [10.1.0.0/24], vni: 101}
      b: {cidr: [10.2.0.0/24], vni: 102}
      c: {cidr: [10.3.0.0/24], vni: 103}
    security_groups: {open: [{direction: ingress, protocol: any, remote: any}]}
    instances:
      a1: {network: a, hypervisor: hv1, ip: [10.1.0.11], mac: "02:00:00:00:01:01", groups: [open]}
      a2: {network: a, hypervisor: hv1, ip: [10.1.0.12], mac: "02:00:00:00:01:02", groups: [open]}
      a3: {network: a, hypervisor: hv1, ip: [10.1.0.13], mac: "02:00:00:00:01:03", groups: [open]}
      b1: {network: b, hypervisor: hv1, ip: [10.2.0.11], mac: "02:00:00:00:02:01", groups: [open]}
      b2: {network: b, hypervisor: hv2, ip: [10.2.0.12], mac: "02:00:00:00:02:02", groups: [open]}
      c1: {network: c, hypervisor: hv1, ip: [10.3.0.11], mac: "02:00:00:00:03:01", groups: [open]}
  blue:
    networks: {x: {cidr: [10.9.0.0/24], vni: 109}}
    instances:
      x1: {network: x, hypervisor: hv1, ip: [10.9.0.11], mac: "02:00:00:00:09:01"}
      x3: {network: x, hypervisor: hv3, ip: [10.9.0.13], mac: "02:00:00:00:09:03"}
"""
GATEWAY = {"r1/a": "0a:00:00:00:01:01", "r1/b": "0a:00:00:00:01:02", "r2/b": "0a:00:00:00:02:02"}
ROUTED = (
    f"metadata=101,dl_dst={GATEWAY['r1/a']},ip,nw_dst=10.2.0.11,actions=dec_ttl,"
    f"set_field:{GATEWAY['r1/b']}->eth_src,set_field:02:00:00:00:02:01->eth_dst,"
    f"set_field:102->metadata,goto_table:{DELIVER}"
)
FAR = (
    f"metadata=101,dl_dst={GATEWAY['r1/a']},ip,nw_dst=10.2.0.12,actions=dec_ttl,"
    f"set_field:{GATEWAY['r1/b']}->eth_src,set_field:02:00:00:00:02:02->eth_dst,"
    "set_field:102->tun_id,set_field:172.31.0.2->tun_dst,output:1"
)
ANSWER = (
    "table=40,priority=100,metadata=101,arp,arp_op=1,arp_tpa=10.1.0.1,"
    "actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:0a:00:00:00:01:01->eth_src,"
    "set_field:2->arp_op,move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
    "set_field:0a:00:00:00:01:01->arp_sha,set_field:10.1.0.1->arp_spa,in_port"
)
ROUTER = [f"table={FORWARD},priority=200,{line}" for line in (ROUTED, FAR)] + [ANSWER]


def leg(network: str, address: str, mac: str) -> RouterInterface:
    return RouterInterface(network=network, addresses=(ip_address(address),), mac=mac)


def routers() -> tuple[Router, ...]:
    return (
        Router(
            path="red/r1",
            tenant="red",
            interfaces=(
                leg("red/a", "10.1.0.1", GATEWAY["r1/a"]),
                leg("red/b", "10.2.0.1", GATEWAY["r1/b"]),
            ),
        ),
        Router(
            path="red/r2",
            tenant="red",
            interfaces=(
                leg("red/b", "10.2.0.2", GATEWAY["r2/b"]),
                leg("red/c", "10.3.0.1", "0a:00:00:00:02:03"),
            ),
        ),
    )


@cache
def rooms(*, joined_by: int = 2) -> Scenario:
    return replace(loads(BASE, "rooms.yaml"), routers=routers()[:joined_by])


@cache
def base():
    return compiled(loads(BASE, "rooms.yaml"))


def held(*lines: str, bridge: str = "hv1"):
    """The compiled tables with hand-written entries on one bridge."""
    tables = base().datapaths[bridge].tables
    more = parse_flows("\n".join(lines), "more.flows")
    return with_entries(base(), bridge, Tables(entries=(*tables.entries, *more)))


def claims_of(scenario: Scenario) -> tuple[Claim, ...]:
    apart = [
        (a.path, b.path)
        for a, b in combinations(scenario.networks, 2)
        if (a.path, b.path) not in joined(scenario)
    ]
    return (
        *(Claim(id=f"isolated/{a}/{b}", kind=Kind.ISOLATED, objects=(a, b)) for a, b in apart),
        Claim(id="segmented", kind=Kind.SEGMENTED),
        Claim(id="dedicated/red/hv2", kind=Kind.DEDICATED, objects=("red", "hv2")),
        *(Claim(id=f"management/{p.path}", kind=Kind.MANAGEMENT, objects=(p.path,)) for p in scenario.ports),
    )


def judge(snapshot, scenario: Scenario):
    verdicts = GraphChecker().check(scenario, claims_of(scenario), snapshot, progress=lambda *_: None)
    return {verdict.claim: verdict for verdict in verdicts}


def arrives(snapshot, witness) -> bool:
    """Send the witness through the project's other reading of OpenFlow."""
    walk = Walk({name: state.tables for name, state in snapshot.datapaths.items()}, snapshot.assignment)
    journey = walk.send(witness.src, bytes.fromhex(witness.packet_hex))
    return witness.dst in {port for port, _ in journey.arrivals}


def test_what_a_router_joins_is_no_leak_and_a_third_network_stays_apart():
    verdicts = judge(held(*ROUTER), rooms())

    assert {claim: v.reason for claim, v in verdicts.items() if v.status is not Status.HOLDS} == {}
    assert "isolated/red/a/red/b" not in verdicts
    assert {"isolated/red/a/red/c", "isolated/blue/x/red/a"} <= set(verdicts)
    assert "2 pairs joined on purpose" in verdicts["segmented"].covers


@pytest.mark.parametrize("entry", [ROUTED, FAR])
def test_the_same_entries_without_the_router_are_a_leak_with_a_frame_for_the_gateway(entry):
    snapshot = held(f"table={FORWARD},priority=200,{entry}")
    verdicts = judge(snapshot, rooms(joined_by=0))

    found = verdicts["isolated/red/a/red/b"]
    assert found.status is verdicts["segmented"].status is Status.VIOLATED, found.reason
    witness = found.counterexample
    fields = packet.parse(bytes.fromhex(witness.packet_hex))
    assert fields["eth_dst"] == int(GATEWAY["r1/a"].replace(":", ""), 16)
    assert fields["nw_ttl"] > 1
    assert arrives(snapshot, witness) or witness.dst == "underlay:hv1"


LEAKS = {
    "into a network of another router": ROUTED.replace("nw_dst=10.2.0.11", "nw_dst=10.3.0.11")
    .replace("02:00:00:00:02:01->", "02:00:00:00:03:01->")
    .replace("set_field:102", "set_field:103"),
    "over two routers": (
        f"metadata=101,dl_dst={GATEWAY['r1/a']},ip,nw_dst=10.3.0.11,actions=dec_ttl,"
        f"set_field:102->metadata,dec_ttl,set_field:103->metadata,set_field:02:00:00:00:03:01->eth_dst,"
        f"goto_table:{DELIVER}"
    ),
    "a copy that wears the other network": (
        "metadata=101,dl_dst=ff:ff:ff:ff:ff:ff,ip,actions="
        f"set_field:103->metadata,set_field:OF(red/c1)->reg5,resubmit(,{OUTPUT})"
    ),
    "the third copy": (
        "metadata=101,dl_dst=ff:ff:ff:ff:ff:ff,ip,actions="
        f"set_field:OF(red/a2)->reg5,resubmit(,{OUTPUT}),set_field:OF(red/a3)->reg5,resubmit(,{OUTPUT}),"
        f"set_field:103->metadata,set_field:OF(red/c1)->reg5,resubmit(,{OUTPUT})"
    ),
    "a copy after one that was tracked": (
        "metadata=101,dl_dst=ff:ff:ff:ff:ff:ff,ip,actions="
        f"set_field:OF(red/a2)->reg5,set_field:9->reg7,resubmit(,{INGRESS_TRACK}),"
        f"set_field:103->metadata,set_field:OF(red/c1)->reg5,resubmit(,{OUTPUT})"
    ),
    "a bucket of a copy that comes before its writes": (
        "metadata=101,dl_dst=ff:ff:ff:ff:ff:ff,ip,actions="
        f"write_actions(resubmit(,{OUTPUT}),set_field:OF(red/c1)->reg5,set_field:103->metadata)"
    ),
}


def numbered(line: str) -> str:
    assignment = assign(rooms())
    for path in ("red/a2", "red/a3", "red/c1"):
        line = line.replace(f"OF({path})", str(assignment.locate(path)[1].of_port))
    return line


@pytest.mark.parametrize("name", LEAKS)
def test_a_way_into_a_network_that_is_not_joined_is_shown(name):
    snapshot = held(*ROUTER, numbered(f"table={FORWARD},priority=300,{LEAKS[name]}"))

    found = judge(snapshot, rooms())["isolated/red/a/red/c"]

    assert found.status is Status.VIOLATED, found.reason
    assert arrives(snapshot, found.counterexample)


def test_copies_to_the_members_of_one_network_are_no_leak():
    copies = numbered(
        f"table={FORWARD},priority=300,metadata=101,dl_dst=ff:ff:ff:ff:ff:ff,ip,actions="
        f"set_field:OF(red/a2)->reg5,set_field:2->reg7,resubmit(,{INGRESS_TRACK}),"
        f"set_field:OF(red/a3)->reg5,set_field:3->reg7,resubmit(,{INGRESS_TRACK}),"
        "set_field:101->tun_id,set_field:172.31.0.2->tun_dst,output:1"
    )
    verdicts = judge(held(*ROUTER, copies), rooms())
    assert {claim: v.reason for claim, v in verdicts.items() if v.status is not Status.HOLDS} == {}


def test_a_packet_whose_ttl_is_spent_goes_nowhere():
    spent = numbered(
        f"table={FORWARD},priority=300,metadata=101,ip,nw_ttl=1,"
        f"actions=dec_ttl,set_field:103->metadata,set_field:OF(red/c1)->reg5,goto_table:{OUTPUT}"
    )
    left = spent.replace("nw_ttl=1,", "nw_ttl=2,")

    assert judge(held(spent), rooms())["isolated/red/a/red/c"].status is Status.HOLDS
    assert judge(held(left), rooms())["isolated/red/a/red/c"].status is Status.VIOLATED


def test_an_answer_that_goes_back_where_it_came_from_reaches_nobody_else():
    for_everybody = ANSWER.replace("metadata=101,", "")
    verdicts = judge(held(for_everybody), rooms())
    assert {v.status for v in verdicts.values()} == {Status.HOLDS}


# -- dedicated

DEDICATED = "dedicated/red/hv2"


def test_a_hypervisor_of_one_tenant_is_dedicated():
    assert judge(held(*ROUTER), rooms())[DEDICATED].status is Status.HOLDS


def test_another_tenants_network_that_is_sent_there_is_shown():
    sent = "metadata=109,dl_dst=02:00:00:00:09:03,actions=set_field:109->tun_id,set_field:172.31.0.2->tun_dst"
    found = judge(held(f"table={FORWARD},priority=300,{sent},output:1"), rooms())[DEDICATED]

    assert found.status is Status.VIOLATED
    assert found.reason == "a frame of blue/x1 is sent to hv2 as blue/x's"
    assert found.counterexample.dst == "underlay:hv1"


def test_ones_own_network_may_be_sent_there():
    sent = "metadata=109,dl_dst=02:00:00:00:09:03,actions=set_field:102->tun_id,set_field:172.31.0.2->tun_dst"
    assert (
        judge(held(f"table={FORWARD},priority=300,{sent},output:1"), rooms())[DEDICATED].status
        is Status.HOLDS
    )


def test_a_tunnel_to_nobody_knows_whom_is_not_called_dedicated():
    sent = (
        "metadata=109,ip,actions=set_field:109->tun_id,move:NXM_OF_IP_DST[]->NXM_NX_TUN_IPV4_DST[],output:1"
    )
    found = judge(held(f"table={FORWARD},priority=300,{sent}"), rooms())[DEDICATED]
    assert found.status is not Status.HOLDS


@pytest.mark.parametrize(("path", "said"), [("blue/x9", "nobody's"), ("blue/x1", "blue's port blue/x1")])
def test_a_port_of_somebody_else_is_named(path, said):
    snapshot = held()
    state = snapshot.datapaths["hv2"]
    state = replace(state, ports={**state.ports, 177: f"port:{path}"})
    found = judge(replace(snapshot, datapaths={**snapshot.datapaths, "hv2": state}), rooms())[DEDICATED]
    assert found.status is Status.VIOLATED
    assert said in found.reason


def test_a_hypervisor_that_was_not_dumped_is_unknown():
    snapshot = held()
    rest = {name: state for name, state in snapshot.datapaths.items() if name != "hv2"}
    assert judge(replace(snapshot, datapaths=rest), rooms())[DEDICATED].status is Status.UNKNOWN
