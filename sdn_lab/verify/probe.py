"""Method "probe": add up what the probes saw into verdicts.

What
----
Every observation names the claims it bears on (`Observation.bears_on`); where its packet was seen says which of them
it contradicts.  A claim is

* *violated* if some packet contradicts it: one witness is enough, whatever else is unknown;
* *unknown* if nothing was sent for it, if some of its probes were inconclusive, or if what it rests on (the
  legitimate packet of the same kind) did not arrive;
* *holds* otherwise, for the packets that were sent and no more: `Verdict.covers` counts them.

What contradicts what
---------------------
==============================  ==================================================================
a packet of network A seen      contradicts
==============================  ==================================================================
at a port of network B          isolated A, B
under B's VNI on the underlay   isolated A, B
at its addressee, forbidden     exact and unreachable, where the packet bears on them
at a third port of A            no_sniffing of that port
with a forged sender, anywhere  no_spoofing of the sender
with a tag, anywhere            clean of the sender
bare on the underlay            clean of the sender
altered, at its addressee       clean of the addressee
at the management plane         management of the sender
nowhere, though legitimate      exact and reachable, where the packet bears on them
==============================  ==================================================================

Absence is never taken from a broken apparatus: an inconclusive observation makes unknown, not green.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sdn_lab.model.observation import Expected, Observation, Observations, Outcome, PointKind, Sighting
from sdn_lab.model.verdict import Claim, Counterexample, Kind, Status, Verdict
from sdn_lab.openflow.packet_describe import describe

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
_TARGETED = {Kind.NO_SPOOFING, Kind.CLEAN}  # contradicted by a forbidden packet wherever it is seen


@dataclass(slots=True)
class _Ledger:
    """What is known about one claim."""

    tested: list[Observation] = field(default_factory=list)
    against: list[tuple[Observation, str, str]] = field(default_factory=list)  # what, where it was seen
    doubts: Counter[str] = field(default_factory=Counter)


def judge(claims: Sequence[Claim], observations: Observations) -> tuple[Verdict, ...]:
    """Return a verdict on every claim of a kind that probes can judge, in the order of *claims*."""
    judged = {claim.id: claim for claim in claims if claim.kind in JUDGED}
    by_object = {(claim.kind, claim.objects): claim.id for claim in judged.values()}
    working = _working(observations)
    ledgers: dict[str, _Ledger] = defaultdict(_Ledger)
    for observation in observations.seen:
        for claim_id, what, where in _contradicted(observation, observations.networks, judged, by_object):
            ledgers[claim_id].against.append((observation, what, where))
        doubt = _doubt(observation, working)
        for claim_id in observation.bears_on:
            ledger = ledgers[claim_id]
            ledger.tested.append(observation)
            if doubt:
                ledger.doubts[doubt] += 1
    return tuple(_verdict(claim, ledgers[claim.id], observations) for claim in judged.values())


def _working(observations: Observations) -> Mapping[str, bool]:
    """Return, for everything that some legitimate packet was to prove, whether one did."""
    working: dict[str, bool] = {}
    for observation in observations.seen:
        if observation.expected is Expected.NOTHING:
            continue
        for proved in observation.proves:
            arrived = observation.outcome is Outcome.DELIVERED
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


def _contradicted(
    observation: Observation,
    networks: Mapping[str, str],
    judged: Mapping[str, Claim],
    by_object: Mapping[tuple[Kind, tuple[str, ...]], str],
) -> Iterator[tuple[str, str, str]]:
    """Yield (claim, what was seen, where) for each claim that this observation contradicts."""
    about = {claim_id: judged[claim_id].kind for claim_id in observation.bears_on if claim_id in judged}
    own = networks.get(observation.src, "")

    def named(kind: Kind, *objects: str) -> Iterator[str]:
        found = by_object.get((kind, objects))
        if found is not None:
            yield found

    if observation.expected is Expected.DELIVERED and observation.outcome is Outcome.NOT_DELIVERED:
        for claim_id, kind in about.items():
            if kind in (Kind.EXACT, Kind.REACHABLE):
                yield claim_id, "a legitimate packet does not arrive", observation.dst
    for sighting in observation.sightings:
        where = _place(sighting)
        if _is_altered(observation, sighting):
            for claim_id in named(Kind.CLEAN, observation.dst):
                yield claim_id, sighting.what, where
            continue
        if observation.expected is Expected.NOTHING:
            for claim_id, kind in about.items():
                if kind in _TARGETED:
                    yield claim_id, sighting.what, where
        if sighting.point.kind in (PointKind.MANAGEMENT, PointKind.PACKET_IN):
            hit = list(named(Kind.MANAGEMENT, observation.src))
        elif sighting.network and sighting.network != own:
            first, second = sorted((own, sighting.network))
            hit = list(named(Kind.ISOLATED, first, second))
        elif sighting.point.kind is PointKind.PORT:
            hit = list(_within(observation, sighting, about, named(Kind.NO_SNIFFING, sighting.point.name)))
        elif sighting.network:
            hit = []  # its own network, forged: what it bears on has been named above
        else:
            hit = list(named(Kind.CLEAN, observation.src))
        for claim_id in hit:
            yield claim_id, sighting.what, where


def _within(
    observation: Observation, sighting: Sighting, about: Mapping[str, Kind], sniffing: Iterator[str]
) -> Iterator[str]:
    """Yield what is contradicted when a packet is seen at a port of its own network that may not have it."""
    if sighting.point.name != observation.dst:
        yield from sniffing
    else:
        yield from (claim for claim, kind in about.items() if kind in (Kind.EXACT, Kind.UNREACHABLE))


def _is_altered(observation: Observation, sighting: Sighting) -> bool:
    at_home = sighting.point.kind is PointKind.PORT and sighting.point.name == observation.dst
    return at_home and observation.expected is not Expected.NOTHING


def _place(sighting: Sighting) -> str:
    return sighting.point.name if sighting.point.kind is PointKind.PORT else str(sighting.point)


def _verdict(claim: Claim, ledger: _Ledger, observations: Observations) -> Verdict:
    covers = _covers(ledger, observations)
    if ledger.against:
        observation, what, where = ledger.against[0]
        count = len(ledger.against)
        reason = f"{observation.probe}: {what} ({where})" + (f"; {count} packets in all" if count > 1 else "")
        return Verdict(
            claim=claim.id,
            kind=claim.kind,
            method=METHOD,
            status=Status.VIOLATED,
            covers=covers,
            reason=reason,
            counterexample=_witness(observation, where),
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


def _witness(observation: Observation, where: str) -> Counterexample:
    *before, (src, frame) = observation.frames
    return Counterexample(
        src=src,
        dst=where,
        packet_hex=frame.hex(),
        packet=describe(frame),
        before=tuple((port, earlier.hex()) for port, earlier in before),
    )
