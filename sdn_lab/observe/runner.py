"""Send cases in windows, many at once, and say what became of every packet.

How
---
Step k of many cases, a *batch*, shares a window of at most 512 frames; the next window starts when this one's
markers have arrived at every port.  More ports than fit beside the probes get their markers in windows of
their own right after.  So absence is only ever claimed between sending and a marker that did arrive.

Two batches of one phase take turns (`turns`): a window of the one is out while what was seen of the other is
read.  Within a batch everything is in order; between batches of one phase there is no order to keep.

What an unreliable apparatus costs
----------------------------------
A window with missing markers or lost frames is sent again, three times in all; what was seen in any of them
counts, what was absent counts only if the last one was whole.  Else the ports whose markers are missing are
blind, and absence is inconclusive.  A legitimate packet that did not arrive is sent twice more by itself
before it counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sdn_lab.contracts import Exchange, Progress
from sdn_lab.model.observation import (
    Capture,
    Expected,
    Injection,
    Observation,
    Outcome,
    PointKind,
    WatchPoint,
    Window,
)
from sdn_lab.model.verdict import Kind
from sdn_lab.observe.case import Case, Shot
from sdn_lab.observe.markers import WINDOW_FRAMES, Markers
from sdn_lab.observe.nonce import found_in
from sdn_lab.observe.sighting import Meaning, Reader
from sdn_lab.observe.turns import Steps, take_turns
from sdn_lab.observe.world import World

ATTEMPTS = 3
RIDING_MARKERS = 128  # so many share a window with probes; further ones follow in their own


@dataclass(slots=True)
class Seen:
    """What could not see while some packets were sent."""

    blind: frozenset[str] = frozenset()
    lossy: bool = False
    choices: tuple[str, ...] = ()  # see `model.observation.Captured`

    @property
    def cannot_see(self) -> bool:
        """Say whether absence proves nothing."""
        return self.lossy or bool(self.blind)


@dataclass(slots=True)
class Runner:
    """Runs cases on one lab."""

    exchange: Exchange
    world: World
    markers: Markers
    reader: Reader
    progress: Progress
    _captures: dict[bytes, list[Capture]] = field(default_factory=lambda: defaultdict(list))  # by nonce
    _meanings: dict[bytes, Meaning] = field(default_factory=dict)  # of what was captured so far
    _observed: int = 0

    def run(self, cases: Sequence[Case]) -> list[Observation]:
        """Send *cases*, lower phases first, and return one observation a packet."""
        total = sum(len(case.shots) for case in cases)
        observations: list[Observation] = []
        for phase in sorted({case.phase for case in cases}):
            mine = sorted((c for c in cases if c.phase == phase), key=lambda c: len(c.shots))
            batches = (self._run_batch(batch, total) for batch in self._batches(mine))
            for observed in take_turns(self.exchange, batches):
                observations += observed
        return observations

    def _batches(self, cases: Sequence[Case]) -> Iterator[Sequence[Case]]:
        room = max(1, WINDOW_FRAMES - min(RIDING_MARKERS, len(self.world.ports)))
        for start in range(0, len(cases), room):
            yield cases[start : start + room]

    def _run_batch(self, batch: Sequence[Case], total: int) -> Steps[list[Observation]]:
        """Run cases of one phase and of similar length side by side."""
        observations: list[Observation] = []
        failed: set[int] = set()  # cases that did not go as they should
        for step in range(max(len(case.shots) for case in batch)):
            current = [(n, case) for n, case in enumerate(batch) if step < len(case.shots)]
            seen = yield from self._send([case.shots[step] for _, case in current])
            for n, case in current:
                observation = self._observe(case, step, seen, sequence_broken=n in failed)
                required = observation.expected is Expected.DELIVERED
                if observation.sightings or (required and not observation.delivered):
                    failed.add(n)
                observations.append(observation)
                self._forget(case.shots[step])
            self._observed += len(current)
            self.progress("probes", self._observed, total)
        return observations

    def _send(self, shots: Sequence[Shot]) -> Steps[Seen]:
        """Send *shots* at once; then those legitimate ones again, alone, that did not arrive."""
        seen = Seen()
        yield from self._try(shots, seen)
        for _ in range(ATTEMPTS - 1):
            late = [
                shot
                for shot in shots
                if shot.expected is Expected.DELIVERED and not self._meaning(shot).delivered
            ]
            if not late:
                break
            yield from self._try(late, seen)
        return seen

    def _meaning(self, shot: Shot) -> Meaning:
        meaning = self._meanings.get(shot.nonce)
        if meaning is None:
            meaning = self._meanings[shot.nonce] = self.reader.read(shot, self._captures.get(shot.nonce, ()))
        return meaning

    def _forget(self, shot: Shot) -> None:
        self._captures.pop(shot.nonce, None)
        self._meanings.pop(shot.nonce, None)

    def _try(self, shots: Sequence[Shot], seen: Seen) -> Steps[None]:
        injections = tuple(
            Injection(point=WatchPoint(kind=PointKind.PORT, name=shot.src), frame=shot.frame)
            for shot in shots
        )
        for _ in range(ATTEMPTS):
            missing, lossy = yield from self._windows(injections, seen)
            seen.blind, seen.lossy = frozenset(missing | self._always_blind()), lossy
            if not missing and not lossy:
                return

    def _always_blind(self) -> set[str]:
        return self.markers.dead | {f"underlay:{name}" for name in self.markers.unseen_underlays}

    def _windows(self, injections: tuple[Injection, ...], seen: Seen) -> Steps[tuple[set[str], bool]]:
        """Send one window, and as many more as the markers need; return the ports that stayed silent."""
        waiting = self.markers.watched
        asked = [port.path for port in waiting]
        missing: set[str] = set()
        lossy = False
        while injections or waiting:
            riders = waiting[: RIDING_MARKERS if injections else WINDOW_FRAMES]
            waiting = waiting[len(riders) :]
            drawn = self.markers.draw(riders)
            got = yield Window(
                injections=(*injections, *(injection for injection, _, _ in drawn)),
                markers=tuple((point, nonce) for _, point, nonce in drawn),
            )
            for capture in got.captures:
                for nonce in found_in(capture.frame):
                    self._captures[nonce].append(capture)
                    self._meanings.pop(nonce, None)
            missing |= {point.name for point, _ in got.missing}
            lossy = lossy or got.lost > 0
            seen.choices += got.choices
            injections = ()
        self.markers.report(asked, missing)
        return missing, lossy

    def _observe(self, case: Case, step: int, seen: Seen, *, sequence_broken: bool) -> Observation:
        shot = case.shots[step]
        meaning = self._meaning(shot)
        open_ = bool(seen.choices) and shot.expected is not Expected.DELIVERED
        outcome = meaning.outcome(shot, blind=seen.cannot_see or open_)
        cannot_tell = seen.cannot_see or open_ or sequence_broken
        if sequence_broken and outcome is Outcome.NOT_DELIVERED:
            outcome = Outcome.INCONCLUSIVE
        return Observation(
            probe=case.probe,
            src=shot.src,
            dst=shot.dst,
            outcome=outcome,
            detail=_detail(meaning, seen, outcome, sequence_broken=sequence_broken),
            leaks=tuple(sighting.point for sighting in meaning.sightings),
            frames=tuple((earlier.src, earlier.frame) for earlier in case.shots[: step + 1]),
            expected=shot.expected,
            bears_on=self._seen_by_all(shot, seen),
            sightings=meaning.sightings,
            proves=shot.proves,
            leans_on=shot.leans_on,
            delivered=None if not meaning.delivered and cannot_tell else meaning.delivered,
        )

    def _seen_by_all(self, shot: Shot, seen: Seen) -> tuple[str, ...]:
        """Return the claims that *shot* bears on, less those about what a blind port would have received."""
        if not seen.blind or shot.expected is not Expected.DELIVERED:
            return shot.bears_on
        blind = {
            c
            for p in self.world.ports
            if p.path in seen.blind
            for c in self.world.of_port(Kind.NO_SNIFFING, p)
        }
        return tuple(claim for claim in shot.bears_on if claim not in blind)


def _detail(meaning: Meaning, seen: Seen, outcome: Outcome, *, sequence_broken: bool) -> str:
    if meaning.sightings:
        return "; ".join(_words(f"{s.point}: {s.what}" for s in meaning.sightings))
    if outcome is not Outcome.INCONCLUSIVE:
        return ""
    if seen.lossy:
        return "the apparatus lost frames"
    if seen.blind:
        return f"no marker arrived at {', '.join(sorted(seen.blind))}: the capture there may be dead"
    if seen.choices:
        return f"another switch may do otherwise: {seen.choices[0]}"
    return "an earlier packet of the sequence did not arrive, or leaked" if sequence_broken else ""


def _words(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentences))
