from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdn_lab.control.lines import line, pack_tables, parse, unpack_tables
from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow.action_ovs import OvsAction
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.match import Match
from tests.unit.openflow.dialect import ACTIONS as OVS_ACTIONS

SUBFIELD = act.Subfield(field="reg6", start=3, bits=16)
SET = act.SetField(field="ct_label", value=2**127, mask=2**128 - 1)
ACTIONS = [
    act.Output(of_port=act.CONTROLLER, max_len=3),
    act.OutputField(source=SUBFIELD, max_len=3),
    SET,
    act.Move(source=SUBFIELD, target=SUBFIELD),
    act.GroupAction(group_id=4),
    act.PushVlan(eth_type=0x88A8),
    act.PopVlan(),
    act.DecTtl(),
    act.Resubmit(in_port=None, table=4),
    act.Ct(commit=True, force=True, table=5, zone=7, exec_=(SET, SET)),
    act.Ct(zone=SUBFIELD),
    act.CtClear(),
    act.Conjunction(id=1, clause=2, n_clauses=3),
    labels.PushMpls(eth_type=0x8847),
    labels.PopMpls(eth_type=0x0800),
    labels.DecMplsTtl(),
    labels.CopyTtlOut(),
    labels.CopyTtlIn(),
    labels.PushPbb(eth_type=0x88E7),
    labels.PopPbb(),
    labels.SetQueue(queue_id=5),
]


def test_the_list_of_actions_here_is_complete() -> None:
    assert {type(a) for a in ACTIONS} == set(act.Action.__args__) - set(OvsAction.__args__)


@given(
    actions=st.lists(st.sampled_from(ACTIONS) | OVS_ACTIONS, max_size=6).map(tuple),
    clear=st.booleans(),
    metadata=st.none() | st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)),
    goto=st.none() | st.integers(0, 254),
    numbers=st.tuples(*[st.integers(0, 2**16 - 1)] * 4),
    type_=st.sampled_from(GroupType),
)
def test_tables_survive_a_line(actions, clear, metadata, goto, numbers, type_) -> None:
    priority, cookie, idle, hard = numbers
    entry = FlowEntry(
        table_id=7,
        priority=priority,
        match=Match.of(ipv6_src=2**128 - 1, reg3=(4, 12)),
        instructions=Instructions(apply=actions, clear=clear, write=actions, metadata=metadata, goto=goto),
        cookie=cookie << 48,
        idle_timeout=idle,
        hard_timeout=hard,
        flags=5,
    )
    group = Group(group_id=9, type=type_, buckets=(Bucket(actions=actions, weight=3, watch_port=4), Bucket()))
    tables = Tables(entries=(entry, FlowEntry()), groups=(group,))

    told = parse(line(event="x", tables=pack_tables(tables)))

    assert unpack_tables(told["tables"]) == tables
    assert told["event"] == "x"


def test_a_line_is_one_line() -> None:
    assert line(text="two\nlines").count("\n") == 1


@pytest.mark.parametrize("text", ["", "[1]", "not json", '{"cut": '])
def test_anything_but_an_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"object|Expecting"):
        parse(text)
