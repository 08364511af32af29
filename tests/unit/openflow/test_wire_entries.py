"""Flow entries and groups cross the wire unchanged, to and from the controller's own library."""

import pytest
from os_ken.ofproto import ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser
from os_ken.ofproto.nicira_ext import ofs_nbits

from sdn_lab.openflow import action as act
from sdn_lab.openflow import codec
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import decode, reply, request, stats

RYU = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
MAC = 0x020000000001
FULL = {name: row.full_mask for name, row in FIELDS.items()}


def of(**tests):
    return Match.of(**tests)


def write(field, value, mask=None):
    return act.SetField(field=field, value=value, mask=FULL[field] if mask is None else mask)


def bits(field, start=0, count=None):
    return act.Subfield(field=field, start=start, bits=count or FIELDS[field].bits)


MATCHES = {
    "nothing": of(),
    "untagged": of(in_port=100, vlan_vid=0),
    "tagged with any vid": of(vlan_vid=(0x1000, 0x1000)),
    "fragment": of(eth_type=0x0800, ip_frag=(1, 1)),
    "no fragment, ND": of(
        eth_type=0x86DD, ip_proto=58, ip_frag=0, nw_ttl=255, icmpv6_type=135, icmpv6_code=0
    ),
    "ND options": of(eth_type=0x86DD, ip_proto=58, icmpv6_type=135, nd_target=1 << 120 | 5, nd_sll=MAC),
    "NA options": of(eth_type=0x86DD, ip_proto=58, icmpv6_type=136, nd_target=1 << 120 | 5, nd_tll=MAC),
    "tunnel": of(in_port=1, tun_id=5001, tun_src=0xAC1F0002, tun_dst=0xAC1F0001),
    "tunnel prefix": of(tun_id=(0x100, 0xFF00), tun_src=(0xAC1F0000, 0xFFFF0000)),
    "registers": of(metadata=101, reg6=7, reg5=(0x10, 0xF0), reg15=1),
    "metadata masked": of(metadata=(0xFF00, 0xFF00)),
    "arp": of(eth_type=0x0806, arp_op=1, arp_spa=0x0A000001, arp_tpa=0x0A000002, arp_sha=MAC, arp_tha=0),
    "arp masked": of(eth_type=0x0806, arp_tpa=(0x0A000000, 0xFFFFFF00), arp_sha=(0x02 << 40, 0xFF << 40)),
    "ipv6": of(eth_type=0x86DD, ipv6_src=0xFD << 120, ipv6_dst=(0xFF << 120, 0xFF << 120)),
    "flow label": of(eth_type=0x86DD, ipv6_flabel=(0x12340, 0xFFFF0)),
    "ct": of(
        ct_state=(0x21, 0x3D), eth_type=0x0800, ct_zone=3, ct_mark=(1, 1), ct_label=(1 << 100, 3 << 100)
    ),
    "syn": of(eth_type=0x0800, ip_proto=6, tcp_dst=80, tcp_flags=(0x02, 0x17)),
    "syn over ipv6": of(eth_type=0x86DD, ip_proto=6, tcp_src=(0x8000, 0x8000), tcp_flags=2),
    "udp": of(eth_type=0x0800, ip_proto=17, udp_src=67, udp_dst=(64, 0xFFC0)),
    "sctp": of(eth_type=0x86DD, ip_proto=132, sctp_src=1, sctp_dst=(2, 0xFFFE)),
    "icmp": of(eth_type=0x0800, ip_proto=1, icmpv4_type=8, icmpv4_code=0),
    "tos": of(eth_type=0x0800, ip_dscp=46, ip_ecn=1),
    "conj": of(conj_id=77, eth_type=0x0800),
    "macs": of(eth_src=MAC, eth_dst=(1 << 40, 1 << 40), eth_type=0x88CC),
    "pcp": of(vlan_vid=0x1005, vlan_pcp=6),
}
ACTIONS = {
    "output": act.Output(of_port=100),
    "in_port": act.Output(of_port=act.IN_PORT),
    "flood": act.Output(of_port=act.FLOOD),
    "controller": act.Output(of_port=act.CONTROLLER, max_len=128),
    "output reg": act.OutputField(source=bits("reg5")),
    "output half a reg": act.OutputField(source=bits("reg5", 16, 16), max_len=64),
    "metadata": write("metadata", 101),
    "tun_id": write("tun_id", 5001),
    "tun_dst": write("tun_dst", 0xAC1F0002),
    "mac": write("eth_dst", MAC),
    "ipv6": write("ipv6_src", 0xFD << 120 | 1),
    "vlan": write("vlan_vid", 0x1005),
    "ttl": write("nw_ttl", 64),
    "some bits": write("reg4", 0x1, 0x1),
    "bits in the middle": write("reg4", 0x50, 0xF0),
    "scattered bits": write("reg4", 0x11, 0x11),
    "wide scattered bits": write("ipv6_dst", 0x11 << 64, 0x11 << 64 | 1),
    "move": act.Move(source=bits("eth_src"), target=bits("eth_dst")),
    "move part": act.Move(source=bits("arp_spa", 8, 16), target=bits("reg1", 0, 16)),
    "group": act.GroupAction(group_id=7),
    "push": act.PushVlan(eth_type=0x8100),
    "push service tag": act.PushVlan(eth_type=0x88A8),
    "pop": act.PopVlan(),
    "dec_ttl": act.DecTtl(),
    "resubmit": act.Resubmit(table=10),
    "resubmit port": act.Resubmit(in_port=7, table=10),
    "resubmit here from local": act.Resubmit(in_port=act.LOCAL),
    "ct": act.Ct(table=41, zone=bits("reg6", 0, 16)),
    "ct commit": act.Ct(commit=True, zone=9),
    "ct force": act.Ct(commit=True, force=True, zone=9),
    "ct exec": act.Ct(
        commit=True,
        zone=9,
        table=0,
        exec_=(write("ct_mark", 1), write("ct_label", 1 << 127), write("ct_mark", 2, 2)),
    ),
    "ct_clear": act.CtClear(),
    "conjunction": act.Conjunction(id=77, clause=2, n_clauses=3),
}
INSTRUCTIONS = {
    "drop": Instructions(),
    "goto": Instructions(goto=10),
    "clear": Instructions(clear=True, goto=3),
    "all": Instructions(
        apply=(write("reg6", 7), act.Output(of_port=3)),
        clear=True,
        write=(act.Output(of_port=4),),
        metadata=(0x10, 0xF0),
        goto=60,
    ),
}
ENTRIES = {
    **{
        f"match {name}": FlowEntry(table_id=3, priority=9, match=m, cookie=1 << 63)
        for name, m in MATCHES.items()
    },
    **{
        f"action {n}": FlowEntry(instructions=Instructions(apply=(a, a)), flags=1) for n, a in ACTIONS.items()
    },
    **{f"do {n}": FlowEntry(instructions=i, idle_timeout=5, hard_timeout=6) for n, i in INSTRUCTIONS.items()},
}


