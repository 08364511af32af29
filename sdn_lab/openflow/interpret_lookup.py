"""Find the entry that a packet meets in a table, cheaply.

Tuple space search: entries that test the same fields under the same masks share a dict from the masked
values to the entry, so a table costs one dict look-up for each *shape* of match, not one test for each
entry.  Shapes are tried from the highest priority down, and only those that the packet's EtherType and IP
protocol leave possible: OpenFlow's prerequisites put one of the two into nearly every match.

Entries of one priority that both match leave the choice to the switch (OpenFlow 1.3.5, section 5.3).  The
one that tests the fewest bits is taken here, then the first in the order of `Tables.entries`; and the look-up
says that it was a choice, unless all of them do the same.  Why the widest: where somebody lost a field of a
match, the entry that is left ties with the sound ones, and a switch that takes it shows what can go wrong.

Conjunctive matches follow ovs-fields(7), "Conjunctive Match Fields".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sdn_lab.openflow.action import Conjunction
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match

Shape = tuple[tuple[str, int], ...]


@dataclass(slots=True)
class _Group:
    """Entries of one shape, by their values; *top* is the highest priority among them.

    The hot loop of the simulator: fields under their full mask are looked up without masking, and one that
    the packet does not carry gives None, which no entry has.
    """

    shape: Shape
    top: int = -1
    entries: dict[tuple[int | None, ...], FlowEntry] = field(default_factory=dict)
    exact: tuple[str, ...] = ()
    masked: Shape = ()
    bits: int = 0  # how many bits the shape tests

    def __post_init__(self) -> None:
        self.bits = sum(mask.bit_count() for _, mask in self.shape)
        self.exact = tuple(name for name, mask in self.shape if mask == FIELDS[name].full_mask)
        self.masked = tuple(test for test in self.shape if test[0] not in self.exact)

    def key(self, entry: FlowEntry) -> tuple[int | None, ...]:
        values = {name: value for name, value, _ in entry.match}
        return (*(values[name] for name in self.exact), *(values[name] for name, _ in self.masked))

    def holds(self, name: str) -> set[int | None]:
        """Return the values that entries in here want of a field; None where they do not ask for one."""
        if name not in self.exact:
            return {None}
        at = self.exact.index(name)
        return {key[at] for key in self.entries}

    def find(self, packet: Mapping[str, int]) -> FlowEntry | None:
        key: tuple[int | None, ...] = tuple(map(packet.get, self.exact))
        for name, mask in self.masked:
            held = packet.get(name)
            if held is None:
                return None
            key = (*key, held & mask)
        return self.entries.get(key)


class TableIndex:
    """One table, ready for look-ups."""

    def __init__(self, entries: Iterable[FlowEntry]) -> None:
        groups: dict[tuple[Shape, int], _Group] = {}
        self._order: dict[int, int] = {}
        self._conjunctive = False
        soft_of: dict[Match, int] = {}
        entries = tuple(entries)
        for order, entry in enumerate(entries):
            self._order[id(entry)] = order
            shape = tuple((name, mask) for name, _, mask in entry.match)
            soft = any(isinstance(action, Conjunction) for action in entry.instructions.apply)
            self._conjunctive |= soft
            if soft:
                soft_of[entry.match] = max(entry.priority, soft_of.get(entry.match, -1))
            # A conjunctive entry must not hide, or be hidden by, another of its shape.
            group = groups.setdefault((shape, entry.priority if soft else -1), _Group(shape))
            values = group.key(entry)
            held = group.entries.get(values)
            if held is None or held.priority < entry.priority:
                group.entries[values] = entry
            group.top = max(group.top, entry.priority)
        self._beneath = {id(entry) for entry in entries if entry.priority < soft_of.get(entry.match, -1)}
        self._groups = sorted(groups.values(), key=lambda group: -group.top)
        self._by_kind = {
            eth_type: _split(groups, "ip_proto")
            for eth_type, groups in _split(self._groups, "eth_type").items()
        }

    def find(self, packet: Mapping[str, int]) -> tuple[FlowEntry | None, bool]:
        """Return the winning entry, or None, and whether another of its priority would do otherwise."""
        if self._conjunctive:
            return self._find_conjunctive(packet)
        return self._best(packet)

    @property
    def conjunctive(self) -> bool:
        """Whether an entry of this table belongs to a conjunction."""
        return self._conjunctive

    def weighed(self, packet: Mapping[str, int], found: FlowEntry | None) -> Sequence[_Group]:
        """Return the shapes that could have changed that *packet* finds *found*, for `fast_lookup`."""
        if self._conjunctive:
            return self._groups
        least = -1 if found is None else found.priority
        return [group for group in self._possible(packet) if group.top >= least]

    def _possible(self, packet: Mapping[str, int]) -> Sequence[_Group]:
        by_protocol = self._by_kind.get(packet.get("eth_type"), self._by_kind[None])
        return by_protocol.get(packet.get("ip_proto"), by_protocol[None])

    def _best(self, packet: Mapping[str, int]) -> tuple[FlowEntry | None, bool]:
        best: FlowEntry | None = None
        bits, tie = 0, False
        for group in self._possible(packet):
            if best is not None and group.top < best.priority:
                break
            entry = group.find(packet)
            if entry is None or (best is not None and entry.priority < best.priority):
                continue
            if best is None or entry.priority > best.priority:
                best, bits, tie = entry, group.bits, False
            else:
                tie = tie or entry.instructions != best.instructions
                if (group.bits, self._order[id(entry)]) < (bits, self._order[id(best)]):
                    best, bits = entry, group.bits
        return best, tie

    def _find_conjunctive(self, packet: Mapping[str, int]) -> tuple[FlowEntry | None, bool]:
        matching = [e for g in self._groups if (e := g.find(packet)) is not None]
        hard = [e for e in matching if not _clauses(e)]
        hard.sort(key=lambda e: (-e.priority, self._order[id(e)]))
        best = hard[0] if hard else None
        soft: defaultdict[int, list[FlowEntry]] = defaultdict(list)
        for entry in matching:
            if _clauses(entry):
                soft[entry.priority].append(entry)
        for priority in sorted(soft, reverse=True):
            if best is not None and best.priority >= priority:
                break
            for conj_id in _satisfied(soft[priority]):
                found = self._hard({**packet, "conj_id": conj_id})
                if found is not None:
                    return found, False
        tie = best is not None and any(
            e.priority == best.priority and e.instructions != best.instructions for e in hard
        )
        return best, tie

    def _hard(self, packet: Mapping[str, int]) -> FlowEntry | None:
        """Return what a packet finds whose conjunction is met.

        Open vSwitch does not see entries that have the match of a conjunctive one of higher priority here.
        """
        found = [
            e
            for g in self._groups
            if (e := g.find(packet)) is not None and not _clauses(e) and id(e) not in self._beneath
        ]
        return max(found, key=lambda e: (e.priority, -self._order[id(e)]), default=None)


def _split(groups: Sequence[_Group], name: str) -> dict[int | None, list[_Group]]:
    """Return, by a packet's value of the field, the groups that it can meet; under None for all others."""
    wanted = [(group, group.holds(name)) for group in groups]
    values = set[int | None]({None}).union(*(values for _, values in wanted))
    return {
        value: [group for group, open_to in wanted if None in open_to or value in open_to] for value in values
    }


def _clauses(entry: FlowEntry) -> list[Conjunction]:
    return [action for action in entry.instructions.apply if isinstance(action, Conjunction)]


def _satisfied(entries: Iterable[FlowEntry]) -> list[int]:
    """Return the conjunctions of which every clause is met, in order of their ids."""
    met: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for entry in entries:
        for clause in _clauses(entry):
            met[clause.id, clause.n_clauses].add(clause.clause)
    return sorted(conj_id for (conj_id, total), clauses in met.items() if len(clauses) == total)
