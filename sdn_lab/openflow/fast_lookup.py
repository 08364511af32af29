"""Which bits of a packet a look-up in a table depends on.

The winner depends on every test of every shape that may hold an entry of its priority or a higher one.  Where
such a shape holds no entry for the packet, less is enough: one bit for each entry in it, in which the packet
differs.  That is what keeps ``udp,tp_src=67,actions=drop`` from giving every UDP port a cache entry.

Fields that are no bits of the arriving packet (registers, what an earlier action wrote) cost nothing: on this
way through the tables they are constants.

Reference: B. Pfaff et al., "The Design and Implementation of Open vSwitch", NSDI 2015, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.interpret_lookup import TableIndex

Values = tuple[int | None, ...]
BitsOf = Callable[[str, int], int]  # of a test (field, mask): the bits of the packet that it looks at
_FEW = 64  # entries of a shape for which a differing bit each is looked for


def looked_at(
    table: TableIndex, packet: Mapping[str, int], found: FlowEntry | None, known: int, bits_of: BitsOf
) -> int:
    """Return the bits on which it depends that *packet* finds *found* in *table*; *known* are kept anyway."""
    bits = known
    for shape in table.weighed(packet, found):
        tests = [*((name, FIELDS[name].full_mask) for name in shape.exact), *shape.masked]
        if table.conjunctive:
            bits |= _all_of([(name, mask) for name, mask in tests if name in packet], bits_of)
            continue
        if any(name not in packet for name, _ in tests):
            continue  # such packets do not carry it, and which those are is structure
        held = tuple(packet[name] & mask for name, mask in tests)
        if held in shape.entries:
            bits |= _all_of(tests, bits_of)
        else:
            bits |= _differences(shape.entries, held, tests, bits, bits_of)
    return bits


def _all_of(tests: Iterable[tuple[str, int]], bits_of: BitsOf) -> int:
    bits = 0
    for name, mask in tests:
        bits |= bits_of(name, mask)
    return bits


def _differences(
    keys: Iterable[Values], held: Values, tests: list[tuple[str, int]], known: int, bits_of: BitsOf
) -> int:
    """Return bits in which the packet differs from each of *keys*, where the *known* ones do not do."""
    costly = [n for n, (name, mask) in enumerate(tests) if bits_of(name, mask)]
    free = [n for n in range(len(tests)) if n not in costly]
    constants = itemgetter(*free) if free else len
    alike = constants(held)
    rivals = [key for key in keys if constants(key) == alike]
    if len(rivals) > _FEW:
        return _all_of(tests, bits_of)
    bits = 0
    for key in rivals:
        apart = [(tests[n][0], d) for n in costly if (d := (key[n] or 0) ^ (held[n] or 0))]
        if not any(bits_of(name, d) & (known | bits) for name, d in apart):
            name, differing = apart[0]
            bits |= bits_of(name, 1 << differing.bit_length() - 1)
    return bits
