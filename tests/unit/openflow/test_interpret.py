"""The interpreter: OpenFlow's rules one by one.  Agreement with Open vSwitch is in tests/differential."""

from __future__ import annotations

import re
import threading

import pytest

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.action import LOCAL, Output
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.interpret import Pipeline, Reason, Result, Tunnel
from sdn_lab.openflow.text import parse_flows, parse_groups

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
FRAME = pk.ethernet(A, B, 0x0800, pk.ipv4("10.0.0.1", "10.0.0.2", 17, pk.udp("10.0.0.1", "10.0.0.2", 5, 6)))
PORTS = (1, 2, 3, LOCAL)


def run(
    flows: str, frame: bytes = FRAME, in_port: int = 1, groups: str = "", tunnel: Tunnel | None = None
) -> Result:
    tables = Tables(entries=parse_flows(flows), groups=parse_groups(groups))
    return Pipeline(tables, tracker=Tracker(), ports=PORTS).process(frame, in_port, tunnel)


def out(result: Result) -> list[int]:
    return [emission.of_port for emission in result.emissions]


def test_a_miss_drops_and_is_on_the_path() -> None:
    result = run("table=0,priority=5,in_port=2,actions=output:3")
    assert not result.emissions
    assert [(t.table_id, t.entry) for t in result.path] == [(0, None)]


def test_the_highest_priority_wins_whatever_it_tests() -> None:
    flows = (
        "priority=1,udp,tp_dst=6,actions=output:2\npriority=9,actions=output:3\npriority=5,ip,actions=LOCAL"
    )
    assert out(run(flows)) == [3]


def test_equal_priorities_that_overlap_are_noted() -> None:
    result = run("priority=5,ip,actions=output:2\npriority=5,in_port=1,actions=output:3")
    assert len(result.emissions) == 1
    assert "priority 5 overlap" in result.notes[0]


def test_nothing_goes_back_out_unless_in_port_says_so() -> None:
    assert out(run("actions=output:1")) == []
    assert out(run("actions=IN_PORT")) == [1]
    assert out(run("actions=FLOOD")) == [2, 3, LOCAL]
    assert out(run("actions=output:77")) == []


def test_instructions_run_in_openflow_s_order() -> None:
    flows = """table=0,actions=output:2,write_actions(output:3),write_metadata:0x5,goto_table:1
    table=1,priority=2,metadata=5,actions=set_field:02:00:00:00:00:09->eth_dst,write_actions(output:LOCAL)
    table=1,priority=1,actions=clear_actions"""
    flows = flows.replace("output:LOCAL", "LOCAL")
    result = run(flows)
    assert out(result) == [2, LOCAL]  # the later write replaces the output
    assert [pk.parse(e.frame)["eth_dst"] & 0xFF for e in result.emissions] == [2, 9]
    assert out(run("actions=write_actions(output:3),goto_table:1\ntable=1,actions=clear_actions")) == []


def test_the_action_set_pushes_before_it_sets_and_sends_last() -> None:
    result = run("actions=write_actions(output:2,set_field:02:00:00:00:00:09->eth_dst,push_vlan:0x8100)")
    fields = pk.parse(result.emissions[0].frame)
    assert (fields["vlan_vid"], fields["eth_dst"] & 0xFF) == (0x1000, 9)


def test_a_group_in_the_action_set_takes_the_place_of_an_output() -> None:
    groups = "group_id=7,type=all,bucket=output:2,bucket=output:3"
    assert out(
        run("actions=write_actions(output:LOCAL,group:7)".replace("output:LOCAL", "LOCAL"), groups=groups)
    ) == [2, 3]


def test_groups_all_indirect_select_and_fast_failover() -> None:
    groups = """group_id=1,type=all,bucket=set_field:02:00:00:00:00:09->eth_dst,output:2,bucket=output:3
    group_id=2,type=indirect,bucket=output:3
    group_id=3,type=select,bucket=weight:0,actions=output:2,bucket=weight:5,actions=output:3
    group_id=4,type=ff,bucket=watch_port:77,actions=output:2,bucket=watch_port:3,actions=output:3"""
    all_ = run("actions=group:1,output:2", groups=groups)
    assert out(all_) == [2, 3, 2]
    assert [pk.parse(e.frame)["eth_dst"] & 0xFF for e in all_.emissions] == [
        9,
        2,
        2,
    ]  # buckets work on copies
    assert [out(run(f"actions=group:{n}", groups=groups)) for n in (2, 3, 4)] == [[3], [3], [3]]


