"""The method `drift`: what every datapath holds against what it should.

What
----
`judge` compares each expected `DatapathState` with the one in a snapshot and names every difference: an entry
or a group that is missing, foreign or changed, a port that left or came, another fail mode, a mirror, a
setting that was altered.

Where it sits
-------------
Reads:    states and a snapshot.  What is expected comes from `sdn_lab.lab` (the program and the backend),
          and so does *why*, which explains an entry in the scenario's words.
Used by:  `sdn_lab.lab`, for `run`, `check` and `status --watch`.  It costs one snapshot.

Invariants
----------
1.  A verdict ``holds`` exactly when both states have the same `digest`.
2.  Counters, ages and the order of a dump are no drift; cookies, timeouts and flags are.
3.  Every difference is in the verdict, whatever their number.

What counts as changed
----------------------
An entry with another action has the same key.  One whose priority or match was edited is, to a switch,
another entry; it is told as *changed* when match and action (priority edited), or priority, action and cookie
(match edited) are still those of an entry that is missing.  Which of two equal candidates it was is unknown.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from sdn_lab.model.verdict import Claim, Difference, Drift, Kind, Status, Verdict
from sdn_lab.openflow.action import LOCAL
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.openflow.text import format_entry, format_group

METHOD = "drift"
Why = Callable[[FlowEntry], str]


def claims(datapaths: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims ``as_built/<datapath>``, one for each."""
    return tuple(
        Claim(id=f"{Kind.AS_BUILT.value}/{name}", kind=Kind.AS_BUILT, objects=(name,))
        for name in sorted(datapaths)
    )


def judge(
    claims: Sequence[Claim], expected: Mapping[str, DatapathState], snapshot: Snapshot, why: Why
) -> tuple[Verdict, ...]:
    """Return a verdict on each ``as_built`` claim whose datapath is *expected*."""
    verdicts: list[Verdict] = []
    for claim in claims:
        if claim.kind is not Kind.AS_BUILT or claim.objects[0] not in expected:
            continue
        began = time.perf_counter()
        state = expected[claim.objects[0]]
        found = tuple(differences(state, snapshot.datapaths.get(state.name), why))
        verdicts.append(
            Verdict(
                claim=claim.id,
                kind=claim.kind,
                method=METHOD,
                status=Status.VIOLATED if found else Status.HOLDS,
                covers="every entry, group, port, mirror and altered setting, and the fail mode",
                reason=_summary(found),
                differences=found,
                ms=(time.perf_counter() - began) * 1000,
            )
        )
    return tuple(verdicts)


