"""`sdn-lab run --backend mininet`, as a person calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.flows import write_program
from sdn_lab.model.assignment import assign
from sdn_lab.scenario import find, load
from tests.faults.broken_by_hand import BREAKS, World, shows_again

LIMIT_S = 120


def run(tmp_path: Path, *words: str) -> tuple[int, dict, str]:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sdn_lab",
            "run",
            *words,
            "--backend",
            "mininet",
            "--report",
            f"json={report}",
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    return done.returncode, json.loads(report.read_text()), done.stdout + done.stderr


@pytest.mark.parametrize("scenario", ["overlap", "micro_segments"])
def test_a_shipped_scenario_holds_by_every_method(tmp_path: Path, scenario: str) -> None:
    code, report, said = run(tmp_path, scenario)

    assert code == 0, said
    assert report["status"] == "holds"
    assert {v["method"] for v in report["verdicts"]} == {"graph", "probe", "drift"}
    assert {v["status"] for v in report["verdicts"]} == {"holds"}
    assert report["environment"]["versions"]["Open vSwitch"]


@pytest.mark.parametrize("controller", ["learning_switch", "vlan"])
def test_a_weak_controller_is_caught_and_the_report_names_who_saw_what(
    tmp_path: Path, controller: str
) -> None:
    code, report, said = run(tmp_path, "overlap", "--controller", controller)

    assert code == 1, said
    leaks = [v for v in report["verdicts"] if v["status"] == "violated" and v["kind"] == "isolated"]
    assert leaks
    for verdict in leaks:
        witness = verdict["counterexample"]
        assert {witness["src"].partition("/")[0], witness["dst"].partition("/")[0]} == {"red", "blue"}
        assert verdict["reason"]
    assert any(shows_again(verdict["counterexample"]) for verdict in leaks)
    for name in ("blue/vm1", "red/vm1", "LEAK", "packet:"):
        assert name in said


@pytest.fixture(scope="module")
def world() -> World:
    scenario = load(find("overlap"))
    assignment = assign(scenario)
    return World(scenario=scenario, assignment=assignment, program=compile_scenario(scenario, assignment))


def test_tables_from_a_folder_hold_as_compiled(world: World, tmp_path: Path) -> None:
    write_program(world.scenario, world.program, tmp_path / "d")

    code, report, said = run(tmp_path, "overlap", "--flows", str(tmp_path / "d"))

    assert (code, report["status"]) == (0, "holds"), said


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_is_found_on_real_open_vswitch(world: World, tmp_path: Path, name: str) -> None:
    break_, claim = BREAKS[name]
    write_program(world.scenario, break_(world), tmp_path / "d")

    code, report, said = run(tmp_path, "overlap", "--flows", str(tmp_path / "d"))

    assert code == 1, said
    violated = {v["claim"]: v["counterexample"] for v in report["verdicts"] if v["status"] == "violated"}
    assert claim in violated, sorted(violated)
    for witness in violated.values():
        assert witness is None or shows_again(witness), witness
