"""What a lab should hold, what it is found to hold, and how it is made to hold it again.

What
----
`expected` puts together what the controller was to push and what the backend built.  `judge` compares it with
a snapshot (`sdn_lab.control.drift`) and explains every difference in the scenario's words.  `revert` restores
the known-good state and says what it did.

With a controller of somebody else's nothing is expected of the tables, and nothing is judged.

Invariants
----------
1.  Judging only looks.  Nothing is ever put right before somebody asks for `revert`: a table that was
    broken is to be found, not hidden.
2.  What came in by a hole ends with it: a flow that the tracker knows would pass for ever (``+est``).
3.  `revert` believes nobody: it takes another snapshot, and what still differs is in what it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sdn_lab.backends.as_built import as_built
from sdn_lab.control import drift
from sdn_lab.control.apps import DEFAULT, REPLAY
from sdn_lab.lab.established import outlawed
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.verdict import Claim, Difference, Kind, Verdict
from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import FlowEntry, Origin, Tables
from sdn_lab.openflow.snapshot import DatapathState, Snapshot
from sdn_lab.verify.origins import Origins

if TYPE_CHECKING:
    from sdn_lab.lab.living import Lab

REVERT_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverted:
    """What `revert` undid, what it could not, and how many tracked flows it ended.

    *untold*: why it cannot say what it undid, where the datapaths could not be dumped before.
    """

    undone: tuple[Difference, ...]
    left: tuple[Difference, ...]
    forgotten: int = 0
    untold: str = ""

    def __str__(self) -> str:
        lines = [f"{_number(self.undone)} undone" if self.undone else "nothing had drifted"]
        if self.untold:
            lines = [f"every datapath restored; it cannot be told from what: {self.untold}"]
        lines += [f"  {difference}" for difference in self.undone]
        if self.forgotten:
            lines.append(f"{self.forgotten} tracked flows forgotten that the scenario would not let open")
        if self.left:
            lines += [f"{_number(self.left)} LEFT", *(f"  {difference}" for difference in self.left)]
        return "\n".join(lines)


def claims(lab: Lab) -> tuple[Claim, ...]:
    """Return ``as_built/<datapath>`` for every datapath of which something is expected."""
    return drift.claims(tuple(expected(lab)))


def expected(lab: Lab) -> Mapping[str, DatapathState]:
    """Return what every datapath should be; nothing at all with a controller of somebody else's."""
    if lab.app not in (DEFAULT, REPLAY):
        return {}
    return {
        name: replace(state, tables=lab.program.tables.get(name, Tables()))
        if name in lab.assignment.datapaths
        else state
        for name, state in as_built(lab.scenario, lab.assignment).items()
    }


def judge(lab: Lab, *snapshots: Snapshot) -> tuple[Verdict, ...]:
    """Return a verdict on every ``as_built`` claim.  Of several snapshots, one that differs counts."""
    states, why, verdicts = expected(lab), explainer(lab), dict[str, Verdict]()
    asked = [claim for claim in lab.claims if claim.kind is Kind.AS_BUILT]
    for snapshot in snapshots:
        for verdict in drift.judge(asked, states, snapshot, why):
            held = verdicts.get(verdict.claim)
            if held is None or (verdict.differences and not held.differences):
                verdicts[verdict.claim] = verdict
    return tuple(verdicts.values())


def digests(lab: Lab, snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """Return the hashes of what is expected and of what was dumped, by datapath: equal if nothing drifted."""
    return {
        "template": {name: drift.digest(state) for name, state in expected(lab).items()},
        "dump": {name: drift.digest(state) for name, state in snapshot.datapaths.items()},
    }


def revert(lab: Lab) -> Reverted:
    """Make every datapath what it should be.  Raises LabError if one refuses."""
    untold = ""
    found: tuple[Difference, ...] = ()
    try:
        found = _differences(judge(lab, lab.backend.snapshot()))
        touched = {difference.datapath for difference in found}
    except LabError as error:  # it holds what no snapshot has room for; if the lab died, restoring says so
        untold, touched = str(error), set(expected(lab))
    lab.backend.restore(sorted(touched))
    forgotten = 0
    if touched & lab.program.tables.keys():
        lab.controller.push(lab.program)
        lab.controller.wait_confirmed(timeout_ms=REVERT_MS, progress=lab.phases.progress)
        lab.backend.take_effect()
        forgotten = _end_flows(lab)
    left = _differences(judge(lab, lab.backend.snapshot())) if touched else ()
    undone = tuple(d for d in found if d not in left)
    return Reverted(undone=undone, left=left, forgotten=forgotten, untold=untold)


def _end_flows(lab: Lab) -> int:
    """Forget the tracked flows that the scenario does not allow; say how many there were.

    Tables that somebody else wrote may allow others, and only their author knows which.
    """
    if lab.app != DEFAULT:
        return 0
    forbidden = tuple(outlawed(lab.scenario, lab.assignment, lab.backend.tracked()))
    if forbidden:
        lab.backend.forget(forbidden, ())
    return len(forbidden)


def explainer(lab: Lab) -> Callable[[FlowEntry], str]:
    """Return what tells an entry's reason, with the line of the scenario."""
    origins = Origins(lab.scenario)
    peers = {
        encode(Origin(stage="underlay", kind="hypervisor", path=str(datapath.vtep))): name
        for name, datapath in lab.assignment.datapaths.items()
    }

    def told(entry: FlowEntry) -> str:
        name = peers.get(entry.cookie)
        if name is None:
            return origins.told(entry)
        return origins.told(replace(entry, origin=Origin(stage="underlay", kind="hypervisor", path=name)))

    return told


def _differences(verdicts: Sequence[Verdict]) -> tuple[Difference, ...]:
    return tuple(difference for verdict in verdicts for difference in verdict.differences)


def _number(differences: Sequence[Difference]) -> str:
    return f"{len(differences)} difference{'' if len(differences) == 1 else 's'}"
