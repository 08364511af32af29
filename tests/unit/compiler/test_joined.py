"""What the tables do where networks are joined on purpose, hop by hop, where no delivery would show it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.compiler.pipeline import COPIES, FORWARD, INGRESS_GROUP, INGRESS_TRACK, PEERING, ROUTE
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Router, RouterInterface, Scenario
from sdn_lab.openflow import frames
from sdn_lab.openflow.entry import Program
from sdn_lab.openflow.walk import Hop, Walk
from sdn_lab.scenario import load

SCENARIO = load(Path(__file__).with_name("joined.yaml"))
WEB1 = "02:00:00:00:01:11"
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def hops(port: str, frame: bytes) -> tuple[Hop, ...]:
    assignment = assign(SCENARIO)
    return Walk(compile_scenario(SCENARIO, assignment).tables, assignment).send(port, frame).hops


def datagram(dst_mac: str, src: str, dst: str, port: int, *, ttl: int = 64) -> bytes:
    message = frames.udp(src, dst, 4000, port, b"datagram")
    return frames.ethernet(WEB1, dst_mac, 0x0800, frames.ipv4(src, dst, 17, message, ttl=ttl))


def gateway() -> str:
    router = next(r for r in SCENARIO.routers if r.path == "red/r1")
    return next(leg.mac for leg in router.interfaces if leg.network == "red/web")


def test_an_advertisement_for_everybody_leaves_no_hypervisor() -> None:
    own, everybody = IPv6Address("fd00:1::11"), IPv6Address("ff02::1")
    advert = frames.ipv6(
        own, everybody, 58, frames.neighbour_advert(own, everybody, own, WEB1), hop_limit=255
    )

    way = hops("red/web1", frames.ethernet(WEB1, "33:33:00:00:00:01", 0x86DD, advert))

    assert {hop.datapath for hop in way} == {"hv1"}
    assert way[-1].table == FORWARD.id
    assert way[-1].entry is not None
    assert way[-1].entry.instructions.goto is None


def test_a_broadcast_is_tracked_for_each_member_and_not_for_its_sender() -> None:
    way = hops("red/web1", datagram(EVERYBODY, "10.1.0.11", "255.255.255.255", 9))

    assert [hop.datapath for hop in way if hop.table == COPIES.id] == ["hv1", "hv2"]
    assert [hop.datapath for hop in way if hop.table == INGRESS_TRACK.id] == ["hv1", "hv2", "hv2"]
    assert [hop.datapath for hop in way if hop.table == INGRESS_GROUP.id] == ["hv2", "hv2"]


def test_a_spent_packet_ends_in_the_router() -> None:
    way = hops("red/web1", datagram(gateway(), "10.1.0.11", "10.2.0.11", 53, ttl=1))

    assert way[-1].table == ROUTE.id
    assert str(way[-1].entry and way[-1].entry.origin) == "routing: router red/r1"


def test_what_a_peering_does_not_allow_ends_before_anything_is_committed() -> None:
    way = hops("red/web1", datagram(gateway(), "10.1.0.11", "10.3.0.11", 54))

    assert (way[-1].table, way[-1].entry) == (PEERING.id, None)


@pytest.mark.parametrize("approved", [(), ("red",), ("blue",)])
def test_a_peering_that_not_both_approve_compiles_to_nothing(approved: tuple[str, ...]) -> None:
    closed = tuple(replace(p, approved_by=approved) for p in SCENARIO.peerings)
    without = replace(SCENARIO, peerings=())

    assert compiled(replace(SCENARIO, peerings=closed)) == compiled(without)
    assert compiled(SCENARIO) != compiled(without)


def test_routers_that_meet_in_one_network_do_not_join_the_others() -> None:
    """red/r1 joins web and db; a second router that joins web and a third network leaves db apart from it."""
    third = replace(
        next(n for n in SCENARIO.networks if n.path == "blue/lab"), path="red/lab", tenant="red", vni=999
    )
    lab1 = replace(SCENARIO.port("blue/lab1"), path="red/lab1", tenant="red", network="red/lab", groups=())
    in_web, in_lab = (IPv4Address("10.1.0.2"),), (IPv4Address("10.4.0.1"),)
    legs = (
        RouterInterface(network="red/lab", addresses=in_lab, mac="02:00:00:00:99:01"),
        RouterInterface(network="red/web", addresses=in_web, mac="02:00:00:00:99:02"),
    )
    r2 = Router(path="red/r2", tenant="red", interfaces=legs)
    scenario = replace(
        SCENARIO,
        networks=(*SCENARIO.networks, third),
        ports=(*(p for p in SCENARIO.ports if p.path != "blue/lab1"), lab1),
        routers=(*SCENARIO.routers, r2),
        peerings=(),
    )

    routes = [
        (_value(entry.match.tests, "metadata"), _value(entry.match.tests, "ipv4_dst"))
        for tables in compiled(scenario).tables.values()
        for entry in tables.entries
        if entry.table_id == ROUTE.id
    ]
    assert (101, int(IPv4Address("10.4.0.11"))) in routes
    assert (102, int(IPv4Address("10.4.0.11"))) not in routes


def compiled(scenario: Scenario) -> Program:
    return compile_scenario(scenario, assign(scenario))


def _value(tests: tuple[tuple[str, int, int], ...], name: str) -> int | None:
    return next((value for field, value, _ in tests if field == name), None)
