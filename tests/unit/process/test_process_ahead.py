"""A program that was started ahead is taken once, by who wants just that one; else it ends with the block."""

import os
import sys

from sdn_lab import cli, process, process_ahead
from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.model.assignment import assign
from sdn_lab.scenario import find, load

SLEEPER = [sys.executable, "-c", "import sys; sys.stdin.read()"]
ENV = dict(os.environ)


def test_whoever_asks_first_gets_it_and_it_outlives_the_block():
    with process_ahead.started(SLEEPER, ENV):
        taken = process_ahead.take(SLEEPER, ENV)
        assert process_ahead.take(SLEEPER, ENV) is None
    try:
        assert taken.poll() is None
    finally:
        taken.kill()


def test_one_that_differs_in_a_word_or_in_its_environment_is_another():
    with process_ahead.started(SLEEPER, ENV):
        assert process_ahead.take([*SLEEPER, "more"], ENV) is None
        assert process_ahead.take(SLEEPER, {**ENV, "SDN_LAB_RYU": "ryu"}) is None
        process_ahead.take(SLEEPER, ENV).kill()


def test_what_nobody_took_has_ended_behind_the_block():
    with process_ahead.started(SLEEPER, ENV):
        [(_, _, child)] = process_ahead._waiting
        assert child.poll() is None
    assert child.poll() is not None
    assert process_ahead.take(SLEEPER, ENV) is None


def test_a_lab_takes_it_and_ends_it():
    scenario = load(find("overlap"))
    with process_ahead.started(SLEEPER, ENV), SimLab(scenario, assign(scenario)) as lab:
        [(_, _, child)] = process_ahead._waiting
        assert lab.spawn(SLEEPER, ENV) is child
    assert child.poll() is not None


def test_run_on_the_simulator_starts_one_controller(monkeypatch, capsys):
    spawned, sound = [], process.spawn

    def spawn(argv, **how):
        spawned.append(argv)
        return sound(argv, **how)

    monkeypatch.setattr(process, "spawn", spawn)
    assert cli.main(["run", "overlap", "--methods", "graph"]) == 0
    assert len(spawned) == 1
    assert "overlay" in " ".join(spawned[0])
    assert "exit 0" in capsys.readouterr().out


def test_a_scenario_that_is_wrong_is_said_and_leaves_no_process(monkeypatch, tmp_path, capsys):
    children, sound = [], process.spawn
    monkeypatch.setattr(process, "spawn", lambda *a, **k: children.append(sound(*a, **k)) or children[-1])
    (tmp_path / "bad.yaml").write_text("version: 7\n")
    assert cli.main(["run", str(tmp_path / "bad.yaml")]) == 2
    assert "version" in capsys.readouterr().err
    assert [child.poll() is not None for child in children] == [True]
