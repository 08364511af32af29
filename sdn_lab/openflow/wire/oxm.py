"""OXM: a match, and the fields inside actions, as type-length-value elements.

Every row of `fields.FIELDS` has its own number on the wire; Nicira's older numbers for the same fields are
accepted too (``NXM_OF_ETH_DST``), and those that do not fit a row are translated: a match on
``NXM_OF_VLAN_TCI`` into `vlan_vid` and `vlan_pcp`, ``NXM_OF_IP_TOS`` into `ip_dscp`, the 16 bits of
``NXM_OF_IN_PORT`` into 32, a wide register into those that it is made of (`registers`).

What we send is what Open vSwitch sends to an OpenFlow 1.3 controller; so ``tcp_flags`` goes out in ONF's
experimenter form and is read in both.

Prerequisites are checked in the order of the elements, as Open vSwitch does: ``nw_ttl`` before ``eth_type``
is refused.  Reference: OpenFlow 1.3.5 section 7.2.3; ovs-fields(7).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from sdn_lab.openflow import action, fields, fields_ovs, registers
from sdn_lab.openflow.match import Match, Test
from sdn_lab.openflow.wire import error
from sdn_lab.openflow.wire.error import WireError

OFPMT_OXM = 1
_HEADER = Struct("!HBB")
_MATCH = Struct("!HH")
_WIDE = {"ipv6_flabel": 4, "mpls_label": 4, "nsh_spi": 4}  # on the wire wider than its bits need


@dataclass(frozen=True, slots=True)
class Code:
    """A field's number on the wire: OXM class, field, size of the value in bytes."""

    name: str
    oxm_class: int
    number: int
    size: int
    experimenter: int = 0

    def header(self, masked: bool) -> bytes:
        """Return the element's header; an experimenter's id follows the four bytes."""
        own = self.size * (2 if masked else 1)
        if not self.experimenter:
            return _HEADER.pack(self.oxm_class, self.number << 1 | masked, own)
        tail = self.experimenter.to_bytes(4, "big")
        return _HEADER.pack(self.oxm_class, self.number << 1 | masked, own + 4) + tail


_VLAN_TCI, _IP_TOS = "vlan_tci", "ip_tos"  # translated, not rows
_NXM_0 = (
    *("in_port", "eth_dst", "eth_src", "eth_type", _VLAN_TCI, _IP_TOS, "ip_proto", "ipv4_src", "ipv4_dst"),
    *(
        "tcp_src",
        "tcp_dst",
        "udp_src",
        "udp_dst",
        "icmpv4_type",
        "icmpv4_code",
        "arp_op",
        "arp_spa",
        "arp_tpa",
    ),
)
_NXM_1_FROM_16 = (
    *("tun_id", "arp_sha", "arp_tha", "ipv6_src", "ipv6_dst", "icmpv6_type", "icmpv6_code", "nd_target"),
    *("nd_sll", "nd_tll", "ip_frag", "ipv6_flabel", "ip_ecn", "nw_ttl"),
)
_LAST = frozenset(row.name for row in fields_ovs.TRACKED_ROWS)  # what they need stands before them
_NXM_SIZE = {"in_port": 2, _VLAN_TCI: 2, _IP_TOS: 1}


def _size(name: str) -> int:
    return _WIDE.get(name) or (fields.FIELDS[name].bits + 7) // 8


