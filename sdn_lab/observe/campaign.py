"""All families on one running lab: what `sdn_lab.lab` calls.

    observations = run_probes(lab, scenario, claims, snapshot, assignment, seed=0, progress=progress)

Deterministic in its arguments as far as the lab is.  It sends at most `budget.allowance` packets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sdn_lab.contracts import Exchange, Progress
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import IPAddress, Scenario
from sdn_lab.model.observation import Observations
from sdn_lab.model.verdict import Claim
from sdn_lab.observe.budget import allowance, choose
from sdn_lab.observe.case import Case, Family
from sdn_lab.observe.constants import harvest
from sdn_lab.observe.markers import Markers
from sdn_lab.observe.probes import PROBES
from sdn_lab.observe.runner import Runner
from sdn_lab.observe.sighting import Reader
from sdn_lab.observe.turns import Steps, take_turns
from sdn_lab.observe.world import World
from sdn_lab.openflow.snapshot import Snapshot


def run_probes(
    exchange: Exchange,
    scenario: Scenario,
    claims: Sequence[Claim],
    snapshot: Snapshot,
    assignment: Assignment,
    *,
    seed: int,
    progress: Progress,
    where: str = "",
    management: Sequence[IPAddress] = (),
    probes: Sequence[Family] = PROBES,
    earlier: int = 0,
) -> Observations:
    """Run every family that applies and return what was seen.

    *where* names what forwards, for the coverage; *management* are addresses of the management plane to try;
    *earlier* says how often this lab was probed before.
    Raises LabError when the lab dies.
    """
    world = World(
        scenario, claims, assignment, harvest(snapshot), seed=seed, management=management, earlier=earlier
    )
    applying = [probe for probe in probes if probe.applies(scenario)]
    tried = tuple(dict.fromkeys(probe.name for probe in applying))  # two modules may share a row
    planned: list[Case] = []

    def planning() -> Steps[None]:
        planned.extend(plan(world, applying))
        yield from ()

    markers = Markers(world)
    take_turns(exchange, (markers.calibrate(), planning()))
    cases, left_out = choose(planned, allowance(len(claims)))
    reader = Reader(scenario, assignment)
    runner = Runner(exchange, world, markers, reader, progress)
    seen = runner.run(cases)
    return Observations(
        seen=tuple(seen),
        networks=reader.networks,
        gateways=reader.gateways,
        peerings=reader.peerings,
        where=where,
        families=tried,
        not_applicable=tuple(dict.fromkeys(probe.name for probe in probes if probe.name not in tried)),
        left_out=Counter(world.skipped) + Counter(left_out),
        limits=_limits(markers),
    )


def plan(world: World, probes: Sequence[Family]) -> list[Case]:
    """Return every case of *probes*, in order."""
    return [case for probe in probes for case in probe.cases(world)]


def _limits(markers: Markers) -> tuple[str, ...]:
    limits = []
    if markers.weak:
        limits.append(
            f"{_some(markers.weak)}: no packet of a neighbour arrives, so a marker on the port's own link "
            "shows only that the capture lives"
        )
    if markers.dead:
        limits.append(f"{_some(sorted(markers.dead))}: the capture shows no life, nothing is known there")
    if markers.unseen_underlays:
        limits.append(f"underlay of {_some(sorted(markers.unseen_underlays))}: the capture shows no life")
    return tuple(limits)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
