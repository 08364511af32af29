"""Adding verdicts up: what a claim's verdicts make of it, and what the run's exit code is.

What
----
`sum_up` makes the `Report`.  Per claim: violated if any method says so; unknown if none does and a
method says unknown, or if every method that could judge it abstained; else it holds.  Contradictions
between methods are disagreements, and those are our bug: exit 4, before anything else is believed.

Where it sits
-------------
Called by `lab` after every method has spoken and every witness has been replayed.  Reads verdicts only.

What a verdict covers
---------------------
`EVERY_HEADER` methods say ``holds`` of every packet there is: no packet of anybody may violate it.  A probe
covers only what it sent (*sent*).  Verdicts of different snapshots (*judged*) are never compared.  Where a
controller reacts to packets (not *steady*), each packet may meet other tables than the one before: nothing
was then judged on one snapshot, and nothing contradicts anything, not even a witness its own replay.

Claims that nobody can judge
----------------------------
With chosen methods only (*restricted*: ``--methods``, ``prove``) a claim of a kind of which no chosen method
can ever say ``holds`` is *not judged*, and leaves the exit code alone (graph alone never shows that somebody
is reachable).  A method that could have said it and abstained leaves the claim unknown.

Exit codes, first that applies: 2, 5, 6 (the caller's: *error*), 4 disagreement, 1 violated, 3 unknown or
nothing was judged, 0 every claim holds.  Reference: the design's sections 1 and 7.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from sdn_lab.model.verdict import Claim, Disagreement, Kind, Report, Status, Verdict

_BY_PACKETS = frozenset(
    {
        Kind.ISOLATED,
        Kind.REACHABLE,
        Kind.UNREACHABLE,
        Kind.EXACT,
        Kind.NO_SNIFFING,
        Kind.NO_SPOOFING,
        Kind.CLEAN,
        Kind.MANAGEMENT,
        Kind.INSPECTED,
    }
)
# Which kinds a method judges.
JUDGES: Mapping[str, frozenset[Kind]] = {
    "graph": frozenset(
        {
            Kind.ISOLATED,
            Kind.REACHABLE,
            Kind.MANAGEMENT,
            Kind.SEGMENTED,
            Kind.REDUNDANT,
            Kind.DEDICATED,
            Kind.INSPECTED,
        }
    ),
    "proof": _BY_PACKETS,
    "probe": _BY_PACKETS,
    "drift": frozenset({Kind.AS_BUILT}),
}
# Kinds that a method judges, but of which it never says `holds`.
ONLY_AGAINST: Mapping[str, frozenset[Kind]] = {"graph": frozenset({Kind.REACHABLE})}
EVERY_HEADER = frozenset({"graph", "proof"})
ALL_METHODS = frozenset({"graph", "probe", "drift"})  # what a run without --methods judges by

VIOLATED_EXIT, UNKNOWN_EXIT, DISAGREEMENT_EXIT, FAILED_EXIT = 1, 3, 4, 6


def sum_up(
    scenario: str,
    backend: str,
    claims: Sequence[Claim],
    verdicts: Sequence[Verdict],
    methods: Sequence[str],
    *,
    restricted: bool | None = None,
    judged: Mapping[str, str] | None = None,
    sent: Mapping[str, Collection[str]] | None = None,
    steady: bool = True,
    information: Sequence[str] = (),
    environment: Mapping[str, object] | None = None,
    timings_ms: Mapping[str, float] | None = None,
    seed: int = 0,
    error: str = "",
    error_exit: int = FAILED_EXIT,
) -> Report:
    """Add up.  *scenario* and *backend* are names; *methods* are those that were to run.

    *restricted* as in the module; by default, when *methods* are fewer than `ALL_METHODS`.  *judged*: method
    to snapshot hash (absent: all judged one snapshot).  *sent*: claim id to the packets, in hex, that the
    probes of it sent.  *steady*: no controller changed the tables while they were judged.  *error* says why
    the run could not finish, and *error_exit* is then its exit code.
    """
    chosen_few = not set(methods) >= ALL_METHODS if restricted is None else restricted
    by_claim: dict[str, list[Verdict]] = {claim.id: [] for claim in claims}
    for verdict in verdicts:
        by_claim.setdefault(verdict.claim, []).append(verdict)
    kinds = {claim.id: claim.kind for claim in claims}
    summary: dict[str, Status] = {}
    not_judged: list[str] = []
    for claim_id, given in by_claim.items():
        kind = kinds[claim_id] if claim_id in kinds else given[0].kind
        if not given and chosen_few and not can_hold(kind, methods):
            not_judged.append(claim_id)
        else:
            summary[claim_id] = add_up([verdict.status for verdict in given])
    disagreements = tuple(
        found
        for given in (by_claim.values() if steady else ())
        for found in contradictions(given, judged or {}, sent or {})
    )
    status, code = (
        (Status.UNKNOWN.value, error_exit) if error else _outcome(frozenset(summary.values()), disagreements)
    )
    return Report(
        scenario=scenario,
        backend=backend,
        status=status,
        exit=code,
        verdicts=tuple(verdicts),
        claims=tuple(claims),
        summary=summary,
        disagreements=disagreements,
        not_judged=tuple(not_judged),
        information=tuple(information),
        environment=environment or {},
        timings_ms=timings_ms or {},
        seed=seed,
        error=error,
    )


def add_up(statuses: Collection[Status]) -> Status:
    """Return what the statuses of one claim's verdicts amount to; none at all is unknown."""
    if Status.VIOLATED in statuses:
        return Status.VIOLATED
    return Status.UNKNOWN if not statuses or Status.UNKNOWN in statuses else Status.HOLDS


