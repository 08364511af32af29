"""A table's index leaves out only what certainly does not apply; a bridge knows what is still read."""

import random

from sdn_lab.openflow.entry import FlowEntry, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.snapshot import DatapathState
from sdn_lab.openflow.text import parse_flows
from sdn_lab.verify.graph.bridge import Bridge, Table
from sdn_lab.verify.graph.facts import Facts, Fit
from sdn_lab.verify.graph.pipeline import run


def bridge(*lines):
    return Bridge("hv1", DatapathState(name="hv1", tables=Tables(entries=parse_flows("\n".join(lines), "x"))))


def priorities(table, facts):
    return sorted({entry.priority for entry, _ in table.entries(facts)}, reverse=True)


def test_a_certain_entry_shadows_lower_priorities_only():
    table = bridge(
        "priority=30,tcp,actions=output:1",
        "priority=20,metadata=0,actions=output:2",
        "priority=20,metadata=0/0xff,actions=output:3",
        "priority=10,actions=output:4",
    ).tables[0]
    assert priorities(table, Facts().enter(7)) == [30, 20]
    assert len(table.entries(Facts().enter(7))) == 3


def test_a_conjunction_matches_nothing_by_itself():
    table = bridge(
        "priority=20,metadata=0,actions=conjunction(5,1/2)",
        "priority=20,conj_id=5,actions=output:2",
        "priority=10,actions=output:4",
    ).tables[0]
    assert priorities(table, Facts().enter(7)) == [20, 10]


def test_the_index_finds_what_a_look_at_every_entry_finds():
    """The index against a plain list, for random constants: neither may know more than the other."""
    rng = random.Random(7)
    fields = ("in_port", "metadata", "reg5", "eth_type")
    for _ in range(200):
        entries = []
        for priority in range(1, 13):
            tests = {
                name: (rng.randrange(3), rng.choice((0x3, 0x1)) if name in ("metadata", "reg5") else full)
                for name, full in (
                    ("in_port", 0xFFFFFFFF),
                    ("metadata", 0),
                    ("reg5", 0),
                    ("eth_type", 0xFFFF),
                )
                if rng.random() < 0.5
            }
            match = Match.from_tests({n: (v & m, m) for n, (v, m) in tests.items()})
            entries.append(FlowEntry(priority=priority, match=match))
        facts = Facts().enter(rng.randrange(3))
        for name in fields[1:3]:
            facts = facts.write(name, rng.randrange(3), 0x3)
            facts = facts.forget(name) if rng.random() < 0.3 else facts
        fits = {e.priority: facts.fit(e.match) for e in entries}
        floor = max((p for p, fit in fits.items() if fit is Fit.MUST), default=0)
        expected = sorted((p for p, fit in fits.items() if fit is not Fit.NO and p >= floor), reverse=True)
        assert priorities(Table(entries), facts) == expected


def test_a_field_is_live_up_to_the_last_table_that_reads_it():
    held = bridge(
        "table=0,in_port=1,actions=set_field:5->reg5,goto_table:1",
        "table=1,metadata=3,actions=ct(table=2,zone=NXM_NX_REG6[0..15])",
        "table=2,actions=output:NXM_NX_REG5[]",
        "table=3,actions=in_port",
    )
    assert {"in_port", "metadata", "reg5"} <= held.live(0)
    assert "in_port" not in held.live(1)
    assert "metadata" not in held.live(2)
    assert "reg5" in held.live(2)
    assert "reg6" not in held.live(0)  # a zone decides nothing here
    assert held.live(3) >= {"in_port"}


def test_what_an_action_set_reads_is_live_everywhere_after():
    held = bridge(
        "table=0,actions=write_actions(output:NXM_NX_REG5[]),goto_table:1",
        "table=1,actions=set_field:5->reg5",
    )
    assert "reg5" in held.live(1)


def test_whether_something_was_learned_is_not_known_where_an_entry_asks():
    one = "table=0,actions=learn(table=1,limit=1,{}eth_type=0x800),goto_table:2"
    for told, doubted in (("", False), ("result_dst=NXM_NX_REG0[3],", True)):
        held = bridge(one.format(told))
        [arrival] = run(held, parse_flows(one.format(told), "x")[0], Facts().enter(7), new=True)
        _, known = arrival.facts.bits("reg0")
        assert (bool(arrival.facts.doubt), known >> 3 & 1) == (doubted, not doubted)
