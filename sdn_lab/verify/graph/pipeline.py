"""What a flow entry does to facts: where the packet may go on, and what is known of it there.

What
----
`run` executes one entry's instructions in OpenFlow's order and returns every place the packet may reach
from it: another table, an OpenFlow port, the controller.  It reads OpenFlow 1.3.5 section 5.9 and
ovs-actions(7) on its own; where it cannot follow (a learning switch's table, a group that chooses, a
subroutine) it takes *every* possibility and marks the facts with a doubt, so that such a path can refuse a
``holds`` but never show a violation.

Invariants
----------
1.  Every place that a real packet, described by the facts, reaches through this entry is in the result.
2.  A result without doubt is reached by every packet that the facts describe and that meets the entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sdn_lab.openflow.action import (
    ALL,
    ANY,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    MAX_PORT,
    NORMAL,
    TABLE,
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
    Subfield,
)
from sdn_lab.openflow.action_ovs import (
    Bundle,
    CheckPktLarger,
    Clone,
    Controller,
    Enqueue,
    FinTimeout,
    Learn,
    Multipath,
    Note,
    OutputTruncated,
    PopQueue,
    Sample,
    StackPop,
    StackPush,
)
from sdn_lab.openflow.entry import FlowEntry, Group, GroupType
from sdn_lab.openflow.fields import ETH_QINQ, ETH_VLAN, FIELDS, OFPVID_PRESENT, TCP_FLAG_BITS
from sdn_lab.verify.graph.bridge import Bridge
from sdn_lab.verify.graph.facts import ANY_ZONE, BEYOND_TAG, CT_FIELDS, UNSEEN, Facts

_GROUP_DEPTH = 8
# OpenFlow 1.3.5 section 5.10 and `ofpacts_execute_action_set`: an action set runs in this order, whatever
# order it was written in, and of those that send only the first kind that it has.
_SET_ORDER: tuple[type, ...] = (PopVlan, PushVlan, DecTtl, Move, SetField)
_SET_LAST: tuple[type, ...] = (GroupAction, Output, OutputField, Resubmit, Ct)
_REQUESTS = {1: ("icmpv4_type", (8, 13, 15)), 58: ("icmpv6_type", (128,))}


@dataclass(frozen=True, slots=True)
class ToTable:
    """The packet is looked up next in this table of the same bridge."""

    table: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class ToPort:
    """The packet leaves through this OpenFlow port (``LOCAL`` included)."""

    of_port: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class ToController:
    """The packet goes to the controller, which may do anything with it."""

    facts: Facts


Arrival = ToTable | ToPort | ToController


def run(bridge: Bridge, entry: FlowEntry, facts: Facts, *, new: bool) -> list[Arrival]:
    """Execute *entry* on *facts*, which have its match in them already.

    *new*: the connection tracker answers as for the first packet of a connection, instead of anything.
    """
    machine = _Machine(bridge, entry.table_id, new=new)
    instructions = entry.instructions
    applied = machine.apply(instructions.apply, facts)
    if applied is None:
        return machine.reached
    facts = applied
    if instructions.clear:
        facts = replace(facts, actions=())
    if instructions.write:
        facts = replace(facts, actions=_merged(facts.actions, instructions.write))
    if instructions.metadata is not None:
        facts = facts.write("metadata", *instructions.metadata)
    if instructions.goto is not None:
        machine.reached.append(ToTable(instructions.goto, facts))
    elif facts.actions:
        machine.apply(_as_set(facts.actions), replace(facts, actions=()))
    return machine.reached


def _merged(held: tuple[Action, ...], more: tuple[Action, ...]) -> tuple[Action, ...]:
    def slot(action: Action) -> object:
        if isinstance(action, SetField):
            return SetField, action.field
        return Output if isinstance(action, OutputField) else type(action)

    result = {slot(action): action for action in held}
    for action in more:
        result[slot(action)] = action
    return tuple(result.values())


def _as_set(actions: Iterable[Action]) -> list[Action]:
    held = list(actions)
    ordered = sorted(
        (a for a in held if isinstance(a, _SET_ORDER)),
        key=lambda a: 3 if isinstance(a, (Move, SetField)) else _SET_ORDER.index(type(a)),
    )
    last = next((a for kind in _SET_LAST for a in reversed(held) if isinstance(a, kind)), None)
    strange = [a for a in held if not isinstance(a, (*_SET_ORDER, *_SET_LAST))]
    if strange:
        return [*strange, *ordered, *([last] if last is not None else [])]
    return [*ordered, last] if last is not None else []


class _Machine:
    """Executes action lists and collects what is reached."""

    def __init__(self, bridge: Bridge, table: int, *, new: bool) -> None:
        self.reached: list[Arrival] = []
        self._bridge = bridge
        self._table = table
        self._new = new

    def apply(self, actions: Iterable[Action], facts: Facts, depth: int = 0) -> Facts | None:
        """Execute a list; return the facts after it, or None where the packet goes no further."""
        for action in actions:
            match action:
                case Output(of_port=number):
                    self._output(number, facts)
                case OutputField(source=source):
                    chosen = facts.value(source)
                    if chosen is None:
                        doubtful = facts.doubting(f"output to the port in {source.field}, which is not known")
                        self._everywhere(doubtful)
                        self.reached.append(ToController(doubtful))
                    else:
                        self._output(chosen, facts)
                case SetField(field=name, value=value, mask=mask):
                    facts = _write(name, facts, facts.write(name, value, mask))
                case Move(source=source, target=target):
                    if source.field in UNSEEN:
                        facts = self._chosen(target, facts, f"what {source.field} holds")
                    else:
                        facts = _write(target.field, facts, facts.move(source, target))
                case GroupAction(group_id=group_id):
                    self._group(self._bridge.groups.get(group_id), facts, depth)
                case Ct():
                    facts = self._track(action, facts)
                case CtClear():
                    facts = facts.untracked()
                case Resubmit(in_port=in_port, table=table, ct=ct):
                    if ct:
                        facts = facts.unknown("a resubmit with the tracker's addresses")
                        self._everywhere(facts)
                    facts = self._resubmit(in_port, self._table if table is None else table, facts)
                case PushVlan():
                    facts = self._push(facts)
                case PopVlan():
                    facts = self._pop(facts)
                case DecTtl():
                    alive = self._dec_ttl(facts)
                    if alive is None:
                        return None
                    facts = alive
                case Conjunction():
                    facts = facts.doubting("a conjunction, which the graph does not put together")
                case _:
                    facts = self._ovs(action, facts, depth)
        return facts

    def _ovs(self, action: Action, facts: Facts, depth: int) -> Facts:
        """Execute an action that only Open vSwitch has; one that is not known here may do anything."""
        match action:
            case Learn(result=target) if target is not None:
                return self._chosen(target, facts, "whether learn found room")
            case Note() | Sample() | FinTimeout() | PopQueue() | Learn():
                return facts  # `Bridge.learned` is where what was learned counts
            case Clone(actions=actions):
                self.apply(actions, facts, depth)
            case Controller():
                self.reached.append(ToController(facts))
            case OutputTruncated(of_port=number) | Enqueue(of_port=number):
                self._output(number, facts)
            case StackPush():
                return facts
            case StackPop(parts=parts):
                for part in parts:
                    facts = self._chosen(part, facts, "what was popped from the stack")
                return facts
            case CheckPktLarger(target=target):
                return self._chosen(target, facts, "how long the frame is")
            case Multipath(target=target):
                return self._chosen(target, facts, "multipath, which chooses a link")
            case Bundle(target=target, members=members):
                if target is not None:
                    return self._chosen(target, facts, "bundle_load, which chooses a port")
                for member in members:
                    self._output(member, facts.doubting("bundle, which chooses a port"))
            case _:
                name = type(action).__name__
                facts = facts.unknown(f"action {name}, which the graph does not know")
                self._everywhere(facts)
                self.reached.append(ToController(facts))
        return facts

    @staticmethod
    def _chosen(target: Subfield, facts: Facts, why: str) -> Facts:
        mask = (1 << target.bits) - 1 << target.start
        return _write(target.field, facts.doubting(why), facts.forget(target.field, mask).doubting(why))

    def _output(self, number: int, facts: Facts) -> None:
        if number == IN_PORT:
            in_port, mask = facts.bits("in_port")
            if mask:
                self.reached.append(ToPort(in_port, facts))
            else:
                self._everywhere(facts.doubting("output to a port of arrival that is not known"))
        elif number == CONTROLLER:
            self.reached.append(ToController(facts))
        elif number in (FLOOD, ALL):
            self._everywhere(facts)
        elif number == NORMAL:
            destination, mask = facts.bits("eth_dst")
            group = 1 << 40
            if not (facts.complete and destination & mask & group):
                facts = facts.doubting("NORMAL, a learning switch's table that no dump shows")
            self._everywhere(facts)
        elif number in (TABLE, ANY) or MAX_PORT <= number < IN_PORT:
            self._everywhere(facts.doubting(f"output to reserved port {number:#x}"))
        elif not self._is_in_port(number, facts):
            self.reached.append(ToPort(number, facts))

    def _everywhere(self, facts: Facts) -> None:
        for number in sorted(self._bridge.ports):
            if not self._is_in_port(number, facts):
                self.reached.append(ToPort(number, facts))

    @staticmethod
    def _is_in_port(number: int, facts: Facts) -> bool:
        """OpenFlow 1.3.5 section 5.1: back out of the port of arrival only by asking for IN_PORT."""
        in_port, mask = facts.bits("in_port")
        return bool(mask) and in_port == number

    def _group(self, group: Group | None, facts: Facts, depth: int) -> None:
        if group is None:
            return
        if depth > _GROUP_DEPTH:
            self._everywhere(facts.doubting(f"group {group.group_id}, too deep in other groups"))
            return
        choice = group.type is GroupType.FAST_FAILOVER or (
            group.type is GroupType.SELECT and len(group.buckets) > 1
        )
        if choice:
            facts = facts.doubting(f"group {group.group_id}, which chooses a bucket")
        for bucket in group.buckets:
            self.apply(_as_set(bucket.actions), facts, depth + 1)

    def _track(self, action: Ct, facts: Facts) -> Facts:
        if action.nat is not None:
            facts = facts.blurred(BEYOND_TAG).doubting("ct with nat, which rewrites addresses and ports")
        zone = action.zone if isinstance(action.zone, int) else facts.value(action.zone)
        place = None if zone is None else (self._bridge.name, zone)
        if self._new and facts.complete and not _opens_a_connection(facts):
            facts = facts.doubting("ct, whose answer for this packet the graph does not know")
        somewhere = (self._bridge.name, ANY_ZONE)
        if self._new and (place is None or not facts.committed.isdisjoint((place, somewhere))):
            facts = facts.doubting("ct in a zone where this packet was committed before, or an unknown one")
        if action.table is not None:
            answered = facts.tracked(new=self._new)
            if zone is not None:
                answered = answered.write("ct_zone", zone, FIELDS["ct_zone"].full_mask)
            self.reached.append(ToTable(action.table, answered))
        if not action.commit:
            return facts.untracked() if action.table is not None else facts.tracked(new=self._new)
        if place is not None:
            facts = replace(facts, committed=facts.committed | {place})
        # After a commit the fields may stay or not; nobody who reads them next is sure of it.
        for name in ("ct_state", "ct_zone", "ct_mark", "ct_label"):
            facts = facts.forget(name)
        return facts

    def _resubmit(self, in_port: int | None, table: int, facts: Facts) -> Facts:
        """Look the packet up in another table, then go on here with it as that left it.

        Whatever the tables from there on may write is not known afterwards, all else is.
        """
        inside = facts
        if in_port is not None and facts.bits("in_port") != (in_port, FIELDS["in_port"].full_mask):
            # Only the look-up believes it, an output goes by the port of arrival: not knowing covers both.
            unsure = facts.forget("in_port").doubting("a resubmit as if from another port")
            self.reached.append(ToTable(table, replace(unsure, actions=())))
            inside = facts.write("in_port", in_port, FIELDS["in_port"].full_mask)
        self.reached.append(ToTable(table, replace(inside, actions=())))
        written = self._bridge.written(table)
        facts = facts.blurred(sorted(written))
        if written.intersection(CT_FIELDS):
            facts = replace(facts, committed=facts.committed | {(self._bridge.name, ANY_ZONE)})
        return facts.doubting(f"a resubmit back to table {table}") if table <= self._table else facts

    def _push(self, facts: Facts) -> Facts:
        vid, mask = facts.bits("vlan_vid")
        if not (mask & OFPVID_PRESENT and not vid & OFPVID_PRESENT):
            facts = facts.blurred(BEYOND_TAG).doubting("a tag pushed where there may be one already")
        facts = facts.write("vlan_vid", OFPVID_PRESENT, FIELDS["vlan_vid"].full_mask)
        return facts.forget("vlan_pcp") if facts.doubt else _no_priority(facts)

    def _pop(self, facts: Facts) -> Facts:
        """Take the outermost tag off; what a second one hides is not known."""
        vid, mask = facts.bits("vlan_vid")
        if mask & OFPVID_PRESENT and not vid & OFPVID_PRESENT:
            return facts
        eth_type, known = facts.bits("eth_type")
        if known == FIELDS["eth_type"].full_mask and eth_type not in (ETH_VLAN, ETH_QINQ):
            return _no_priority(facts.write("vlan_vid", 0, FIELDS["vlan_vid"].full_mask))
        return facts.blurred(("vlan_vid", "vlan_pcp", *BEYOND_TAG)).doubting("what is under a popped tag")

    def _dec_ttl(self, facts: Facts) -> Facts | None:
        ttl, mask = facts.bits("nw_ttl")
        full = FIELDS["nw_ttl"].full_mask
        if mask != full:
            return facts.forget("nw_ttl").doubting("dec_ttl of a TTL that is not known")
        if ttl <= 1:
            return None  # and nobody is told: Open vSwitch reports it only to a controller that asked
        return facts.write("nw_ttl", ttl - 1, full)


def _write(name: str, before: Facts, after: Facts) -> Facts:
    """Return *after*; but a write to the whole tag may put one on or take one off."""
    if name != "vlan_tci":
        return after
    blurred = before.blurred(("vlan_vid", "vlan_pcp", *BEYOND_TAG))
    return blurred.doubting("a write to the whole VLAN tag")


def _no_priority(facts: Facts) -> Facts:
    return facts.write("vlan_pcp", 0, FIELDS["vlan_pcp"].full_mask)


def _opens_a_connection(facts: Facts) -> bool:
    """Say whether the tracker certainly calls this complete packet +new from an empty table."""
    if facts.bits("eth_type")[0] not in (0x0800, 0x86DD) or facts.bits("ip_frag")[0]:
        return False
    proto = facts.bits("ip_proto")[0]
    if proto in _REQUESTS:
        name, types = _REQUESTS[proto]
        return facts.bits(name)[0] in types
    if proto == 6:
        asked = TCP_FLAG_BITS["syn"] | TCP_FLAG_BITS["ack"] | TCP_FLAG_BITS["rst"] | TCP_FLAG_BITS["fin"]
        return facts.bits("tcp_flags")[0] & asked == TCP_FLAG_BITS["syn"]
    return True
