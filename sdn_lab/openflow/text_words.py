"""The words of a line: where they are, and which field they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.fields import FIELDS, OFPXMC_BASIC, Field
from sdn_lab.openflow.text_values import SET_NAMES, Complaint

BY_PROTOCOL = ("tp_src", "tp_dst", "icmp_type", "icmp_code", "nw_src", "nw_dst")
"""Words whose field depends on the protocol that the match tests."""

ACTIONS = re.compile(r"(?:(?<=[\s,])|^)actions?\s*=")
"""Where the match ends and the actions begin."""

WORD = re.compile(r"(?:[^\s,(]|\([^)]*\))+|\(")
"""A word of a match: no blank and no comma outside parentheses."""

_SUBFIELD = re.compile(r"([A-Za-z0-9_]+)(?:\[(?:(\d+)(?:\.\.(\d+))?)?\])?")
_GOES_ON = re.compile(r"\s*(?:->|\(|$)")  # behind a blank
_HANGS = re.compile(r"(?:->|[:=])\s*$")
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


_OXM_NAMES = {
    "tun_id": "TUNNEL_ID",
    "nd_target": "IPV6_ND_TARGET",
    "nd_sll": "IPV6_ND_SLL",
    "nd_tll": "IPV6_ND_TLL",
}
_MORE_NAMES = {
    "ip_src": "ipv4_src",
    "ip_dst": "ipv4_dst",
    "tunnel_id": "tun_id",
    "nw_frag": "ip_frag",  # dump-flows says so when it is told to speak OpenFlow 1.3
    "ip_ttl": "nw_ttl",
    "in_port_oxm": "in_port",
    "OXM_OF_TCP_FLAGS": "tcp_flags",
    "ONFOXM_ET_TCP_FLAGS": "tcp_flags",
    "OXM_OF_ACTSET_OUTPUT": "actset_output",
    "tun_gtpu_flags": "gtpu_flags",
    "tun_gtpu_msgtype": "gtpu_msgtype",
    "nsp": "nsh_spi",
    "nsi": "nsh_si",
}


def _build_names() -> dict[str, Field]:
    names: dict[str, Field] = {}
    for field in FIELDS.values():
        words = [field.name, field.nxm, field.ofctl]
        if field.oxm[0] == OFPXMC_BASIC:
            words.append("OXM_OF_" + _OXM_NAMES.get(field.name, field.name.upper()))
        for word in words:
            if word and word not in BY_PROTOCOL:
                names[word] = field
    names.update({word: FIELDS[name] for word, name in _MORE_NAMES.items()})
    return names


NAMES: Mapping[str, Field] = _build_names()
"""Every word that names a field of its own, as ovs-ofctl knows it: OXM, NXM and dump-flows names."""


def split(text: str, offset: int) -> list[Word]:
    """Split at commas and blanks outside parentheses and brackets; empty pieces are left out.

    A blank before an opening parenthesis, or around ``->``, does not split.
    """
    words, depth, start = [], 0, 0
    for at, character in enumerate(text + ","):
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif depth <= 0 and (character == "," or (character.isspace() and not _GOES_ON.match(text, at))):
            piece = text[start:at]
            if piece.strip() and (character == "," or not _HANGS.search(piece)):
                words.append(Word(piece.strip(), offset + start + len(piece) - len(piece.lstrip())))
            elif piece.strip():
                continue  # VALUE -> FIELD
            start = at + 1
    if depth:
        raise Complaint(
            "FLW006", "parentheses do not balance", "each ( needs its )", offset=offset, length=len(text)
        )
    return words


def subfields(text: str) -> tuple[Subfield, ...]:
    """Read ``NXM_NX_REG5[0..15]``, ``reg5[3]``, ``NXM_OF_ETH_SRC[]``; a wide register is several.

    The most significant part comes first.
    """
    parsed = _SUBFIELD.fullmatch(text)
    wide = registers.NAMES.get(parsed[1]) if parsed is not None else None
    row = settable(parsed[1]) if parsed is not None else None
    if parsed is None or (row is None and wide is None):
        raise Complaint("FLW006", f"'{text}' is no part of a field", "for example NXM_NX_REG5[0..15]")
    bits = registers.WIDE[wide][1] if wide is not None else row.bits if row is not None else 0
    if parsed[1] in ("NXM_OF_IN_PORT", "in_port"):
        bits = registers.IN_PORT_BITS
    first = int(parsed[2]) if parsed[2] else 0
    last = int(parsed[3]) if parsed[3] else first if parsed[2] else bits - 1
    if not first <= last < bits:
        raise Complaint(
            "FLW006", f"'{text}' does not lie in the field", f"{parsed[1]} has bits 0 to {bits - 1}"
        )
    if wide is not None:
        return registers.parts(wide, first, last - first + 1)
    assert row is not None
    return (Subfield(field=row.name, start=first, bits=last - first + 1),)


def subfield(text: str) -> Subfield:
    """Read a part of one field; one that lies across two registers is a Complaint."""
    found = subfields(text)
    if len(found) != 1:
        raise Complaint("FLW011", f"'{text}' lies across two registers", "not supported in this place")
    return found[0]


def settable(name: str) -> Field | None:
    """Return the field that set_field, load and move call *name*."""
    return _SET_FIELDS.get(name) or NAMES.get(name)