def digest(state: DatapathState) -> str:
    """Return a stable digest of everything that `differences` compares."""
    lines = [
        state.name,
        state.fail_mode,
        *sorted(state.copies),
        *(held for held, _ in sorted(state.altered)),
        *(f"{number}={behind}" for number, behind in sorted(state.ports.items())),
        *sorted(map(format_entry, state.tables.entries)),
        *sorted(map(format_group, state.tables.groups)),
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(expected: DatapathState, held: DatapathState | None, why: Why) -> Iterator[Difference]:
    """Give every difference: fail mode, ports, groups, entries by table."""
    name = expected.name
    if held is None:
        yield Difference(datapath=name, part="datapath", drift=Drift.MISSING, expected=name)
        return
    if held.fail_mode != expected.fail_mode:
        yield Difference(
            datapath=name,
            part="fail mode",
            drift=Drift.CHANGED,
            expected=expected.fail_mode,
            held=held.fail_mode,
        )
    for copies in sorted({*held.copies} - {*expected.copies}):  # a backend builds none
        yield Difference(datapath=name, part="copies", drift=Drift.FOREIGN, held=copies)
    for does, should in sorted({*held.altered} - {*expected.altered}):
        yield Difference(datapath=name, part="setting", drift=Drift.CHANGED, expected=should, held=does)
    yield from _ports(name, expected.ports, held.ports)
    yield from _groups(name, expected.tables.groups, held.tables.groups)
    yield from _entries(name, expected.tables.entries, held.tables.entries, why)


def _ports(name: str, expected: Mapping[int, str], held: Mapping[int, str]) -> Iterator[Difference]:
    for number in sorted({*expected, *held}):
        should, does = expected.get(number), held.get(number)
        if should != does:
            yield Difference(
                datapath=name,
                part="port",
                drift=_drift(should, does),
                expected="" if should is None else _port(number, should),
                held="" if does is None else _port(number, does),
                betrays="" if should is None else should.removeprefix("port:"),
            )


def _groups(name: str, expected: Sequence[Group], held: Sequence[Group]) -> Iterator[Difference]:
    should = {group.group_id: group for group in expected}
    does = {group.group_id: group for group in held}
    for number in sorted({*should, *does}):
        wanted, found = should.get(number), does.get(number)
        if wanted != found:
            yield Difference(
                datapath=name,
                part="group",
                drift=_drift(wanted, found),
                expected="" if wanted is None else format_group(wanted),
                held="" if found is None else format_group(found),
            )


def _entries(
    name: str, expected: Sequence[FlowEntry], held: Sequence[FlowEntry], why: Why
) -> Iterator[Difference]:
    should = {entry.key: entry for entry in expected}
    does = {entry.key: entry for entry in held}
    pairs: list[tuple[FlowEntry | None, FlowEntry | None]] = [
        (wanted, does[key]) for key, wanted in should.items() if key in does and does[key] != wanted
    ]
    missing = [wanted for key, wanted in should.items() if key not in does]
    foreign = [found for key, found in does.items() if key not in should]
    pairs += _pair(missing, foreign)
    for wanted, found in sorted(pairs, key=_order):
        entry = wanted or found
        assert entry is not None
        yield Difference(
            datapath=name,
            part="entry",
            drift=_drift(wanted, found),
            table=entry.table_id,
            expected="" if wanted is None else format_entry(wanted),
            held="" if found is None else format_entry(found),
            betrays=why(wanted) if wanted is not None else _betrayed(entry, expected, why),
        )


def _pair(
    missing: Sequence[FlowEntry], foreign: Sequence[FlowEntry]
) -> list[tuple[FlowEntry | None, FlowEntry | None]]:
    """Put those together that an edit of the priority or of the match would leave."""
    pairs: list[tuple[FlowEntry | None, FlowEntry | None]] = []
    left, right = list(missing), list(foreign)
    for likeness in (_but_for_priority, _but_for_match):
        waiting: dict[object, list[FlowEntry]] = {}
        for found in right:
            waiting.setdefault(likeness(found), []).append(found)
        unpaired = []
        for wanted in left:
            alike = waiting.get(likeness(wanted), [])
            if alike:
                pairs.append((wanted, alike.pop(0)))
            else:
                unpaired.append(wanted)
        left, right = unpaired, [found for alike in waiting.values() for found in alike]
    return pairs + [(wanted, None) for wanted in left] + [(None, found) for found in right]


def _but_for_priority(entry: FlowEntry) -> object:
    return entry.table_id, entry.match, entry.instructions


def _but_for_match(entry: FlowEntry) -> object:
    if not entry.cookie:
        return entry.key  # nothing ties it to what it was
    return entry.table_id, entry.priority, entry.instructions, entry.cookie


def _betrayed(foreign: FlowEntry, expected: Sequence[FlowEntry], why: Why) -> str:
    """Say which entries a foreign one answers in place of: the likest by name, the rest by number."""
    overruled = [
        entry
        for entry in expected
        if entry.table_id == foreign.table_id
        and entry.priority <= foreign.priority
        and _meet(entry.match, foreign.match)
    ]
    if not overruled:
        return "answers what no entry answered"
    own = set(foreign.match.tests)
    first = max(overruled, key=lambda entry: (len(own & set(entry.match.tests)), entry.priority))
    more = f", and {len(overruled) - 1} more" if len(overruled) > 1 else ""
    return f"answers in place of {why(first)}{more}"


def _meet(one: Match, other: Match) -> bool:
    """Say whether a packet could satisfy both."""
    tests = other.as_mapping()
    for field, value, mask in one:
        test = tests.get(field)
        if test is not None and (value ^ test[0]) & mask & test[1]:
            return False
    return True


def _order(pair: tuple[FlowEntry | None, FlowEntry | None]) -> tuple[int, int, tuple[object, ...]]:
    entry = pair[0] or pair[1]
    assert entry is not None
    return entry.table_id, -entry.priority, entry.match.tests


def _drift(expected: object, held: object) -> Drift:
    if held is None:
        return Drift.MISSING
    return Drift.FOREIGN if expected is None else Drift.CHANGED


def _port(number: int, behind: str) -> str:
    return f"{'LOCAL' if number == LOCAL else number} ({behind})"


def _summary(found: Sequence[Difference]) -> str:
    if not found:
        return ""
    counts = {drift: sum(d.drift is drift for d in found) for drift in Drift}
    told = ", ".join(f"{number} {drift.value}" for drift, number in counts.items() if number)
    return f"{len(found)} difference{'s' if len(found) > 1 else ''} from what was built: {told}"
