"""Flow text: what is written reads back; what is wrong is named with its place."""

from __future__ import annotations

import pytest

from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow.action import Ct, Output, OutputField, SetField, Subfield
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Origin, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import (
    format_entry,
    format_group,
    format_groups,
    format_tables,
    parse_flows,
    parse_groups,
)

DUMP = """OFPST_FLOW reply (OF1.3) (xid=0x2):
 cookie=0x1f, duration=12.3s, table=71, n_packets=3, n_bytes=180, idle_age=2, hard_age=9, send_flow_rem \
reset_counts priority=100,ct_state=+new-rel+trk,tcp6,reg5=0x65,tp_dst=80 \
actions=ct(commit,zone=NXM_NX_REG7[0..15]),output:NXM_NX_REG5[]
"""


def test_a_dump_is_read_without_its_counters() -> None:
    reg7, reg5 = Subfield(field="reg7", start=0, bits=16), Subfield(field="reg5", start=0, bits=32)
    [entry] = parse_flows(DUMP)
    assert entry == FlowEntry(
        table_id=71,
        priority=100,
        cookie=0x1F,
        flags=1,
        match=Match.of(eth_type=0x86DD, ip_proto=6, tcp_dst=80, reg5=0x65, ct_state=(0x21, 0x25)),
        instructions=Instructions(apply=(Ct(commit=True, zone=reg7), OutputField(source=reg5))),
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("vlan_tci=0x0000", Match.of(vlan_vid=0)),
        ("vlan_tci=0x0000/0x1fff", Match.of(vlan_vid=0)),
        ("dl_vlan=0xffff", Match.of(vlan_vid=0)),
        ("dl_vlan=5,dl_vlan_pcp=3", Match.of(vlan_vid=0x1005, vlan_pcp=3)),
        ("vlan_tci=0x1000/0x1000", Match.of(vlan_vid=(0x1000, 0x1000))),
        ("tp_dst=80,tcp", Match.of(eth_type=0x0800, ip_proto=6, tcp_dst=80)),
        ("arp,nw_dst=10.0.0.1", Match.of(eth_type=0x0806, arp_tpa=0x0A000001)),
        ("icmp6,icmp_type=135", Match.of(eth_type=0x86DD, ip_proto=58, icmpv6_type=135)),
        ("ip,nw_src=10.0.0.9/8", Match.of(eth_type=0x0800, ipv4_src=(0x0A000000, 0xFF000000))),
        ("ipv6,ipv6_src=fd00::/16", Match.of(eth_type=0x86DD, ipv6_src=(0xFD00 << 112, 0xFFFF << 112))),
        ("ip,ip_frag=yes", Match.of(eth_type=0x0800, ip_frag=(1, 1))),
        ("tcp,tcp_flags=+syn-ack", Match.of(eth_type=0x0800, ip_proto=6, tcp_flags=(2, 0x12))),
        ("in_port=LOCAL", Match.of(in_port=0xFFFFFFFE)),
    ],
)
def test_a_match_means_what_ovs_means_by_it(text: str, match: Match) -> None:
    [entry] = parse_flows(f"priority=1,{text} actions=drop")
    assert entry.match == match
    assert parse_flows(format_entry(entry)) == (entry,)


def test_priority_is_32768_and_table_0_where_they_are_not_said() -> None:
    [entry] = parse_flows("actions=drop")
    assert (entry.priority, entry.table_id, entry.instructions) == (32768, 0, Instructions())


def test_load_and_set_field_are_one() -> None:
    loaded, set_ = parse_flows(
        "priority=2,actions=load:5->NXM_NX_REG6[0..15]\npriority=1,actions=set_field:5/0xffff->reg6"
    )
    assert loaded.instructions == set_.instructions
    assert loaded.instructions.apply == (SetField(field="reg6", value=5, mask=0xFFFF),)


WRONG = [
    ("ipp,actions=drop", "FLW001", 1),
    ("in_port=1,tcp_dst=80x,actions=drop", "FLW002", 11),
    ("ip,nw_ttl=1/3,actions=drop", "FLW003", 4),
    ("tcp_dst=80,actions=drop", "FLW004", 1),
    ("tp_dst=80,actions=drop", "FLW004", 1),
    ("actions=outpt:3", "FLW005", 9),
    ("actions=output:3,set_field:1->nowhere", "FLW006", 18),
    ("actions=ct(exec(set_field:1->ct_mark))", "FLW006", 9),
    ("in_port=1", "FLW007", 9),
    ("in_port=1,in_port=2,actions=drop", "FLW008", 11),
    ("vlan_tci=0x2000,actions=drop", "FLW010", 1),
    ("actions=ct_lb(table=1)", "FLW011", 9),
    ("table=3,actions=goto_table:3", "FLW013", 17),
    ("priority=70000,actions=drop", "FLW002", 1),
    ("bla=3,actions=drop", "FLW001", 1),
]


@pytest.mark.parametrize(("line", "code", "column"), WRONG)
def test_what_is_wrong_is_named_with_its_column(line: str, code: str, column: int) -> None:
    with pytest.raises(InputError) as caught:
        parse_flows("# first\n" + line, "file.flows")
    [found] = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.file, found.span.line, found.span.column) == (
        code,
        "file.flows",
        2,
        column,
    )


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(InputError) as caught:
        parse_flows("\n".join(line for line, _, _ in WRONG))
    lines = [d.span.line for d in caught.value.diagnostics if d.span is not None]
    assert lines == list(range(1, len(WRONG) + 1))


def test_an_entry_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(InputError, match="FLW012"):
        parse_flows("priority=1,ip,actions=drop\npriority=1,ip,actions=output:1")


GROUPS = (
    Group(group_id=1, type=GroupType.SELECT, buckets=(Bucket(weight=10, actions=(Output(of_port=1),)),)),
    Group(
        group_id=2,
        type=GroupType.FAST_FAILOVER,
        buckets=(Bucket(watch_port=2, actions=(Output(of_port=2),)),),
    ),
    Group(group_id=3, type=GroupType.ALL, buckets=(Bucket(), Bucket(actions=(Output(of_port=2),)))),
)


def test_groups_read_back() -> None:
    assert parse_groups("OFPST_GROUP_DESC reply (OF1.3) (xid=0x2):\n" + format_groups(GROUPS)) == GROUPS
    assert format_group(GROUPS[0]) == "group_id=1,type=select,bucket=weight:10,actions=output:1"


def test_a_group_without_a_type_is_an_error() -> None:
    with pytest.raises(InputError, match="FLW009"):
        parse_groups("group_id=1,bucket=actions=output:1")


def test_tables_are_sorted_and_commented_with_their_origin() -> None:
    low, high = FlowEntry(priority=1, cookie=7), FlowEntry(priority=2, cookie=7)
    origin = Origin(stage="classify", kind="port", path="red/vm1")
    text = format_tables(Tables(entries=(low, high)), explain=lambda cookie: origin if cookie == 7 else None)
    assert text.splitlines() == [f"# table 0, {origin}", format_entry(high), format_entry(low)]
    assert parse_flows(text) == (high, low)
