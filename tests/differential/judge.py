"""Runs a scenario's trials through a lab and says where it differs from the claims.

A lab is anything with ``inject_all([(port, frame)]) -> [[(port, frame), ...], ...]`` and
``flush_conntrack()``: the interpreter, the simulator, real Open vSwitch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

from sdn_lab.model.intent import Scenario
from tests.differential import conversation as talk
from tests.differential import joined_trials, trials
from tests.differential.trials import Talk, Trial


class Lab(Protocol):
    """What the trials need."""

    def inject_all(self, frames: Sequence[tuple[str, bytes]]) -> list[list[tuple[str, bytes]]]: ...

    def flush_conntrack(self) -> None: ...


def differences(scenario: Scenario, labs: dict[str, Lab]) -> Iterator[str]:
    """Yield a sentence for each frame on which a lab leaves the claims, or two labs differ."""
    for stage in _stages(scenario):
        for lab in labs.values():
            lab.flush_conntrack()
        for round_ in stage:
            outcomes = {}
            for name, lab in labs.items():
                arrived = lab.inject_all([(t.src, t.frame) for t in round_])
                outcomes[name] = [frozenset(port for port, _ in out) for out in arrived]
                yield from _against_claims(name, round_, arrived)
            yield from _against_each_other(round_, outcomes)


def _stages(scenario: Scenario) -> Iterator[list[list[Trial]]]:
    """Lists of rounds; connection tracking is flushed before each list."""
    talks = trials.conversations(scenario)
    own = [one for one in talks if talk.has_own_conversation(one.flow)]
    yield _conversation(own)
    for batch in _apart([one for one in talks if not talk.has_own_conversation(one.flow)]):
        yield _conversation(batch)
    yield [list(trials.scans(scenario, 0))]
    yield [list(trials.resolution(scenario))]
    yield [list(trials.lies(scenario))]
    yield [list(trials.crossings(scenario))]
    yield [list(joined_trials.gateways(scenario))]
    yield [list(joined_trials.copies(scenario))]


def _conversation(talks: Sequence[Talk]) -> list[list[Trial]]:
    return [
        [trials.opening(one) for one in talks],
        [trials.answering(one) for one in trials.answered(talks)],
        [trial for one in trials.answered(talks) if (trial := trials.following(one))],
        [trial for one in trials.answered(talks) for trial in trials.complaints(one)],
    ]


def _apart(talks: Iterable[Talk]) -> list[list[Talk]]:
    """Batches in which no two conversations look the same to the tracker."""
    batches: list[tuple[set[object], list[Talk]]] = []
    for one in talks:
        key = (frozenset((one.src.path, one.dst.path)), one.flow.protocol, one.flow.family)
        for seen, batch in batches:
            if key not in seen:
                seen.add(key)
                batch.append(one)
                break
        else:
            batches.append(({key}, [one]))
    return [batch for _, batch in batches]


def _against_claims(
    name: str, round_: Sequence[Trial], arrived: Sequence[Sequence[tuple[str, bytes]]]
) -> Iterator[str]:
    for trial, out in zip(round_, arrived, strict=True):
        ports = frozenset(port for port, _ in out)
        if trial.must - ports:
            yield f"{name}: {trial.label}: did not reach {sorted(trial.must - ports)}: {trial.frame.hex()}"
        if ports - trial.may:
            yield f"{name}: {trial.label}: reached {sorted(ports - trial.may)}: {trial.frame.hex()}"
        for port, frame in out:
            if frame != trial.seen if trial.seen else frame[6:] != trial.frame[6:]:
                yield f"{name}: {trial.label}: {port} got other bytes: {frame.hex()}"


def _against_each_other(round_: Sequence[Trial], outcomes: dict[str, list[frozenset[str]]]) -> Iterator[str]:
    names = list(outcomes)
    for first, second in pairwise(names):
        for trial, one, other in zip(round_, outcomes[first], outcomes[second], strict=True):
            if one != other:
                said = f"{first} {sorted(one)} but {second} {sorted(other)}"
                yield f"{said}: {trial.label}: {trial.frame.hex()}"
