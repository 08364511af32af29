"""Flow-mods do to the tables what OpenFlow 1.3.5 says, section by section."""

import pytest

from sdn_lab.backends.sim.table import FlowTable, is_within, overlaps
from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import error, reply, request
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import FlowMod

S = 1_000_000_000
IP, LAN = Match.of(eth_type=0x0800), Match.of(eth_type=0x0800, ipv4_dst=(0x0A000000, 0xFFFFFF00))
HOST = Match.of(eth_type=0x0800, ipv4_dst=0x0A000007)


def to(port):
    return Instructions(apply=(act.Output(of_port=port),))


def mod(command, *, cookie_mask=0, out_port=act.ANY, out_group=act.ANY, **entry):
    return FlowMod(
        command=command,
        entry=FlowEntry(**entry),
        cookie_mask=cookie_mask,
        out_port=out_port,
        out_group=out_group,
    )


@pytest.fixture
def table():
    made = FlowTable()
    for n, match in enumerate((IP, LAN, HOST), start=1):
        made.change(mod(request.ADD, match=match, priority=n, cookie=0x10 + n, instructions=to(n)), 0)
    return made


def matches(table):
    return {e.match for e in table.entries()}


def test_an_equal_entry_is_replaced_and_keeps_its_counters_unless_told(table):
    table.row((0, 1, IP)).count(100, 0)
    table.change(mod(request.ADD, match=IP, priority=1, instructions=to(9)), 5)
    row = table.row((0, 1, IP))
    assert (row.entry.instructions, row.entry.cookie, row.since_ns, row.counted.octets) == (to(9), 0, 5, 100)
    table.change(mod(request.ADD, match=IP, priority=1, flags=request.RESET_COUNTS), 6)
    assert table.row((0, 1, IP)).counted.octets == 0
    assert len(table) == 3


def test_a_checked_entry_that_overlaps_at_its_priority_is_refused(table):
    with pytest.raises(WireError) as refused:
        table.change(mod(request.ADD, match=HOST, priority=2, flags=request.CHECK_OVERLAP), 0)
    assert refused.value.pair == error.FLOW_OVERLAP
    table.change(mod(request.ADD, match=HOST, priority=4, flags=request.CHECK_OVERLAP), 0)
    table.change(
        mod(request.ADD, match=Match.of(eth_type=0x0806), priority=2, flags=request.CHECK_OVERLAP), 0
    )


def test_modify_changes_what_is_as_narrow_and_nothing_but_what_it_does(table):
    table.change(
        mod(request.MODIFY, match=LAN, priority=77, cookie=99, instructions=to(9), idle_timeout=3), 1
    )
    done = {e.match: (e.instructions, e.cookie, e.idle_timeout) for e in table.entries()}
    assert done == {IP: (to(1), 0x11, 0), LAN: (to(9), 0x12, 0), HOST: (to(9), 0x13, 0)}


def test_strict_wants_the_same_match_and_priority(table):
    table.change(mod(request.MODIFY_STRICT, match=LAN, priority=1, instructions=to(9)), 1)
    assert table.row((0, 2, LAN)).entry.instructions == to(2)
    table.change(mod(request.MODIFY_STRICT, match=LAN, priority=2, instructions=to(9)), 1)
    assert table.row((0, 2, LAN)).entry.instructions == to(9)
    assert not table.change(mod(request.DELETE_STRICT, match=LAN, priority=1), 1)
    (gone,) = table.change(mod(request.DELETE_STRICT, match=LAN, priority=2), 1)
    assert (gone.row.entry.match, gone.reason) == (LAN, reply.REMOVED_DELETE)


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({}, set()),
        ({"match": LAN}, {IP}),
        ({"out_port": 2}, {IP, HOST}),
        ({"out_port": 0}, {IP, LAN, HOST}),
        ({"out_group": 5}, {IP, LAN, HOST}),
        ({"cookie": 0x10, "cookie_mask": 1}, {IP, HOST}),
        ({"table_id": 5}, {IP, LAN, HOST}),
        ({"table_id": request.ALL_TABLES, "match": HOST}, {IP, LAN}),
    ],
)
def test_delete_takes_what_passes_every_filter(table, how, left):
    table.change(mod(request.DELETE, **how), 1)
    assert matches(table) == left


def test_add_and_modify_do_not_filter_by_port(table):
    table.change(mod(request.MODIFY, out_port=2, instructions=to(9)), 1)
    assert {e.instructions for e in table.entries()} == {to(9)}


def test_there_is_no_table_254(table):
    with pytest.raises(WireError) as refused:
        table.change(mod(request.ADD, table_id=254), 0)
    assert refused.value.pair == error.FLOW_BAD_TABLE_ID


def test_a_hard_timeout_counts_from_the_start_and_an_idle_one_from_the_last_use():
    table = FlowTable()
    table.change(mod(request.ADD, match=IP, hard_timeout=10, idle_timeout=4), 0)
    table.change(mod(request.ADD, match=LAN, idle_timeout=4), 0)
    for second in (3, 6, 9):
        table.row((0, 0, IP)).count(60, second * S)
    assert [g.reason for g in table.expire(4 * S)] == [reply.REMOVED_IDLE]
    assert table.next_end_ns() == 10 * S
    assert table.expire(10 * S - 1) == []
    assert [g.reason for g in table.expire(10 * S)] == [reply.REMOVED_HARD]
    assert len(table) == 0


def test_a_replaced_entry_without_timeout_lives():
    table = FlowTable()
    table.change(mod(request.ADD, match=IP, hard_timeout=1), 0)
    table.change(mod(request.ADD, match=IP), 0)
    assert table.expire(100 * S) == []
    assert len(table) == 1


def test_a_deleted_group_takes_its_entries():
    table = FlowTable()
    uses = Instructions(apply=(act.GroupAction(group_id=3),))
    table.change(mod(request.ADD, match=IP, instructions=uses), 0)
    table.change(mod(request.ADD, match=LAN, instructions=to(3)), 0)
    assert [g.reason for g in table.remove_group(3)] == [reply.REMOVED_GROUP]
    assert matches(table) == {LAN}


def test_every_change_of_forwarding_changes_the_version(table):
    seen = {table.version}
    table.change(mod(request.MODIFY, instructions=to(9)), 0)
    seen.add(table.version)
    table.change(mod(request.DELETE, match=HOST), 0)
    seen.add(table.version)
    table.change(mod(request.DELETE, match=HOST), 0)
    assert len(seen) == 3
    assert table.version in seen


@pytest.mark.parametrize(
    ("one", "other", "within", "meet"),
    [
        (HOST, LAN, True, True),
        (LAN, HOST, False, True),
        (IP, Match(), True, True),
        (Match.of(eth_type=0x0806), IP, False, False),
        (Match.of(in_port=1), Match.of(in_port=2), False, False),
        (Match.of(in_port=1), IP, False, True),
        (Match.of(reg1=(1, 1)), Match.of(reg1=(2, 2)), False, True),
        (Match.of(reg1=(1, 1)), Match.of(reg1=(2, 3)), False, False),
    ],
)
def test_narrower_and_overlapping(one, other, within, meet):
    assert is_within(one, other) is within
    assert overlaps(one, other) is overlaps(other, one) is meet
