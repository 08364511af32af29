"""Instructions on the wire.  Reference: OpenFlow Switch Specification 1.3.5, section 7.2.4."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

from sdn_lab.openflow.action import Action
from sdn_lab.openflow.entry import Instructions
from sdn_lab.openflow.wire import action, action_write, error
from sdn_lab.openflow.wire.error import WireError

GOTO_TABLE, WRITE_METADATA, WRITE_ACTIONS, APPLY_ACTIONS, CLEAR_ACTIONS, METER = 1, 2, 3, 4, 5, 6
EXPERIMENTER = 0xFFFF
_HEAD = Struct("!HH4x")
_METADATA = Struct("!HH4xQQ")
_LENGTHS = {GOTO_TABLE: 8, WRITE_METADATA: 24, CLEAR_ACTIONS: 8, METER: 8}


def read_instructions(buf: bytes, at: int, end: int) -> Instructions:
    """Read the instructions that fill *at* to *end* exactly.  Raises WireError."""
    return _read(bytes(buf[at:end]))


@lru_cache(maxsize=1 << 14)
def _read(buf: bytes) -> Instructions:
    """Read instructions; large tables hold few different ones."""
    at, end = 0, len(buf)
    seen: set[int] = set()
    clear, goto, meter = False, None, None
    metadata: tuple[int, int] | None = None
    lists: dict[int, tuple[Action, ...]] = {}
    while at < end:
        if end - at < 8:
            raise WireError(error.INSTRUCTION_BAD_LEN, "an instruction does not fit")
        kind, length = _HEAD.unpack_from(buf, at)
        if length < 8 or length % 8 or length > end - at or length != _LENGTHS.get(kind, length):
            raise WireError(error.INSTRUCTION_BAD_LEN, f"instruction {kind} says {length} bytes")
        if kind in seen:
            raise WireError(error.INSTRUCTION_UNSUPPORTED, f"instruction {kind} is given twice")
        seen.add(kind)
        if kind == GOTO_TABLE:
            goto = buf[at + 4]
        elif kind == WRITE_METADATA:
            _, _, own, mask = _METADATA.unpack_from(buf, at)
            metadata = own & mask, mask
        elif kind in (APPLY_ACTIONS, WRITE_ACTIONS):
            lists[kind] = action.read_actions(buf, at + 8, at + length)
        elif kind == CLEAR_ACTIONS:
            clear = True
        elif kind == METER:
            meter = int.from_bytes(buf[at + 4 : at + 8], "big")
        elif kind == EXPERIMENTER:
            raise WireError(error.INSTRUCTION_BAD_EXPERIMENTER, "an experimenter's instruction")
        else:
            raise WireError(error.INSTRUCTION_UNKNOWN, f"instruction {kind} is not known here")
        at += length
    return Instructions(
        apply=lists.get(APPLY_ACTIONS, ()),
        clear=clear,
        write=lists.get(WRITE_ACTIONS, ()),
        metadata=metadata,
        goto=goto,
        meter=meter,
    )


@lru_cache(maxsize=1 << 14)
def write_instructions(instructions: Instructions) -> bytes:
    """Return the instructions in the order in which they are executed."""
    parts: list[bytes] = []
    if instructions.meter is not None:
        parts.append(METER.to_bytes(2, "big") + b"\x00\x08" + instructions.meter.to_bytes(4, "big"))
    if instructions.apply:
        parts.append(_actions(APPLY_ACTIONS, instructions.apply))
    if instructions.clear:
        parts.append(_HEAD.pack(CLEAR_ACTIONS, 8))
    if instructions.write:
        parts.append(_actions(WRITE_ACTIONS, instructions.write))
    if instructions.metadata is not None:
        parts.append(_METADATA.pack(WRITE_METADATA, 24, *instructions.metadata))
    if instructions.goto is not None:
        parts.append(GOTO_TABLE.to_bytes(2, "big") + b"\x00\x08" + bytes((instructions.goto, 0, 0, 0)))
    return b"".join(parts)


def _actions(kind: int, actions: tuple[Action, ...]) -> bytes:
    body = action_write.write_actions(actions)
    return _HEAD.pack(kind, 8 + len(body)) + body
