"""OpenFlow matches: which packets a flow entry applies to.

What
----
A `Match` is a conjunction of masked field tests.  A packet *satisfies* the match when, for every
tested field, ``packet[field] & mask == value``.  A field that is not tested is wildcarded.  The
empty match is satisfied by every packet; a table miss entry is the empty match at priority 0.

Where it sits
-------------
Reads:      `sdn_lab.openflow.fields` (names, widths).
Used by:    the compiler (writes matches), the simulator (evaluates them one packet at a time), the
            symbolic verifier (turns them into predicates).
Not here:   priorities, which belong to `FlowEntry`; text (`openflow.text`); bytes (`openflow.wire`).

Invariants
----------
1.  Canonical: ``value & ~mask == 0`` for every test, an all-zero mask is not stored, and tests are in
    the order of `fields.ORDER`.  So two matches are equal exactly when they make the same tests.
2.  Immutable and hashable.
3.  A field that a packet does not carry fails the test.  This is not the same as carrying zero: an
    ARP packet has no ``tcp_dst``.

Reference: OpenFlow Switch Specification 1.3.5, sections 5.3 and 7.2.3.

>>> lan = Match.of(eth_type=0x0800, ipv4_dst=(0x0A000100, 0xFFFFFF00))
>>> lan.accepts({"eth_type": 0x0800, "ipv4_dst": 0x0A000107})
True
>>> lan.accepts({"eth_type": 0x0806, "arp_tpa": 0x0A000107})
False
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sdn_lab.openflow.fields import FIELDS, ORDER, check_test

Test = tuple[str, int, int]  # field, value, mask


@dataclass(frozen=True, slots=True)
class Match:
    """A canonical conjunction of tests; build it with `Match.of` or `Match.from_tests`."""

    tests: tuple[Test, ...] = ()

    @classmethod
    def of(cls, **tests: int | tuple[int, int]) -> Match:
        """Build from ``field=value`` (exact) or ``field=(value, mask)``.  Raises ValueError."""
        return cls.from_tests(
            {
                name: (
                    test
                    if isinstance(test, tuple)
                    else (test, FIELDS[name].full_mask if name in FIELDS else 0)
                )
                for name, test in tests.items()
            }
        )

    @classmethod
    def from_tests(cls, tests: Mapping[str, tuple[int, int]]) -> Match:
        """Build from ``{field: (value, mask)}``.  Raises ValueError for unknown fields or widths."""
        ranked = sorted([_checked(name, value, mask) for name, (value, mask) in tests.items()])
        return cls(tuple([test for _, test in ranked if test[2]]))

    def accepts(self, packet: Mapping[str, int]) -> bool:
        """Say whether *packet* (field values; absent means not carried) satisfies every test."""
        for name, value, mask in self.tests:
            held = packet.get(name)
            if held is None or held & mask != value:
                return False
        return True

    def get(self, name: str) -> tuple[int, int] | None:
        """Return (value, mask) of the test on *name*, or None where it is wildcarded."""
        for field, value, mask in self.tests:
            if field == name:
                return value, mask
        return None

    def exact(self, name: str) -> int | None:
        """Return the value that *name* must have, or None where it is wildcarded or masked."""
        test = self.get(name)
        return test[0] if test is not None and test[1] == FIELDS[name].full_mask else None

    def as_mapping(self) -> dict[str, tuple[int, int]]:
        """Return ``{field: (value, mask)}``, a copy."""
        return {name: (value, mask) for name, value, mask in self.tests}

    def __iter__(self) -> Iterator[Test]:
        return iter(self.tests)

    def missing_prerequisite(self) -> tuple[str, str] | None:
        """Return (field, what it needs) for the first test whose prerequisites are not tested, or None."""
        exact = {name: value for name, value, mask in self.tests if mask == FIELDS[name].full_mask}
        for name, _, _ in self.tests:
            for needed, values in FIELDS[name].needs:
                if exact.get(needed) not in values:
                    return name, f"{needed}={'|'.join(map(hex, values))}"
        return None


@lru_cache(maxsize=1 << 16)
def _checked(name: str, value: int, mask: int) -> tuple[int, Test]:
    """Return a test's place in the order, and the test; large tables make few different ones.

    Raises ValueError.
    """
    check_test(name, value, mask)
    return ORDER[name], (name, value & mask, mask)
