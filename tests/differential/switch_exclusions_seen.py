"""What the switch suite does not compare and the interpreter does not note: told by what came of a frame.

A row has the rule, its reason, and the function that says whether it applies to a result, in a case, of a
frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sdn_lab.openflow.action import (
    NORMAL,
    Action,
    Ct,
    GroupAction,
    Move,
    Output,
    PopVlan,
    PushVlan,
    SetField,
)
from sdn_lab.openflow.action_labels import PopMpls
from sdn_lab.openflow.action_ovs import CheckPktLarger, Clone, OutputTruncated, StackPop
from sdn_lab.openflow.interpret_labels import VOID_LABELS
from sdn_lab.openflow.interpret_result import Result
from sdn_lab.openflow.interpret_run import VOID
from sdn_lab.openflow.packet import parse

from .switch_case import Case, all_of

TAGS = (b"\x81\0", b"\x88\xa8")
LABELS = (b"\x88\x47", b"\x88\x48")


class Seen(NamedTuple):
    """A rule."""

    rule: str
    reason: str
    applies: Callable[[Result, Case, bytes], bool]


def _met(result: Result) -> list[Action]:
    """Return the actions of the entries on the way, cloned ones too; not those of buckets."""
    met = [taken.entry.instructions for taken in result.path if taken.entry]
    return [action for todo in met for action in all_of(todo.apply + todo.write)]


def _copied(met: list[Action]) -> bool:
    return any(isinstance(a, (Clone, GroupAction)) or a == Output(of_port=NORMAL) for a in met)


def _has(met: list[Action], *kinds: type) -> bool:
    return any(isinstance(action, kinds) for action in met)


def _two_tags_and_told(result: Result, _case: Case, _frame: bytes) -> bool:
    frames = [sent.frame for sent in (*result.emissions, *result.packet_ins)]
    return bool(result.packet_ins) and any(f[12:14] in TAGS and f[16:18] in TAGS for f in frames)


def _follows_both(result: Result, _case: Case, _frame: bytes) -> bool:
    met = _met(result)
    asked = sum(isinstance(action, CheckPktLarger) for action in met)
    write = any(t.entry.instructions.write for t in result.path if t.entry)
    return asked > 3 or (asked > 0 and (write or bool(result.learned)))


def _counted_beside_copies(result: Result, case: Case, _frame: bytes) -> bool:
    met, kilobits = _met(result), {meter.meter_id for meter in case.meters if not meter.packets}
    metered = any(taken.entry and taken.entry.instructions.meter in kilobits for taken in result.path)
    return (metered or _has(met, OutputTruncated)) and _copied(met)


def _void_but_taught(result: Result, case: Case, _frame: bytes) -> bool:
    taught = case.learns or case.bridges or bool(case.meters)
    return taught and not {VOID, VOID_LABELS}.isdisjoint(result.notes)


def _popped_in_a_copy(result: Result, _case: Case, _frame: bytes) -> bool:
    met = _met(result)
    void = not {VOID, VOID_LABELS}.isdisjoint(result.notes)
    again = _copied(met) or bool(result.learned) or bool(result.packet_ins) or void
    return again and _has(met, PopMpls)


def _learned_and_tracked(result: Result, _case: Case, _frame: bytes) -> bool:
    return bool(result.learned) and _has(_met(result), Ct)


def _both_kinds(result: Result, _case: Case, _frame: bytes) -> bool:
    frames = [sent.frame for sent in (*result.emissions, *result.packet_ins)]
    kinds = {kind for frame in frames for kind in LABELS if kind in frame[12:22]}
    return len(kinds) > 1


def _no_label(_result: Result, _case: Case, frame: bytes) -> bool:
    at = 16 if frame[12:14] in TAGS else 12
    if frame[at : at + 2] not in LABELS:
        return False
    stack = [frame[at + 2 + n : at + 6 + n] for n in (0, 4, 8)]
    known = next((stack[: n + 1] for n, entry in enumerate(stack) if entry[2:3] and entry[2] & 1), stack)
    return any(len(entry) < 4 or entry == b"\0\0\0\0" for entry in known)


def _part_of_what_is_void(result: Result, _case: Case, frame: bytes) -> bool:
    fields = parse(frame)
    if fields.get("nd_target", 1):
        return False
    written = {a.field for a in _met(result) if isinstance(a, SetField)}
    written |= {a.target.field for a in _met(result) if isinstance(a, Move)}
    written |= {part.field for a in _met(result) if isinstance(a, StackPop) for part in a.parts}
    return any(name.startswith("nd_") for name in written)


def _advertised_anew(result: Result, _case: Case, frame: bytes) -> bool:
    written = {action.field for action in _met(result) if isinstance(action, SetField)}
    return not written.isdisjoint(("nd_reserved", "nd_options_type")) and "nd_reserved" in parse(frame)


def _drop_eligible(result: Result, _case: Case, frame: bytes) -> bool:
    tag = next((frame[at + 2] for at in (12,) if frame[at : at + 2] in TAGS and len(frame) > 16), 0)
    met = _met(result)
    retagged = _has(met, PushVlan, PopVlan) or any(
        isinstance(action, SetField) and action.field.startswith("vlan") for action in met
    )
    return bool(tag & 0x10) and (retagged or _copied(met))


SEEN = (
    Seen(
        "counted beside copies",
        "as behind a push or pop: what a bucket, a clone or NORMAL pushed is not yet taken off",
        _counted_beside_copies,
    ),
    Seen(
        "two tags and a packet-in",
        "docs/ovs-facts.md, crash 6: behind a second tag and a packet-in IP is written early",
        _two_tags_and_told,
    ),
    Seen(
        "many lengths asked",
        "Open vSwitch follows both answers: resubmits, the action set, what is learned are those of both",
        _follows_both,
    ),
    Seen(
        "void, but taught",
        "such a packet is dropped; NORMAL and learn have learned from it, and no meter has counted it",
        _void_but_taught,
    ),
    Seen(
        "popped in a copy",
        "the packet is read anew behind pop_mpls: beside its copies, its words, its own count of resubmits",
        _popped_in_a_copy,
    ),
    Seen(
        "learned and tracked",
        "the run behind ct(table=) comes after the others there, and meets what they have learned",
        _learned_and_tracked,
    ),
    Seen(
        "labels of both EtherTypes",
        "where one copy was sent with an equal label under the other EtherType, that one stays",
        _both_kinds,
    ),
    Seen(
        "label of zeroes, received",
        "docs/ovs-facts.md, actions: an entry of zeroes, or one that is not whole, is not counted",
        _no_label,
    ),
    Seen(
        "part of a void option",
        "docs/ovs-facts.md, actions: of what is read as 0 and holds something a write may leave the rest",
        _part_of_what_is_void,
    ),
    Seen(
        "checksum computed anew",
        "docs/ovs-facts.md, actions: a write to nd_reserved mends a wrong checksum there and keeps it here",
        _advertised_anew,
    ),
    Seen(
        "drop-eligible bit",
        "a tag that is taken off and put on again has lost it, unless nothing was sent in between",
        _drop_eligible,
    ),
)
