"""The order of changes, in a world small enough to try every packet in every half-way state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdn_lab.openflow.action import Action, GroupAction, Output, SetField
from sdn_lab.openflow.delta import Change, Operation, apply, delta
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.match import Match

IN_PORTS, REGISTER, TABLES, PRIORITIES, GROUPS = (1, 2), (0, 1), (0, 1, 2), (1, 2, 3), (7, 8)
Packet = tuple[int, int]  # in_port, reg0
PACKETS: list[Packet] = list(product(IN_PORTS, REGISTER))


def answers(tables: Tables, table_id: int, packet: Packet) -> set[Instructions]:
    """What a table may answer: of entries of one priority that overlap, any may be it."""
    values = {"in_port": packet[0], "reg0": packet[1]}
    hits = [e for e in tables.entries if e.table_id == table_id and e.match.accepts(values)]
    best = max((e.priority for e in hits), default=None)
    return {e.instructions for e in hits if e.priority == best}


def delivered(tables: Tables, packet: Packet, table_id: int = 0) -> set[int]:
    """The oracle: every port that the packet may come out of."""
    ports: set[int] = set()
    for answer in answers(tables, table_id, packet):
        in_port, register = packet
        for action in answer.apply:
            if isinstance(action, SetField):
                register = action.value
            else:
                ports |= sent_to(tables, action)
        if answer.goto is not None:
            ports |= delivered(tables, (in_port, register), answer.goto)
    return ports


def sent_to(tables: Tables, action: Action) -> set[int]:
    if isinstance(action, Output):
        return {action.of_port}
    return {
        port
        for group in tables.groups
        if group.group_id == action.group_id
        for bucket in group.buckets
        for inner in bucket.actions
        for port in sent_to(tables, inner)
    }


@st.composite
def entries(draw: st.DrawFn) -> FlowEntry:
    table_id = draw(st.sampled_from(TABLES))
    tests = {}
    if draw(st.booleans()):
        tests["in_port"] = draw(st.sampled_from(IN_PORTS))
    if draw(st.booleans()):
        tests["reg0"] = draw(st.sampled_from(REGISTER))
    actions: list[Action] = []
    if draw(st.booleans()):
        actions.append(SetField(field="reg0", value=draw(st.sampled_from(REGISTER)), mask=0xFFFFFFFF))
    if draw(st.booleans()):
        actions.append(Output(of_port=draw(st.integers(10, 12))))
    if draw(st.integers(0, 3)) == 0:
        actions.append(GroupAction(group_id=draw(st.sampled_from(GROUPS))))
    goto = draw(st.sampled_from([None, *(t for t in TABLES if t > table_id)]))
    drops = draw(st.integers(0, 2)) == 0
    return FlowEntry(
        table_id=table_id,
        priority=draw(st.sampled_from(PRIORITIES)),
        match=Match.of(**tests),
        instructions=Instructions() if drops else Instructions(apply=tuple(actions), goto=goto),
        cookie=draw(st.integers(0, 1)),
    )


@st.composite
def tables(draw: st.DrawFn) -> Tables:
    """Entries with all groups present that they may point to."""
    ports = st.lists(st.integers(20, 22), max_size=2)
    groups = [
        Group(
            group_id=number,
            type=GroupType.ALL,
            buckets=tuple(Bucket(actions=(Output(of_port=p),)) for p in draw(ports)),
        )
        for number in GROUPS
    ]
    if draw(st.booleans()):
        groups[0] = replace(groups[0], buckets=(Bucket(actions=(GroupAction(group_id=GROUPS[1]),)),))
    held = {entry.key: entry for entry in draw(st.lists(entries(), max_size=12))}
    return apply(Tables(entries=tuple(held.values()), groups=tuple(groups)), [])


def prefixes(held: Tables, operations: list[Operation]) -> Iterator[Tables]:
    for length in range(len(operations) + 1):
        yield apply(held, operations[:length])


def opened(held: Tables, operations: list[Operation], final: Tables) -> list[tuple[int, Packet]]:
    """The packets that some half-way state delivers to somewhere where the final one does not."""
    return [
        (length, packet)
        for length, half_way in enumerate(prefixes(held, operations))
        for packet in PACKETS
        if not delivered(half_way, packet) <= delivered(final, packet)
    ]


@given(held=tables(), wanted=tables())
def test_afterwards_the_tables_are_as_wanted(held: Tables, wanted: Tables) -> None:
    assert apply(held, delta(held, wanted)) == wanted


@given(held=tables())
def test_everything_can_be_taken_away(held: Tables) -> None:
    assert apply(held, delta(held, Tables())) == Tables()


@given(wanted=tables())
def test_nothing_is_sent_when_nothing_is_to_change(wanted: Tables) -> None:
    assert delta(wanted, wanted) == []


@given(held=tables(), wanted=tables())
def test_each_difference_costs_one_operation(held: Tables, wanted: Tables) -> None:
    before = {e.key: e for e in held.entries} | {g.group_id: g for g in held.groups}
    after = {e.key: e for e in wanted.entries} | {g.group_id: g for g in wanted.groups}
    different = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]

    assert len(delta(held, wanted)) == len(different)


@given(wanted=tables())
def test_no_prefix_of_a_first_push_delivers_what_the_whole_does_not(wanted: Tables) -> None:
    assert opened(Tables(), delta(Tables(), wanted), wanted) == []


def test_the_check_of_prefixes_finds_a_wrong_order() -> None:
    """Planted: the wide entry before the narrow one that it must not stand in for."""
    wide = FlowEntry(priority=1, instructions=Instructions(apply=(Output(of_port=10),)))
    narrow = FlowEntry(
        priority=2, match=Match.of(in_port=1), instructions=Instructions(apply=(Output(of_port=11),))
    )
    wanted = apply(Tables(entries=(wide, narrow)), [])
    operations = delta(Tables(), wanted)

    assert [operation.subject for operation in operations] == [narrow, wide]
    assert opened(Tables(), operations[::-1], wanted) == [(1, (1, 0)), (1, (1, 1))]


@given(held=tables(), wanted=tables())
def test_behind_table_0_a_repair_answers_as_before_as_in_the_end_or_not_at_all(
    held: Tables, wanted: Tables
) -> None:
    for half_way in prefixes(held, delta(held, wanted)):
        for table_id, packet in product(TABLES[1:], PACKETS):
            known = answers(held, table_id, packet) | answers(wanted, table_id, packet)
            assert answers(half_way, table_id, packet) <= known | {Instructions()}


@given(held=tables(), wanted=tables())
def test_a_repair_closes_table_0_first_and_opens_it_last(held: Tables, wanted: Tables) -> None:
    operations = [
        o for o in delta(held, wanted) if isinstance(o.subject, FlowEntry) and o.subject.instructions.apply
    ]
    deleting = [o.change is Change.DELETE for o in operations]
    entering = [o.subject.table_id == 0 for o in operations]
    phases = [
        0 if gone and first else 1 if not gone and not first else 2 if gone else 3
        for gone, first in zip(deleting, entering, strict=True)
    ]

    assert phases == sorted(phases)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"instructions": Instructions(goto=2)}, Change.MODIFY),
        ({"cookie": 5}, Change.ADD),  # OFPFC_MODIFY leaves the cookie alone
        ({"idle_timeout": 5}, Change.ADD),
        ({"flags": 1}, Change.ADD),
    ],
)
def test_a_modification_is_used_only_where_it_changes_everything_that_differs(change, expected) -> None:
    held = FlowEntry(instructions=Instructions(goto=1))
    wanted = replace(held, **change)

    (operation,) = delta(Tables(entries=(held,)), Tables(entries=(wanted,)))

    assert operation == Operation(change=expected, subject=wanted)


def test_a_group_comes_after_those_it_points_to_and_goes_before_them() -> None:
    inner = Group(group_id=9, type=GroupType.ALL)
    outer = Group(group_id=3, type=GroupType.ALL, buckets=(Bucket(actions=(GroupAction(group_id=9),)),))
    both = Tables(groups=(outer, inner))

    assert [o.subject for o in delta(Tables(), both)] == [inner, outer]
    assert [o.subject for o in delta(both, Tables())] == [outer, inner]
