"""Method "probe": add up what the probes saw into verdicts.

What
----
Every observation names the claims it bears on (`Observation.bears_on`); where its packet was seen says
which of them it contradicts.  A claim is

* *violated* if some packet contradicts it: one witness is enough, whatever else is unknown;
* *unknown* if nothing was sent for it, if some of its probes were inconclusive, or if what it rests on (the
  legitimate packet of the same kind) did not arrive;
* *holds* otherwise, for the packets that were sent and no more: `Verdict.covers` counts them.

Absence is never taken from a broken apparatus: an inconclusive observation makes unknown, not green.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sdn_lab.model.observation import Expected, Observation, Observations, Outcome
from sdn_lab.model.verdict import Claim, Counterexample, Kind, Status, Verdict
from sdn_lab.openflow.packet_describe import describe
from sdn_lab.verify.probe_evidence import Evidence, Reading

METHOD = "probe"
JUDGED = frozenset(
    {
        Kind.ISOLATED,
        Kind.REACHABLE,
        Kind.UNREACHABLE,
        Kind.EXACT,
        Kind.NO_SNIFFING,
        Kind.NO_SPOOFING,
        Kind.CLEAN,
        Kind.MANAGEMENT,
    }
)


@dataclass(slots=True)
class _Ledger:
    """What is known about one claim."""

    tested: list[Observation] = field(default_factory=list)
    against: list[Evidence] = field(default_factory=list)
    doubts: Counter[str] = field(default_factory=Counter)


def judge(claims: Sequence[Claim], observations: Observations) -> tuple[Verdict, ...]:
    """Return a verdict on every claim of a kind that probes can judge, in the order of *claims*."""
    judged = [claim for claim in claims if claim.kind in JUDGED]
    reading = Reading.of(judged, observations)
    working = _working(observations)
    ledgers: dict[str, _Ledger] = defaultdict(_Ledger)
    for observation in observations.seen:
        for evidence in reading.against(observation):
            ledgers[evidence.claim].against.append(evidence)
        doubt = _doubt(observation, working)
        for claim_id in observation.bears_on:
            ledger = ledgers[claim_id]
            ledger.tested.append(observation)
            if doubt:
                ledger.doubts[doubt] += 1
    return tuple(_verdict(claim, ledgers[claim.id], observations) for claim in judged)


def _working(observations: Observations) -> Mapping[str, bool]:
    """Return, for everything that some legitimate packet was to prove, whether one did."""
    working: dict[str, bool] = {}
    for observation in observations.seen:
        if observation.expected is Expected.NOTHING:
            continue
        for proved in observation.proves:
            arrived = bool(observation.delivered)
            required = observation.expected is Expected.DELIVERED
            if arrived or required:
                working[proved] = working.get(proved, False) or arrived
    return working


def _doubt(observation: Observation, working: Mapping[str, bool]) -> str:
    """Return why this observation's absence proves nothing, or an empty string."""
    if observation.outcome is Outcome.INCONCLUSIVE:
        return observation.detail or "inconclusive"
    if observation.outcome is Outcome.NOT_DELIVERED and observation.expected is Expected.NOTHING:
        broken = [name for name in observation.leans_on if working.get(name) is False]
        if broken:
            return f"the positive control does not arrive: {broken[0]}"
    return ""


def _verdict(claim: Claim, ledger: _Ledger, observations: Observations) -> Verdict:
    covers = _covers(ledger, observations)
    if ledger.against:
        shown, count = min(ledger.against, key=lambda evidence: evidence.weight), len(ledger.against)
        reason = f"{shown.observation.probe}: {shown.what} ({shown.where})"
        reason += f"; {count} packets in all" if count > 1 else ""
        return Verdict(
            claim=claim.id,
            kind=claim.kind,
            method=METHOD,
            status=Status.VIOLATED,
            covers=covers,
            reason=reason,
            counterexample=_witness(shown),
        )
    reason = ""
    if not ledger.tested:
        reason = "no probe was sent for this claim" + _why_nothing(observations)
    elif ledger.doubts:
        doubt, count = ledger.doubts.most_common(1)[0]
        reason = f"{count} of {len(ledger.tested)} probes tell nothing: {doubt}"
    status = Status.UNKNOWN if reason else Status.HOLDS
    return Verdict(
        claim=claim.id, kind=claim.kind, method=METHOD, status=status, covers=covers, reason=reason
    )


def _why_nothing(observations: Observations) -> str:
    if observations.left_out:
        return f": {sum(observations.left_out.values())} planned packets were beyond the budget"
    if observations.not_applicable:
        return f"; these families do not apply to the scenario: {', '.join(observations.not_applicable)}"
    return ""


def _covers(ledger: _Ledger, observations: Observations) -> str:
    """Say how many probes of which families, on what, and under which limits."""
    families = Counter(observation.probe for observation in ledger.tested)
    total = sum(families.values())
    listed = ", ".join(f"{name} {count}" for name, count in sorted(families.items()))
    words = f"{total} probe{'' if total == 1 else 's'}"
    if observations.where:
        words += f" on {observations.where}"
    if listed:
        words += f" ({listed})"
    left_out = {name: n for name, n in observations.left_out.items() if name in families}
    if left_out:
        words += f"; {sum(left_out.values())} more of these families were planned and left out"
    return "; ".join((words, *observations.limits))


def _witness(shown: Evidence) -> Counterexample:
    *before, (src, frame) = shown.observation.frames
    return Counterexample(
        src=src,
        dst=shown.where,
        packet_hex=frame.hex(),
        packet=describe(frame),
        before=tuple((port, earlier.hex()) for port, earlier in before),
        arrives=shown.arrives,
    )
