"""One dumped bridge, prepared for questions: tables indexed by what is constant, and what each table reads.

What
----
`Table.rows` answers "which entries may this packet meet here?" from constants of the pipeline alone
(in_port, metadata, registers, tunnel and conntrack fields).  Entries that differ only in packet fields and
do the same are one `Row`.  `Bridge.live` says which constants can still matter at a table: the others are
forgotten, so ports of one network share their states as soon as nothing tells them apart any more.

Invariants
----------
1.  A row is left out only if it certainly does not match, or if an entry of *higher* priority certainly
    matches everything here.  Equal priorities never shadow one another.
2.  `live` is closed under goto, resubmit and ct: what a later table reads is live in every table before it.

Reference for the index: V. Srinivasan, S. Suri, G. Varghese, "Packet Classification using Tuple Space
Search", SIGCOMM 1999; Open vSwitch's classifier is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sdn_lab.openflow.action import (
    CONTROLLER,
    IN_PORT,
    LOCAL,
    Action,
    Conjunction,
    Ct,
    CtClear,
    DecTtl,
    GroupAction,
    Move,
    Output,
    OutputField,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
)
from sdn_lab.openflow.action_ovs import Clone, Learn
from sdn_lab.openflow.entry import FlowEntry, Group
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.snapshot import DatapathState
from sdn_lab.verify.graph.facts import CT_FIELDS, TRACKED, Facts, Fit

PORT, TUNNEL, LOCAL_KIND, UPLINK, UNKNOWN = "port", "tunnel", "local", "uplink", "unknown"
_TUNNEL_FIELDS = frozenset({"tun_id", "tun_src", "tun_dst"})
_Signature = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Entries with the same tests on tracked fields and the same instructions, best priority first.

    *pure*: nothing else is tested, so the row certainly matches whenever its tracked tests do.
    """

    tracked: Match
    pure: bool
    entries: tuple[FlowEntry, ...]

    @property
    def priority(self) -> int:
        """The best priority of its entries."""
        return self.entries[0].priority


class Table:
    """One table, indexed."""

    def __init__(self, entries: Iterable[FlowEntry]) -> None:
        grouped: dict[tuple[object, ...], list[FlowEntry]] = defaultdict(list)
        for entry in sorted(entries, key=lambda e: -e.priority):
            if any(isinstance(action, Conjunction) for action in entry.instructions.apply):
                continue  # matches nothing alone; the entry that tests conj_id stands for all of them
            tracked = Match(tuple(test for test in entry.match.tests if test[0] in TRACKED))
            pure = len(tracked.tests) == len(entry.match.tests)
            grouped[tracked, pure, entry.instructions, entry.priority if pure else None].append(entry)
        self._by_signature: dict[_Signature, dict[tuple[int, ...], list[Row]]] = {}
        for (tracked_match, is_pure, *_), members in grouped.items():
            assert isinstance(tracked_match, Match)
            signature = tuple((name, mask) for name, _, mask in tracked_match.tests)
            values = tuple(value for _, value, _ in tracked_match.tests)
            row = Row(tracked_match, bool(is_pure), tuple(members))
            self._by_signature.setdefault(signature, {}).setdefault(values, []).append(row)

    def rows(self, facts: Facts) -> list[Row]:
        """Return the rows that *facts* may meet, best priority first, shadowed ones left out."""
        found, floor = self._met(facts)
        return sorted((r for r in found if r.priority >= floor), key=lambda r: -r.priority)

    def entries(self, facts: Facts) -> list[tuple[FlowEntry, Fit]]:
        """Return the single entries that *facts* may meet, likewise, packet fields considered too."""
        found, floor = self._met(facts)
        held = [entry for row in found for entry in row.entries if entry.priority >= floor]
        result: list[tuple[FlowEntry, Fit]] = []
        for entry in sorted(held, key=lambda e: -e.priority):
            if entry.priority < floor:
                break
            fit = facts.fit(entry.match)
            if fit is Fit.MUST:
                floor = max(floor, entry.priority)
            if fit is not Fit.NO:
                result.append((entry, fit))
        return result

    def _met(self, facts: Facts) -> tuple[list[Row], int]:
        found: list[Row] = []
        floor = -1
        for row in self._candidates(facts):
            fit = facts.fit(row.tracked)
            if fit is Fit.NO:
                continue
            found.append(row)
            if row.pure and fit is Fit.MUST:
                floor = max(floor, row.priority)
        return found, floor

    def _candidates(self, facts: Facts) -> Iterator[Row]:
        for signature, by_values in self._by_signature.items():
            wanted: list[int] = []
            for name, mask in signature:
                value, held = facts.bits(name)
                if mask & ~held:
                    break
                wanted.append(value & mask)
            else:
                yield from by_values.get(tuple(wanted), ())
                continue
            for rows in by_values.values():
                yield from rows


