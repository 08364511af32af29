"""The words of a line: where they are, and which field they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.fields import FIELDS, Field
from sdn_lab.openflow.text_action_write import SET_NAMES
from sdn_lab.openflow.text_values import Complaint

BY_PROTOCOL = ("tp_src", "tp_dst", "icmp_type", "icmp_code", "nw_src", "nw_dst")
"""Words whose field depends on the protocol that the match tests."""

_SUBFIELD = re.compile(r"([A-Za-z0-9_]+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?")
_SET_FIELDS = {word: FIELDS[name] for name, word in SET_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line; *offset* is where it starts in the line."""

    text: str
    offset: int

    @property
    def key(self) -> str:
        """What stands before ``=``."""
        return self.text.partition("=")[0].strip()

    @property
    def value(self) -> str | None:
        """What stands behind ``=``, or None where there is none."""
        _, equals, value = self.text.partition("=")
        return value.strip() if equals else None


def _build_names() -> dict[str, Field]:
    names: dict[str, Field] = {}
    for field in FIELDS.values():
        for word in (field.name, field.nxm, field.ofctl):
            if word not in BY_PROTOCOL:
                names[word] = field
    names["ip_src"], names["ip_dst"] = FIELDS["ipv4_src"], FIELDS["ipv4_dst"]
    names["tunnel_id"] = FIELDS["tun_id"]
    names["nw_frag"] = FIELDS["ip_frag"]  # dump-flows says so when it is told to speak OpenFlow 1.3
    return names


NAMES: Mapping[str, Field] = _build_names()
"""Every word that names a field of its own, as ovs-ofctl knows it: OXM, NXM and dump-flows names."""


def split(text: str, offset: int) -> list[Word]:
    """Split at commas outside parentheses and brackets; empty pieces are left out."""
    words, depth, start = [], 0, 0
    for at, character in enumerate(text + ","):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "," and depth <= 0:
            piece = text[start:at]
            if piece.strip():
                words.append(Word(piece.strip(), offset + start + len(piece) - len(piece.lstrip())))
            start = at + 1
    if depth:
        raise Complaint(
            "FLW006", "parentheses do not balance", "each ( needs its )", offset=offset, length=len(text)
        )
    return words


def subfield(text: str) -> Subfield:
    """Read ``NXM_NX_REG5[0..15]``, ``reg5[3]``, ``NXM_OF_ETH_SRC[]``."""
    parsed = _SUBFIELD.fullmatch(text)
    row = settable(parsed[1]) if parsed is not None else None
    if parsed is None or row is None:
        raise Complaint("FLW006", f"'{text}' is no part of a field", "for example NXM_NX_REG5[0..15]")
    first = int(parsed[2]) if parsed[2] else 0
    last = int(parsed[3]) if parsed[3] else first if parsed[2] else row.bits - 1
    if not first <= last < row.bits:
        raise Complaint(
            "FLW006", f"'{text}' does not lie in the field", f"{row.name} has bits 0 to {row.bits - 1}"
        )
    return Subfield(field=row.name, start=first, bits=last - first + 1)


def settable(name: str) -> Field | None:
    """Return the field that set_field, load and move call *name*."""
    return _SET_FIELDS.get(name) or NAMES.get(name)
