"""Every family of probes finds its fault, and sound tables raise no alarm.

A verifier that cannot fail proves nothing: for each family its guard is removed from a copy of the tables,
the family alone is sent on the simulator's data plane, and its claim must be violated by a packet that shows
the same again when it is replayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.observation import Observations
from sdn_lab.model.verdict import Claim, Kind, Status
from sdn_lab.observe.campaign import run_probes
from sdn_lab.observe.case import Family
from sdn_lab.observe.probes import PROBES
from sdn_lab.observe.replay import replay
from sdn_lab.openflow.entry import Program
from sdn_lab.scenario import find, load, random_scenario
from sdn_lab.scenario.claims import claims
from sdn_lab.verify.probe import judge
from tests.faults.broken_by_hand import World
from tests.faults.direct import DirectLab
from tests.faults.families import FAULTS
from tests.faults.joined import ROOMS
from tests.faults.planting import Fault


@cache
def sound(scenario: str) -> World:
    loaded = load(Path(scenario) if scenario.endswith(".yaml") else find(scenario))
    assignment = assign(loaded)
    return World(scenario=loaded, assignment=assignment, program=compile_scenario(loaded, assignment))


def probed(world: World, program: Program, probes: Sequence[Family] = PROBES, seed: int = 1):
    lab = DirectLab(world.scenario, world.assignment, program.tables)
    derived: tuple[Claim, ...] = claims(world.scenario)
    observations: Observations = run_probes(
        lab,
        world.scenario,
        derived,
        lab.snapshot(),
        world.assignment,
        seed=seed,
        progress=lambda *_: None,
        probes=probes,
    )
    return lab, judge(derived, observations)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.family}: {f.name}")
def test_the_family_finds_its_fault(fault: Fault) -> None:
    world = sound(fault.scenario)
    probes = [probe for probe in PROBES if probe.name == fault.family]

    lab, verdicts = probed(world, fault.change(world), probes)

    found = {verdict.claim: verdict for verdict in verdicts if verdict.status is Status.VIOLATED}
    assert fault.breaks in found, sorted(found)
    assert found[fault.breaks].reason.startswith(fault.family), found[fault.breaks].reason
    witness = found[fault.breaks].counterexample
    assert witness is not None
    assert replay(lab, witness, seed=9) is witness.arrives


def test_every_family_has_a_negative_control() -> None:
    assert {probe.name for probe in PROBES} == {fault.family for fault in FAULTS}


@pytest.mark.parametrize("scenario", ["overlap", "micro_segments", ROOMS])
@pytest.mark.parametrize("seed", [0, 1])
def test_sound_tables_hold_in_every_claim(scenario: str, seed: int) -> None:
    world = sound(scenario)

    _, verdicts = probed(world, world.program, seed=seed)

    assert {v.claim: v.reason for v in verdicts if v.status is not Status.HOLDS} == {}


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_sound_tables_of_random_scenarios_raise_no_alarm(seed: int, joined: bool) -> None:
    scenario = random_scenario(seed, joined=joined, broadcast=joined)
    assignment = assign(scenario)
    world = World(scenario=scenario, assignment=assignment, program=compile_scenario(scenario, assignment))

    _, verdicts = probed(world, world.program, seed=seed)

    wishes = (Kind.REACHABLE, Kind.UNREACHABLE)  # theirs are drawn too, and their groups may contradict them
    against = {v.claim: v.reason for v in verdicts if v.status is Status.VIOLATED and v.kind not in wishes}
    assert against == {}
