"""``learn`` on the wire: ``NXAST_LEARN``, and ``NXAST_LEARN2`` where it has a limit or tells its result.

Behind a fixed part stand the pieces of the entry to be made.  Each begins with 16 bits: how many bits it is
about, where they come from (a field of the packet, or as a constant behind them) and where they go (a match,
a write, an output).  16 zero bits, or the end, are the end.

Reference: ovs-actions(7), ``learn``; Open vSwitch, ``lib/ofp-actions.c``, `struct nx_action_learn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.action_ovs import Learn, LearnSpec
from sdn_lab.openflow.wire import error, oxm
from sdn_lab.openflow.wire.action_form import at_least, check_writable, check_zero, nicira, number
from sdn_lab.openflow.wire.error import WireError

LEARN, LEARN2 = 16, 45
_SEND_FLOW_REM, _DELETE_LEARNED, _WRITE_RESULT = 1, 2, 4
_FIXED = Struct("!HHHQHBxHH")
_MORE = Struct("!IHxx")
_KINDS = ("match", "load", "output")
_BITS, _IMMEDIATE, _KNOWN = 0x3FF, 1 << 13, 0x3BFF
_LAST_TABLE = 253


def read(body: bytes) -> Learn:
    """Read one action, its header included.  Raises WireError."""
    more = body[9] == LEARN2
    at = 40 if more else 32
    at_least(body, at, "learn")
    idle, hard, priority, cookie, flags, table, fin_idle, fin_hard = _FIXED.unpack_from(body, 10)
    limit, result = 0, None
    if flags & ~(_SEND_FLOW_REM | _DELETE_LEARNED | (_WRITE_RESULT if more else 0)) or body[27]:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"learn has flags {flags:#x}")
    if table > _LAST_TABLE:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"learn fills table {table}")
    if more:
        limit, start = _MORE.unpack_from(body, 32)
        if flags & _WRITE_RESULT:
            result, at = _place(body, at, start, 1)
            check_writable(result)
    return Learn(
        table=table,
        priority=priority,
        idle_timeout=idle,
        hard_timeout=hard,
        fin_idle_timeout=fin_idle,
        fin_hard_timeout=fin_hard,
        cookie=cookie,
        send_flow_rem=bool(flags & _SEND_FLOW_REM),
        delete_learned=bool(flags & _DELETE_LEARNED),
        limit=limit,
        result=result,
        specs=tuple(_read_specs(body, at)),
    )


def _read_specs(body: bytes, at: int) -> Iterator[LearnSpec]:
    while len(body) - at >= 2 and (head := number(body, at, 2)):
        bits, constant, kind = head & _BITS, head & _IMMEDIATE, head >> 11 & 3
        at += 2
        if head & ~_KNOWN or not bits or kind >= len(_KINDS):
            raise WireError(error.ACTION_BAD_ARGUMENT, f"a piece of learn says {head:#06x}")
        given: tuple[Subfield, ...] = ()
        taken: tuple[Subfield, ...] = ()
        held = 0
        if constant:
            size = (bits + 15) // 16 * 2
            _check_room(body, at, size)
            held, at = number(body, at, size), at + size
            if held >> bits or _KINDS[kind] == "output":
                raise WireError(error.ACTION_BAD_ARGUMENT, f"a constant of learn: {held:#x} in {bits} bits")
        else:
            given, at = _places(body, at, bits)
        if _KINDS[kind] != "output":
            taken, at = _places(body, at, bits)
        if _KINDS[kind] == "load":
            check_writable(*taken)
        yield from _pieces(_KINDS[kind], given, taken, held, bits)
    check_zero(body, at, "learn")


def _pieces(
    kind: str, given: tuple[Subfield, ...], taken: tuple[Subfield, ...], held: int, bits: int
) -> Iterator[LearnSpec]:
    """Give a piece, or several where registers are wide."""
    if kind == "output":
        if len(given) != 1:
            raise WireError(error.ACTION_BAD_ARGUMENT, "learn outputs to a port in two registers")
        yield LearnSpec(kind=kind, source=given[0])
    elif given:
        for source, target in registers.paired(given, taken):
            yield LearnSpec(kind=kind, target=target, source=source)
    else:
        for target, low in registers.slices(bits, taken):
            yield LearnSpec(kind=kind, target=target, value=held >> low & (1 << target.bits) - 1)


def _check_room(body: bytes, at: int, size: int) -> None:
    if len(body) - at < size:
        raise WireError(error.ACTION_BAD_LEN, "a piece of learn does not fit")


def _places(body: bytes, at: int, bits: int) -> tuple[tuple[Subfield, ...], int]:
    """Read a header and the first bit behind it."""
    size = 8 if body[at : at + 2] == b"\xff\xff" else 4
    _check_room(body, at, size + 2)
    found, _ = oxm.read_subfields(body, at, len(body), number(body, at + size, 2), bits)
    return found, at + size + 2


def _place(body: bytes, at: int, start: int, bits: int) -> tuple[Subfield, int]:
    size = 8 if body[at : at + 2] == b"\xff\xff" else 4
    _check_room(body, at, size)
    return oxm.read_subfield(body, at, len(body), start, bits)[0], at + size


def write(a: Learn) -> bytes:
    """Return the whole action."""
    more = bool(a.limit) or a.result is not None
    flags = (_SEND_FLOW_REM if a.send_flow_rem else 0) | (_DELETE_LEARNED if a.delete_learned else 0)
    flags |= 0 if a.result is None else _WRITE_RESULT
    body = _FIXED.pack(
        a.idle_timeout,
        a.hard_timeout,
        a.priority,
        a.cookie,
        flags,
        a.table,
        a.fin_idle_timeout,
        a.fin_hard_timeout,
    )
    if more:
        body += _MORE.pack(a.limit, 0 if a.result is None else a.result.start)
        body += b"" if a.result is None else oxm.write_place(a.result)
    return nicira(LEARN2 if more else LEARN, body + b"".join(map(_write_spec, a.specs)))


def _write_spec(spec: LearnSpec) -> bytes:
    part = spec.target or spec.source
    assert part is not None
    head = part.bits | _KINDS.index(spec.kind) << 11
    if spec.source is not None:
        body = _write_place(spec.source)
    else:
        head |= _IMMEDIATE
        body = spec.value.to_bytes((part.bits + 15) // 16 * 2)
    return head.to_bytes(2) + body + (b"" if spec.target is None else _write_place(spec.target))


def _write_place(part: Subfield) -> bytes:
    return oxm.write_place(part) + part.start.to_bytes(2)