def serialized(message, xid=1):
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_what_the_controller_sends_is_what_the_switch_reads(entry):
    got = decode.read(serialized(codec.flow_mod(RYU, 0, entry)))
    assert got.entry == entry
    assert (got.command, got.out_port, got.out_group) == (request.ADD, act.ANY, act.ANY)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_what_the_switch_dumps_is_what_the_controller_reads(entry):
    body = stats.flow(entry, age_ns=5_000_000_007, counted=stats.Counted(packets=3, octets=180))
    (data,) = reply.multipart(9, request.FLOW, [body, body])
    message = ofproto_v1_3_parser.OFPMultipartReply.parser(RYU, 4, 19, len(data), 9, data)
    assert [codec.flow_entry(RYU, s) for s in message.body] == [entry, entry]
    dump = message.body[0]
    assert (dump.packet_count, dump.byte_count) == (3, 180)
    assert (dump.duration_sec, dump.duration_nsec) == (5, 7)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_what_the_switch_dumps_it_could_take_back(entry):
    """So a strict reading by a switch (order of prerequisites and all) accepts what we send."""
    body = stats.flow(entry, age_ns=0, counted=stats.Counted())
    parser = ofproto_v1_3_parser
    head = serialized(parser.OFPFlowMod(RYU, table_id=entry.table_id, priority=entry.priority))[:48]
    data = head[:2] + (48 + len(body) - 48).to_bytes(2, "big") + head[4:] + body[48:]
    got = decode.read(data)
    assert (got.entry.match, got.entry.instructions) == (entry.match, entry.instructions)


