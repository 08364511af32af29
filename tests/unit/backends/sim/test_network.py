"""Frames travel between hypervisors in real tunnel frames, and every watch point sees what it should."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import action as act
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.fields import ETH_ARP, ETH_IP
from tests.unit.backends.sim.conftest import entry, out

FRAME = packet.ethernet("02:00:00:00:00:11", "02:00:00:00:00:13", 0x88B5, b"sdn-lab-payload" * 4)
HV1, HV2, HV3 = "172.31.0.1", "172.31.0.2", "172.31.0.3"
MAC1, MAC2 = "0e:00:00:00:00:01", "0e:00:00:00:00:02"


def full(field, value, bits):
    return act.SetField(field=field, value=value, mask=(1 << bits) - 1)


def to_peer(peer, vni, **match):
    return entry(full("tun_id", vni, 64), full("tun_dst", int(IPv4Address(peer)), 32), out(1), **match)


def at(kind, name):
    return WatchPoint(kind=kind, name=name)


PORT1 = at(PointKind.PORT, "red/vm1")  # of_port 102 of hv1
PORT3 = at(PointKind.PORT, "red/vm3")  # of_port 101 of hv2
WIRE1, WIRE2, WIRE3 = (at(PointKind.UNDERLAY, f"hv{n}") for n in (1, 2, 3))
HOST2 = at(PointKind.MANAGEMENT, "hv2")


def send(lab, *frames, point=PORT1, markers=()):
    return lab.exchange(
        Window(injections=tuple(Injection(point=point, frame=f) for f in frames), markers=markers)
    )


def seen(captured):
    return [c.point for c in captured.captures]


@pytest.fixture(params=["vxlan", "geneve"])
def crossing(request, scenario):
    """A lab whose hv1 sends everything to hv2 under VNI 77, which hands it to red/vm3."""
    other = replace(scenario, underlay=replace(scenario.underlay, encap=request.param))
    with SimLab(other, assign(other)) as lab:
        lab.program(
            {
                "hv1": Tables(entries=(to_peer(HV2, 77, in_port=102),)),
                "hv2": Tables(
                    entries=(entry(out(101), in_port=1, tun_id=77, tun_src=int(IPv4Address(HV1))),)
                ),
            }
        )
        lab.unwrap = packet.vxlan_decap if request.param == "vxlan" else packet.geneve_decap
        yield lab


def test_a_frame_crosses_in_a_real_tunnel_frame_and_comes_out_as_it_went_in(crossing):
    got = send(crossing, FRAME)
    assert seen(got) == [WIRE1, WIRE2, PORT3]
    opened = crossing.unwrap(got.captures[0].frame)
    assert (opened.vni, opened.inner) == (77, FRAME)
    assert (opened.outer_src, opened.outer_dst) == (int(IPv4Address(HV1)), int(IPv4Address(HV2)))
    assert got.captures[0].frame[:12] == packet.mac_bytes(MAC2) + packet.mac_bytes(MAC1)
    assert got.captures[2].frame == FRAME


def test_the_underlay_drops_what_is_longer_than_its_mtu(crossing):
    fits = packet.ethernet("02:00:00:00:00:11", "02:00:00:00:00:13", 0x88B5, bytes(1450))
    assert seen(send(crossing, fits)) == [WIRE1, WIRE2, PORT3]
    assert seen(send(crossing, fits + b"\0")) == []


def test_without_tunnel_destination_nothing_leaves(lab):
    lab.program({"hv1": Tables(entries=(entry(full("tun_id", 5, 64), out(1), in_port=102),))})
    assert seen(send(lab, FRAME)) == []
    lab.program({"hv1": Tables(entries=(to_peer("172.31.0.99", 5, in_port=102),))})
    assert seen(send(lab, FRAME)) == []


def outer(src=HV1, dst=HV2, src_mac=MAC1, dst_mac=MAC2):
    return packet.Outer(src_mac=src_mac, dst_mac=dst_mac, src=src, dst=dst)


def datagram(dst_l4, src=HV1):
    body = packet.ipv4(src, HV2, 17, packet.udp(src, HV2, 5555, dst_l4, b"hello"))
    return packet.ethernet(MAC1, MAC2, ETH_IP, body)


def arp(sender):
    return packet.ethernet(MAC1, MAC2, ETH_ARP, packet.arp(1, MAC1, sender, 0, HV2))


FROM_THE_WIRE = {
    "a tunnel frame from a peer": (packet.vxlan_encap(FRAME, 77, outer()), [PORT3]),
    "another VNI": (packet.vxlan_encap(FRAME, 78, outer()), []),
    "from a stranger": (packet.vxlan_encap(FRAME, 77, outer(src="172.31.0.99")), []),
    "to another": (packet.vxlan_encap(FRAME, 77, outer(dst=HV3)), []),
    "tagged": (packet.push_vlan(packet.vxlan_encap(FRAME, 77, outer()), tci=5), []),
    "to another's MAC": (packet.vxlan_encap(FRAME, 77, outer(dst_mac="0e:00:00:00:00:09")), [HOST2]),
    "the other encapsulation": (packet.geneve_encap(FRAME, 77, outer()), []),
    "another UDP port": (datagram(53), []),
    "not encapsulated": (FRAME, []),
    "no VXLAN in it": (datagram(4789), []),
    "ARP of a peer": (arp(HV1), [HOST2]),
    "ARP of a stranger": (arp("172.31.0.99"), []),
}


@pytest.mark.parametrize(("frame", "expected"), FROM_THE_WIRE.values(), ids=FROM_THE_WIRE)
def test_the_physical_bridge_lets_in_what_peers_send_and_nothing_else(lab, frame, expected):
    lab.program({"hv2": Tables(entries=(entry(out(101), in_port=1, tun_id=77),))})
    assert seen(send(lab, frame, point=WIRE2)) == [WIRE2, *expected]


def test_the_bridges_own_port_is_the_hosts_stack(lab):
    lab.program({"hv1": Tables(entries=(entry(out(act.LOCAL), in_port=102),))})
    assert seen(send(lab, FRAME)) == [at(PointKind.MANAGEMENT, "hv1")]


def test_flooding_reaches_every_instance_and_the_host_and_not_the_sender(lab):
    lab.program({"hv1": Tables(entries=(entry(out(act.FLOOD)),))})
    names = {str(p) for p in seen(send(lab, FRAME))}
    assert names == {"management:hv1", "port:blue/vm1", "port:blue/vm2", "port:red/vm2"}


def test_a_packet_in_is_seen_without_a_controller_too(lab):
    lab.program({"hv1": Tables(entries=(entry(out(act.CONTROLLER, 10)),))})
    (capture,) = send(lab, FRAME).captures
    assert (capture.point, capture.frame) == (at(PointKind.PACKET_IN, "hv1"), FRAME)


def test_what_enters_at_the_veth_is_seen_at_the_port_whatever_the_tables_say(lab):
    assert seen(send(lab, FRAME, point=at(PointKind.VETH, "red/vm1"))) == [PORT1]


def test_a_new_lab_forwards_nothing(lab):
    assert seen(send(lab, FRAME)) == []
    states = lab.snapshot().datapaths
    assert {n: len(s.tables.entries) for n, s in states.items() if "/" not in n} == dict.fromkeys(
        ("hv1", "hv2", "hv3"), 0
    )
    assert {s.fail_mode for s in states.values()} == {"secure"}


def test_markers_that_did_not_arrive_are_missing(crossing):
    got = send(crossing, FRAME, markers=((PORT3, b"sdn-lab-payload"), (PORT1, b"sdn-lab-payload")))
    assert got.missing == ((PORT1, b"sdn-lab-payload"),)
    assert got.lost == 0


def test_a_frame_that_goes_round_for_ever_fails_the_lab_and_names_the_round(lab):
    def onward(peer, **match):  # back out of the tunnel port, which has to be said
        return entry(*to_peer(peer, 5).instructions.apply[:2], out(act.IN_PORT), in_port=1, **match)

    ring = {
        "hv1": Tables(entries=(to_peer(HV2, 5, in_port=102), onward(HV2))),
        "hv2": Tables(entries=(onward(HV3),)),
        "hv3": Tables(entries=(onward(HV1),)),
    }
    lab.program(ring)
    with pytest.raises(LabError, match=r"for ever: hv1 port 1 .* hv2 port 1 .* hv3 port 1 .* hv1 port 1$"):
        send(lab, FRAME)
    lab.program({hv: Tables() for hv in ring})
    assert seen(send(lab, FRAME)) == []  # nothing of it is left


def test_frames_that_multiply_fail_the_lab(lab, monkeypatch):
    monkeypatch.setattr("sdn_lab.backends.sim.network.MAX_EVENTS", 50)
    lab.program({"hv1": Tables(entries=(entry(out(act.FLOOD)),))})
    with pytest.raises(LabError, match="frames multiply"):
        send(lab, *[FRAME] * 30)


def test_a_choice_that_the_specification_leaves_open_is_told(lab):
    lab.program({"hv1": Tables(entries=(entry(out(103), in_port=102), entry(out(100), eth_type=0x88B5)))})
    got = send(lab, FRAME)
    assert (got.lost, len(got.choices)) == (0, 1)


def test_a_choice_between_entries_that_do_the_same_is_none(lab):
    same = (
        entry(out(103), in_port=102),
        entry(out(103), eth_type=0x88B5),
        entry(out(103), eth_dst=0x020000000013),
    )
    lab.program({"hv1": Tables(entries=same)})
    got = send(lab, FRAME)
    assert (got.lost, seen(got)) == (0, [at(PointKind.PORT, "red/vm2")])


def test_equal_input_gives_equal_captures(scenario, program):
    def once():
        with SimLab(scenario, assign(scenario)) as lab:
            lab.program(program)
            lab.ping("red/vm1", "red/vm3")
            return send(lab, FRAME, FRAME[:-1]), lab.snapshot().hash

    assert once() == once()


def test_tables_that_a_switch_refuses_fail_the_lab_in_words(lab):
    with pytest.raises(LabError, match="hv1 refuses its tables: there is no group 9"):
        lab.program({"hv1": Tables(entries=(entry(act.GroupAction(group_id=9)),))})
    with pytest.raises(LabError, match="no hypervisor hv9"):
        lab.program({"hv9": Tables()})
    with pytest.raises(LabError, match="no port red/vm9"):
        send(lab, FRAME, point=at(PointKind.PORT, "red/vm9"))
