"""Wide registers: which registers ``xreg0`` and ``xxreg0`` are.

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

from sdn_lab.openflow.action import Subfield

_BITS = 32
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


def tests(name: str, value: int, mask: int) -> Iterator[tuple[str, int, int]]:
    """Give the tests (or writes) of registers that one of a wide register is: register, value, mask."""
    first, width = WIDE[name]
    for index in range(width // _BITS):
        low = width - _BITS * (index + 1)
        part = mask >> low & 0xFFFFFFFF
        if part:
            yield f"reg{first + index}", value >> low & part, part


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
