"""One field's value in ovs-ofctl's notation, both ways.

Reading accepts whatever ``ovs-ofctl`` accepts for the field (decimal or hexadecimal numbers, addresses,
prefixes, flags with signs); writing gives the one form that ``ovs-ofctl dump-flows`` of Open vSwitch 3.1.0
gives.  What cannot be read is a `Complaint`, which `text` turns into a diagnostic with its column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError

from sdn_lab.openflow.action import ANY, RESERVED
from sdn_lab.openflow.field import CT_STATE_BITS, TCP_FLAG_BITS, TUN_FLAG_BITS, Field, Form
from sdn_lab.openflow.fields_ovs import ACTSET_UNSET

FRAGMENTS: Mapping[str, tuple[int, int]] = {
    "no": (0, 3),
    "yes": (1, 1),
    "first": (1, 3),
    "later": (3, 3),
    "not_later": (0, 2),
}
SET_NAMES = {
    "ipv4_src": "ip_src",
    "ipv4_dst": "ip_dst",
    "ipv6_flabel": "ipv6_label",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
    "ip_ecn": "nw_ecn",
}
_PORT_NAMES = {number: name for name, number in RESERVED.items()}
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]+|[0-9]+")
_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
_FLAGS = re.compile(r"([+-]([a-z]+|\[[0-9a-f]+\]))+")  # [200] is how a bit without a name is dumped
_NAMELESS = re.compile(r"\[([0-9a-fA-F]+)\]")
_FORMS = {
    Form.DECIMAL: "a number",
    Form.HEX: "a number",
    Form.MAC: "a MAC address",
    Form.IPV4: "an IPv4 address",
    Form.IPV6: "an IPv6 address",
    Form.OF_PORT: "a port number or one of " + ", ".join(RESERVED),
    Form.CT_STATE: "flags with signs, of " + ", ".join(CT_STATE_BITS),
    Form.TCP_FLAGS: "flags with signs, of " + ", ".join(TCP_FLAG_BITS),
    Form.FRAG: "one of " + ", ".join(FRAGMENTS),
    Form.TUN_FLAGS: "flags with signs, of " + ", ".join(TUN_FLAG_BITS),
    Form.PACKET_TYPE: "a pair (NAMESPACE,TYPE)",
}
_FLAG_BITS: Mapping[Form, Mapping[str, int]] = {
    Form.CT_STATE: CT_STATE_BITS,
    Form.TCP_FLAGS: TCP_FLAG_BITS,
    Form.TUN_FLAGS: TUN_FLAG_BITS,
}
_PACKET_TYPE = re.compile(r"\(\s*(\w+)\s*,\s*(\w+)\s*\)")


class Complaint(Exception):  # noqa: N818 - a diagnostic in the making; never leaves `text`
    """What is wrong with a piece of a line.  *offset* counts from the start of the line."""

    def __init__(
        self, code: str, what: str, why: str = "", fix: str = "", *, offset: int = 0, length: int = 1
    ) -> None:
        super().__init__(what)
        self.code, self.what, self.why, self.fix = code, what, why, fix
        self.offset, self.length = offset, length

    def at(self, offset: int, length: int) -> Complaint:
        """Place this complaint; returns itself."""
        self.offset, self.length = offset, length
        return self


def number(text: str, bits: int, what: str) -> int:
    """Read a decimal or hexadecimal number of at most *bits* bits."""
    if not _NUMBER.fullmatch(text):
        raise Complaint("FLW002", f"'{text}' is not a number", f"{what} takes a number")
    value = int(text, 16 if text[:2].lower() == "0x" else 10)
    if value >> bits:
        raise Complaint("FLW002", f"{what} of {text} is too large", f"{what} is at most {(1 << bits) - 1}")
    return value


def of_port(text: str) -> int:
    """Read an OpenFlow port: a number below 0xff00, a reserved number, or a reserved name in any case."""
    if text.upper() in RESERVED:
        return RESERVED[text.upper()]
    if text.upper() == "ANY":
        return ANY
    value = number(text, 32, "an OpenFlow port")
    if 0xFFF8 <= value <= 0xFFFF:
        value |= 0xFFFF0000
    if 0xFF00 <= value < min(RESERVED.values()):
        raise Complaint("FLW002", f"'{text}' is no OpenFlow port", "ports are 0 to 65279, or a reserved name")
    return value


def write_of_port(port: int) -> str:
    """Write an OpenFlow port."""
    return _PORT_NAMES.get(port, "ANY" if port == ANY else str(port))


def read_value(field: Field, text: str) -> int:
    """Read an unmasked value of *field*."""
    match field.form:
        case Form.MAC:
            if _MAC.fullmatch(text):
                return int.from_bytes(bytes(int(part, 16) for part in text.split(":")))
        case Form.IPV4 | Form.IPV6:
            kind = IPv4Address if field.form is Form.IPV4 else IPv6Address
            try:
                return int(kind(text))
            except AddressValueError:
                if field.form is Form.IPV4 and _NUMBER.fullmatch(text):
                    return number(text, 32, field.name)
        case Form.OF_PORT:
            return ACTSET_UNSET if text == "UNSET" and field.name == "actset_output" else of_port(text)
        case Form.PACKET_TYPE if (pair := _PACKET_TYPE.fullmatch(text)) is not None:
            return number(pair[1], 16, "the namespace") << 16 | number(pair[2], 16, "the type")
        case _:
            return number(text, field.bits, field.name)
    raise Complaint(
        "FLW002", f"'{text}' is not {_FORMS[field.form]}", f"{field.ofctl} takes {_FORMS[field.form]}"
    )


def read_masked(field: Field, text: str) -> tuple[int, int]:
    """Read a value with its mask, full where none is written."""
    flags = _FLAG_BITS.get(field.form)
    if field.form is Form.FRAG:
        if text in FRAGMENTS:
            return FRAGMENTS[text]
        raise Complaint("FLW002", f"'{text}' is no kind of fragment", f"ip_frag takes {_FORMS[Form.FRAG]}")
    if flags is not None and not text[:1].isdigit():
        return _flags(field, text, flags)
    value_text, slash, mask_text = text.partition("/")
    if not slash:
        return read_value(field, value_text), field.full_mask
    mask = read_mask(field, text, mask_text)
    if mask not in (0, field.full_mask) and not field.maskable:
        raise Complaint("FLW003", f"{field.ofctl} cannot be masked", f"write {field.ofctl}={value_text}")
    return read_value(field, value_text) & mask, mask


def read_mask(field: Field, text: str, mask_text: str) -> int:
    """Read what stands behind the slash of *text*: a mask, or how long a prefix is."""
    if field.form in (Form.IPV4, Form.IPV6) and _NUMBER.fullmatch(mask_text):
        try:
            network = IPv4Network if field.form is Form.IPV4 else IPv6Network
            return int(network((0, int(mask_text, 0))).netmask)
        except (NetmaskValueError, ValueError):
            raise Complaint(
                "FLW002", f"'/{mask_text}' is no prefix length", f"at most {field.bits} in '{text}'"
            ) from None
    return read_value(field, mask_text)


def _flags(field: Field, text: str, bits: Mapping[str, int]) -> tuple[int, int]:
    if text and text[0] not in "+-":
        value = 0
        for name in text.split("|"):
            number_of = _NAMELESS.fullmatch(name)
            bit = int(number_of[1], 16) if number_of is not None else bits.get(name, 0)
            if not bit or bit & ~field.full_mask:
                raise _no_flag(field, name, bits)
            value |= bit
        return value, field.full_mask
    if not _FLAGS.fullmatch(text):
        raise Complaint(
            "FLW002", f"'{text}' is not {_FORMS[field.form]}", f"for example {field.ofctl}=+new-est"
        )
    value = mask = 0
    for sign, name in re.findall(r"([+-])([a-z]+|\[[0-9a-f]+\])", text):
        bit = bits.get(name, 0) if name[0] != "[" else int(name[1:-1], 16)
        if not bit or bit & ~field.full_mask:
            raise _no_flag(field, name, bits)
        if mask & bit:
            raise Complaint("FLW008", f"flag '{name}' is written twice", "name a flag once")
        mask |= bit
        value |= bit if sign == "+" else 0
    return value, mask


def _no_flag(field: Field, name: str, bits: Mapping[str, int]) -> Complaint:
    return Complaint("FLW002", f"'{name}' is no flag of {field.ofctl}", "flags are " + ", ".join(bits))


def write_value(field: Field, value: int) -> str:
    """Write an unmasked value."""
    match field.form:
        case Form.MAC:
            return value.to_bytes(6).hex(":")
        case Form.IPV4:
            return str(IPv4Address(value))
        case Form.IPV6:
            return str(IPv6Address(value))
        case Form.OF_PORT:
            return (
                "UNSET" if value == ACTSET_UNSET and field.name == "actset_output" else write_of_port(value)
            )
        case Form.PACKET_TYPE:
            return f"({value >> 16},0x{value & 0xFFFF:x})"
        case Form.DECIMAL:
            return str(value)
        case _:
            return f"0x{value:04x}" if field.name == "eth_type" else f"0x{value:x}"


def write_masked(field: Field, value: int, mask: int) -> str:
    """Write a value with its mask, the mask left out where it is full."""
    if field.form is Form.FRAG:
        for name, test in FRAGMENTS.items():
            if test == (value, mask):
                return name
        raise ValueError(f"ip_frag={value:#x}/{mask:#x} has no name in ovs-ofctl's text")
    flags = _FLAG_BITS.get(field.form)
    if flags is not None and not mask & ~sum(flags.values()):
        return "".join(("+" if value & bit else "-") + name for name, bit in flags.items() if mask & bit)
    if mask == field.full_mask:
        return write_value(field, value)
    if field.form in (Form.IPV4, Form.IPV6):
        ones = mask.bit_count()
        if mask == ((1 << ones) - 1) << (field.bits - ones):
            return f"{write_value(field, value)}/{ones}"
    if field.form is Form.DECIMAL:
        return f"0x{value:x}/0x{mask:x}"
    return f"{write_value(field, value)}/{write_value(field, mask)}"
