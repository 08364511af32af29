"""Random edits of one entry, as ``ovs-ofctl`` commands: what somebody with a shell on a hypervisor does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sdn_lab.openflow.action import Output
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import format_entry

HOWS = ("delete", "priority", "field", "action", "add")
_ADDRESSES = ("ipv4_src", "ipv4_dst", "arp_spa", "arp_tpa", "eth_src", "eth_dst", "in_port", "metadata")


@dataclass(frozen=True)
class Edit:
    """What is taken away and what is put there: deletions come first."""

    how: str
    out: FlowEntry | None
    new: FlowEntry | None

    @property
    def commands(self) -> Sequence[tuple[str, str]]:
        """``(command, flow)`` for ovs-ofctl; deletions are strict."""
        taken = [("--strict del-flows", _key(self.out))] if self.out and self.how != "action" else []
        return [*taken, *([("add-flow", format_entry(self.new))] if self.new else [])]


def draw(rng: random.Random, entries: Sequence[FlowEntry]) -> Edit:
    """Draw an edit that leaves other tables than *entries*."""
    keys = {entry.key for entry in entries}
    while True:
        how, victim = rng.choice(HOWS), rng.choice(entries)
        made = _edited(rng, how, victim)
        if made is None and how == "delete":
            return Edit(how, victim, None)
        if made is not None and (how == "action" or made.key not in keys) and made != victim:
            return Edit(how, None if how == "add" else victim, made)


def _edited(rng: random.Random, how: str, victim: FlowEntry) -> FlowEntry | None:
    if how == "priority":
        return replace(victim, priority=rng.randrange(1, 1000))
    if how == "field":
        tests = victim.match.as_mapping()
        names = [name for name in _ADDRESSES if name in tests]
        if not names:
            return None
        name = rng.choice(names)
        value, mask = tests[name]
        lowest = mask & -mask
        return replace(victim, match=Match.from_tests({**tests, name: (value ^ lowest, mask)}))
    if how == "action":
        other = Instructions(apply=(Output(of_port=rng.randrange(1, 110)),))
        return replace(victim, instructions=Instructions() if victim.instructions.goto else other)
    if how == "add":
        match = Match.of(in_port=rng.randrange(100, 110), eth_type=rng.choice((0x0800, 0x86DD, 0x88CC)))
        go = Instructions(apply=(Output(of_port=rng.randrange(1, 110)),))
        return FlowEntry(
            table_id=victim.table_id, priority=rng.randrange(1, 1000), match=match, instructions=go
        )
    return None


def _key(entry: FlowEntry) -> str:
    """The words that ``--strict del-flows`` takes: table, priority, match."""
    bare = replace(entry, instructions=Instructions(), cookie=0, flags=0, idle_timeout=0, hard_timeout=0)
    return format_entry(bare).removesuffix(" actions=drop")
