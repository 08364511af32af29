"""A switch's groups: group-mods, and what was counted of each group and of each of its buckets.

A group that is modified counts from nothing but keeps its age, as in Open vSwitch.

Reference: OpenFlow 1.3.5, sections 6.5 (group-mod) and 7.3.5.9 (what is counted).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdn_lab.backends.sim.check import check_actions
from sdn_lab.openflow.action import GroupAction
from sdn_lab.openflow.entry import Group, GroupType
from sdn_lab.openflow.interpret_result import Chosen
from sdn_lab.openflow.wire import error, request
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.stats import Counted

ADD, MODIFY, DELETE = range(3)


def changed(groups: Mapping[int, Group], mod: request.GroupMod) -> tuple[list[int], Group | None]:
    """Return what a group-mod does: which groups go, or the one that comes.  Raises WireError."""
    if mod.command == DELETE:
        everything = mod.group_id == request.ALL_GROUPS
        chosen = list(groups) if everything else [mod.group_id]
        for other in groups.values():
            if other.group_id not in chosen and members(other) & set(chosen):
                raise WireError(error.GROUP_CHAINED, f"group {other.group_id} refers to it")
        return chosen, None
    if mod.group_id > request.MAX_GROUP:
        raise WireError(error.GROUP_INVALID, f"{mod.group_id:#x} is no number for a group")
    if mod.command == ADD and mod.group_id in groups:
        raise WireError(error.GROUP_EXISTS, f"there is a group {mod.group_id} already")
    if mod.command == MODIFY and mod.group_id not in groups:
        raise WireError(error.GROUP_UNKNOWN, f"there is no group {mod.group_id}")
    if mod.type is GroupType.INDIRECT and len(mod.buckets) != 1:
        raise WireError(error.GROUP_INVALID, f"an indirect group of {len(mod.buckets)} buckets")
    group = Group(group_id=mod.group_id, type=mod.type, buckets=mod.buckets)
    check(group, {**groups, group.group_id: group})
    return [], group


def check(group: Group, groups: Mapping[int, Group]) -> None:
    """Raise WireError for a group that refers to none, or to itself by whatever way."""
    for bucket in group.buckets:
        check_actions(bucket.actions, None, groups.keys())
    reached, todo = set[int](), members(group)
    while todo:
        number = todo.pop()
        if number == group.group_id:
            raise WireError(error.GROUP_LOOP, f"group {number} leads back to itself")
        if number not in reached:
            reached.add(number)
            todo |= members(groups[number])


def members(group: Group) -> set[int]:
    """Return the groups that a group's buckets refer to."""
    return {a.group_id for b in group.buckets for a in b.actions if isinstance(a, GroupAction)}


@dataclass(slots=True)
class GroupCounted:
    """What one group counted."""

    since_ns: int
    whole: Counted = field(default_factory=Counted)
    buckets: list[Counted] = field(default_factory=list)


class GroupCounts:
    """Those of all groups of a switch."""

    def __init__(self) -> None:
        self._held: dict[int, GroupCounted] = {}

    def begin(self, group: Group, now_ns: int) -> None:
        """Count a group that is new, or modified, from here on."""
        before = self._held.get(group.group_id)
        since_ns = now_ns if before is None else before.since_ns
        self._held[group.group_id] = GroupCounted(since_ns, buckets=[Counted() for _ in group.buckets])

    def forget(self, group_id: int) -> None:
        """Forget a group."""
        self._held.pop(group_id, None)

    def count(self, chosen: Chosen, packets: int, octets: int) -> None:
        """Account for packets that a group, or a bucket, took.  A group that is gone counts no more."""
        held = self._held.get(chosen.group_id)
        if held is not None:
            counted = held.whole if chosen.bucket is None else held.buckets[chosen.bucket]
            counted.packets += packets
            counted.octets += octets

    def of(self, group: Group) -> GroupCounted:
        """Return what a group counted."""
        return self._held[group.group_id]

    def copy(self) -> GroupCounts:
        """Return these as they are.  No packet may be counted by both: what is inside is shared."""
        twin = GroupCounts()
        twin._held = dict(self._held)
        return twin
