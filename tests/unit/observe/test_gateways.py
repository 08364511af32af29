"""What a routed packet looks like at both ends, and what is wrong with one that looks otherwise."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Scenario
from sdn_lab.model.joined import joined, ways
from sdn_lab.model.observation import Capture, Expected, PointKind, WatchPoint
from sdn_lab.model.traffic import UDP as UDP_PROTOCOL
from sdn_lab.model.traffic import Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Shot
from sdn_lab.observe.gateways import Gateways, some_may_talk
from sdn_lab.observe.nonce import Nonces
from sdn_lab.observe.sighting import Meaning, Reader
from sdn_lab.openflow import packet
from sdn_lab.scenario import load

ROOMS: Scenario = load(Path(__file__).parents[2] / "faults" / "rooms.yaml")
GATEWAYS = Gateways(ROOMS)
ASSIGNMENT = assign(ROOMS)
READER = Reader(ROOMS, ASSIGNMENT)
WEB1, DB2, DB3, OPS, API, LAB = map(
    ROOMS.port, ("red/web1", "red/db2", "red/db3", "red/ops1", "blue/api1", "blue/lab1")
)
NONCE = Nonces(3).draw()


def opening(src=WEB1, dst=DB2, family: int = 4) -> bytes:
    a, b = (next(ip for ip in p.ips if ip.version == family) for p in (src, dst))
    flow = Microflow(src=a, dst=b, protocol=UDP_PROTOCOL, src_l4=20001, dst_l4=53)
    return frames.opening(flow, src.mac, dst.mac, NONCE)


SENT, ARRIVING = GATEWAYS.along(WEB1, DB2, opening())
(WAY,) = ways(ROOMS)["red/web", "red/db"]
NEAR, FAR = WAY.near.mac, WAY.far.mac


def shot(**changes) -> Shot:
    given = Shot(
        src="red/web1",
        dst="red/db2",
        frame=SENT,
        arriving=ARRIVING,
        nonce=NONCE,
        expected=Expected.DELIVERED,
        bears_on=(),
    )
    return replace(given, **changes)


def at(path: str, frame: bytes) -> Capture:
    return Capture(point=WatchPoint(kind=PointKind.PORT, name=path), frame=frame)


def on_wire(frame: bytes, network: str, sender: str) -> Capture:
    there, back = (ASSIGNMENT.datapaths[name] for name in (sender, "hv2" if sender == "hv1" else "hv1"))
    outer = packet.Outer(src_mac=there.vtep_mac, dst_mac=back.vtep_mac, src=there.vtep, dst=back.vtep)
    wrapped = packet.vxlan_encap(frame, ROOMS.network(network).vni, outer)
    return Capture(point=WatchPoint(kind=PointKind.UNDERLAY, name=back.hypervisor), frame=wrapped)


def said(meaning: Meaning) -> list[str]:
    return [sighting.what for sighting in meaning.sightings]


def test_networks_are_joined_directly_and_once_both_tenants_approve() -> None:
    assert joined(ROOMS) == {("red/db", "red/web"), ("red/db", "red/ops"), ("blue/api", "red/web")}
    open_ = replace(ROOMS, peerings=tuple(replace(p, approved_by=("blue", "red")) for p in ROOMS.peerings))
    assert ("blue/lab", "red/ops") in joined(open_)


def test_a_way_needs_an_address_of_one_family_at_both_ends() -> None:
    def without_v6(leg):
        return replace(leg, addresses=tuple(a for a in leg.addresses if a.version == 4))

    r1 = ROOMS.routers[2]
    assert r1.path == "red/r1"
    half = replace(r1, interfaces=(without_v6(r1.interfaces[0]), *r1.interfaces[1:]))
    routers = tuple(half if r is r1 else r for r in ROOMS.routers)
    gateways = Gateways(replace(ROOMS, routers=routers))
    assert [len(gateways.ways(WEB1, DB2, family)) for family in (4, 6)] == [1, 0]


def test_ports_of_joined_networks_only_are_enough_to_talk() -> None:
    alone = tuple(p for p in ROOMS.ports if p.path in {"red/web1", "red/db1"})
    assert some_may_talk(replace(ROOMS, ports=alone))
    assert not some_may_talk(replace(ROOMS, ports=alone, routers=(), peerings=()))


@pytest.mark.parametrize("family", [4, 6])
def test_a_routed_packet_differs_in_macs_and_ttl_alone(family: int) -> None:
    sent, arriving = GATEWAYS.along(WEB1, DB2, opening(family=family))

    before, after = packet.parse(sent), packet.parse(arriving)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"eth_src", "eth_dst", "nw_ttl"}
    assert after["nw_ttl"] == before["nw_ttl"] - 1
    assert sent[:6].hex(":") == NEAR
    assert (arriving[6:12].hex(":"), arriving[:6].hex(":")) == (FAR, DB2.mac)


def test_its_checksum_is_what_scapy_computes() -> None:
    made = Ether(SENT)
    made[IP].ttl -= 1
    del made[IP].chksum
    made.src, made.dst = FAR, DB2.mac
    assert ARRIVING.startswith(bytes(Ether(bytes(made))[IP])[:20], 14)
    assert Ether(ARRIVING)[UDP].dport == 53


def test_within_a_network_and_between_networks_that_are_apart_a_packet_is_sent_as_it_is() -> None:
    for src, dst in ((DB2, DB3), (WEB1, OPS), (OPS, LAB)):
        frame = opening(src, dst)
        assert GATEWAYS.along(src, dst, frame) == (frame, b"")


def test_a_gateway_leads_to_its_own_routers_networks_only() -> None:
    found = GATEWAYS.behind(WEB1, NEAR, ip_address("10.2.0.12"))
    assert found is not None
    assert found[0] is DB2
    assert GATEWAYS.behind(WEB1, NEAR, ip_address("10.3.0.11")) is None
    assert GATEWAYS.behind(WEB1, FAR, ip_address("10.2.0.12")) is None


def test_routed_under_the_addressees_network_is_as_it_must_be() -> None:
    meaning = READER.read(shot(), (on_wire(ARRIVING, "red/db", "hv1"), at("red/db2", ARRIVING)))
    assert (meaning.delivered, said(meaning)) == (True, [])


def test_an_answer_comes_back_routed_too() -> None:
    back = frames.routed(frames.addressed(opening(DB2, WEB1), FAR), NEAR, WEB1.mac)
    meaning = READER.read(
        shot(), (at("red/db2", ARRIVING), on_wire(back, "red/web", "hv2"), at("red/web1", back))
    )
    assert said(meaning) == []


WRONG = {
    "the TTL is as it was": (
        at("red/db2", frames.addressed(SENT, DB2.mac)[:6] + ARRIVING[6:12] + SENT[12:]),
        "altered: byte 22 is 0x40 instead of 0x3f",
    ),
    "the sender's MAC is kept": (at("red/db2", ARRIVING[:6] + SENT[6:12] + ARRIVING[12:]), "altered: byte "),
    "the payload is other": (at("red/db2", ARRIVING[:-20] + b"\x01" + ARRIVING[-19:]), "altered: byte "),
    "it travels unrouted": (on_wire(SENT, "red/web", "hv1"), "not its own VTEP"),
    "it travels under its sender's VNI": (on_wire(ARRIVING, "red/web", "hv1"), "not routed"),
    "it travels under a third network's VNI": (on_wire(ARRIVING, "blue/api", "hv1"), "under VNI"),
    "a third port has it": (at("red/db3", ARRIVING), "received by a third"),
}


@pytest.mark.parametrize("name", WRONG)
def test_routed_otherwise_is_told(name: str) -> None:
    capture, words = WRONG[name]
    meaning = READER.read(shot(), (capture,))
    assert [what for what in said(meaning) if words in what], said(meaning)


def test_what_must_not_arrive_is_told_though_the_router_did_its_work() -> None:
    meaning = READER.read(shot(expected=Expected.NOTHING), (at("red/db2", ARRIVING),))
    assert (meaning.delivered, said(meaning)) == (False, ["received, though it must not be"])


def test_an_answer_to_the_asker_himself_is_delivered_and_compared() -> None:
    gateway = IPv4Address("10.1.0.1")
    own = IPv4Address("10.1.0.11")
    ask = frames.arp(WEB1.mac, frames.BROADCAST, 1, WEB1.mac, own, frames.NOBODY, gateway, NONCE)
    told = frames.arp(NEAR, WEB1.mac, 2, NEAR, gateway, WEB1.mac, own, NONCE)
    asked = shot(dst="red/web1", frame=ask, arriving=told, confined=True)

    assert READER.read(asked, (at("red/web1", told),)) == Meaning(delivered=True)
    lying = frames.arp(DB3.mac, WEB1.mac, 2, DB3.mac, gateway, WEB1.mac, own, NONCE)
    assert said(READER.read(asked, (at("red/web1", lying),)))
    assert "let out" in said(READER.read(asked, (on_wire(ask, "red/web", "hv1"),)))[0]
    unanswered = replace(asked, expected=Expected.NOTHING)
    assert said(READER.read(unanswered, (at("red/web1", told),))) == ["received, though it must not be"]


def test_a_copy_is_nobodys_business_but_in_its_own_network() -> None:
    frame = frames.opening(
        Microflow(
            src=DB2.ips[0], dst=IPv4Address("255.255.255.255"), protocol=UDP_PROTOCOL, src_l4=9, dst_l4=53
        ),
        DB2.mac,
        frames.BROADCAST,
        NONCE,
    )
    to_db1 = shot(src="red/db2", dst="red/db1", frame=frame, arriving=b"", copies=("red/db3",))
    wire = on_wire(frame, "red/db", "hv2")

    assert READER.read(to_db1, (wire, at("red/db1", frame), at("red/db3", frame))) == Meaning(delivered=True)
    assert said(READER.read(to_db1, (at("red/web1", frame),))) == ["received by a third"]
