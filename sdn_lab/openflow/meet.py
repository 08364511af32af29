"""What two programs agree on: the tables that a datapath holds while it goes from one to the other.

What
----
`meet(old, new)` has every key (table, priority, match) that either has: with its entry where both have it
equal, else with a drop.  `met_once(old, new)` says whether a packet can meet at most one of the
entries that differ, on all of its way; then no meet is needed.

Where it sits
-------------
Used by:    `sdn_lab.lab.apply`.  `openflow.delta` orders the changes to and from a meet.
Not here:   what is tracked.  A meet forwards an established flow that both forward; whether the flow may go
            on under the new program is judged in `lab.apply`.

Invariants
----------
1.  Whatever a packet meets in a meet is a drop, or the entry that it meets in both.  For that entry is in
    both programs, and whatever would beat it in either is in the meet, too.  So what a meet forwards, both
    forward, by the same entries.
2.  From *old* to its meet, `delta` adds drops and takes nothing away: after any prefix of it a packet
    meets, in every table and on every datapath, what it met before, or a drop.  From the meet to *new* it
    meets what it will meet in the end, or a drop.  So a packet that both deny is never delivered, be the
    datapaths as far apart as they may.
3.  The meet of a meet with a third program is the meet of all three: an interrupted change can be followed by
    another.

An entry that points to a group which differs counts as different, and conjunctions likewise: where an entry
of a conjunction differs, all entries of its number do.  Drops do not time out, and where action sets are in
use they empty them.

Limit: ``resubmit`` is the one action after which an entry goes on with what other entries made of the packet.
Where those are dropped, it goes on with the packet as it was.  Invariants 1 and 2 hold for programs in which
no entry that is resubmitted to rewrites what is sent afterwards.

Why "once" must be asked
------------------------
Changed alone, one table answers every packet as before, as in the end, or not at all (`delta`, invariant 4).
If no packet meets such an answer twice, it is delivered only where one of the programs delivers it.  A packet
that goes through the tunnel meets tables on two datapaths: one as before, perhaps, and the other as in the
end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sdn_lab.openflow.action import Action, Conjunction, Ct, GroupAction, Output, OutputField, Resubmit
from sdn_lab.openflow.entry import CLEARING_DROP, DROP, FlowEntry, Group, Program, Tables

_Edges = Mapping[int, set[int]]


def meet(old: Program, new: Program) -> Program:
    """Return what both programs agree on, for every datapath of either."""
    return Program(
        tables={
            name: meet_tables(old.tables.get(name, Tables()), new.tables.get(name, Tables()))
            for name in sorted(old.tables.keys() | new.tables.keys())
        }
    )


def meet_tables(old: Tables, new: Tables) -> Tables:
    """Return what both agree on, for one datapath."""
    groups = _common_groups(old, new)
    before = {entry.key: entry for entry in old.entries}
    after = {entry.key: entry for entry in new.entries}
    pairs = {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys()}
    agreed = {key for key, (one, other) in pairs.items() if _agree(one, other, groups)}
    broken = {
        number
        for key, both in pairs.items()
        if key not in agreed
        for entry in both
        if entry is not None
        for number in _conjunctions(entry)
    }
    writes = any(entry.instructions.write for both in pairs.values() for entry in both if entry is not None)
    drop = CLEARING_DROP if writes else DROP
    entries = []
    for key, (one, other) in pairs.items():
        entry = one or other
        assert entry is not None
        if key not in agreed or _conjunctions(entry) & broken:
            entry = replace(other or entry, instructions=drop, idle_timeout=0, hard_timeout=0, flags=0)
        entries.append(entry)
    return Tables(
        entries=tuple(sorted(entries, key=lambda e: (e.table_id, -e.priority, e.match.tests))),
        groups=tuple(groups[number] for number in sorted(groups)),
    )


def differing_tables(old: Program, new: Program) -> set[tuple[str, int]]:
    """Return (datapath, table) wherever the entries of two programs differ in what they do."""
    found: set[tuple[str, int]] = set()
    for name in old.tables.keys() | new.tables.keys():
        if old.tables.get(name) == new.tables.get(name):
            continue
        before = {e.key: e for e in old.tables.get(name, Tables()).entries}
        after = {e.key: e for e in new.tables.get(name, Tables()).entries}
        for key in before.keys() | after.keys():
            if not _same(before.get(key), after.get(key)):
                found.add((name, key[0]))
    return found


def met_once(old: Program, new: Program, tunnel_of_port: Mapping[str, int]) -> bool:
    """Say whether no packet can meet two entries that differ, whichever of the programs it meets elsewhere.

    It may, where entries of two tables differ; where groups do; and where the table in question is met before
    the tunnel and again behind it.  Copies that an entry makes by ``resubmit`` go separate ways.
    *tunnel_of_port* is each datapath's tunnel port.
    """
    differing = {table for _, table in differing_tables(old, new)}
    if not differing:
        return _groups_of(old) == _groups_of(new)
    if len(differing) > 1 or _groups_of(old) != _groups_of(new):
        return False
    (table,) = differing
    return not _met_twice(table, (old, new), tunnel_of_port)


def _met_twice(table: int, programs: Iterable[Program], tunnel_of_port: Mapping[str, int]) -> bool:
    """Say whether a packet may meet *table* twice: on two datapaths, or again on one."""
    arriving: set[int] = set()
    edges: dict[int, set[int]] = {}
    leaving: set[int] = set()
    for program in programs:
        for name, tables in program.tables.items():
            tunnel = tunnel_of_port[name]
            for entry in tables.entries:
                ways = _ways(entry)
                if any(number <= entry.table_id for number in ways) or _goes_on_after_copies(entry):
                    return True
                edges.setdefault(entry.table_id, set()).update(ways)
                if _may_output(entry, tunnel):
                    leaving.add(entry.table_id)
                if entry.table_id == 0 and entry.match.exact("in_port") in (None, tunnel):
                    arriving |= ways
    behind = {0} | _reached(arriving, edges)  # every packet enters by table 0
    return table in behind and bool(_reached({table}, edges) & leaving)


def _ways(entry: FlowEntry) -> set[int]:
    """Return the tables in which a packet, or a copy of it, goes on after an entry."""
    found = {a.table for a in _actions(entry) if isinstance(a, Ct) and a.table is not None}
    for action in _actions(entry):
        if isinstance(action, Resubmit):
            found.add(entry.table_id if action.table is None else action.table)
    return found | ({entry.instructions.goto} if entry.instructions.goto is not None else set())


def _goes_on_after_copies(entry: FlowEntry) -> bool:
    """Say whether what was resubmitted goes on itself: a copy and the packet may then meet one table."""
    return entry.instructions.goto is not None and any(isinstance(a, Resubmit) for a in _actions(entry))


def _may_output(entry: FlowEntry, of_port: int) -> bool:
    """Say whether an entry may send to a port: by number, by a group, or by a register or a reserved port."""
    return any(
        isinstance(a, OutputField | GroupAction)
        or (isinstance(a, Output) and (a.of_port == of_port or a.of_port > 0xFF00))
        for a in _actions(entry)
    )


def _reached(tables: set[int], edges: _Edges) -> set[int]:
    reached: set[int] = set()
    todo = set(tables)
    while todo:
        table = todo.pop()
        reached.add(table)
        todo |= edges.get(table, set()) - reached
    return reached


def _actions(entry: FlowEntry) -> tuple[Action, ...]:
    return (*entry.instructions.apply, *entry.instructions.write)


def _conjunctions(entry: FlowEntry) -> set[int]:
    numbers = {a.id for a in _actions(entry) if isinstance(a, Conjunction)}
    asked = entry.match.exact("conj_id")
    return numbers if asked is None else numbers | {asked}


def _same(one: FlowEntry | None, other: FlowEntry | None) -> bool:
    """Say whether two entries do the same for as long.  Why they are there (the cookie) is another matter."""
    if one is None or other is None:
        return False
    return one == other or (
        one.instructions == other.instructions and replace(one, cookie=other.cookie) == other
    )


def _agree(one: FlowEntry | None, other: FlowEntry | None, groups: Mapping[int, Group]) -> bool:
    if one is None or other is None or not _same(one, other):
        return False
    return all(a.group_id in groups for a in _actions(one) if isinstance(a, GroupAction))


def _common_groups(old: Tables, new: Tables) -> dict[int, Group]:
    """Return the groups that both have equal, and whose members they have equal, too."""
    after = set(new.groups)
    common = {g.group_id: g for g in old.groups if g in after}
    while True:
        kept = {n: g for n, g in common.items() if _pointed_at(g) <= common.keys()}
        if len(kept) == len(common):
            return kept
        common = kept


def _pointed_at(group: Group) -> set[int]:
    return {a.group_id for bucket in group.buckets for a in bucket.actions if isinstance(a, GroupAction)}


def _groups_of(program: Program) -> dict[str, tuple[Group, ...]]:
    return {name: tables.groups for name, tables in program.tables.items()}
