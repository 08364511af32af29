"""Groups in ovs-ofctl's words, both ways: one line a group, as ``dump-groups`` prints it.

How a select group chooses (``selection_method``, ``fields``) is kept as it is written and compared as such.
"""

from __future__ import annotations

import re

from sdn_lab.openflow.entry import Bucket, Group, GroupType
from sdn_lab.openflow.text_action import read_actions
from sdn_lab.openflow.text_action_write import write_actions
from sdn_lab.openflow.text_values import Complaint, number, of_port, write_of_port
from sdn_lab.openflow.text_words import ACTIONS, WORD, Word

_SELECTION = ("selection_method", "selection_method_param", "fields")
_FIELDS = re.compile(r"fields\s*\((.*)\)")


def format_group(group: Group) -> str:
    """Write one group in the style of ``dump-groups``."""
    words = [f"group_id={group.group_id}", f"type={group.type.value}"]
    words.extend(
        f"fields({value})" if key == "fields" else f"{key}={value}" for key, value in group.selection
    )
    for bucket in group.buckets:
        weight = f"weight:{bucket.weight}," if group.type is GroupType.SELECT else ""
        watch = f"watch_port:{write_of_port(bucket.watch_port)}," if bucket.watch_port != 0xFFFFFFFF else ""
        words.append(f"bucket={weight}{watch}actions={write_actions(bucket.actions)}")
    return ",".join(words)


def read_group(line: str, complaints: list[Complaint]) -> Group | None:
    """Read one line; what is wrong is added to *complaints*."""
    pieces = re.split(r",\s*bucket\s*=", line)
    offset = 0
    head: dict[str, str] = {}
    selection: list[tuple[str, str]] = []
    for found in WORD.finditer(pieces[0]):
        word = Word(found[0], found.start())
        if word.key in ("group_id", "type") and word.value is not None and word.key not in head:
            head[word.key] = word.value
        elif word.key in _SELECTION and word.value is not None:
            selection.append((word.key, word.value))
        elif (listed := _FIELDS.fullmatch(word.text)) is not None:
            selection.append(("fields", ",".join(piece.strip() for piece in listed[1].split(","))))
        else:
            complaint = Complaint("FLW009", f"'{word.text}' is no part of a group", "group_id, type, bucket")
            complaints.append(complaint.at(word.offset, len(word.text)))
    if head.get("type") not in {kind.value for kind in GroupType} or "group_id" not in head:
        what, why = "this group has no group_id and type", "type is one of all, select, indirect, ff"
        complaints.append(Complaint("FLW009", what, why).at(0, len(pieces[0])))
        return None
    kind = GroupType(head["type"])
    buckets = []
    for piece in pieces[1:]:
        offset = line.index(piece, offset)
        try:
            buckets.append(_bucket(piece, offset, kind, complaints))
        except Complaint as complaint:
            complaints.append(complaint.at(offset, len(piece)))
        offset += len(piece)
    try:
        return Group(
            group_id=number(head["group_id"], 32, "group_id"),
            type=kind,
            buckets=tuple(buckets),
            selection=tuple(selection),
        )
    except Complaint as complaint:
        complaints.append(complaint.at(0, len(pieces[0])))
        return None


def _bucket(text: str, offset: int, kind: GroupType, complaints: list[Complaint]) -> Bucket:
    weight, watch = (1 if kind is GroupType.SELECT else 0), 0xFFFFFFFF
    cut = ACTIONS.search(text)
    start = cut.end() if cut else len(text)
    for found in WORD.finditer(text[: cut.start()] if cut else text):
        key, _, value = found[0].partition(":")
        if key == "weight":
            weight = number(value, 16, "weight")
        elif key == "watch_port":
            watch = of_port(value)
        elif key != "bucket_id" and cut is None:
            start = found.start()  # ovs-ofctl also takes bucket=output:1
            break
        elif key != "bucket_id":
            raise Complaint("FLW009", f"'{found[0]}' is no part of a bucket", "weight, watch_port, actions")
    return Bucket(
        actions=read_actions(text[start:], offset + start, complaints), weight=weight, watch_port=watch
    )
