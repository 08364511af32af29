"""Claims, interpreter and real Open vSwitch agree on every pair of every scenario, shipped and random.

The compiler makes the tables; the claims, made from the same scenario without it, say what must become of
each boundary packet (`trials`); the interpreter and a lab of real vswitchds carry them out.  Conversations
included: openings, answers, data, TCP flags without a pure SYN, address resolution, forged senders, other
networks.

``SDN_LAB_SCENARIOS=2000`` (as `make differential` sets it) runs more of the random ones, and larger ones.
"""

import os
from dataclasses import replace
from itertools import islice

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.scenario import find, load, random_scenario, shipped, to_yaml
from tests.differential.interpret_lab import InterpretLab
from tests.differential.judge import differences
from tests.differential.ovs_oracle import OvsLab

SEEDS = range(int(os.environ.get("SDN_LAB_SCENARIOS", "200")))
QUICK = len(SEEDS) <= 200
PER_TEST = 5
SHOWN = 8


def most_ports(seed: int) -> int:
    """The frames to send grow with the square: in CI one of five scenarios may have as many as 8."""
    return 5 if QUICK and seed % PER_TEST else 8


def found(scenario: Scenario, program: Program, *, with_ovs: bool = True) -> list[str]:
    """Return the first differences, or none."""
    assignment = assign(scenario)
    labs = {"interpret": InterpretLab(program, assignment)}
    if with_ovs:
        labs["Open vSwitch"] = OvsLab(program, assignment)
    try:
        return list(islice(differences(scenario, labs), SHOWN))
    finally:
        for lab in labs.values():
            lab.close()


@pytest.mark.ovs
@pytest.mark.parametrize("name", shipped())
@pytest.mark.usefixtures("ovs")
def test_shipped_scenario(name: str) -> None:
    scenario = load(find(name))

    assert found(scenario, compile_scenario(scenario, assign(scenario))) == []


@pytest.mark.ovs
@pytest.mark.parametrize("first", SEEDS[::PER_TEST])
@pytest.mark.usefixtures("ovs")
def test_random_scenarios(first: int) -> None:
    for seed in SEEDS[first : first + PER_TEST]:
        scenario = random_scenario(seed, max_ports=most_ports(seed))

        differing = found(scenario, compile_scenario(scenario, assign(scenario)))

        assert differing == [], "\n".join([f"seed {seed}", *differing, to_yaml(scenario)])


def test_a_compiler_that_forgets_a_guard_would_be_noticed() -> None:
    """Every table's every entry counts: without any one of them, some trial of some scenario differs."""
    scenario = load(find("overlap"))
    program = compile_scenario(scenario, assign(scenario))
    entries = program.tables["hv1"].entries
    for table_id in sorted({entry.table_id for entry in entries}):
        kept = tuple(e for e in entries if e.table_id != table_id)
        broken = Program(tables={**program.tables, "hv1": replace(program.tables["hv1"], entries=kept)})

        assert found(scenario, broken, with_ovs=False), f"nothing misses table {table_id}"


def test_an_open_miss_would_be_noticed_in_the_ingress_groups() -> None:
    scenario = load(find("overlap"))
    program = compile_scenario(scenario, assign(scenario))
    opened = tuple(
        replace(e, match=type(e.match)()) if e.priority == 200 and e.table_id == 100 else e
        for e in program.tables["hv1"].entries
    )
    broken = Program(tables={**program.tables, "hv1": Tables(entries=opened)})

    assert found(scenario, broken, with_ovs=False)
