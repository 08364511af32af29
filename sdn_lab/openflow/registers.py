"""Wide registers: which registers ``xreg0`` and ``xxreg0`` are; and `in_port`, which has two widths.

``xreg0`` is ``reg0`` (upper half) with ``reg1``, ``xxreg0`` is ``reg0`` to ``reg3``; OpenFlow 1.5 calls the
first kind packet registers.  They are names and no storage: whoever reads one from text or from the wire
goes on with the 32-bit registers, so nobody behind has to know of them.

Reference: ovs-fields(7), "Register Fields".

>>> [part.field for part in parts("xxreg1", 0, 128)]
['reg4', 'reg5', 'reg6', 'reg7']
>>> parts("xreg0", 16, 32)
(Subfield(field='reg0', start=0, bits=16), Subfield(field='reg1', start=16, bits=16))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdn_lab.openflow.action import SetField, Subfield

_BITS = 32
IN_PORT_BITS = 16
"""``NXM_OF_IN_PORT`` is `in_port` in so many bits, for Open vSwitch's ports have no more."""

WIDE: Mapping[str, tuple[int, int]] = {
    **{f"xreg{n}": (2 * n, 64) for n in range(8)},
    **{f"xxreg{n}": (4 * n, 128) for n in range(4)},
}
"""Each wide register: its first register, and its width in bits."""

NAMES: Mapping[str, str] = {
    **{name: name for name in WIDE},
    **{f"OXM_OF_PKT_REG{n}": f"xreg{n}" for n in range(8)},
    **{f"NXM_NX_XXREG{n}": f"xxreg{n}" for n in range(4)},
}
"""Every word for a wide register."""


def wide_port(number: int) -> int:
    """Turn a 16-bit port number, as in OpenFlow 1.0, into a 32-bit one."""
    return number | 0xFFFF0000 if number >= 0xFF00 else number


def parts(name: str, start: int, bits: int) -> tuple[Subfield, ...]:
    """Return the parts of registers that bits *start* to *start + bits - 1* are, most significant first."""
    first, width = WIDE[name]
    found = []
    for index in range(width // _BITS):
        low = width - _BITS * (index + 1)  # where this register's bit 0 is in the wide one
        begin, end = max(start, low), min(start + bits, low + _BITS)
        if begin < end:
            found.append(Subfield(field=f"reg{first + index}", start=begin - low, bits=end - begin))
    return tuple(found)


def write_to(place: Subfield, value: int) -> SetField:
    """Return the write of *value* to *place*; to all of ``NXM_OF_IN_PORT``, that of a port's number."""
    if (place.field, place.start, place.bits) == ("in_port", 0, IN_PORT_BITS):
        return SetField(field="in_port", value=wide_port(value), mask=0xFFFFFFFF)
    mask = (1 << place.bits) - 1 << place.start
    return SetField(field=place.field, value=value << place.start, mask=mask)


def tests(name: str, value: int, mask: int) -> Iterator[tuple[str, int, int]]:
    """Give the tests (or writes) of registers that one of a wide register is: register, value, mask."""
    first, width = WIDE[name]
    for index in range(width // _BITS):
        low = width - _BITS * (index + 1)
        part = mask >> low & 0xFFFFFFFF
        if part:
            yield f"reg{first + index}", value >> low & part, part


def joined(neighbours: tuple[Subfield, ...]) -> tuple[str, int, int]:
    """Return the part of a wide register that *neighbours* are: its name, first bit, width.

    >>> joined(parts("xxreg1", 16, 64))
    ('xxreg1', 16, 64)
    """
    last, bits = neighbours[-1], sum(part.bits for part in neighbours)
    index = int(last.field.removeprefix("reg")) if last.field.startswith("reg") else -1
    for name, (first, width) in WIDE.items():
        start = width - _BITS * (index - first + 1) + last.start
        if 0 <= start <= width - bits and parts(name, start, bits) == neighbours:
            return name, start, bits
    raise ValueError(f"{neighbours} are no part of a wide register")


def slices(bits: int, into: tuple[Subfield, ...]) -> Iterator[tuple[Subfield, int]]:
    """Give each part with the bit of the whole value, *bits* wide, that its own bit 0 is."""
    left = bits
    for part in into:
        left -= part.bits
        yield part, left


def paired(
    sources: tuple[Subfield, ...], targets: tuple[Subfield, ...]
) -> Iterator[tuple[Subfield, Subfield]]:
    """Give the copies, part by part, that copy *sources* to *targets*, both as wide as the other."""
    giving, taking = list(sources), list(targets)
    while giving and taking:
        one, other = giving.pop(0), taking.pop(0)
        bits = min(one.bits, other.bits)
        yield _top(one, bits), _top(other, bits)
        for part, rest in ((one, giving), (other, taking)):
            if part.bits > bits:
                rest.insert(0, Subfield(field=part.field, start=part.start, bits=part.bits - bits))


def _top(part: Subfield, bits: int) -> Subfield:
    return Subfield(field=part.field, start=part.start + part.bits - bits, bits=bits)