def can_hold(kind: Kind, methods: Collection[str]) -> bool:
    """Say whether one of *methods* could say ``holds`` of such a claim."""
    return any(
        kind in JUDGES.get(method, frozenset()) - ONLY_AGAINST.get(method, frozenset()) for method in methods
    )


def contradictions(
    verdicts: Sequence[Verdict], judged: Mapping[str, str], sent: Mapping[str, Collection[str]]
) -> list[Disagreement]:
    """Return where the verdicts of one claim contradict each other, or the replay of a witness."""
    found: list[Disagreement] = []
    for verdict in verdicts:
        for backend in sorted(_denied_by_replay(verdict)):
            what = f"{verdict.method} gave a witness; sent again on {backend} it does not show what it should"
            found.append(
                Disagreement(claim=verdict.claim, between=(verdict.method, f"replay on {backend}"), what=what)
            )
    for one, other in combinations(verdicts, 2):
        if one.method == other.method:
            continue
        if judged.get(one.method) != judged.get(other.method):
            continue
        violated, holds = (one, other) if one.status is Status.VIOLATED else (other, one)
        if violated.status is not Status.VIOLATED or holds.status is not Status.HOLDS:
            continue
        if not _covered(violated, holds, sent.get(violated.claim, ())):
            continue
        what = f"{violated.method} says violated of what {holds.method} says holds ({holds.covers})"
        found.append(Disagreement(claim=violated.claim, between=(violated.method, holds.method), what=what))
    return found


def _covered(violated: Verdict, holds: Verdict, sent: Collection[str]) -> bool:
    """Say whether the violation lies inside what the other verdict covers."""
    if holds.method in EVERY_HEADER:
        return True
    if violated.kind is Kind.REACHABLE and violated.method in EVERY_HEADER:
        return violated.counterexample is None  # "nothing arrives at all", and something did
    witness = violated.counterexample
    return witness is not None and witness.packet_hex in sent


def _denied_by_replay(verdict: Verdict) -> list[str]:
    """Return the backends on which the witness, sent again, did the opposite of what it should show."""
    witness = verdict.counterexample
    if verdict.status is not Status.VIOLATED or witness is None:
        return []
    return [backend for backend, arrived in witness.replayed.items() if arrived is not witness.arrives]


def _outcome(statuses: Collection[Status], disagreements: Sequence[Disagreement]) -> tuple[str, int]:
    if disagreements:
        return "disagreement", DISAGREEMENT_EXIT
    total = add_up(statuses)
    return total.value, {Status.VIOLATED: VIOLATED_EXIT, Status.UNKNOWN: UNKNOWN_EXIT, Status.HOLDS: 0}[total]
