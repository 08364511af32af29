"""While a lab is changed, nothing is delivered that neither scenario delivers: at no moment, at no datapath.
Afterwards, a connection of before goes on exactly if it could be opened now.

Pairs of random scenarios that differ by a few edits; the operations that `apply` would send, each datapath
stopped wherever it may be; boundary packets of both scenarios, carried out by the interpreter.

``SDN_LAB_SCENARIOS=2000`` (as `make differential` sets it) runs more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import pytest

from sdn_lab.backends.sim.tracked import tracked
from sdn_lab.compiler import compile_scenario
from sdn_lab.lab.established import outlawed
from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.intent import Scenario
from sdn_lab.model.joined import ways
from sdn_lab.model.succession import succeed, succession
from sdn_lab.model.traffic import TCP
from sdn_lab.openflow.delta import apply, delta
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.openflow.meet import meet, met_once
from sdn_lab.scenario import loads, random_scenario
from sdn_lab.scenario.semantics import Semantics
from tests.differential import conversation as talk
from tests.differential import joined_trials, trials
from tests.differential.interpret_lab import InterpretLab
from tests.differential.scenario_edits import edited

SEEDS = range(int(os.environ.get("SDN_LAB_SCENARIOS", "200")) // 5)
PER_TEST = 4
MOMENTS = 6  # of each push
FRAMES = 150
Frame = tuple[str, bytes]
Out = frozenset[Frame]


@dataclass(frozen=True, kw_only=True)
class Push:
    """From what the datapaths hold to what they should, with the ports that are attached meanwhile."""

    held: Program
    wanted: Program
    attached: Assignment


@dataclass(frozen=True, kw_only=True)
class Change:
    """What `apply` does for one pair of scenarios."""

    old: tuple[Scenario, Assignment, Program]
    new: tuple[Scenario, Assignment, Program]
    direct: bool

    @classmethod
    def between(cls, old: Scenario, new: Scenario) -> Change:
        before = assign(old)
        after = succeed(old, before, new)
        programs = compile_scenario(old, before), compile_scenario(new, after)
        tunnels = {name: d.tunnel_of_port for name, d in after.datapaths.items()}
        moves = succession(old, before, new, after)
        return cls(
            old=(old, before, programs[0]),
            new=(new, after, programs[1]),
            direct=not moves and met_once(*programs, tunnels),
        )

    def pushes(self) -> Iterator[Push]:
        (_, before, held), (_, after, wanted) = self.old, self.new
        if self.direct:
            yield Push(held=held, wanted=wanted, attached=after)
            return
        agreed = meet(held, wanted)
        yield Push(held=held, wanted=agreed, attached=before)
        yield Push(held=agreed, wanted=wanted, attached=after)

    def careless(self) -> Iterator[Push]:
        """Planted: what a push without a meet would do."""
        yield Push(held=self.old[2], wanted=self.new[2], attached=self.new[1])


def frames_of(scenario: Scenario) -> Iterator[Frame]:
    for one in trials.conversations(scenario):
        trial = trials.opening(one)
        yield trial.src, trial.frame
    for trial in (
        *trials.resolution(scenario),
        *trials.lies(scenario),
        *trials.crossings(scenario),
        *joined_trials.gateways(scenario),
        *joined_trials.copies(scenario),
    ):
        yield trial.src, trial.frame


def outcomes(tables: dict[str, Tables], attached: Assignment, sent: Sequence[Frame]) -> list[Out]:
    """What comes out of each frame, on empty trackers; from a port that is not there, nothing."""
    lab = InterpretLab(tables, attached)
    there = {a.port for d in attached.datapaths.values() for a in d.attachments}
    found = []
    for port, frame in sent:
        lab.flush_conntrack()
        found.append(frozenset(lab.inject(port, frame)) if port in there else frozenset())
    return found


def moments(push: Push, dice: Random) -> Iterator[dict[str, Tables]]:
    """Half-way states: each datapath after any number of its operations, of the others independently."""
    operations = {name: delta(push.held.tables[name], wanted) for name, wanted in push.wanted.tables.items()}
    for name, own in operations.items():
        assert set(apply(push.held.tables[name], own).entries) == set(push.wanted.tables[name].entries)
    for _ in range(MOMENTS):
        yield {
            name: apply(push.held.tables[name], own[: dice.randint(0, len(own))])
            for name, own in operations.items()
        }


def opened(change: Change, pushes: Iterator[Push], seed: int, sent: Sequence[Frame] = ()) -> list[str]:
    """The frames that some half-way state delivers where neither the old nor the new state does."""
    dice = Random(seed)
    (old, before, held), (new, after, wanted) = change.old, change.new
    drawn = list(dict.fromkeys((*frames_of(old), *frames_of(new))))
    sent = sent or dice.sample(drawn, min(FRAMES, len(drawn)))
    limits = [
        one | other
        for one, other in zip(
            outcomes(held.tables, before, sent), outcomes(wanted.tables, after, sent), strict=True
        )
    ]
    return [
        f"seed {seed}: from {port}, {frame.hex()}: {sorted(p for p, _ in now - limit)}"
        for push in pushes
        for tables in moments(push, dice)
        for (port, frame), now, limit in zip(sent, outcomes(tables, push.attached, sent), limits, strict=True)
        if not now <= limit
    ]


def pair_of(seed: int) -> tuple[Scenario, Scenario]:
    old = replace(random_scenario(seed, joined=seed % 2 == 1, broadcast=seed % 3 == 1), wishes=())
    return old, edited(old, seed)


@pytest.mark.parametrize("first", SEEDS[::PER_TEST])
def test_no_moment_of_a_change_delivers_what_neither_scenario_delivers(first: int) -> None:
    for seed in SEEDS[first : first + PER_TEST]:
        change = Change.between(*pair_of(seed))

        assert opened(change, change.pushes(), seed) == []


def test_both_ways_to_change_are_tried_and_something_passes_meanwhile() -> None:
    ways = {Change.between(*pair_of(seed)).direct for seed in range(12)}

    assert ways == {True, False}


# -- established flows


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A TCP connection that the old scenario let in, and its next data under the new one, both ways."""

    frames: tuple[Frame, Frame]
    allowed: bool
    label: str