def test_older_nicira_numbers_name_the_same_fields():
    parser = ofproto_v1_3_parser
    match = parser.OFPMatch(
        in_port_nxm=0xFFFE,
        eth_dst_nxm="02:00:00:00:00:01",
        eth_type_nxm=0x0800,
        ip_proto_nxm=6,
        tcp_flags_nxm=(2, 0xFFF),
    )
    got = decode.read(serialized(parser.OFPFlowMod(RYU, match=match)))
    assert got.entry.match == of(in_port=act.LOCAL, eth_dst=MAC, eth_type=0x0800, ip_proto=6, tcp_flags=2)


@pytest.mark.parametrize(
    ("tci", "tests"),
    [
        ((0, 0xFFFF), {"vlan_vid": (0, 0x1FFF), "vlan_pcp": (0, 7)}),
        ((0x1005, 0x1FFF), {"vlan_vid": (0x1005, 0x1FFF)}),
        ((0x1000, 0x1000), {"vlan_vid": (0x1000, 0x1000)}),
    ],
)
def test_vlan_tci_is_vid_and_priority(tci, tests):
    got = decode.read(
        serialized(ofproto_v1_3_parser.OFPFlowMod(RYU, match=ofproto_v1_3_parser.OFPMatch(vlan_tci=tci)))
    )
    assert got.entry.match == Match.from_tests(tests)


def test_nicira_writes_are_read_as_writes_to_bits():
    p = ofproto_v1_3_parser
    actions = [
        p.NXActionRegLoad(ofs_nbits=ofs_nbits(4, 7), dst="reg0", value=5),
        p.NXActionRegLoad(ofs_nbits=ofs_nbits(0, 11), dst="vlan_tci", value=5),
        p.NXActionRegLoad(ofs_nbits=ofs_nbits(13, 15), dst="vlan_tci", value=6),
        p.NXActionRegLoad2(dst="tun_ipv4_dst", value="172.31.0.2"),
        p.NXActionSetTunnel64(tun_id=5001),
        p.NXActionSetTunnel(tun_id=5001),
        p.NXActionOutputReg2(ofs_nbits=ofs_nbits(0, 15), src="reg7", max_len=64),
        p.NXActionController(max_len=99, controller_id=0, reason=1),
        p.NXActionResubmit(in_port=0xFFFE),
        p.NXActionDecTtl(),
        p.OFPActionSetNwTtl(9),
    ]
    mod = p.OFPFlowMod(RYU, instructions=[p.OFPInstructionActions(4, actions)])
    assert decode.read(serialized(mod)).entry.instructions.apply == (
        write("reg0", 0x50, 0xF0),
        write("vlan_tci", 5, 0xFFF),
        write("vlan_tci", 6 << 13, 7 << 13),
        write("tun_dst", 0xAC1F0002),
        write("tun_id", 5001),
        write("tun_id", 5001),
        act.OutputField(source=bits("reg7", 0, 16), max_len=64),
        act.Output(of_port=act.CONTROLLER, max_len=99),
        act.Resubmit(in_port=act.LOCAL),
        act.DecTtl(),
        write("nw_ttl", 9),
    )


GROUPS = [
    Group(group_id=1, type=GroupType.ALL, buckets=(Bucket(actions=(act.Output(of_port=3),)), Bucket())),
    Group(group_id=2, type=GroupType.SELECT, buckets=(Bucket(weight=3, actions=(write("reg1", 2, 2),)),)),
    Group(group_id=3, type=GroupType.FAST_FAILOVER, buckets=(Bucket(watch_port=7),)),
    Group(group_id=4, type=GroupType.INDIRECT, buckets=(Bucket(actions=(act.GroupAction(group_id=1),)),)),
]


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: g.type.value)
def test_groups_cross_in_both_directions(group):
    got = decode.read(serialized(codec.group_mod(RYU, 0, group)))
    assert Group(group_id=got.group_id, type=got.type, buckets=got.buckets) == group
    (data,) = reply.multipart(1, request.GROUP_DESC, [stats.group_desc(group)] * 2)
    message = ofproto_v1_3_parser.OFPMultipartReply.parser(RYU, 4, 19, len(data), 1, data)
    assert [codec.group(RYU, s) for s in message.body] == [group, group]
