"""What actions have in common on the wire: headers, padding, and places in fields.

Reference: OpenFlow 1.3.5 section 7.2.5; Open vSwitch's Nicira extensions (``lib/ofp-actions.c``).
"""

from __future__ import annotations

from struct import Struct

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow import fields
from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.wire import error, oxm
from sdn_lab.openflow.wire.error import WireError

NICIRA = 0x00002320
EXPERIMENTER = 0xFFFF
HEAD = Struct("!HH")
NX = Struct("!HHIH")  # type, length, experimenter, subtype
_HEADER_SIZE = 4


def exactly(body: bytes, length: int, what: str) -> None:
    """Raise WireError for an action of another length."""
    if len(body) != length:
        raise WireError(error.ACTION_BAD_LEN, f"{what} has {len(body)} bytes, not {length}")


def at_least(body: bytes, length: int, what: str) -> None:
    """Raise WireError for an action that is shorter."""
    if len(body) < length:
        raise WireError(error.ACTION_BAD_LEN, f"{what} has {len(body)} bytes")


def number(body: bytes, at: int, size: int) -> int:
    """Return the number in *size* bytes."""
    return int.from_bytes(body[at : at + size], "big")


def check_zero(body: bytes, at: int, what: str) -> None:
    """Raise WireError for anything behind the end of what an action says."""
    if any(body[at:]):
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{what} has bytes left over")


def check_writable(*parts: Subfield) -> None:
    """Raise WireError for a field that no action writes."""
    for part in parts:
        if not fields.FIELDS[part.field].writable:
            raise WireError(error.ACTION_BAD_SET_ARGUMENT, f"{part.field} cannot be written")


def unpack_bits(packed: int) -> tuple[int, int]:
    """Return first bit and width that Nicira packs into 16 bits."""
    return packed >> 6, (packed & 0x3F) + 1


def pack_bits(part: Subfield) -> int:
    """Return first bit and width in 16 bits: what is wider than 64 has no bytes."""
    return part.start << 6 | part.bits - 1


def read_place(body: bytes, at: int, packed: int) -> Subfield:
    """Return the part of a field whose header is at *at*; it is in four bytes.  Raises WireError."""
    return oxm.read_subfield(body, at, at + 4, *unpack_bits(packed))[0]


def write_place(part: Subfield) -> tuple[int, int]:
    """Return a part's packed bits and its field's header as a number.

    Raises LabError for an experimenter's field: its header has eight bytes, for which there is no room.
    """
    header = oxm.write_place(part)
    if len(header) > _HEADER_SIZE:
        raise LabError(f"{part.field} cannot be named in an action that has four bytes for a field")
    return pack_bits(part), int.from_bytes(header)


def standard(kind: int, body: bytes) -> bytes:
    """Return an action of OpenFlow's own."""
    length = HEAD.size + len(body)
    return HEAD.pack(kind, length + -length % 8) + body + bytes(-length % 8)


def nicira(subtype: int, body: bytes) -> bytes:
    """Return an action of Open vSwitch's."""
    length = NX.size + len(body)
    return NX.pack(EXPERIMENTER, length + -length % 8, NICIRA, subtype) + body + bytes(-length % 8)
