"""A meet forwards only what both programs forward, and neither on the way to it nor from it does more pass.

The judge is `openflow.interpret`, on random tables in which most entries are in both programs.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdn_lab.openflow.action import Conjunction, Ct, GroupAction, Output, Resubmit, SetField
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.delta import Operation, apply, delta
from sdn_lab.openflow.entry import DROP, Bucket, FlowEntry, Group, GroupType, Instructions, Program, Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.interpret_result import OVERLAP, Result
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meet import differing_tables, meet, meet_tables, met_once
from tests.differential.corpus import boundary_frames
from tests.differential.random_tables import PORTS, Drawing

FRAMES = [frame for frame in boundary_frames() if len(frame) < 200][:36:3]


def drawn(seed: int, *, ct: bool = False) -> Tables:
    """Random tables in which nothing is looked up again."""
    tables = Drawing(random.Random(seed), FRAMES, ct=ct).tables()
    kept = tuple(e for e in tables.entries if not any(isinstance(a, Resubmit) for a in acts(e)))
    return replace(tables, entries=kept)


def acts(entry: FlowEntry) -> tuple[object, ...]:
    return (*entry.instructions.apply, *entry.instructions.write)


def edited(tables: Tables, other: Tables, seed: int) -> Tables:
    """*tables* with some entries gone, some of *other* added, some doing what others do; or other groups."""
    dice = random.Random(seed)
    entries = {e.key: e for e in tables.entries if dice.random() < 0.8}
    entries |= {e.key: e for e in other.entries if dice.random() < 0.15}
    for key, entry in list(entries.items()):
        same_table = [e for e in other.entries if e.table_id == entry.table_id]
        if same_table and dice.random() < 0.1:
            entries[key] = replace(
                entry, instructions=dice.choice((DROP, dice.choice(same_table).instructions))
            )
        elif dice.random() < 0.1:
            entries[key] = replace(entry, cookie=7)
    groups = tables.groups if dice.random() < 0.7 else other.groups
    return Tables(entries=tuple(entries.values()), groups=groups)


def results(tables: Tables) -> list[Result]:
    found = []
    for number, frame in enumerate(FRAMES):
        pipeline = Pipeline(tables, tracker=Tracker(), ports=PORTS)
        found.append(pipeline.process(frame, PORTS[number % len(PORTS)]))
    return found


def out(result: Result) -> set[object]:
    return {*result.emissions, *(p.frame for p in result.packet_ins)}


def chosen(result: Result) -> bool:
    """Whether the switch had a choice: then neither program says what happens."""
    return any(note.endswith(OVERLAP) for note in result.notes)


def exceeding(tables: Tables, limit: Tables) -> list[int]:
    """The frames of which *tables* send something that *limit* would not."""
    return [
        number
        for number, (one, other) in enumerate(zip(results(tables), results(limit), strict=True))
        if not chosen(one) and not chosen(other) and not out(one) <= out(other)
    ]


seeds = st.integers(0, 1 << 32)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, more=seeds, ct=st.booleans())
def test_a_meet_forwards_only_what_both_forward(seed: int, more: int, ct: bool) -> None:
    old = drawn(seed, ct=ct)
    new = edited(old, drawn(more, ct=ct), more)
    both = meet_tables(old, new)

    assert exceeding(both, old) == []
    assert exceeding(both, new) == []


@settings(max_examples=40, deadline=None)
@given(seed=seeds, more=seeds)
def test_what_it_forwards_goes_by_the_entries_that_both_have(seed: int, more: int) -> None:
    old = drawn(seed)
    new = edited(old, drawn(more), more)
    both = meet_tables(old, new)
    for ours, before in zip(results(both), results(old), strict=True):
        if chosen(ours) or chosen(before):
            continue
        met = [taken for taken in ours.path if taken.entry is not None and taken.entry.instructions.apply]

        assert all(taken in before.path for taken in met)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, more=seeds, data=st.data())
def test_no_prefix_of_the_way_to_a_meet_and_on_lets_more_through(
    seed: int, more: int, data: st.DataObject
) -> None:
    old = replace(drawn(seed), groups=())
    new = edited(old, replace(drawn(more), groups=()), more)
    both = meet_tables(old, new)
    for held, wanted, limit in ((old, both, old), (both, new, new)):
        operations = delta(held, wanted)
        assert apply(held, operations) == apply(wanted, [])
        length = data.draw(st.integers(0, len(operations)))

        assert exceeding(apply(held, operations[:length]), limit) == []


@settings(max_examples=40, deadline=None)
@given(seed=seeds, more=seeds)
def test_to_a_meet_nothing_is_removed(seed: int, more: int) -> None:
    old = drawn(seed)
    operations: list[Operation] = delta(old, meet_tables(old, edited(old, drawn(more), more)))

    removed = [o for o in operations if o.change.value == "delete" and isinstance(o.subject, FlowEntry)]
    assert removed == []


@settings(max_examples=40, deadline=None)
@given(seed=seeds, more=seeds, most=seeds)
def test_the_meet_of_a_meet_is_the_meet_of_all(seed: int, more: int, most: int) -> None:
    one = drawn(seed)
    two = edited(one, drawn(more), more)
    three = edited(two, drawn(most), most)
    all_three = meet_tables(meet_tables(one, two), three)

    for limit in (one, two, three):
        assert exceeding(all_three, limit) == []


def test_the_judge_sees_a_meet_that_keeps_what_only_one_has() -> None:
    """Planted: the union of both programs, which is what "add first, remove later" would hold."""
    seen = 0
    for seed in range(30):
        old = drawn(seed)
        new = edited(old, drawn(seed + 1000), seed)
        union = {**{e.key: e for e in old.entries}, **{e.key: e for e in new.entries}}
        seen += bool(exceeding(Tables(entries=tuple(union.values()), groups=old.groups), old))

    assert seen > 3


def send(of_port: int) -> Instructions:
    return Instructions(apply=(Output(of_port=of_port),))


def test_a_change_of_cookie_is_no_difference_and_waits_for_the_end() -> None:
    old = Tables(entries=(FlowEntry(instructions=send(2), cookie=1),))
    new = Tables(entries=(FlowEntry(instructions=send(2), cookie=2),))

    assert meet_tables(old, new) == old
    assert differing_tables(Program(tables={"hv1": old}), Program(tables={"hv1": new})) == set()


def test_a_drop_of_a_meet_does_not_time_out() -> None:
    mortal = FlowEntry(instructions=send(2), hard_timeout=5, idle_timeout=5)

    (entry,) = meet_tables(Tables(entries=(mortal,)), Tables()).entries
    assert (entry.instructions, entry.hard_timeout, entry.idle_timeout) == (DROP, 0, 0)


def test_where_action_sets_are_written_a_drop_empties_them() -> None:
    written = FlowEntry(instructions=Instructions(write=(Output(of_port=2),), goto=1))
    old = Tables(entries=(written, FlowEntry(table_id=1, instructions=Instructions(clear=True, goto=2))))
    new = Tables(entries=(written, FlowEntry(table_id=1, instructions=Instructions(clear=True))))

    assert results(meet_tables(old, new))[0].emissions == ()


def test_an_entry_that_points_to_a_changed_group_is_dropped() -> None:
    def tables(port: int) -> Tables:
        group = Group(group_id=1, type=GroupType.INDIRECT, buckets=(Bucket(actions=(Output(of_port=port),)),))
        return Tables(
            entries=(FlowEntry(instructions=Instructions(apply=(GroupAction(group_id=1),))),), groups=(group,)
        )

    (entry,) = meet_tables(tables(2), tables(3)).entries
    assert entry.instructions == DROP
    assert meet_tables(tables(2), tables(2)) == tables(2)


def test_a_conjunction_is_met_whole_or_not_at_all() -> None:
    """Else a clause of the old and a clause of the new program would make up one that neither has."""

    def clause(number: int, port: int) -> FlowEntry:
        action = Conjunction(id=9, clause=number, n_clauses=2)
        return FlowEntry(priority=5, match=Match.of(in_port=port), instructions=Instructions(apply=(action,)))

    done = FlowEntry(priority=5, match=Match.of(conj_id=9), instructions=send(3))
    both = meet_tables(
        Tables(entries=(clause(1, 1), clause(2, 2), done)), Tables(entries=(clause(1, 1), clause(2, 4), done))
    )

    assert {entry.instructions for entry in both.entries} == {DROP}


# -- may the meet be skipped?


TUNNEL = 1


def pipeline_of(*, last: FlowEntry | None = None, first: FlowEntry | None = None) -> Program:
    """Ports go through 0 > 10 > 70 into the tunnel or to 80; the tunnel from 0 to 80; 80 > ct > 90 out."""
    entries = [
        FlowEntry(match=Match.of(in_port=100), instructions=Instructions(goto=10)),
        FlowEntry(match=Match.of(in_port=TUNNEL), instructions=Instructions(goto=80)),
        FlowEntry(table_id=10, instructions=Instructions(goto=70)),
        FlowEntry(table_id=70, instructions=Instructions(apply=(Output(of_port=TUNNEL),), goto=80)),
        FlowEntry(table_id=80, instructions=Instructions(apply=(Ct(table=90, zone=1),))),
        FlowEntry(table_id=90, instructions=send(100)),
    ]
    return Program(
        tables={
            "hv1": Tables(
                entries=tuple({e.key: e for e in (*entries, *filter(None, (first, last)))}.values())
            )
        }
    )


def once(program: Program) -> bool:
    return met_once(pipeline_of(), program, {"hv1": TUNNEL})


@pytest.mark.parametrize("table", [10, 70, 80, 90])
def test_one_table_on_one_side_of_the_tunnel_is_met_once(table: int) -> None:
    assert once(pipeline_of(last=FlowEntry(table_id=table, priority=9, match=Match.of(in_port=100))))


def test_the_table_that_packets_enter_by_from_both_sides_is_met_twice() -> None:
    assert not once(pipeline_of(last=FlowEntry(priority=9, match=Match.of(in_port=100))))


def test_two_tables_are_two_meetings() -> None:
    assert not once(
        pipeline_of(first=FlowEntry(table_id=10, priority=9), last=FlowEntry(table_id=90, priority=9))
    )


def test_a_table_behind_the_tunnel_that_leads_into_it_again_is_met_twice() -> None:
    back = FlowEntry(table_id=90, instructions=send(TUNNEL))

    assert not once(pipeline_of(last=back))


def copying(table: int, goto: int | None) -> FlowEntry:
    """An entry of table 80 that makes two copies, and goes on itself or not."""
    copies = (Resubmit(table=table), Resubmit(table=table))
    return FlowEntry(table_id=80, priority=9, instructions=Instructions(apply=copies, goto=goto))


def test_copies_go_separate_ways() -> None:
    assert once(pipeline_of(last=copying(90, None)))


@pytest.mark.parametrize("again", [copying(90, 90), copying(70, None)], ids=["with the packet", "back"])
def test_what_may_come_by_a_table_again_is_met_twice(again: FlowEntry) -> None:
    assert not once(pipeline_of(last=again))


def test_equal_programs_need_no_meet() -> None:
    assert once(pipeline_of())
    assert (
        meet(pipeline_of(), pipeline_of()).tables["hv1"].entries
        == apply(Tables(), delta(Tables(), pipeline_of().tables["hv1"])).entries
    )


def test_writing_a_register_is_a_difference_like_any_other() -> None:
    setter = FlowEntry(
        table_id=10,
        instructions=Instructions(apply=(SetField(field="reg5", value=1, mask=0xFFFFFFFF),), goto=70),
    )

    assert differing_tables(pipeline_of(), pipeline_of(last=setter)) == {("hv1", 10)}
