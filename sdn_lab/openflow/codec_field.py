"""Match fields between us and the controller framework: numbers, names, bytes.

Field names differ between us and the framework, numbers do not; so fields go by the OXM number in their
row, and a new row in `fields.py` works in `codec` and `codec_action` at once.

Open vSwitch answers a match on ``tcp_flags`` (NXM) with the ONF experimenter field, and names the fields of
``move`` by their older Nicira numbers, for which the framework has other names: `row_of` knows both.

Addresses are turned into numbers here and not by the framework, whose way back costs a tenth of a
millisecond an entry.
"""

from __future__ import annotations

import base64
import socket
import struct
from collections.abc import Mapping
from functools import cache
from typing import Any

from sdn_lab.openflow import action as act
from sdn_lab.openflow import fields_ovs
from sdn_lab.openflow.fields import FIELDS, OFPXMC_EXPERIMENTER, OFPXMC_ND, ONF, Field

_OVS_ONLY = frozenset(
    row.name
    for rows in (
        fields_ovs.TUNNEL_ROWS,
        fields_ovs.PIPELINE_ROWS,
        fields_ovs.TRACKED_ROWS,
        fields_ovs.PACKET_ROWS,
    )
    for row in rows
)
NUMBERS: Mapping[str, int] = {
    name: row.oxm[0] << 7 | row.oxm[1] for name, row in FIELDS.items() if name not in _OVS_ONLY
}
"""The fields that go through the framework: those of `fields_ovs` do not, and are refused by name."""

_BY_NUMBER: Mapping[object, Field] = {
    **{number: FIELDS[name] for name, number in NUMBERS.items()},
    (ONF, OFPXMC_EXPERIMENTER << 7 | 42): FIELDS["tcp_flags"],
}
# The framework names a field's older Nicira number NAME_nxm, with these exceptions.
_NICIRA_NAMES: Mapping[str, str] = {
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
    "ipv6_label": "ipv6_flabel",
}
_SUBFIELD_BITS_MAX = 64
MAC_BITS, IPV4_BITS = 48, 32


class CodecError(ValueError):
    """A message holds something that this project has no value for; says what, by name."""


def payload(row: Field, value: int) -> bytes:
    """Return *value* as it stands in an OXM."""
    width = (row.bits + 7) // 8
    return value.to_bytes(4 if row.bits == 20 else width, "big")  # labels of 20 bits take four bytes


def oxm(name: str, value: int, mask: int) -> bytes:
    """Return the whole OXM of a test or a write."""
    row = FIELDS[name]
    masked = mask != row.full_mask
    check_carried(name)
    body = payload(row, value) + (payload(row, mask) if masked else b"")
    return struct.pack("!I", NUMBERS[name] << 9 | masked << 8 | len(body)) + body


def framework_name(datapath: Any, field: str) -> str:
    """Return what the framework calls our *field*."""
    check_carried(field)
    return str(datapath.ofproto.oxm_to_user_header(NUMBERS[field]))


def check_carried(name: str) -> None:
    """Raise CodecError for a field that the framework does not know."""
    if name not in NUMBERS:
        raise CodecError(f"field {name} does not go through the controller framework")


def row_of(datapath: Any, name: str) -> Field:
    """Return our row for what the framework calls *name*.  Raises CodecError."""
    row = _row_of(datapath.ofproto, name)
    if row is None:
        raise CodecError(f"'{name}' is not a field that sdn_lab knows")
    return row


@cache
def _row_of(ofproto: Any, name: str) -> Field | None:
    try:
        return _BY_NUMBER.get(
            ofproto.oxm_from_user_header(_NICIRA_NAMES.get(name, name.removesuffix("_nxm")))
        )
    except KeyError:
        return None


def read_test(datapath: Any, name: str, user: Any) -> tuple[Field, int, int]:
    """Return (row, value, mask) of what the framework calls *name*, *user*.  Raises CodecError."""
    row = row_of(datapath, name)
    if name == "in_port_nxm":
        raise CodecError("'in_port_nxm' has 16 bits where in_port has 32")
    if isinstance(user, (tuple, list)):
        value, mask = user
        return row, _number(row, value), _number(row, mask) & row.full_mask
    return row, _number(row, user), row.full_mask


def _number(row: Field, user: int | str) -> int:
    """Return the number of a value that the framework may have written as an address."""
    if isinstance(user, int):
        return user
    if row.oxm[0] == OFPXMC_ND:  # the framework does not know the field, and gives its bytes
        return int.from_bytes(base64.b64decode(user), "big")
    if row.bits == MAC_BITS:
        return int(user.replace(":", ""), 16)
    family = socket.AF_INET if row.bits == IPV4_BITS else socket.AF_INET6
    return int.from_bytes(socket.inet_pton(family, user), "big")


def ofs_nbits(value: act.Subfield) -> int:
    """Return first bit and width in the 16 bits that Nicira's actions have for them.  Raises CodecError."""
    if value.bits > _SUBFIELD_BITS_MAX:
        raise CodecError(f"{value.bits} bits of {value.field} are more than OpenFlow can name")
    return value.start << 6 | value.bits - 1


def read_subfield(datapath: Any, name: str, packed: int) -> act.Subfield:
    """Return the bits *packed* (see `ofs_nbits`) of what the framework calls *name*.  Raises CodecError."""
    return act.Subfield(field=row_of(datapath, name).name, start=packed >> 6, bits=(packed & 0x3F) + 1)
