"""What a table can do: the body of a table-features reply, with every property that must be there.

A table can do the same as any other, but for where it can go on.  ``ovs-ofctl`` asks for it before it does
anything else, to learn the names of the tables.

Reference: OpenFlow 1.3.5, section 7.3.5.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from struct import Struct

from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.wire import action, action_labels, instruction, oxm

_HEAD = Struct("!HB5x32sQQII")
_PROPERTY = Struct("!HH")
_ALL_METADATA = (1 << 64) - 1
_MOST = 1_000_000
_LAST_TABLE = 253
(_INSTRUCTIONS, _NEXT_TABLES, _WRITE_ACTIONS, _APPLY_ACTIONS) = (0, 2, 4, 6)
(_MATCH, _WILDCARDS, _WRITE_SET, _APPLY_SET) = (8, 10, 12, 14)
_ACTIONS = sorted(
    {
        *(action.OUTPUT, action.PUSH_VLAN, action.POP_VLAN, action.GROUP),
        *(action.SET_NW_TTL, action.DEC_NW_TTL, action.SET_FIELD),
        *action_labels.KINDS,
        action_labels.SET_MPLS_TTL,
    }
)
_ACTIONS_ALONE = ("vlan_tci",)
_INSTRUCTION_KINDS = (
    *(instruction.GOTO_TABLE, instruction.WRITE_METADATA, instruction.WRITE_ACTIONS),
    *(instruction.APPLY_ACTIONS, instruction.CLEAR_ACTIONS, instruction.METER),
)


def write(table_id: int) -> bytes:
    """Return one table's."""
    further = bytes(range(table_id + 1, _LAST_TABLE + 1))
    body = _before() + _property(_NEXT_TABLES, further) + _behind()
    name = f"table {table_id}".encode()
    return _HEAD.pack(_HEAD.size + len(body), table_id, name, _ALL_METADATA, _ALL_METADATA, 0, _MOST) + body


def _property(kind: int, body: bytes) -> bytes:
    length = _PROPERTY.size + len(body)
    return _PROPERTY.pack(kind, length) + body + bytes(-length % 8)


def _kinds(numbers: Iterable[int]) -> bytes:
    """Return instructions or actions by their types alone."""
    return b"".join(_PROPERTY.pack(number, _PROPERTY.size) for number in numbers)


@cache
def _before() -> bytes:
    return _property(_INSTRUCTIONS, _kinds(_INSTRUCTION_KINDS))


@cache
def _behind() -> bytes:
    """Return the properties that are the same for every table."""
    rows = [row for row in FIELDS.values() if row.name not in _ACTIONS_ALONE]
    match = b"".join(oxm.write_listed(row.name, masked=row.maskable) for row in rows)
    wild = b"".join(oxm.write_listed(row.name, masked=False) for row in rows)
    settable = b"".join(oxm.write_listed(row.name, masked=False) for row in rows if row.writable)
    actions = _kinds(_ACTIONS)
    return b"".join(
        (
            _property(_WRITE_ACTIONS, actions),
            _property(_APPLY_ACTIONS, actions),
            _property(_MATCH, match),
            _property(_WILDCARDS, wild),
            _property(_WRITE_SET, settable),
            _property(_APPLY_SET, settable),
        )
    )
