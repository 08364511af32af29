"""The flow tables of one switch: entries, what they counted, when they end.

Flow-mod semantics are OpenFlow 1.3.5's, sections 5.5 (removal) and 6.4 (modification).  Whether the entry
itself makes sense (`check`) has been settled before it comes here.

Invariants
----------
1.  Table, priority and match identify a row; there are never two.
2.  A row's entry never changes: modifying puts another row in its place, which keeps cookie, timeouts,
    flags, counters and age; one that is added over an equal row keeps its counters.
3.  A row that has timed out is removed before anything is looked up or dumped: `expire`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from sdn_lab.openflow import action as act
from sdn_lab.openflow.action_ovs import Learn
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.interpret_result import Shortened
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import sort_entries
from sdn_lab.openflow.wire import error, reply, request
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.request import FlowMod, FlowQuery
from sdn_lab.openflow.wire.stats import Counted

_SECOND_NS = 1_000_000_000
_NEVER = float("inf")
_LONGEST = 0x10000  # beyond what a timeout can say: none
LAST_TABLE = 253  # table 254 is the switch's own, as in Open vSwitch

Key = tuple[int, int, Match]


@dataclass(slots=True)
class Row:
    """An entry as it is held."""

    entry: FlowEntry
    since_ns: int
    used_ns: int
    counted: Counted = field(default_factory=Counted)

    def count(self, octets: int, now_ns: int) -> None:
        """Account for a packet that matched."""
        self.used_ns = now_ns
        self.counted.packets += 1
        self.counted.octets += octets

    def add(self, packets: int, octets: int, last_ns: int) -> None:
        """Account for packets that matched, the last of them at *last_ns*."""
        self.used_ns = max(self.used_ns, last_ns)
        self.counted.packets += packets
        self.counted.octets += octets

    def ends_ns(self) -> tuple[int, int] | None:
        """Return when it ends and for which reason, unless it is used before; None if it never does."""
        ends = []
        if self.entry.hard_timeout:
            ends.append((self.since_ns + self.entry.hard_timeout * _SECOND_NS, reply.REMOVED_HARD))
        if self.entry.idle_timeout:
            ends.append((self.used_ns + self.entry.idle_timeout * _SECOND_NS, reply.REMOVED_IDLE))
        return min(ends) if ends else None


@dataclass(frozen=True, slots=True)
class Removed:
    """A row that is gone, and why (`reply.REMOVED_...`)."""

    row: Row
    reason: int


Saved = tuple[dict[Key, Row], set[Key]]


class FlowTable:
    """All tables of one switch.  *version* changes with everything that decides forwarding."""

    def __init__(self) -> None:
        self._rows: dict[Key, Row] = {}
        self._mortal: set[Key] = set()
        self.earliest_ns: float = _NEVER  # no row ends before; `expire` has nothing to do until then
        self.version = 0
        self.settle: Callable[[], None] = lambda: None  # brings the rows' counters and ages up to date

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[Row]:
        """Give every row."""
        self.settle()
        yield from self._rows.values()

    def row(self, key: Key) -> Row | None:
        """Return the row with this table, priority and match."""
        self.settle()
        return self._rows.get(key)

    def entries(self) -> tuple[FlowEntry, ...]:
        """Return all entries in the order of `entry.Tables`."""
        return sort_entries(row.entry for row in self._rows.values())

    def load(self, entries: Iterable[FlowEntry], now_ns: int) -> None:
        """Replace everything."""
        self.settle()
        self._rows = {e.key: Row(e, now_ns, now_ns) for e in entries}
        self._mortal = {key for key, row in self._rows.items() if row.ends_ns() is not None}
        self._look_ahead()
        self.version += 1

    def saved(self) -> Saved:
        """Return what `restore` brings back.  No packet may pass in between: rows are shared."""
        self.settle()
        return dict(self._rows), set(self._mortal)

    def restore(self, saved: Saved) -> None:
        """Hold again what was held."""
        self._rows, self._mortal = dict(saved[0]), set(saved[1])
        self._look_ahead()
        self.version += 1

    def change(self, mod: FlowMod, now_ns: int) -> list[Removed]:
        """Do a flow-mod.  Return what it removed.  Raises WireError."""
        self.settle()
        table = mod.entry.table_id
        deletes = mod.command in (request.DELETE, request.DELETE_STRICT)
        if table > LAST_TABLE and not (deletes and table == request.ALL_TABLES):
            raise WireError(error.FLOW_BAD_TABLE_ID, f"there is no table {table}")
        if mod.command == request.ADD:
            before = self._rows.get(mod.entry.key)
            self._add(mod.entry, now_ns)
            return [] if before is None else self._bury([before.entry])
        strict = mod.command in (request.MODIFY_STRICT, request.DELETE_STRICT)
        chosen = self._chosen(mod, strict=strict)
        self.version += bool(chosen)
        if deletes:
            return self._gone([self._remove(key, reply.REMOVED_DELETE) for key in chosen])
        before_all = [self._rows[key].entry for key in chosen]
        for key in chosen:
            row = self._rows[key]
            anew = replace(row.entry, instructions=mod.entry.instructions)
            counted = Counted() if mod.entry.flags & request.RESET_COUNTS else row.counted
            self._rows[key] = replace(row, entry=anew, counted=counted)
        return self._bury(before_all)

    def _gone(self, removed: list[Removed]) -> list[Removed]:
        return removed + self._bury([one.row.entry for one in removed])

    def _bury(self, gone: Iterable[FlowEntry]) -> list[Removed]:
        """Remove what entries that are no more had learned, if it goes with the last one who learns it."""
        pairs = {pair for entry in gone for pair in orphaned_by(entry.instructions)}
        if not pairs:
            return []
        for row in self._rows.values():
            pairs -= orphaned_by(row.entry.instructions)
        orphans = [key for key, row in self._rows.items() if (row.entry.table_id, row.entry.cookie) in pairs]
        self.version += bool(orphans)
        return self._gone([self._remove(key, reply.REMOVED_DELETE) for key in orphans])

    def shorten(self, ended: Shortened) -> None:
        """Have an entry that is still held, or learned again by the same packet, end sooner."""
        key = ended.entry.key
        row = self.row(key)
        if row is None or row.entry.instructions != ended.entry.instructions:
            return
        idle, hard = row.entry.idle_timeout, row.entry.hard_timeout
        sooner = replace(
            row.entry,
            idle_timeout=min(idle or _LONGEST, ended.idle_timeout or _LONGEST) % _LONGEST,
            hard_timeout=min(hard or _LONGEST, ended.hard_timeout or _LONGEST) % _LONGEST,
        )
        if sooner != row.entry:
            self._rows[key] = replace(row, entry=sooner)
            self._mortal.add(key)
            self._look_ahead()
            self.version += 1

    def _add(self, entry: FlowEntry, now_ns: int) -> None:
        if entry.flags & request.CHECK_OVERLAP:
            for other in self._rows.values():
                if other.entry.key[:2] == entry.key[:2] and overlaps(other.entry.match, entry.match):
                    raise WireError(error.FLOW_OVERLAP, "an entry of the same priority overlaps")
        asked = entry.flags & (request.CHECK_OVERLAP | request.RESET_COUNTS)
        key, kept = entry.key, replace(entry, flags=entry.flags ^ asked) if asked else entry
        row = Row(kept, now_ns, now_ns)
        before = self._rows.get(key)
        if before is not None and not entry.flags & request.RESET_COUNTS:
            row.counted = before.counted
        self._rows[key] = row
        self._mortal.discard(key)
        end = row.ends_ns()
        if end is not None:
            self._mortal.add(key)
            self.earliest_ns = min(self.earliest_ns, end[0])
        self.version += 1

    def _chosen(self, mod: FlowMod, *, strict: bool) -> list[Key]:
        wanted = mod.entry
        deletes = mod.command in (request.DELETE, request.DELETE_STRICT)
        query = FlowQuery(
            table_id=wanted.table_id,
            out_port=mod.out_port if deletes else act.ANY,
            out_group=mod.out_group if deletes else act.ANY,
            cookie=wanted.cookie,
            cookie_mask=mod.cookie_mask,
            match=wanted.match,
        )
        if not strict:
            return [row.entry.key for row in self.select(query)]
        if wanted.table_id == request.ALL_TABLES:
            tables = {key[0] for key in self._rows}
            keys = [(table, wanted.priority, wanted.match) for table in sorted(tables)]
        else:
            keys = [wanted.key]
        return [key for key in keys if key in self._rows and _passes(self._rows[key].entry, query)]

    def select(self, query: FlowQuery) -> list[Row]:
        """Return the rows that a query asks for, in the order of `entries`."""
        self.settle()
        found = [
            row
            for row in self._rows.values()
            if query.table_id in (row.entry.table_id, request.ALL_TABLES)
            and is_within(row.entry.match, query.match)
            and _passes(row.entry, query)
        ]
        return sorted(found, key=lambda r: (r.entry.table_id, -r.entry.priority, r.entry.match.tests))

    def remove_group(self, group_id: int) -> list[Removed]:
        """Remove every entry that refers to a group (all of them for `ALL_GROUPS`)."""
        self.settle()
        chosen = [
            key
            for key, row in self._rows.items()
            if any(group_id in (g, request.ALL_GROUPS) for g in groups_of(row.entry.instructions))
        ]
        self.version += bool(chosen)
        return self._gone([self._remove(key, reply.REMOVED_GROUP) for key in chosen])

    def remove_metered(self, meters: Collection[int]) -> list[Removed]:
        """Remove every entry that names one of these meters."""
        chosen = [key for key, row in self._rows.items() if row.entry.instructions.meter in meters]
        self.version += bool(chosen)
        return self._gone([self._remove(key, reply.REMOVED_DELETE) for key in chosen])

    def next_end_ns(self) -> int | None:
        """Return when the next row will end if nothing uses it, or None."""
        self.settle()
        self._look_ahead()
        return None if self.earliest_ns == _NEVER else int(self.earliest_ns)

    def _look_ahead(self) -> None:
        """Find when the next row ends.  Use only puts it off, so until then nobody need look again."""
        ends = [end for key in self._mortal if (end := self._rows[key].ends_ns()) is not None]
        self.earliest_ns = min(ends)[0] if ends else _NEVER

    def expire(self, now_ns: int) -> list[Removed]:
        """Remove what has timed out."""
        if now_ns < self.earliest_ns:
            return []
        self.settle()
        gone: list[Removed] = []
        for key in sorted(self._mortal, key=lambda k: (k[0], k[1], k[2].tests)):
            end = self._rows[key].ends_ns()
            if end is not None and end[0] <= now_ns:
                gone.append(self._remove(key, end[1]))
        self.version += bool(gone)
        gone = self._gone(gone)
        self._look_ahead()
        return gone

    def _remove(self, key: Key, reason: int) -> Removed:
        self._mortal.discard(key)
        return Removed(self._rows.pop(key), reason)


def is_within(narrow: Match, wide: Match) -> bool:
    """Say whether every test of *wide* is made, at least as strictly, by *narrow*."""
    tests = narrow.as_mapping()
    for name, value, mask in wide:
        own, own_mask = tests.get(name, (0, 0))
        if mask & ~own_mask or own & mask != value:
            return False
    return True


def overlaps(one: Match, other: Match) -> bool:
    """Say whether a packet could satisfy both."""
    tests = one.as_mapping()
    for name, value, mask in other:
        own, own_mask = tests.get(name, (0, 0))
        if (own ^ value) & own_mask & mask:
            return False
    return True


def _passes(entry: FlowEntry, query: FlowQuery) -> bool:
    if (entry.cookie ^ query.cookie) & query.cookie_mask:
        return False
    if query.out_port != act.ANY and query.out_port not in ports_of(entry.instructions):
        return False
    return query.out_group == act.ANY or query.out_group in groups_of(entry.instructions)


def ports_of(instructions: Instructions) -> set[int]:
    """Return the ports that an entry outputs to by number."""
    return {a.of_port for a in (*instructions.apply, *instructions.write) if isinstance(a, act.Output)}


def groups_of(instructions: Instructions) -> set[int]:
    """Return the groups that an entry refers to."""
    actions = (*instructions.apply, *instructions.write)
    return {a.group_id for a in actions if isinstance(a, act.GroupAction)}


def orphaned_by(instructions: Instructions) -> set[tuple[int, int]]:
    """Return table and cookie of what an entry learns, where it goes when nobody learns it any more.

    Open vSwitch 3.1.0 does not look into ``clone``, and nor do we.
    """
    learns = (a for a in instructions.apply if isinstance(a, Learn) and a.delete_learned)
    return {(a.table, a.cookie) for a in learns}
