"""Make a disagreement small: fewer frames, entries, actions, tests, as long as the two still disagree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.match import Match

from .ovs_process import RefusedError
from .switch_case import Case
from .switch_compare import Disagreement, Tally, compare
from .switch_exclusions import UnknownNoteError
from .switch_oracle import Oracle

TRIES = 600
AT_MOST_S = 60.0  # a test that ends by being cut off shows no case at all
Item = TypeVar("Item")


def shrink(oracle: Oracle, found: Disagreement, tries: int = TRIES) -> Disagreement:
    """Return a disagreement on a case from which nothing more can be taken, or as far as *tries* go."""

    def again(case: Case) -> Disagreement | None:
        try:
            return compare(oracle, case, Tally())
        except (RefusedError, LabError, UnknownNoteError):  # one of the two does not take such tables
            return None

    return smallest(found, again, tries)


def smallest(found: Disagreement, again: Callable[[Case], Disagreement | None], tries: int) -> Disagreement:
    """Take away one thing after the other, greedily; *again* compares anew."""
    found = _kept(found)
    at, progress = 0, False
    deadline = time.monotonic() + AT_MOST_S
    for _ in range(tries):
        if time.monotonic() > deadline:
            break
        case = next(islice(_smaller(found.case), at, None), None)
        if case is None:
            if not progress:
                break
            at, progress = 0, False
            continue
        disagreement = again(case)
        if disagreement is None:
            at += 1
        else:  # what is next in the list now stands where this stood
            found, progress = _kept(disagreement), True
    return found


def _kept(found: Disagreement) -> Disagreement:
    """Leave out the frames that came after."""
    return replace(found, case=replace(found.case, frames=found.case.frames[: found.number + 1]))


def _smaller(case: Case) -> Iterator[Case]:
    for frames in _without(case.frames):
        if frames:
            yield replace(case, frames=frames)
    entries, groups = case.tables.entries, case.tables.groups
    for fewer in _without(entries):
        yield replace(case, tables=Tables(entries=fewer, groups=groups))
    for number in range(len(groups)):
        fewer_groups = groups[:number] + groups[number + 1 :]
        yield replace(case, tables=Tables(entries=entries, groups=fewer_groups))
    for number, entry in enumerate(entries):
        for simpler in _simpler(entry):
            simplified = (*entries[:number], simpler, *entries[number + 1 :])
            yield replace(case, tables=Tables(entries=simplified, groups=groups))
    for number, sent in enumerate(case.frames):
        if sent.pause_ms:
            unpaused = (*case.frames[:number], replace(sent, pause_ms=0), *case.frames[number + 1 :])
            yield replace(case, frames=unpaused)


def _without(items: tuple[Item, ...]) -> Iterator[tuple[Item, ...]]:
    """Leave out a half, a quarter, ... one."""
    size = len(items) // 2
    while size:
        for start in range(0, len(items), size):
            yield items[:start] + items[start + size :]
        size //= 2
    if len(items) == 1:
        yield ()


def _simpler(entry: FlowEntry) -> Iterator[FlowEntry]:
    todo = entry.instructions
    for number in range(len(todo.apply)):
        yield replace(entry, instructions=replace(todo, apply=todo.apply[:number] + todo.apply[number + 1 :]))
    for number in range(len(todo.write)):
        yield replace(entry, instructions=replace(todo, write=todo.write[:number] + todo.write[number + 1 :]))
    for plain in ({"clear": False}, {"metadata": None}, {"goto": None}):
        simpler: Instructions = replace(todo, **plain)  # type: ignore[arg-type]
        if simpler != todo:
            yield replace(entry, instructions=simpler)
    tests = {name: (value, mask) for name, value, mask in entry.match}
    for name in tests:
        rest = {other: test for other, test in tests.items() if other != name}
        match = Match.from_tests(rest)
        if match.missing_prerequisite() is None:
            yield replace(entry, match=match)
