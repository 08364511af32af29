"""Draw one case from a seed: tables over the whole dialect, and frames that meet them.

Frames are of three kinds: boundary frames and random ones (`corpus`), packets of a conversation (`talk`),
and answers to what the interpreter has sent so far (`switch_answer`), so that connections come to be, also
through translated addresses.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from sdn_lab.openflow.action import Action, Ct, Output
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.interpret_run import TOO_MUCH, VOID, VOID_TRACKED
from sdn_lab.openflow.match import Match

from .corpus import boundary_frames, random_frame
from .random_tables import Drawing
from .switch_actions import DRAWERS
from .switch_answer import answer
from .switch_case import PORTS, Case, Sent
from .talk import Talk

FRAMES = 60
BASES = 6
NOT_IN_OVS = frozenset({"in_phy_port", "ipv6_exthdr", "pbb_isid"})  # its ovs-ofctl refuses them
NOT_WRITTEN = frozenset({"vlan_tci"}) | NOT_IN_OVS
ENDLESS = frozenset({TOO_MUCH, VOID, VOID_TRACKED})
MAX_ENDLESS = 2  # frames that resubmit without end cost as much as all the others
BOUNDARY = boundary_frames()


class SwitchDrawing(Drawing):
    """Tables with the actions of `switch_actions` as well, and a select group of one live bucket."""

    def action(self, match: Match, *, within: int) -> Action:
        if self.rng.random() < 0.3:
            drawn = self.rng.choice(DRAWERS)(self, match, within)
            if drawn is not None:
                return drawn
        return super().action(match, within=within)

    def entry(self, table: int, priority: int, match: Match | None = None) -> FlowEntry:
        return replace(super().entry(table, priority, match), cookie=self.rng.randrange(1, 1 << 64))

    def test(self, tests: dict[str, tuple[int, int]], name: str, fields: dict[str, int]) -> None:
        if name not in NOT_IN_OVS:
            super().test(tests, name, fields)

    def _writable(self, match: Match) -> list[str]:
        return [name for name in super()._writable(match) if name not in NOT_WRITTEN]

    def groups(self) -> tuple[Group, ...]:
        live = self.bucket_of_one_output()
        dead = self.bucket_of_one_output(weight=0)
        select = Group(group_id=3, type=GroupType.SELECT, buckets=(dead, live))
        return (*super().groups(), select)

    def bucket_of_one_output(self, weight: int = 5) -> Bucket:
        return Bucket(actions=(Output(of_port=self.rng.choice(PORTS)),), weight=weight)


def drawn(seed: int) -> Case:
    """Return the case of a seed.  Odd seeds track connections."""
    rng = random.Random(seed)
    tracked = bool(seed % 2)
    bases = rng.sample(BOUNDARY, BASES)
    talk: list[tuple[int, bytes]] = []
    if tracked:
        talk = list(Talk(rng).frames())
        bases[BASES // 2 :] = [frame for _, frame in rng.sample(talk, BASES - BASES // 2)]
    tables = SwitchDrawing(rng, bases, ct=tracked).tables()
    return Case(seed=seed, tables=tables, frames=frames_through(rng, tables, bases, talk))


def frames_through(
    rng: random.Random, tables: Tables, bases: Sequence[bytes], talk: list[tuple[int, bytes]]
) -> tuple[Sent, ...]:
    pipeline = Pipeline(tables, tracker=Tracker(), ports=PORTS)
    sent: list[Sent] = []
    answers: list[Sent] = []
    now_ns = endless = 0
    pauses = not any(isinstance(a, Ct) and a.nat for e in tables.entries for a in e.instructions.apply)
    for _ in range(FRAMES):
        kind = rng.random()
        pause_ms = rng.choice((1_000, 31_000, 61_000, 901_000)) if pauses and rng.random() < 0.03 else 0
        if kind < 0.3 and answers:
            drawn = answers[-1] if rng.random() < 0.6 else rng.choice(answers)
        elif kind < 0.7 and talk:
            drawn = Sent(of_port=talk[0][0], frame=talk[0][1])
            talk = talk[1:]
        elif kind < 0.85:
            drawn = Sent(of_port=rng.choice(PORTS), frame=rng.choice(bases))
        else:
            drawn = Sent(of_port=rng.choice(PORTS), frame=random_frame(rng))
        item = Sent(of_port=drawn.of_port, frame=drawn.frame, pause_ms=pause_ms)
        sent.append(item)
        now_ns += pause_ms * 1_000_000
        result = pipeline.process(item.frame, item.of_port, now_ns=now_ns)
        endless += not ENDLESS.isdisjoint(result.notes)
        if endless == MAX_ENDLESS:
            break
        for emission in result.emissions[:2]:
            made = answer(emission.frame, rng)
            if made is not None:
                answers.append(Sent(of_port=emission.of_port, frame=made))
    return tuple(sent)
