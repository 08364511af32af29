"""How a negative control is planted: entries added to, tests taken from a copy of the compiled tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdn_lab.openflow.action import Action, Output
from sdn_lab.openflow.entry import FlowEntry, Instructions, Program
from sdn_lab.openflow.match import Match
from tests.faults.broken_by_hand import World, without

Change = Callable[[World], Program]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """*scenario* is the topology that it is planted in; *breaks* the id of the claim that it breaks."""

    family: str
    name: str
    breaks: str
    change: Change
    scenario: str = "overlap"


def also(hypervisor: str, *entries: FlowEntry) -> Change:
    """Plant entries on one hypervisor."""

    def change(w: World) -> Program:
        held = w.program.tables[hypervisor]
        return Program(
            tables={**w.program.tables, hypervisor: replace(held, entries=(*held.entries, *entries))}
        )

    return change


def planted(table: int, actions: tuple[Action, ...], *, goto: int | None = None, **tests: int) -> FlowEntry:
    return FlowEntry(
        table_id=table,
        priority=500 if tests else 0,
        match=Match.of(**tests),
        instructions=Instructions(apply=actions, goto=goto),
    )


def to(w: World, *ports: str) -> tuple[Action, ...]:
    return tuple(Output(of_port=w.of_port(port)) for port in ports)


def loosened(
    hypervisor: str, table: object, port: str, *fields: str, only: dict[str, int] | None = None
) -> Change:
    """Remove the tests on *fields* from *port*'s entries that have all of them, and the values *only*."""

    def edit(entry: FlowEntry) -> Iterable[FlowEntry]:
        applies = all(entry.match.get(f) for f in fields) and all(
            entry.match.exact(f) == value for f, value in (only or {}).items()
        )
        yield without(entry, *fields) if applies else entry

    return lambda w: w.edited(hypervisor, table, port, edit)  # type: ignore[arg-type]