def established(change: Change, lab: InterpretLab) -> list[Carried]:
    """Open every TCP connection that the old scenario allows, on *lab*; say what should become of each.

    Not those of ports that are attached otherwise afterwards: all that is tracked of them is forgotten.
    """
    (old, before, _), (new, after, _) = change.old, change.new
    kept = {p.path for p in new.ports if _place(before, p.path) == _place(after, p.path)}
    semantics, known, found = Semantics(new), ways(new), []
    for one in trials.answered(trials.conversations(old)):
        if one.flow.protocol != TCP or not one.opened or not {one.src.path, one.dst.path} <= kept:
            continue
        following = trials.following(one)
        assert following is not None
        for trial in (trials.opening(one), trials.answering(one), following):
            assert lab.inject(trial.src, trial.frame), trial.label
        src, dst = new.port(one.src.path), new.port(one.dst.path)
        allowed = semantics.pair(src, dst).new.admits(one.flow)
        by = trials.line(known, src, dst, one.flow.family) or one.line
        sent = talk.l4(one.flow, mark=one.mark, flags=talk.ACK | talk.PSH, seq=1005, ack=5001, data=b"more")
        back = one.flow.reversed()
        told = talk.l4(back, mark=one.mark, flags=talk.ACK | talk.PSH, seq=5001, ack=1005, data=b"more")
        found.append(
            Carried(
                frames=(
                    (src.path, by.frames(one.flow, sent)[0]),
                    (dst.path, by.reversed().frames(back, told)[0]),
                ),
                allowed=allowed,
                label=f"{src.path} -> {dst.path} {one.flow}",
            )
        )
    return found


def _place(assignment: Assignment, port: str) -> tuple[str, int] | None:
    for name, datapath in assignment.datapaths.items():
        for attachment in datapath.attachments:
            if attachment.port == port:
                return name, attachment.of_port
    return None


def after_change(change: Change, lab: InterpretLab, *, judge: bool = True) -> InterpretLab:
    """The lab under the new program, with what the old one's trackers still know."""
    scenario, assignment, program = change.new
    later = InterpretLab(program, assignment)
    for name, pipeline in later.pipelines.items():
        tracker = lab.pipelines[name].tracker
        assert tracker is not None
        pipeline.tracker = tracker
        keys = dict(tracked(name, tracker, 0))
        for flow in outlawed(scenario, assignment, keys) if judge else ():
            tracker.forget(keys[flow])
    return later


def wrong(change: Change, *, judge: bool = True) -> tuple[list[str], set[bool]]:
    """The connections that go on and may not, or end and should not; and which kinds there were."""
    lab = InterpretLab(change.old[2], change.old[1])
    carried = established(change, lab)
    later = after_change(change, lab, judge=judge)
    told = [
        f"{one.label}: {'ended' if one.allowed else 'went on'}"
        for one in carried
        for frame in one.frames
        if bool(later.inject(*frame)) is not one.allowed
    ]
    return told, {one.allowed for one in carried}


@pytest.mark.parametrize("first", SEEDS[::PER_TEST])
def test_a_connection_goes_on_exactly_if_it_could_be_opened_now(first: int) -> None:
    for seed in SEEDS[first : first + PER_TEST]:
        assert wrong(Change.between(*pair_of(seed)))[0] == [], f"seed {seed}"


def test_both_kinds_of_connections_are_tried_and_without_a_judgement_it_is_noticed() -> None:
    changes = [Change.between(*pair_of(seed)) for seed in range(24)]

    assert set().union(*(wrong(change)[1] for change in changes)) == {True, False}
    assert [told for change in changes for told in wrong(change, judge=False)[0]]


OPPOSED = """
version: 1
name: opposed
underlay: {sites: {here: [hv1, hv2]}}
tenants:
  red:
    networks: {app: {cidr: 10.0.0.0/24}}
    security_groups:
      out:
        - {direction: egress, protocol: tcp, ports: 80, remote: any}
      in:
        - {direction: ingress, protocol: tcp, ports: 22, remote: any}
    instances:
      vm1: {network: app, hypervisor: hv1, ip: 10.0.0.1, mac: "02:00:00:00:00:01", groups: [out]}
      vm2: {network: app, hypervisor: hv2, ip: 10.0.0.2, mac: "02:00:00:00:00:02", groups: [in]}
"""


def opposed() -> Change:
    """Before, the sender alone lets port 80 through; afterwards, the receiver alone."""
    other = OPPOSED.replace("ports: 80", "ports: 99").replace("ports: 22", "ports: 80").replace("99", "22")
    return Change.between(loads(OPPOSED, "old.yaml"), loads(other, "new.yaml"))


def test_two_datapaths_that_are_not_equally_far_do_not_make_up_an_opening() -> None:
    change = opposed()
    assert not change.direct

    assert [found for seed in range(5) for found in opened(change, change.pushes(), seed)] == []


def test_without_the_meet_they_would_and_it_would_be_noticed() -> None:
    change = opposed()

    assert [found for seed in range(5) for found in opened(change, change.careless(), seed)]