def test_a_field_that_is_not_there_neither_matches_nor_is_written() -> None:
    arp = pk.ethernet(A, B, 0x0806, pk.arp(1, A, "10.0.0.1", 0, "10.0.0.2"))
    assert out(run("priority=2,udp,tp_dst=0,actions=output:2\npriority=1,actions=output:3", arp)) == [3]
    changed = run("actions=set_field:9.9.9.9->ip_dst,output:2", arp)
    assert changed.emissions[0].frame == arp


def test_what_is_pushed_is_seen_by_later_tables_and_comes_off_again() -> None:
    flows = """actions=push_vlan:0x8100,set_field:0x1005->vlan_vid,output:2,goto_table:1
    table=1,priority=2,dl_vlan=5,actions=pop_vlan,output:3"""
    result = run(flows)
    assert out(result) == [2, 3]
    assert pk.parse(result.emissions[0].frame)["vlan_vid"] == 0x1005
    assert result.emissions[1].frame == FRAME


def test_ttl_at_its_end_stops_the_entry() -> None:
    spent = pk.rewrite(FRAME, {"nw_ttl": 1})
    flows = "ip,actions=output:2,dec_ttl,output:3,goto_table:1\ntable=1,actions=LOCAL"
    assert out(run(flows, spent)) == [2]
    assert out(run(flows)) == [2, 3, LOCAL]


def test_resubmit_keeps_the_port_and_without_end_sends_nothing() -> None:
    flows = "actions=resubmit(2,1),output:3\ntable=1,priority=2,in_port=2,actions=output:2,IN_PORT"
    assert out(run(flows)) == [2, 1, 3]
    endless = run("actions=output:2,resubmit(,0)")
    assert not endless.emissions
    assert "too many resubmits" in endless.notes[0]


def test_four_thousand_resubmits_one_in_another_need_no_stack_of_their_own() -> None:
    rounds, tables = 16, 250  # 16 ways back, 4,000 look-ups: within Open vSwitch's limits of 64 and 4,096
    ahead = [f"table={n},actions=resubmit(,{n + 1})" for n in range(tables - 1)]
    again = [
        f"table={tables - 1},priority=1,reg0={n},actions=set_field:{n + 1}->reg0,resubmit(,0)"
        for n in range(rounds - 1)
    ]
    results: list[Result] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(
            target=lambda: results.append(
                run("\n".join((*ahead, *again, f"table={tables - 1},priority=0,actions=output:2")))
            )
        )
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert [out(result) for result in results] == [[2]]
    assert len(results[0].path) == rounds * tables


@pytest.mark.parametrize("match", ["", "ip,", "tcp,", "arp,"])
def test_a_translation_to_the_other_family_is_refused_as_by_open_vswitch(match: str) -> None:
    with pytest.raises(LabError, match="nat to fd00::9 needs a match on its family"):
        run(f"{match}actions=ct(commit,nat(dst=[fd00::9]:7777),table=1)")
    assert not out(run("ipv6,actions=ct(commit,nat(dst=[fd00::9]:7777),table=1)"))


def test_tunnel_fields_leave_with_the_packet_and_arrive_with_it() -> None:
    result = run("actions=set_field:101->tun_id,set_field:172.31.0.2->tun_dst,output:2")
    assert result.emissions[0].tunnel == Tunnel(tun_id=101, tun_dst=0xAC1F0002)
    arrived = Tunnel(tun_id=101, tun_src=0xAC1F0002, tun_dst=0xAC1F0001)
    flows = "priority=2,tun_id=101,tun_src=172.31.0.2,actions=output:2"
    assert out(run(flows, tunnel=arrived)) == [2]
    assert out(run(flows, tunnel=Tunnel(tun_id=102, tun_src=0xAC1F0002))) == []


def test_a_packet_in_says_why_and_what_the_registers_held() -> None:
    [told] = run("cookie=7,in_port=1,actions=set_field:5->reg3,CONTROLLER:128").packet_ins
    assert (told.reason, told.max_len, told.cookie, told.table_id) == (Reason.ACTION, 128, 7, 0)
    assert told.pipeline == {"in_port": 1, "reg3": 5}
    [missed] = run("priority=0,actions=CONTROLLER:65535").packet_ins
    assert missed.reason is Reason.NO_MATCH