class Bridge:
    """One datapath of the snapshot."""

    def __init__(self, name: str, state: DatapathState) -> None:
        self.name = name
        self.fail_mode = state.fail_mode
        self.ports: Mapping[int, str] = state.ports
        self.groups: Mapping[int, Group] = {g.group_id: g for g in state.tables.groups}
        entries: dict[int, list[FlowEntry]] = defaultdict(list)
        for entry in state.tables.entries:
            entries[entry.table_id].append(entry)
        self.size = len(state.tables.entries)
        self.tables: Mapping[int, Table] = {number: Table(rows) for number, rows in entries.items()}
        self.learned: frozenset[int] = frozenset(self._learned(state))
        self._live, self._written = self._flow(entries)

    def behind(self, of_port: int) -> tuple[str, str]:
        """Return (kind, name) of what is behind an OpenFlow port; ("", "") for nothing."""
        what = self.ports.get(of_port, LOCAL_KIND if of_port == LOCAL else "")
        kind, _, name = what.partition(":")
        return kind, name

    def of_ports(self, kind: str) -> list[int]:
        """Return the numbers of all ports of a kind, sorted."""
        return sorted(number for number in self.ports if self.behind(number)[0] == kind)

    def live(self, table: int) -> frozenset[str]:
        """Return the tracked fields that this table, or one after it, may read."""
        return self._live.get(table, frozenset())

    def written(self, table: int) -> frozenset[str]:
        """Return the fields that this table, or one after it, may write."""
        return self._written.get(table, frozenset())

    @staticmethod
    def _learned(state: DatapathState) -> Iterator[int]:
        """Give the tables that may get entries of which no dump knows yet."""
        lists = [bucket.actions for group in state.tables.groups for bucket in group.buckets]
        lists += [(*e.instructions.apply, *e.instructions.write) for e in state.tables.entries]
        while lists:
            for action in lists.pop():
                if isinstance(action, Learn):
                    yield action.table
                elif isinstance(action, Clone):
                    lists.append(action.actions)

    def _flow(
        self, entries: Mapping[int, list[FlowEntry]]
    ) -> tuple[Mapping[int, frozenset[str]], Mapping[int, frozenset[str]]]:
        reads: dict[int, set[str]] = {number: set() for number in entries}
        writes: dict[int, set[str]] = {number: set() for number in entries}
        onward: dict[int, set[int]] = {number: set() for number in entries}
        late: set[str] = set()  # what action sets read when they run at last, wherever that is
        for number, rows in entries.items():
            for entry in rows:
                instructions = entry.instructions
                reads[number].update(name for name, _, _ in entry.match.tests if name in TRACKED)
                self._scan(instructions.apply, number, reads[number], writes[number], onward[number])
                self._scan(instructions.write, number, late, writes[number], onward[number])
                if instructions.metadata is not None:
                    writes[number].add("metadata")
                if instructions.goto is not None:
                    onward[number].add(instructions.goto)
        changed = True
        while changed:
            changed = False
            for number in sorted(entries, reverse=True):
                for after in onward[number]:
                    for held in (reads, writes):
                        more = held.get(after, set()) - held[number]
                        if more:
                            held[number] |= more
                            changed = True
        return (
            {number: frozenset((held | late) & TRACKED) for number, held in reads.items()},
            {number: frozenset(held) for number, held in writes.items()},
        )

    def _scan(
        self, actions: Iterable[Action], table: int, reads: set[str], writes: set[str], onward: set[int]
    ) -> None:
        for action in actions:
            match action:
                case Output(of_port=number):
                    if number == IN_PORT:
                        reads.add("in_port")
                    if number not in (CONTROLLER, LOCAL) and self.behind(number)[0] not in (PORT, UNKNOWN):
                        reads |= _TUNNEL_FIELDS
                case OutputField(source=source):
                    reads |= {source.field, *_TUNNEL_FIELDS}
                case Move(source=source, target=target):
                    reads.add(source.field)
                    writes.add(target.field)
                case SetField(field=name):
                    writes.add(name)
                case Resubmit():
                    onward.add(table if action.table is None else action.table)
                case Ct(table=after, nat=nat):
                    onward.update(() if after is None else (after,))
                    writes.update(CT_FIELDS if nat is None else FIELDS)
                case CtClear():
                    writes.update(CT_FIELDS)
                case DecTtl():
                    writes.add("nw_ttl")
                case PushVlan() | PopVlan():
                    writes.update(("vlan_vid", "vlan_pcp", "eth_type"))
                case Clone(actions=inner):
                    self._scan(inner, table, reads, writes, onward)
                case GroupAction(group_id=group_id):
                    for bucket in self.groups[group_id].buckets if group_id in self.groups else ():
                        self._scan(bucket.actions, table, reads, writes, onward)
                case Conjunction():
                    pass
                case _:
                    reads |= TRACKED
                    writes.update(FIELDS)
