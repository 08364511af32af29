"""Draw one case from a seed: tables over the whole dialect, and frames that meet them.

Each case has *themes*: some of what would be too rare, or in the way, if all of it stood in every case.

Frames are of three kinds: boundary frames and random ones (`corpus`), packets of a conversation (`talk`),
and answers to what the interpreter has sent so far (`switch_answer`), so that connections come to be, also
through translated addresses.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sdn_lab.openflow.action import Action, Conjunction, GroupAction, Output, Resubmit
from sdn_lab.openflow.action_labels import DecMplsTtl, PopMpls, PushMpls
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.interpret import Result
from sdn_lab.openflow.interpret_run import TOO_MUCH, VOID, VOID_TRACKED
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meter import Band, BandType, Meter

from .corpus import boundary_frames, fragments, labelled, random_frame
from .random_tables import TABLES, Drawing
from .switch_actions import BY_THEME, DRAWERS
from .switch_answer import answer
from .switch_case import PORTS, Case, Sent
from .switch_here import Here
from .talk import Talk

FRAMES = 100
BASES = 6
NOT_IN_OVS = frozenset({"in_phy_port", "ipv6_exthdr", "pbb_isid"})  # its ovs-ofctl refuses them
NOT_WRITTEN = frozenset({"vlan_tci"}) | NOT_IN_OVS  # vlan_tci has a drawer of its own
ENDLESS = frozenset({TOO_MUCH, VOID, VOID_TRACKED})
MAX_ENDLESS = 2  # frames that resubmit without end cost as much as all the others
BOUNDARY, FRAGMENTS, LABELLED = boundary_frames(), fragments(), labelled()
THEMES = ("labels", "normal", "learn", "conjunction", "meter", "fragments", "ports")
APART = (("meter", "normal"), ("meter", "learn"))  # `switch_exclusions`, "met by a meter"
MPLS = (0x8847, 0x8848)


class SwitchDrawing(Drawing):
    """Tables with the actions of `switch_actions` as well, and those of the *themes*."""

    def __init__(
        self, rng: random.Random, frames: list[bytes], *, ct: bool, themes: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(rng, frames, ct=ct)
        self.themes = themes
        self._own = [drawer for theme in sorted(themes) for drawer in BY_THEME.get(theme, ())]

    def tables(self) -> Tables:
        made = super().tables()
        if "conjunction" in self.themes:
            entries = (*made.entries, *self.conjunction(self.rng.randrange(TABLES)))
            made = Tables(entries=tuple({entry.key: entry for entry in entries}.values()), groups=made.groups)
        return made

    def action(self, match: Match, *, within: int) -> Action:
        if self.rng.random() < 0.35:
            drawn = self.rng.choice([*DRAWERS, *self._own])(self, match, within)
            if drawn is not None:
                return drawn
        drawn = super().action(match, within=within)
        if isinstance(drawn, Resubmit) and "meter" in self.themes:
            return self.output()  # Open vSwitch follows resubmits also of what a meter has dropped
        return drawn

    def entry(self, table: int, priority: int, match: Match | None = None) -> FlowEntry:
        made = replace(super().entry(table, priority, match), cookie=self.rng.randrange(1, 1 << 64))
        todo = made.instructions
        if "labels" in self.themes and self.rng.random() < 0.4:
            write = tuple(action for action in todo.write if isinstance(action, (GroupAction, Output)))
            apply = (*todo.apply, *self.labelled(made.match), self.output())
            todo = replace(todo, apply=apply, write=write)  # writes behind it would lack what they need
        if "meter" in self.themes and self.rng.random() < 0.3:
            todo = replace(todo, meter=self.rng.choice((1, 2)))
        return replace(made, instructions=todo)

    def labelled(self, match: Match) -> list[Action]:
        """Draw pushed and popped labels; what stands behind them sees another EtherType."""
        rng = self.rng
        actions: list[Action] = []
        family = match.exact("eth_type")
        for _ in range(rng.choice((1, 1, 2))):
            if family in MPLS:
                actions += [DecMplsTtl()] * (rng.random() < 0.4)
                if rng.random() < 0.4:
                    actions.append(self.setter(Match.of(eth_type=family), "mpls_"))
                if rng.random() < 0.6:
                    family = rng.choice((0x0800, 0x86DD, 0x0806, 0x8847, 0x88B5))
                    actions.append(PopMpls(eth_type=family))
                    continue
            if not actions or rng.random() < 0.5:
                family = rng.choice(MPLS)
                actions.append(PushMpls(eth_type=family))
        return actions

    def conjunction(self, table: int) -> list[FlowEntry]:
        """Draw a conjunction of two clauses, and what is done where both are met."""
        rng = self.rng
        number, priority = rng.randrange(1, 9), rng.randrange(1001, 1999)
        made = [self.entry(table, rng.choice((priority, 900)), Match.of(conj_id=number))]
        for clause in (1, 2):
            for _ in range(rng.randrange(1, 4)):
                part = (Conjunction(id=number, clause=clause, n_clauses=2),)
                made.append(
                    FlowEntry(
                        table_id=table,
                        priority=priority,
                        match=self.match(),
                        instructions=Instructions(apply=part),
                        cookie=rng.randrange(1, 1 << 64),
                    )
                )
        return made

    def test(self, tests: dict[str, tuple[int, int]], name: str, fields: dict[str, int]) -> None:
        if name not in NOT_IN_OVS:
            super().test(tests, name, fields)

    def _to_write(self, match: Match) -> list[str]:
        return [name for name in super()._to_write(match) if name not in NOT_WRITTEN]

    def groups(self) -> tuple[Group, ...]:
        live = self.bucket_of_one_output()
        dead = self.bucket_of_one_output(weight=0)
        select = Group(group_id=3, type=GroupType.SELECT, buckets=(dead, live))
        groups = super().groups()
        if "ports" in self.themes:
            groups = tuple(map(self.watching, groups))
        return (*groups, select)

    def watching(self, group: Group) -> Group:
        """Have a fast failover group watch ports that may be down."""
        if group.type is not GroupType.FAST_FAILOVER:
            return group
        watched = self.rng.sample((77, 2, 3, 4, 5, 6), len(group.buckets))
        return replace(
            group,
            buckets=tuple(replace(b, watch_port=w) for b, w in zip(group.buckets, watched, strict=True)),
        )

    def bucket_of_one_output(self, weight: int = 5) -> Bucket:
        return Bucket(actions=(Output(of_port=self.rng.choice(PORTS)),), weight=weight)

    def meters(self) -> tuple[Meter, ...]:
        """Draw two meters, of packets and of kilobits; they drop from the first burst on."""
        rng = self.rng

        def bands(most: int) -> tuple[Band, ...]:
            return tuple(
                Band(type=BandType.DROP, rate=rng.randrange(1, most), burst_size=rng.randrange(1, most))
                for _ in range(rng.choice((1, 1, 2)))
            )

        burst = rng.random() < 0.7
        return (
            Meter(meter_id=1, packets=True, burst=burst, bands=bands(9)),
            Meter(meter_id=2, burst=burst, bands=bands(12)),
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """A case, and what the interpreter said while its frames were drawn."""

    case: Case
    results: tuple[Result, ...]


def themes(rng: random.Random) -> frozenset[str]:
    """Draw what a case is about, beside the actions that stand in all."""
    chosen = set(rng.sample(THEMES, rng.choice((0, 1, 1, 2, 3))))
    for one, other in APART:
        if {one, other} <= chosen:
            chosen.discard(other)
    return frozenset(chosen)


def drawn(seed: int) -> Drawn:
    """Return the case of a seed.  Odd seeds track connections."""
    rng = random.Random(seed)
    tracked = bool(seed % 2)
    about = themes(rng)
    bases = rng.sample(BOUNDARY, BASES)
    talk: list[tuple[int, bytes]] = []
    if tracked:
        talk = list(Talk(rng).frames())
        bases[BASES // 2 :] = [frame for _, frame in rng.sample(talk, BASES - BASES // 2)]
    if "labels" in about:
        bases[:2] = rng.sample(LABELLED, 2)
    if "fragments" in about:
        bases[2:4] = rng.sample(FRAGMENTS, 2)
    drawing = SwitchDrawing(rng, bases, ct=tracked, themes=about)
    case = Case(
        seed=seed,
        tables=drawing.tables(),
        frames=(),
        meters=drawing.meters() if "meter" in about else (),
        down=frozenset(rng.sample((3, 4, 5, 6), 2)) if "ports" in about else frozenset(),
        limits=((1, rng.randrange(1, 4)),) if tracked and rng.random() < 0.15 else (),
    )
    return filled(rng, case, bases, talk)


def filled(
    rng: random.Random, case: Case, bases: Sequence[bytes], talk: Sequence[tuple[int, bytes]]
) -> Drawn:
    """Draw the frames of a case: each when it is known what came of those before."""
    here = Here(case)
    sent: list[Sent] = []
    results: list[Result] = []
    answers: list[Sent] = []
    coming = iter(talk)
    endless = 0
    for _ in range(FRAMES):
        item = _next(rng, case, bases, coming, answers)
        result = here.send(item)
        sent.append(item)
        results.append(result)
        endless += not ENDLESS.isdisjoint(result.notes)
        if endless == MAX_ENDLESS:
            break
        for emission in result.emissions[:2]:
            made = answer(emission.frame, rng)
            if made is not None:
                answers.append(Sent(of_port=emission.of_port, frame=made))
    return Drawn(replace(case, frames=tuple(sent)), tuple(results))


def _next(
    rng: random.Random,
    case: Case,
    bases: Sequence[bytes],
    talk: Iterator[tuple[int, bytes]],
    answers: list[Sent],
) -> Sent:
    """Draw one frame, and what happens before it."""
    kind = rng.random()
    paused = rng.random() < 0.03 and not case.learns
    lengths = (1_000,) if case.translates else (1_000, 31_000, 61_000, 901_000)  # "not yet swept"
    pause_ms = rng.choice(lengths) if paused else 0
    flushed = rng.choice((1, 2)) if case.tracks and rng.random() < 0.02 else None
    following = next(talk, None) if kind < 0.7 and not (kind < 0.3 and answers) else None
    if kind < 0.3 and answers:
        drawn = answers[-1] if rng.random() < 0.6 else rng.choice(answers)
        of_port, frame = drawn.of_port, drawn.frame
    elif following is not None:
        of_port, frame = following
    elif kind < 0.85:
        of_port, frame = rng.choice(case.up), rng.choice(bases)
    else:
        of_port, frame = rng.choice(case.up), random_frame(rng)
    return Sent(of_port=of_port, frame=frame, pause_ms=pause_ms, flushed=flushed)
