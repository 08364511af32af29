"""What Open vSwitch tracks is read strictly, and forgotten in ways that it survives.

The dump is Open vSwitch 3.1.0's own, of a lab in which one ping, one connection, one datagram and a packet of
protocols 47 and 132 were sent.
"""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from sdn_lab.backends.mininet.tracked import forgetting, tracked_of
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import Microflow
from sdn_lab.openflow import packet
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.conntrack_key import key_of
from sdn_lab.openflow.packet_parse import dissect

A, B, A6, B6 = (ip_address(t) for t in ("10.0.0.11", "10.0.0.12", "fd00:a::11", "fd00:a::13"))
DUMP = (
    "icmp,orig=(src=10.0.0.11,dst=10.0.0.12,id=150,type=8,code=0),"
    "reply=(src=10.0.0.12,dst=10.0.0.11,id=150,type=0,code=0),zone=4\n"
    "47,orig=(src=10.0.0.11,dst=10.0.0.12,sport=0,dport=0),"
    "reply=(src=10.0.0.12,dst=10.0.0.11,sport=0,dport=0),zone=3\n"
    "tcp,orig=(src=10.0.0.11,dst=10.0.0.12,sport=57442,dport=80),"
    "reply=(src=10.0.0.12,dst=10.0.0.11,sport=80,dport=57442),zone=3,protoinfo=(state=TIME_WAIT)\n"
    "udp,orig=(src=10.0.0.11,dst=10.0.0.12,sport=33816,dport=53),"
    "reply=(src=10.0.0.12,dst=10.0.0.11,sport=53,dport=33816)\n"
    "icmpv6,orig=(src=fd00:a::11,dst=fd00:a::13,id=151,type=128,code=0),"
    "reply=(src=fd00:a::13,dst=fd00:a::11,id=151,type=129,code=0),zone=3\n"
    "sctp,orig=(src=10.0.0.11,dst=10.0.0.12,sport=0,dport=0),"
    "reply=(src=10.0.0.12,dst=10.0.0.11,sport=0,dport=0),zone=3\n"
)


def flow(protocol: int, zone: int, src=A, dst=B, icmp_id: int = 0, **more: int) -> Tracked:
    return Tracked(
        hypervisor="hv1",
        zone=zone,
        flow=Microflow(src=src, dst=dst, protocol=protocol, **more),
        icmp_id=icmp_id,
    )


PING6 = flow(58, 3, A6, B6, icmp_id=151, icmp_type=128)
FLOWS = (
    flow(1, 4, icmp_id=150, icmp_type=8),
    flow(47, 3),
    flow(6, 3, src_l4=57442, dst_l4=80),
    flow(17, 0, src_l4=33816, dst_l4=53),
    PING6,
    flow(132, 3),
)


def test_every_flow_is_read():
    assert tuple(tracked_of("hv1", DUMP)) == FLOWS
    assert tuple(tracked_of("hv1", "")) == ()


@pytest.mark.parametrize(
    "line",
    [
        "tcp,orig=(src=10.0.0.11,dst=10.0.0.12,sport=1,dport=2)",
        "sometcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1,dport=2),reply=(src=10.0.0.2,dst=10.0.0.1),zone=1",
        "tcp,orig=(src=10.0.0.999,dst=10.0.0.2,sport=1,dport=2),reply=(),zone=1",
        "tcp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1,dport=2),reply=(),zone=1,nat=(src=1)",
        "ovs-vswitchd: opening datapath netdev@ovs-netdev failed",
    ],
)
def test_a_line_that_is_not_understood_is_an_error_with_the_line(line):
    with pytest.raises(LabError, match="hv1 tracks what cannot be read") as failed:
        tuple(tracked_of("hv1", DUMP + line + "\n"))
    assert line in str(failed.value)


def test_each_flow_is_forgotten_by_its_zone_and_tuple():
    ends = "ct_nw_src=10.0.0.11,ct_nw_dst=10.0.0.12"
    assert forgetting("hv1", [FLOWS[0], FLOWS[2], FLOWS[5]], ()).commands == (
        ("dpctl/flush-conntrack", "zone=4", f"{ends},ct_nw_proto=1,icmp_id=150,icmp_type=8,icmp_code=0"),
        ("dpctl/flush-conntrack", "zone=3", f"{ends},ct_nw_proto=6,ct_tp_src=57442,ct_tp_dst=80"),
        ("dpctl/flush-conntrack", "zone=3", f"{ends},ct_nw_proto=132,ct_tp_src=0,ct_tp_dst=0"),
    )


def test_icmpv6_is_never_selected_by_a_tuple_because_that_aborts_the_switch():
    told = forgetting("hv1", [PING6], ())

    assert told.commands == ()
    assert len(told.bundle) == 1


def test_what_is_sent_instead_makes_a_tracker_forget_and_learn_nothing():
    """The simulator's tracker takes the packet as Open vSwitch's would."""
    tracker = Tracker()
    body = packet.icmpv6_echo(A6, B6, 151, 1)
    opening = packet.ethernet("02:00:00:00:00:11", "02:00:00:00:00:13", 0x86DD, packet.ipv6(A6, B6, 58, body))
    tracker.track(opening, dissect(opening), PacketState(), 3, commit=True)
    assert len(tracker) == 1

    (line,) = forgetting("hv1", [PING6], ()).bundle
    words = dict(word.split("=", 1) for word in line.split()[1:])
    reply = bytes.fromhex(words["packet"])
    assert words["actions"] == "ct(commit,force,zone=3)"
    assert key_of(reply, dissect(reply), 3)[0] == key_of(opening, dissect(opening), 3)[0].reversed()
    tracker.track(reply, dissect(reply), PacketState(), 3, commit=True, force=True)

    assert len(tracker) == 0


def test_a_zone_is_flushed_whole_and_its_flows_not_one_by_one():
    told = forgetting("hv1", FLOWS, [("hv1", 3), ("hv2", 9)])

    assert told.bundle == ()
    assert [c[1:] for c in told.commands] == [
        ("zone=3",),
        (
            "zone=4",
            "ct_nw_src=10.0.0.11,ct_nw_dst=10.0.0.12,ct_nw_proto=1,icmp_id=150,icmp_type=8,icmp_code=0",
        ),
        ("zone=0", "ct_nw_src=10.0.0.11,ct_nw_dst=10.0.0.12,ct_nw_proto=17,ct_tp_src=33816,ct_tp_dst=53"),
    ]


def test_another_hypervisors_flows_are_its_own_business():
    assert forgetting("hv2", FLOWS, [("hv1", 3)]) == forgetting("hv2", (), ())