def test_a_packet_out_executes_its_actions_or_enters_the_tables() -> None:
    pipeline = Pipeline(Tables(entries=parse_flows("actions=output:3")), ports=PORTS)
    assert out(pipeline.execute((Output(of_port=2),), FRAME, 0xFFFFFFFD)) == [2]
    assert out(pipeline.execute((Output(of_port=0xFFFFFFF9),), FRAME, 0xFFFFFFFD)) == [3]


def test_conjunctions_need_every_clause() -> None:
    flows = """priority=5,ip,nw_src=10.0.0.1,actions=conjunction(9,1/2)
    priority=5,udp,tp_dst=6,actions=conjunction(9,2/2)
    priority=1,conj_id=9,ip,actions=output:2
    priority=0,actions=output:3"""
    assert out(run(flows)) == [2]
    assert out(run(flows.replace("tp_dst=6", "tp_dst=7"))) == [3]


def test_what_is_not_modelled_is_refused_not_guessed() -> None:
    for actions, what in (
        ("decap(),output:2", "action Decap"),
        ("clone(decap())", "action Decap"),
        ("resubmit(,1,ct)", "resubmit with ct"),
        ("set_field:1->nsh_si,output:2", "a use of nsh_si"),
        ("controller(userdata=01,pause)", "controller(pause)"),
    ):
        with pytest.raises(LabError, match=re.escape(what)):
            run(f"tcp,actions={actions}")
    for match in ("ip,ct_nw_src=10.0.0.1", "dl_type=0x894f,nsh_spi=1", "dp_hash=1", "packet_type=(1,0x894f)"):
        with pytest.raises(LabError, match="a match on"):
            run(f"{match},actions=output:2")
    fragment = pk.ethernet(A, B, 0x0800, pk.ipv4("10.0.0.1", "10.0.0.2", 17, bytes(16), flags_offset=0x2000))
    assert "reassembly" in run("ip,actions=ct(table=1)\ntable=1,actions=output:2", fragment).notes[0]


STATEFUL = """table=0,ip,actions=ct(table=1,zone=4)
table=1,priority=3,ct_state=+trk+new,in_port=1,ip,actions=ct(commit,zone=4),output:2
table=1,priority=2,ct_state=+trk+est,actions=output:3"""


def segment(side: int, flags: int, seq: int, ack: int = 0) -> bytes:
    ends = ("10.0.0.1", "10.0.0.2") if side == 0 else ("10.0.0.2", "10.0.0.1")
    ports = (5, 80) if side == 0 else (80, 5)
    return pk.ethernet(A, B, 0x0800, pk.ipv4(*ends, 6, pk.tcp(*ends, *ports, flags=flags, seq=seq, ack=ack)))


def test_a_reply_passes_only_after_the_request_was_committed_and_only_in_its_zone() -> None:
    tracker = Tracker()
    pipeline = Pipeline(Tables(entries=parse_flows(STATEFUL)), tracker=tracker, ports=PORTS)
    answer = segment(1, 0x12, 900, 101)
    assert out(pipeline.process(answer, 2)) == []
    assert out(pipeline.process(segment(0, 0x02, 100), 1)) == [2]
    assert out(pipeline.process(answer, 2)) == [3]
    assert len(tracker) == 1
    tracker.flush(5)
    assert out(pipeline.process(answer, 2)) == [3]
    tracker.flush(4)
    assert out(pipeline.process(answer, 2)) == []


def test_a_connection_expires_on_the_clock_that_is_given() -> None:
    pipeline = Pipeline(Tables(entries=parse_flows(STATEFUL)), tracker=Tracker(), ports=PORTS)
    answer = segment(1, 0x12, 900, 101)
    pipeline.process(segment(0, 0x02, 100), 1, now_ns=0)
    assert out(pipeline.process(answer, 2, now_ns=29_000_000_000)) == [3]
    pipeline.tracker.flush() if pipeline.tracker else None
    pipeline.process(segment(0, 0x02, 100), 1, now_ns=0)
    assert out(pipeline.process(answer, 2, now_ns=30_000_000_000)) == []
