"""Entries of a dump from its bytes, without the framework's objects, for programs of many entries.

What
----
`late_stats` gives the framework a class for the parts of a dump that only cuts them out; whoever looks into
one gets what the framework would have read, read then.  `flow_entry` reads the bytes instead: header and
match here, the instructions, of which a dump has few different ones, by the framework, once each and kept.

Where it sits
-------------
Used by:    `sdn_lab.control.dump`.
The judge:  `codec.flow_entry`; `tests/unit/openflow/test_codec_quick.py` compares.

Invariants
----------
1.  `flow_entry` returns what `codec.flow_entry` returns of the framework's reading, or raises CodecError.
    Whatever is not plainly a field of the core (experimenters, older numbers, a field twice) is read by the
    framework.
2.  A part that says it is shorter than its own header ends the message: nothing is read for ever.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.2.3 and 7.3.5.2.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import pairwise
from struct import Struct
from typing import Any

from sdn_lab.openflow import codec
from sdn_lab.openflow.codec_field import NUMBERS, CodecError
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.fields import FIELDS, ORDER, check_test
from sdn_lab.openflow.match import Match, Test

_STATS = Struct("!HBx4x4xHHHH4xQ8x8xHH")  # the match's type and length are the last two
_LEAST = 56
_OXM_MATCH = 1
_KEPT = 1 << 16
_NAMES = {number: name for name, number in NUMBERS.items()}


@cache
def late_stats(parser: Any) -> type:
    """Return the framework's ``OFPFlowStats`` of *parser*, which reads its bytes when it is looked into."""

    class OFPFlowStats(parser.OFPFlowStats):  # type: ignore[misc]
        """One entry of a dump; *raw* are its bytes."""

        raw: bytes
        length: int

        @classmethod
        def parser(cls, buf: Any, offset: int) -> Any:
            length = buf[offset] << 8 | buf[offset + 1]
            if length < _LEAST or offset + length > len(buf):
                raise ValueError(f"an entry of a dump says that it is {length} bytes long")
            late = cls.__new__(cls)
            late.length, late.raw = length, bytes(buf[offset : offset + length])
            return late

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name in ("raw", "length"):
                raise AttributeError(name)
            self.__dict__.update(parser.OFPFlowStats.parser(self.raw, 0).__dict__)
            try:
                return self.__dict__[name]
            except KeyError:
                raise AttributeError(name) from None

    return OFPFlowStats


def flow_entry(datapath: Any, stats: Any) -> FlowEntry:
    """Return the entry of a `late_stats`.  Raises CodecError."""
    raw = stats.raw
    length, table_id, priority, idle, hard, flags, cookie, kind, size = _STATS.unpack_from(raw)
    stop = 48 + (size + 7) // 8 * 8
    tests = _tests(raw, 52, 48 + size) if kind == _OXM_MATCH and 4 <= size <= length - 48 else None
    if tests is None or stop > length:
        return codec.flow_entry(datapath, stats)
    return FlowEntry(
        table_id=table_id,
        priority=priority,
        match=Match(tests),
        instructions=_instructions(datapath.ofproto, datapath.ofproto_parser, raw[stop:]),
        cookie=cookie,
        idle_timeout=idle,
        hard_timeout=hard,
        flags=flags,
    )


def _tests(raw: bytes, at: int, stop: int) -> tuple[Test, ...] | None:
    """Return the canonical tests of a match, or None where the framework had better read it."""
    found: list[Test] = []
    ranks: list[int] = []
    while at < stop:
        if stop - at < 4:
            return None
        end = at + 4 + raw[at + 3]
        if end > stop:
            return None
        known = _test(raw[at:end])
        if known is None:
            return None
        rank, test = known
        ranks.append(rank)
        if test[2]:
            found.append(test)
        at = end
    if len(set(ranks)) != len(ranks):
        return None
    if any(one > other for one, other in pairwise(ranks)):
        found.sort(key=lambda test: ORDER[test[0]])
    return tuple(found)


@lru_cache(maxsize=_KEPT)
def _test(element: bytes) -> tuple[int, Test] | None:
    """Return a field's place in the order, and the test of an OXM; None where it is no plain one."""
    header = int.from_bytes(element[:4])
    name = _NAMES.get(header >> 9)
    if name is None:
        return None
    row, masked = FIELDS[name], bool(header >> 8 & 1)
    width = 4 if row.bits == 20 else (row.bits + 7) // 8
    if len(element) != 4 + width * (1 + masked):
        return None
    value = int.from_bytes(element[4 : 4 + width])
    mask = int.from_bytes(element[4 + width :]) & row.full_mask if masked else row.full_mask
    try:
        check_test(name, value, mask)
    except ValueError as error:
        raise CodecError(str(error)) from error
    return ORDER[name], (name, value & mask, mask)


@lru_cache(maxsize=_KEPT)
def _instructions(ofproto: Any, parser: Any, raw: bytes) -> Instructions:
    """Return what the framework reads of instructions.  Raises CodecError."""

    class Protocol:
        """What the codec wants of a datapath."""

    datapath: Any = Protocol
    datapath.ofproto, datapath.ofproto_parser = ofproto, parser
    at, values = 0, []
    while at < len(raw):
        value = parser.OFPInstruction.parser(raw, at)
        if value is None or value.len < 8:
            raise CodecError("a dump holds an instruction that cannot be read")
        values.append(value)
        at += value.len
    return codec.read_instructions(datapath, values)
