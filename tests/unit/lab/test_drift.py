"""Whatever is not as it was built is found, named in the scenario's words, and put right when asked.

Row LIFE-12.

``SDN_LAB_EDITS=200`` (as `make drift` sets it) tries more of the random edits.
"""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.flows import write_program
from sdn_lab.lab import Lab, Options, run
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Difference, Drift, Kind, Status
from sdn_lab.openflow.entry import Bucket, Group, GroupType, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import parse_flows
from sdn_lab.scenario import find, load
from tests.unit.lab.edits import Edit, draw

EDITS = int(os.environ.get("SDN_LAB_EDITS", "24"))
NAMES = ("hv1", "hv1/underlay", "hv2", "hv2/underlay", "hv3", "hv3/underlay")


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(find("overlap"))


@pytest.fixture(scope="module")
def lab(scenario: Scenario) -> Iterator[Lab]:
    with Lab(scenario, Options(methods=("drift",))) as made:
        yield made


def edit(lab: Lab, name: str, entries: tuple, groups: tuple = ()) -> None:
    """Change a switch behind everybody's back."""
    assert isinstance(lab.backend, SimLab)
    lab.backend.switch(name).load(Tables(entries=entries, groups=groups))


def held(lab: Lab, name: str) -> tuple:
    return lab.backend.snapshot().datapaths[name].tables.entries


def apply(lab: Lab, name: str, change: Edit) -> None:
    keys = {change.out.key} if change.out else set()
    kept = tuple(entry for entry in held(lab, name) if entry.key not in keys)
    edit(lab, name, (*kept, change.new) if change.new else kept)


def found(lab: Lab) -> list[Difference]:
    return [difference for verdict in lab.drift() for difference in verdict.differences]


def test_a_lab_as_built_raises_no_alarm_whatever_has_been_through_it(lab: Lab) -> None:
    assert lab.backend.ping("red/vm1", "red/vm3")  # counters, connections, ages

    verdicts = lab.drift()

    assert [v.claim for v in verdicts] == [f"as_built/{name}" for name in NAMES]
    assert {v.status for v in verdicts} == {Status.HOLDS}
    assert {(v.method, v.kind) for v in verdicts} == {("drift", Kind.AS_BUILT)}


def test_every_random_edit_of_one_entry_is_found_named_and_reverted(lab: Lab) -> None:
    rng, spent = random.Random(7), []
    for number in range(EDITS):
        name = rng.choice(NAMES)
        change = draw(rng, held(lab, name))
        apply(lab, name, change)

        began = time.perf_counter()
        differences = found(lab)
        spent.append(time.perf_counter() - began)

        said = f"edit {number} of {name}: {change}: {[str(d) for d in differences]}"
        assert differences, said
        assert {(d.datapath, d.table) for d in differences} == {
            (name, (change.out or change.new).table_id)
        }, said
        expected = {"delete": Drift.MISSING, "add": Drift.FOREIGN}.get(change.how, Drift.CHANGED)
        assert [d.drift for d in differences] == [expected], said
        [difference] = differences
        assert bool(difference.expected) is (change.how != "add"), said
        assert bool(difference.held) is (change.how != "delete"), said
        if change.how != "add":
            assert ":" in difference.betrays, said
            assert "nothing of this scenario" not in difference.betrays, said
        reverted = lab.revert()
        assert ([*reverted.undone], reverted.left) == (differences, ()), said
        assert found(lab) == []
    spent.sort()
    print(f"\n{EDITS} edits, each found and reverted; found in {spent[EDITS // 2] * 1000:.1f} ms (median)")  # noqa: T201


def test_a_rules_entry_names_the_line_of_its_rule(lab: Lab, scenario: Scenario) -> None:
    rule = scenario.security_groups[0].rules[0].path
    cookies = {entry.cookie for entry in lab.program.tables["hv1"].entries if entry.origin.path == rule}
    edit(lab, "hv1", tuple(entry for entry in held(lab, "hv1") if entry.cookie not in cookies))

    differences = found(lab)
    lab.revert()

    source = scenario.sources[rule]
    assert differences
    assert all(d.betrays.endswith(f"rule {rule} ({source.file}:{source.line})") for d in differences)


def test_a_foreign_entry_names_what_it_answers_in_place_of(lab: Lab, scenario: Scenario) -> None:
    port = lab.assignment.locate("red/vm1")[1].of_port
    [foreign] = parse_flows(f"table=0,priority=500,in_port={port},actions=output:101")
    edit(lab, "hv1", (*held(lab, "hv1"), foreign))

    [difference] = found(lab)
    lab.revert()

    assert difference.drift is Drift.FOREIGN
    source = scenario.sources["red/vm1"]
    assert difference.betrays.startswith(
        f"answers in place of classify: port red/vm1 ({source.file}:{source.line}), and "
    )