def _codes() -> tuple[dict[str, Code], dict[tuple[int, int, int], Code], dict[str, Code]]:
    """Return what each field is sent as, what each number (class, field, experimenter) is read as, and the
    wide registers.
    """
    sent: dict[str, Code] = {}
    wide: dict[str, Code] = {}
    read: dict[tuple[int, int, int], Code] = {}
    aliases = [(name, fields.OFPXMC_NXM_0, n) for n, name in enumerate(_NXM_0)]
    aliases += [(name, fields.OFPXMC_NXM_1, n) for n, name in enumerate(_NXM_1_FROM_16, start=16)]
    for name, oxm_class, number in aliases:
        size = _NXM_SIZE.get(name) if oxm_class == fields.OFPXMC_NXM_0 else None
        read[oxm_class, number, 0] = Code(name, oxm_class, number, size or _size(name))
    for row in fields.FIELDS.values():
        whose = row.experimenter or fields.ONF if row.oxm[0] == fields.OFPXMC_EXPERIMENTER else 0
        code = Code(row.name, *row.oxm, _size(row.name), whose)
        sent[row.name] = read[code.oxm_class, code.number, whose] = code
    for name, (first, bits) in registers.WIDE.items():
        kind = (
            (fields.OFPXMC_REGISTERS, first // 2) if bits == 64 else (fields.OFPXMC_NXM_1, 111 + first // 4)
        )
        wide[name] = read[*kind, 0] = Code(name, *kind, bits // 8)
    flags = Code("tcp_flags", fields.OFPXMC_EXPERIMENTER, 42, 2, fields.ONF)
    sent["tcp_flags"] = read[flags.oxm_class, flags.number, fields.ONF] = flags
    return sent, read, wide


_SENT, _READ, _WIDE_REGISTERS = _codes()
_NICIRA = {
    code.name: code
    for code in _READ.values()
    if code.oxm_class in (fields.OFPXMC_NXM_0, fields.OFPXMC_NXM_1) and code.name in fields.FIELDS
}


def read_header(buf: bytes, at: int, end: int, fault: error.Pair) -> tuple[Code, bool, int, int]:
    """Read an element's header.  Return its code, whether it is masked, where its value starts and ends.

    *fault* is the error for a length that cannot be; an unknown field is `MATCH_BAD_FIELD`.
    """
    if end - at < 4:
        raise WireError(fault, "an OXM header does not fit")
    oxm_class, number, length = _HEADER.unpack_from(buf, at)
    masked, start, experimenter = bool(number & 1), at + 4, 0
    stop = start + length
    if oxm_class == fields.OFPXMC_EXPERIMENTER:
        if end - start < 4 or length < 4:
            raise WireError(fault, "an experimenter OXM header does not fit")
        experimenter = int.from_bytes(buf[start : start + 4], "big")
        start += 4
    code = _READ.get((oxm_class, number >> 1, experimenter))
    if code is None:
        raise WireError(
            error.MATCH_BAD_FIELD, f"OXM class {oxm_class:#x} has no field {number >> 1} that is known here"
        )
    return code, masked, start, stop


def read_element(buf: bytes, at: int, end: int) -> tuple[Code, int, int | None, int]:
    """Read one element with its value.  Return its code, value, mask (None: exact) and where it ends."""
    code, masked, start, stop = read_header(buf, at, end, error.MATCH_BAD_LEN)
    size = code.size
    if stop - start != size * (2 if masked else 1) or stop > end:
        raise WireError(error.MATCH_BAD_LEN, f"{code.name} has a value of {stop - start} bytes")
    value = int.from_bytes(buf[start : start + size], "big")
    mask = int.from_bytes(buf[start + size : stop], "big") if masked else None
    if mask == (1 << 8 * size) - 1:
        mask = None
    if mask is not None and value & ~mask:
        raise WireError(error.MATCH_BAD_WILDCARDS, f"{code.name} has value bits outside its mask")
    return code, value, mask, stop


def translate(code: Code, value: int, mask: int | None) -> list[tuple[str, int, int]]:
    """Turn an element of a match into tests of rows: field, value, mask.  Raises WireError."""
    full = (1 << 8 * code.size) - 1
    if code.name != _VLAN_TCI:
        return written(code, value, mask)
    mask = full if mask is None else mask
    parts = [("vlan_vid", value & 0x1FFF, mask & 0x1FFF), ("vlan_pcp", value >> 13, mask >> 13)]
    return [part for part in parts if part[2]]


def written(code: Code, value: int, mask: int | None) -> list[tuple[str, int, int]]:
    """Turn an element inside an action into writes to rows: field, value, mask.  Raises WireError."""
    full = (1 << 8 * code.size) - 1
    mask = full if mask is None else mask
    if code.name in registers.WIDE:
        return list(registers.tests(code.name, value, mask))
    if code.name == _IP_TOS:
        parts = [("ip_dscp", value >> 2, mask >> 2)]
    elif code.name == "in_port" and code.size == 2:
        parts = [("in_port", registers.wide_port(value), 0xFFFFFFFF if mask == full else mask)]
    else:
        row = fields.FIELDS[code.name]
        parts = [(code.name, value, row.full_mask if mask == full else mask)]
    for name, own, test in parts:
        row = fields.FIELDS[name]
        if own > row.full_mask:
            raise WireError(error.MATCH_BAD_VALUE, f"{name}={own:#x} does not fit {row.bits} bits")
        if test > row.full_mask or (test not in (0, row.full_mask) and not row.maskable):
            raise WireError(error.MATCH_BAD_MASK, f"{name} cannot have the mask {test:#x}")
    return [part for part in parts if part[2]]


def narrow_port(number: int) -> int:
    """Turn a 32-bit port number into OpenFlow 1.0's 16 bits."""
    return number & 0xFFFF


def read_match(buf: bytes, at: int, end: int) -> tuple[Match, int]:
    """Read an ``ofp_match``.  Return it and where its padding ends.  Raises WireError."""
    if end - at < 8:
        raise WireError(error.MATCH_BAD_LEN, "the match does not fit")
    kind, length = _MATCH.unpack_from(buf, at)
    if kind != OFPMT_OXM:
        raise WireError(error.MATCH_BAD_TYPE, f"match type {kind} is not OXM")
    stop, padded = at + length, at + (length + 7) // 8 * 8
    if length < 4 or padded > end:
        raise WireError(error.MATCH_BAD_LEN, f"the match says {length} bytes")
    at += 4
    tests: dict[str, tuple[int, int]] = {}
    kept: list[Test] = []
    seen: set[str] = set()
    while at < stop:
        after = at + 4 + buf[at + 3] if stop - at >= 4 else stop + 1
        try:
            written_as, parts = _element(bytes(buf[at : min(after, stop)]))
        except WireError:
            code, *_ = read_element(buf, at, stop)
            if code.name in seen:
                raise WireError(error.MATCH_DUP_FIELD, f"{code.name} is tested twice") from None
            raise
        at = after
        if written_as in seen:
            raise WireError(error.MATCH_DUP_FIELD, f"{written_as} is tested twice")
        seen.add(written_as)
        for part in parts:
            name = part[0]
            if name in tests:
                raise WireError(error.MATCH_DUP_FIELD, f"{name} is tested twice")
            _check_prerequisites(name, tests)
            tests[name] = part[1:]
            kept.append(part)
    kept.sort(key=_rank)
    return Match(tuple(kept)), padded


def _rank(test: Test) -> int:
    return fields.ORDER[test[0]]


@lru_cache(maxsize=1 << 16)
def _element(raw: bytes) -> tuple[str, tuple[Test, ...]]:
    """Return what an element is called and the tests that it makes; large tables say few different ones."""
    code, value, mask, _ = read_element(raw, 0, len(raw))
    parts = translate(code, value, mask)
    for name, own, test in parts:
        fields.check_test(name, own, test)
    return code.name, tuple((name, own & test, test) for name, own, test in parts)


def _check_prerequisites(name: str, tests: dict[str, tuple[int, int]]) -> None:
    if name == "in_phy_port" and "in_port" not in tests:
        raise WireError(error.MATCH_BAD_PREREQ, "in_phy_port is tested without in_port before it")
    for needed, values in fields.FIELDS[name].needs:
        value, mask = tests.get(needed, (0, 0))
        if mask != fields.FIELDS[needed].full_mask or value not in values:
            allowed = " or ".join(hex(v) for v in values)
            raise WireError(error.MATCH_BAD_PREREQ, f"{name} is tested without {needed}={allowed} before it")


@lru_cache(maxsize=1 << 16)
def write_element(name: str, value: int, mask: int | None = None) -> bytes:
    """Return the element for one field; *mask* None is exact."""
    code = _SENT[name]
    if mask is None or mask == fields.FIELDS[name].full_mask:
        return code.header(masked=False) + value.to_bytes(code.size, "big")
    return code.header(masked=True) + value.to_bytes(code.size, "big") + mask.to_bytes(code.size, "big")


def write_match(match: Match) -> bytes:
    """Return the ``ofp_match``, padded."""
    tests = sorted(match.tests, key=lambda test: test[0] in _LAST)
    body = b"".join(write_element(name, value, mask) for name, value, mask in tests)
    length = 4 + len(body)
    return _MATCH.pack(OFPMT_OXM, length) + body + bytes(-length % 8)


def read_subfields(
    buf: bytes, at: int, end: int, start: int, bits: int
) -> tuple[tuple[action.Subfield, ...], int]:
    """Read the header that names a field inside an action, *bits* bits from *start*.  Raises WireError.

    Part of a wide register is several parts, the most significant first.
    """
    code, masked, after, _ = read_header(buf, at, end, error.ACTION_BAD_ARGUMENT)
    if masked:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{code.name} is named with a mask")
    name = code.name
    if name == _IP_TOS:
        name, start = "ip_dscp", start - 2
    wide = registers.WIDE.get(name)
    own = fields.FIELDS[name].bits if wide is None else wide[1]
    if bits < 1 or start < 0 or start + bits > min(own, 8 * code.size):
        raise WireError(
            error.ACTION_BAD_ARGUMENT,
            f"{name} has no bits {start} to {start + bits - 1} that one action can name",
        )
    if wide is not None:
        return registers.parts(name, start, bits), after
    return (action.Subfield(field=name, start=start, bits=bits),), after


def read_subfield(buf: bytes, at: int, end: int, start: int, bits: int) -> tuple[action.Subfield, int]:
    """Read the header that names a part of one field.  Raises WireError."""
    found, after = read_subfields(buf, at, end, start, bits)
    if len(found) != 1:
        raise WireError(error.ACTION_BAD_ARGUMENT, "bits of two registers stand where one is supported")
    return found[0], after


def write_field(name: str) -> bytes:
    """Return the header that names a field inside an action: by Nicira's number where there is one."""
    return (_NICIRA.get(name) or _SENT[name]).header(masked=False)


def write_listed(name: str, *, masked: bool) -> bytes:
    """Return the header that names a field in a list of them."""
    return _SENT[name].header(masked=masked)


def write_place(part: action.Subfield) -> bytes:
    """Return the header that names the field of *part*: of `in_port`, the one that has its bits."""
    if part.field == "in_port" and part.start + part.bits > registers.IN_PORT_BITS:
        return _SENT["in_port"].header(masked=False)
    return write_field(part.field)


def write_subfields(parts: tuple[action.Subfield, ...]) -> tuple[bytes, int, int]:
    """Return the header that names *parts*, where they start in that field, and how many bits they are.

    Several are neighbours, and together part of a wide register.
    """
    if len(parts) == 1:
        return write_place(parts[0]), parts[0].start, parts[0].bits
    name, start, bits = registers.joined(parts)
    return _WIDE_REGISTERS[name].header(masked=False), start, bits
