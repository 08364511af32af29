"""From what a datapath holds to what it should hold: the fewest changes, in a safe order.

What
----
`delta(held, wanted)` returns the operations that turn the tables *held* into *wanted*.  An entry is
identified by table, priority and match; a group by its number.

Where it sits
-------------
Used by:    `sdn_lab.control.push`, which sends the operations one by one.
Not here:   messages (`openflow.codec`).  Nothing is sent and nothing is read.

Invariants
----------
1.  Least: each entry and each group appears in at most one operation, and in none if it is as wanted.
2.  Complete: `apply` of all operations to *held* gives *wanted*.
3.  **No prefix opens anything**, when *held* is empty: after any number of operations, every table
    answers any packet as it will in the end, or not at all.  Entries enter a table by falling
    priority, so that what answers a packet is never a stand-in for an entry that is still to come;
    later tables are filled before earlier ones, and table 0, where packets enter, last.
4.  In a repair, what refuses is added first and removed last; what admits is taken out of table 0 before
    anything that admits is added anywhere, and put into table 0 after everything else is in place.  In
    every later table, any packet is answered as before, as it will be in the end, or not at all: entries
    enter by falling priority and leave by rising priority, so that nothing falls through to a wider one.

What is not promised: while a repair lasts, one packet may meet an old decision in one table and a new
one in the next.  Only an atomic bundle could promise that.

Why a change of the cookie is an addition
-----------------------------------------
OFPFC_MODIFY_STRICT leaves cookie, timeouts and flags alone (OpenFlow 1.3.5, section 6.4); an
OFPFC_ADD of an identical match replaces the entry whole.  Deleting a group deletes the entries that
point to it, so groups are added first and deleted last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from sdn_lab.openflow.action import GroupAction
from sdn_lab.openflow.entry import CLEARING_DROP, DROP, FlowEntry, Group, Tables
from sdn_lab.openflow.match import Match, Test

_Key = tuple[int, int, Match]
_Rank = tuple[int, int, tuple[Test, ...]]


class Change(Enum):
    """What an operation does.  All of them are strict: they touch one entry, or one group."""

    ADD = "add"
    MODIFY = "modify"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One flow-mod or group-mod."""

    change: Change
    subject: FlowEntry | Group


def delta(held: Tables, wanted: Tables) -> list[Operation]:
    """Return the operations, in the order in which they must be sent."""
    old = {entry.key: entry for entry in held.entries}
    new = {entry.key: entry for entry in wanted.entries}
    gone = [entry for key, entry in old.items() if key not in new]
    changed = [entry for key, entry in new.items() if old.get(key) != entry]
    refusals = [entry for entry in changed if _refuses(entry)]
    admissions = [entry for entry in changed if not _refuses(entry)]

    old_groups = {group.group_id: group for group in held.groups}
    new_groups = {group.group_id: group for group in wanted.groups}

    refusing = [entry for entry in gone if _refuses(entry)]
    admitting = [entry for entry in gone if not _refuses(entry)]
    return [
        *(_put(entry, old) for entry in sorted(refusals, key=_inwards)),
        *(_remove(entry) for entry in sorted(admitting, key=_outwards) if entry.table_id == 0),
        *_put_groups(old_groups, new_groups),
        *(_put(entry, old) for entry in sorted(admissions, key=_inwards) if entry.table_id),
        *(_remove(entry) for entry in sorted(admitting, key=_outwards) if entry.table_id),
        *(_put(entry, old) for entry in sorted(admissions, key=_inwards) if entry.table_id == 0),
        *(_remove(entry) for entry in sorted(refusing, key=_inwards)),
        *(_remove(group) for group in _dependents_last(old_groups)[::-1] if group.group_id not in new_groups),
    ]


def apply(held: Tables, operations: Iterable[Operation]) -> Tables:
    """Return the tables after *operations*, as OpenFlow defines them.  The tests' and the sender's model.

    Raises KeyError for a modification or deletion of something that is not there.
    """
    entries = {entry.key: entry for entry in held.entries}
    groups = {group.group_id: group for group in held.groups}
    for operation in operations:
        subject = operation.subject
        if isinstance(subject, Group):
            if operation.change is Change.DELETE:
                del groups[subject.group_id]
                entries = {k: e for k, e in entries.items() if subject.group_id not in _pointed_at(e)}
            elif (operation.change is Change.ADD) is (subject.group_id in groups):
                raise KeyError(subject.group_id)
            else:
                groups[subject.group_id] = subject
        elif operation.change is Change.DELETE:
            del entries[subject.key]
        elif operation.change is Change.MODIFY:
            entries[subject.key] = replace(entries[subject.key], instructions=subject.instructions)
        else:
            entries[subject.key] = subject
    return Tables(
        entries=tuple(sorted(entries.values(), key=_reading)),
        groups=tuple(groups[number] for number in sorted(groups)),
    )


def _put(entry: FlowEntry, old: Mapping[_Key, FlowEntry]) -> Operation:
    held = old.get(entry.key)
    same_but_for_action = held is not None and replace(held, instructions=entry.instructions) == entry
    return Operation(change=Change.MODIFY if same_but_for_action else Change.ADD, subject=entry)


def _remove(subject: FlowEntry | Group) -> Operation:
    return Operation(change=Change.DELETE, subject=subject)


def _put_groups(old: Mapping[int, Group], new: Mapping[int, Group]) -> Iterator[Operation]:
    for group in _dependents_last(new):
        held = old.get(group.group_id)
        if held is None:
            yield Operation(change=Change.ADD, subject=group)
        elif held != group:
            yield Operation(change=Change.MODIFY, subject=group)


def _dependents_last(groups: Mapping[int, Group]) -> list[Group]:
    """Return the groups so that each comes after those that its buckets point to."""
    ordered: dict[int, Group] = {}

    def visit(number: int, above: frozenset[int]) -> None:
        if number in ordered or number in above or number not in groups:
            return
        for bucket in groups[number].buckets:
            for action in bucket.actions:
                if isinstance(action, GroupAction):
                    visit(action.group_id, above | {number})
        ordered[number] = groups[number]

    for number in sorted(groups):
        visit(number, frozenset())
    return list(ordered.values())


def _pointed_at(entry: FlowEntry) -> set[int]:
    actions = (*entry.instructions.apply, *entry.instructions.write)
    return {action.group_id for action in actions if isinstance(action, GroupAction)}


def _refuses(entry: FlowEntry) -> bool:
    return entry.instructions in (DROP, CLEARING_DROP)


def _inwards(entry: FlowEntry) -> _Rank:
    return -entry.table_id, -entry.priority, entry.match.tests


def _outwards(entry: FlowEntry) -> _Rank:
    return entry.table_id, entry.priority, entry.match.tests


def _reading(entry: FlowEntry) -> _Rank:
    return entry.table_id, -entry.priority, entry.match.tests
