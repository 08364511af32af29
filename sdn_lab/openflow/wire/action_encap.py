"""``encap``, ``decap`` and ``dec_nsh_ttl`` on the wire.

A header is named by its packet type: 16 bits of name space, 16 of type.  What an ``encap`` says of it follows
as properties of eight bytes, or of more for NSH's TLVs.

Reference: ovs-actions(7), ``encap``; Open vSwitch, `struct nx_action_encap`, `struct ofp_ed_prop_header`.
"""

from __future__ import annotations

import re
from struct import Struct

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.action_ovs import Decap, DecNshTtl, Encap
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.action_form import at_least, check_zero, exactly, nicira, number
from sdn_lab.openflow.wire.error import WireError

ENCAP, DECAP, DEC_NSH_TTL = 46, 47, 48
_HEADERS = {"ethernet": 0, "nsh": 0x1894F, "mpls": 0x18847, "mpls_mc": 0x18848}
_USE_NEXT = (0, 0xFFFE)  # what is beneath: the header itself says
_NSH = 4
_PROPERTY = Struct("!HBB")
_KEYS = {(_NSH, 1): "md_type", (_NSH, 2): "tlv"}


def read_encap(body: bytes) -> Encap:
    """Read an ``encap``, its header included.  Raises WireError."""
    at_least(body, 16, "encap")
    packet_type = number(body, 12, 4)
    header = next((name for name, known in _HEADERS.items() if known == packet_type), None)
    if header is None:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"packet type {packet_type:#x} cannot be put on")
    properties, at = [], 16
    while at < len(body):
        owner, kind, length = _PROPERTY.unpack_from(body, at)
        if length < 5 or at + length > len(body):
            raise WireError(error.ACTION_BAD_LEN, f"a property of encap says {length} bytes")
        key = _KEYS.get((owner, kind))
        if key is None or header != "nsh":
            raise WireError(error.ACTION_BAD_ARGUMENT, f"{header} has no property {owner}/{kind}")
        properties.append((key, _read_property(key, body[at + 4 : at + length])))
        at += (length + 7) // 8 * 8
    return Encap(header=header, properties=tuple(properties))


def _read_property(key: str, data: bytes) -> str:
    if key == "md_type":
        return str(data[0])
    if len(data) < 4 or data[3] > len(data) - 4:
        raise WireError(error.ACTION_BAD_LEN, f"a TLV of encap does not fit {len(data)} bytes")
    return f"0x{number(data, 0, 2):04x},{data[2]},0x{data[4 : 4 + data[3]].hex()}"


def write_encap(a: Encap) -> bytes:
    """Return the whole action."""
    body = b"\0\0" + _HEADERS[a.header].to_bytes(4)
    for key, text in a.properties:
        (owner, kind), data = next(
            (k, _write_property(key, text)) for k, name in _KEYS.items() if name == key
        )
        body += _PROPERTY.pack(owner, kind, 4 + len(data)) + data + bytes(-(4 + len(data)) % 8)
    return nicira(ENCAP, body)


def _write_property(key: str, text: str) -> bytes:
    if key == "md_type":
        return int(text, 0).to_bytes(1)
    if key != "tlv":
        raise LabError(f"encap's {key} has no bytes: Open vSwitch has no such property")
    owner, kind, data = re.split(r"\s*,\s*", text)
    digits = data.removeprefix("0x")
    raw = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    return int(owner, 0).to_bytes(2) + bytes((int(kind, 0), len(raw))) + raw + bytes(-len(raw) % 8)


def read_decap(body: bytes) -> Decap:
    """Read a ``decap``, its header included.  Raises WireError."""
    exactly(body, 16, "decap")
    found = number(body, 12, 2), number(body, 14, 2)
    return Decap(packet_type=None if found == _USE_NEXT else found)


def write_decap(a: Decap) -> bytes:
    """Return the whole action."""
    space, kind = a.packet_type or _USE_NEXT
    return nicira(DECAP, b"\0\0" + space.to_bytes(2) + kind.to_bytes(2))


def read_dec_ttl(body: bytes) -> DecNshTtl:
    """Read a ``dec_nsh_ttl``, its header included.  Raises WireError."""
    exactly(body, 16, "dec_nsh_ttl")
    check_zero(body, 10, "dec_nsh_ttl")
    return DecNshTtl()