def test_a_flow_that_was_opened_through_a_hole_ends_with_it(lab: Lab) -> None:
    """The rule of the victim's port lets 80 in, and 22 once somebody has edited it."""
    assert isinstance(lab.backend, SimLab)
    port = lab.assignment.locate("red/vm3")[1].of_port
    [open_22] = [
        replace(entry, match=Match.from_tests({**entry.match.as_mapping(), "tcp_dst": (22, 0xFFFF)}))
        for entry in held(lab, "hv2")
        if entry.match.exact("tcp_dst") == 80
        and entry.match.exact("eth_type") == 0x0800
        and entry.match.exact("reg5") == port
    ]
    assert not lab.backend.tcp_connect("red/vm1", "red/vm3", 22)
    edit(lab, "hv2", (*held(lab, "hv2"), open_22))
    assert lab.backend.tcp_connect("red/vm1", "red/vm3", 22)

    reverted = lab.revert()

    assert [d.drift for d in reverted.undone] == [Drift.FOREIGN]
    assert reverted.forgotten >= 1
    assert not [flow for flow in lab.backend.tracked() if flow.flow.dst_l4 == 22]
    assert str(reverted).startswith("1 difference undone\n  hv2 table ")
    assert lab.revert().undone == ()
    assert str(lab.revert()) == "nothing had drifted"


def test_two_edits_in_two_datapaths_are_two_differences(lab: Lab) -> None:
    for name in ("hv1", "hv3/underlay"):
        edit(lab, name, held(lab, name)[1:])

    differences = found(lab)

    assert [(d.datapath, d.drift) for d in differences] == [
        ("hv1", Drift.MISSING),
        ("hv3/underlay", Drift.MISSING),
    ]
    assert differences[1].betrays.startswith("underlay: hypervisor hv1 (")
    assert lab.revert().left == ()


def test_another_fail_mode_and_a_foreign_group_are_drift(lab: Lab) -> None:
    assert isinstance(lab.backend, SimLab)
    group = Group(group_id=7, type=GroupType.ALL, buckets=(Bucket(),))
    edit(lab, "hv2", held(lab, "hv2"), (group,))
    lab.backend.switch("hv2").fail_mode = "standalone"
    lab.backend.switch("hv1/underlay").fail_mode = "standalone"

    differences = found(lab)
    reverted = lab.revert()

    assert [(d.datapath, d.part, d.drift) for d in differences] == [
        ("hv1/underlay", "fail mode", Drift.CHANGED),
        ("hv2", "fail mode", Drift.CHANGED),
        ("hv2", "group", Drift.FOREIGN),
    ]
    assert reverted.left == ()
    assert found(lab) == []


def test_other_timeouts_and_cookies_are_drift(lab: Lab) -> None:
    first, second, *rest = held(lab, "hv1")
    edit(lab, "hv1", (replace(first, cookie=first.cookie ^ 1), replace(second, hard_timeout=9), *rest))

    differences = found(lab)
    lab.revert()

    assert [d.drift for d in differences] == [Drift.CHANGED, Drift.CHANGED]
    assert "hard_timeout=9" in differences[1].held


def test_a_check_says_violated_and_gives_both_hashes(lab: Lab) -> None:
    edit(lab, "hv1", held(lab, "hv1")[1:])

    report = lab.check()
    lab.revert()
    healed = lab.check()

    assert (report.exit, report.status) == (1, "violated")
    assert [claim for claim, status in report.summary.items() if status is Status.VIOLATED] == [
        "as_built/hv1"
    ]
    tables = report.environment["tables"]
    assert {n for n in NAMES if tables["template"][n] != tables["dump"][n]} == {"hv1"}
    assert healed.exit == 0
    assert healed.environment["tables"]["template"] == healed.environment["tables"]["dump"]


def test_what_changes_while_it_is_judged_is_drift_and_no_failure_of_the_lab(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lab(scenario, Options(methods=("drift",))) as lab:
        seen, snapshot = [], lab.backend.snapshot

        def between(self) -> object:
            if len(seen) == 1:
                edit(lab, "hv1", held_before[1:])
            seen.append(snapshot())
            return seen[-1]

        held_before = held(lab, "hv1")
        monkeypatch.setattr(SimLab, "snapshot", between)

        report = lab.check()

    assert report.exit == 1
    assert report.error == ""


def test_without_drift_tables_that_change_while_they_are_judged_fail_the_lab(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lab(scenario, Options(methods=("graph",))) as lab:
        seen, snapshot = [], lab.backend.snapshot
        held_before = held(lab, "hv1")

        def between(self) -> object:
            if len(seen) == 1:
                edit(lab, "hv1", held_before[1:])
            seen.append(snapshot())
            return seen[-1]

        monkeypatch.setattr(SimLab, "snapshot", between)

        with pytest.raises(LabError, match="changed while they were verified"):
            lab.check()


def test_with_another_controller_nothing_is_expected(scenario: Scenario) -> None:
    report = run(scenario, Options(controller="learning_switch", methods=("drift",)))

    assert not [claim for claim in report.claims if claim.kind is Kind.AS_BUILT]
    assert report.exit == 3  # nothing was judged


def test_tables_from_a_folder_are_what_is_expected_and_are_restored(
    scenario: Scenario, tmp_path: Path
) -> None:
    program = compile_scenario(scenario, assign(scenario))
    first, *rest = program.tables["hv1"].entries
    program.tables["hv1"] = replace(program.tables["hv1"], entries=tuple(rest))
    write_program(scenario, program, tmp_path)

    with Lab(scenario, Options(flows=tmp_path, methods=("drift",))) as lab:
        assert found(lab) == []  # the folder is what was wanted, whatever the scenario says
        edit(lab, "hv1", (first, *held(lab, "hv1")))
        assert [d.drift for d in found(lab)] == [Drift.FOREIGN]
        assert lab.revert().left == ()
        assert found(lab) == []
