"""Ten ways to break the compiled tables: `run --flows` finds each on the simulator; the sound ones hold."""

import json
from pathlib import Path

import pytest

from sdn_lab.cli import main
from sdn_lab.compiler import compile_scenario
from sdn_lab.compiler.pipeline import CLASSIFY, DELIVER, FORWARD
from sdn_lab.flows import write_program
from sdn_lab.model.assignment import assign
from sdn_lab.scenario import find, load
from tests.faults.broken_by_hand import BREAKS, World, shows_again, without


@pytest.fixture(scope="module")
def world() -> World:
    scenario = load(find("overlap"))
    assignment = assign(scenario)
    return World(scenario=scenario, assignment=assignment, program=compile_scenario(scenario, assignment))


def run(folder: Path, *words: str) -> tuple[int, dict]:
    report = folder / "report.json"
    code = main(["run", "overlap", "--flows", str(folder / "d"), "--report", f"json={report}", *words])
    return code, json.loads(report.read_text())


def test_the_tables_as_compiled_hold(world: World, tmp_path: Path) -> None:
    write_program(world.scenario, world.program, tmp_path / "d")

    code, report = run(tmp_path)

    assert (code, report["status"], report["exit"]) == (0, "holds", 0)


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_and_its_witness_shows_it_again(world: World, tmp_path: Path, name: str) -> None:
    break_, claim = BREAKS[name]
    write_program(world.scenario, break_(world), tmp_path / "d")

    code, report = run(tmp_path)

    violated = {v["claim"]: v for v in report["verdicts"] if v["status"] == "violated"}
    assert (code, report["status"]) == (1, "violated"), (report["disagreements"], report["error"])
    assert claim in violated, sorted(violated)
    for verdict in violated.values():
        witness = verdict["counterexample"]
        assert witness is None or shows_again(witness), verdict


TIES = {
    "network not tested in forward": lambda w: w.edited(
        "hv1", FORWARD, "red/vm3", lambda e: [without(e, "metadata")]
    ),
    "in_port not tested in classify": lambda w: w.edited(
        "hv1", CLASSIFY, "red/vm1", lambda e: [without(e, "in_port")]
    ),
    "network not tested in deliver": lambda w: w.edited(
        "hv1", DELIVER, "red/vm1", lambda e: [without(e, "metadata")]
    ),
    "VNI not tested in classify": lambda w: w.edited(
        "hv1", CLASSIFY, "red/app", lambda e: [without(e, "tun_id")]
    ),
}


@pytest.mark.parametrize("name", TIES)
def test_a_match_that_ties_with_another_is_found_where_a_switch_takes_the_wider(
    world: World, tmp_path: Path, name: str
) -> None:
    write_program(world.scenario, TIES[name](world), tmp_path / "d")

    code, report = run(tmp_path)

    assert (code, report["status"], report["disagreements"]) == (1, "violated", [])
