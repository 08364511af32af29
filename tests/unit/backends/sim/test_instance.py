"""Instances answer what they should, and the compiled groups decide who hears it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import action as act
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.packet_parse import TCP
from tests.unit.backends.sim.conftest import entry, out

FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def hub(lab):
    """A wire between red/vm1 and red/vm2."""
    wire = (entry(out(103), in_port=102), entry(out(102), in_port=103))
    lab.program({"hv1": Tables(entries=wire)})
    return lab


@FAMILIES
@pytest.mark.parametrize("dst", ["red/vm2", "red/vm3"])
def test_what_the_groups_allow_works(built, family, dst):
    assert built.ping("red/vm1", dst, family)
    assert built.tcp_connect("red/vm1", dst, 80, family)


@FAMILIES
def test_what_the_groups_do_not_allow_does_not(built, family):
    assert not built.tcp_connect("red/vm1", "red/vm3", 22, family)
    assert not built.udp("red/vm1", "red/vm3", 53, family)
    assert not built.ping("red/vm4", "red/vm1", family)
    assert not built.ping("red/vm1", "red/vm4", family)
    assert built.tcp_connect("red/vm4", "red/vm1", 80, family)


@FAMILIES
def test_another_tenants_equal_address_is_not_the_one_that_answers(built, family):
    assert not built.ping("red/vm1", "blue/vm3", family)
    assert not built.tcp_connect("red/vm1", "blue/vm3", 80, family)


@FAMILIES
def test_udp_to_an_open_port_comes_back(hub, family):
    assert hub.udp("red/vm1", "red/vm2", 53, family)


@FAMILIES
def test_a_closed_port_resets_or_says_unreachable(hub, family):
    assert hub.tcp_connect("red/vm1", "red/vm2", 80, family)
    with hub._awake("red/vm1", "red/vm2", family) as (sender, to, own):
        sender.connect(to, 81, own, b"x")
        sender.datagram(to, 82, own + 1, b"x")
        hub._run()
        assert {(what, port) for what, _, port, _ in sender.heard} == {
            ("reset", own),
            ("unreachable", own + 1),
        }


def test_two_instances_with_one_address_on_one_wire_spoil_each_others_connections(lab):
    lab.program({"hv1": Tables(entries=(entry(out(act.FLOOD)),))})
    assert not lab.tcp_connect("red/vm1", "red/vm2", 80)  # blue/vm2 resets what red/vm2 accepts


def test_a_deaf_instance_says_nothing(hub):
    ask = packet.ethernet(
        "02:00:00:00:00:11",
        b"\xff" * 6,
        0x0806,
        packet.arp(1, "02:00:00:00:00:11", "10.0.0.11", 0, "10.0.0.12"),
    )
    point = WatchPoint(kind=PointKind.PORT, name="red/vm1")
    got = hub.exchange(Window(injections=(Injection(point=point, frame=ask),)))
    assert {c.frame for c in got.captures} == {ask}


def test_instances_are_deaf_again_after_a_person_asked(built):
    built.tcp_connect("red/vm1", "red/vm3", 80)
    assert all(i.deaf and not i.listening for i in built.network.instances.values())


def test_frames_for_others_are_not_taken(scenario):
    with SimLab(scenario, assign(scenario)) as lab:
        instance, sent = lab.network.instances["red/vm1"], []
        instance.deaf, instance.send = False, sent.append
        instance.listening.add((TCP, 80))

        def syn(mac=instance.mac, ip="10.0.0.11"):
            segment = packet.tcp("10.0.0.9", ip, 5, 80)
            return packet.ethernet("02:00:00:00:00:09", mac, 0x0800, packet.ipv4("10.0.0.9", ip, 6, segment))

        for frame in (syn(mac="02:00:00:00:00:77"), syn(ip="10.0.0.99"), packet.push_vlan(syn(), tci=3)):
            instance.receive(frame)
        assert sent == []
        instance.receive(syn())
        assert packet.parse(sent[0])["tcp_flags"] == 0x12


def test_who_is_not_there_is_named(built):
    with pytest.raises(LabError, match="no port red/vm9"):
        built.ping("red/vm1", "red/vm9")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    eth_type=st.sampled_from([0x0800, 0x0806, 0x86DD, 0x8100, 0x0010]),
    first=st.sampled_from([0x45, 0x46, 0x60, 0x00]),
    proto=st.sampled_from([1, 6, 17, 58, 44]),
    rest=st.binary(max_size=100),
)
def test_no_frame_whatever_is_in_it_brings_an_instance_down(lab, eth_type, first, proto, rest):
    instance = lab.network.instances["red/vm1"]
    instance.deaf = False
    body = bytearray(bytes((first,)) + rest)
    if len(body) >= 40:
        body[2:4] = len(body).to_bytes(2, "big")
        body[6 if first == 0x60 else 9] = proto
        body[16:20] = instance.ips[0].packed
        if first == 0x60:
            body[4:6] = (len(body) - 40).to_bytes(2, "big")
            body[24:40] = instance.ips[1].packed
    point = WatchPoint(kind=PointKind.VETH, name="red/vm1")
    frame = packet.mac_bytes(instance.mac) + bytes(6) + eth_type.to_bytes(2, "big") + bytes(body)
    got = lab.exchange(Window(injections=(Injection(point=point, frame=frame),)))
    assert got.captures[0].frame == frame
