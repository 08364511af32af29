"""Bytes to actions: OpenFlow 1.3's, and Open vSwitch's in daily use; `action_write` is the way back.

`action_labels`, `action_nat`, `action_ovs`, `action_learn` and `action_encap` have the rest.  An action that
`sdn_lab.openflow.action` has no value for is refused, never skipped.

Reference: OpenFlow 1.3.5 section 7.2.5; ovs-actions(7).
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from sdn_lab.openflow import action as value
from sdn_lab.openflow import fields, registers
from sdn_lab.openflow.action_labels import SetQueue
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.action_ovs import Clone
from sdn_lab.openflow.wire import (
    action_encap,
    action_labels,
    action_learn,
    action_nat,
    action_ovs,
    error,
    oxm,
)
from sdn_lab.openflow.wire.action_form import (
    EXPERIMENTER,
    HEAD,
    NICIRA,
    NX,
    at_least,
    check_writable,
    exactly,
    number,
    unpack_bits,
)
from sdn_lab.openflow.wire.action_labels import SET_MPLS_TTL
from sdn_lab.openflow.wire.error import WireError

OUTPUT, PUSH_VLAN, POP_VLAN, GROUP, SET_NW_TTL, DEC_NW_TTL, SET_FIELD = 0, 17, 18, 22, 23, 24, 25
(RESUBMIT, SET_TUNNEL, SET_QUEUE, REG_MOVE, REG_LOAD, SET_TUNNEL64, RESUBMIT_TABLE) = (1, 2, 4, 6, 7, 9, 14)
(OUTPUT_REG, DEC_TTL, DEC_TTL_CNT_IDS, OUTPUT_REG2, REG_LOAD2) = (15, 18, 21, 32, 33)
CONJUNCTION, CT, CLONE, CT_CLEAR, RESUBMIT_TABLE_CT = 34, 35, 42, 43, 44
_CT_COMMIT, _CT_FORCE, _NO_TABLE, _SAME_PORT = 1, 2, 0xFF, 0xFFF8

# OpenFlow lets set_field write every field but a few (7.2.5); Open vSwitch refuses these three.
_WRITABLE_BY_LETTER = ("eth_type", "ip_proto", "mpls_bos")
_MOST_NESTED = 32
_ONLY_IN_CT = ("ct_mark", "ct_label")
_PORT = Struct("!IH6x")
_LOAD = Struct("!HIQ")
_MOVE = Struct("!HHH")
_CT = Struct("!HIHB3xH")
_OUTPUT_REG = Struct("!HIH6x")

_Read = value.Action | tuple[value.Action, ...]
"""What one action on the wire is here: several, where it names a wide register."""


def read_actions(buf: bytes, at: int, end: int) -> tuple[value.Action, ...]:
    """Read a list of actions that fills *at* to *end* exactly.  Raises WireError."""
    actions = _read_list(buf, at, end)
    for a in actions:
        written = (
            a.field if isinstance(a, value.SetField) else a.target.field if isinstance(a, value.Move) else ""
        )
        if written in _ONLY_IN_CT:
            raise WireError(error.ACTION_BAD_SET_ARGUMENT, f"{written} is written outside of ct")
    return actions


def _read_list(buf: bytes, at: int, end: int, depth: int = 0) -> tuple[value.Action, ...]:
    if depth > _MOST_NESTED:
        raise WireError(error.ACTION_TOO_MANY, f"actions inside actions, more than {_MOST_NESTED} deep")
    actions: list[value.Action] = []
    while at < end:
        if end - at < 8:
            raise WireError(error.ACTION_BAD_LEN, "an action does not fit")
        kind, length = HEAD.unpack_from(buf, at)
        if length < 8 or length % 8 or length > end - at:
            raise WireError(error.ACTION_BAD_LEN, f"action {kind} says {length} bytes")
        body = buf[at : at + length]
        found = _read_nicira(body, depth) if kind == EXPERIMENTER else _read_standard(kind, body)
        actions += found if isinstance(found, tuple) else (found,)
        at += length
    return tuple(actions)


def _read_standard(kind: int, body: bytes) -> _Read:
    if kind == OUTPUT:
        exactly(body, 16, "output")
        return _output(*_PORT.unpack_from(body, 4))
    if kind == SET_FIELD:
        return _read_set_field(body, 4, exact=True)
    if kind not in (PUSH_VLAN, POP_VLAN, GROUP, SET_NW_TTL, DEC_NW_TTL, *action_labels.KINDS, SET_MPLS_TTL):
        raise WireError(error.ACTION_BAD_TYPE, f"action type {kind} is not known here")
    exactly(body, 8, f"action {kind}")
    if kind == PUSH_VLAN:
        eth_type = int.from_bytes(body[4:6], "big")
        if eth_type not in (fields.ETH_VLAN, fields.ETH_QINQ):
            raise WireError(error.ACTION_BAD_ARGUMENT, f"push_vlan cannot push EtherType {eth_type:#x}")
        return value.PushVlan(eth_type=eth_type)
    if kind == POP_VLAN:
        return value.PopVlan()
    if kind == GROUP:
        return value.GroupAction(group_id=int.from_bytes(body[4:8], "big"))
    if kind == SET_NW_TTL:
        return value.SetField(field="nw_ttl", value=body[4], mask=0xFF)
    if kind == SET_MPLS_TTL:
        return value.SetField(field="mpls_ttl", value=body[4], mask=0xFF)
    if kind in action_labels.KINDS:
        return action_labels.read(kind, body)
    return value.DecTtl()


def _output(of_port: int, max_len: int) -> value.Output:
    if of_port == value.ANY or value.MAX_PORT < of_port < value.IN_PORT:
        raise WireError(error.ACTION_BAD_OUT_PORT, f"output to port {of_port:#x}")
    return value.Output(of_port=of_port, max_len=max_len if of_port == value.CONTROLLER else 0xFFFF)


def _read_set_field(body: bytes, at: int, *, exact: bool) -> tuple[value.SetField, ...]:
    try:
        code, own, mask, stop = oxm.read_element(body, at, len(body))
        parts = oxm.written(code, own, mask)
    except WireError as fault:
        pair = {
            error.MATCH_BAD_FIELD: error.ACTION_BAD_SET_TYPE,
            error.MATCH_BAD_LEN: error.ACTION_BAD_SET_LEN,
        }.get(fault.pair, error.ACTION_BAD_SET_ARGUMENT)
        raise WireError(pair, fault.why) from None
    if len(body) - stop >= 8 or any(body[stop:]):
        raise WireError(error.ACTION_BAD_SET_LEN, f"set_field of {code.name} has bytes left over")
    if (exact and mask is not None) or not parts:
        raise WireError(error.ACTION_BAD_SET_ARGUMENT, f"set_field of {code.name} cannot have this mask")
    for name, _, _ in parts:
        if not fields.FIELDS[name].writable and not (exact and name in _WRITABLE_BY_LETTER):
            raise WireError(error.ACTION_BAD_SET_ARGUMENT, f"{name} cannot be written")
    return tuple(value.SetField(field=name, value=own, mask=under) for name, own, under in parts)


def _read_nicira(body: bytes, depth: int) -> _Read:
    if len(body) < 16:
        raise WireError(error.ACTION_BAD_LEN, f"an experimenter's action has {len(body)} bytes")
    _, _, experimenter, subtype = NX.unpack_from(body)
    if experimenter != NICIRA:
        raise WireError(error.ACTION_BAD_EXPERIMENTER, f"experimenter {experimenter:#x} is not known here")
    if subtype in _NESTING:
        return _NESTING[subtype](body, depth + 1)
    reader = _NICIRA.get(subtype)
    if reader is None:
        raise WireError(error.ACTION_BAD_EXP_TYPE, f"Nicira action {subtype} is not known here")
    return reader(body)


def _read_resubmit(body: bytes) -> value.Resubmit:
    exactly(body, 16, "resubmit")
    port = number(body, 10, 2)
    table = _NO_TABLE if body[9] == RESUBMIT else body[12]
    return value.Resubmit(
        in_port=None if port == _SAME_PORT else registers.wide_port(port),
        table=None if table == _NO_TABLE else table,
        ct=body[9] == RESUBMIT_TABLE_CT,
    )


def _read_set_tunnel(body: bytes) -> value.SetField:
    wide = body[9] == SET_TUNNEL64
    exactly(body, 24 if wide else 16, "set_tunnel")
    return value.SetField(
        field="tun_id", value=int.from_bytes(body[16:24] if wide else body[12:16], "big"), mask=(1 << 64) - 1
    )


def _read_queue(body: bytes) -> value.Action:
    exactly(body, 16, "set_queue")
    return SetQueue(queue_id=number(body, 12, 4))


def _read_move(body: bytes) -> tuple[value.Move, ...]:
    at_least(body, 24, "move")
    bits, source_at, target_at = _MOVE.unpack_from(body, 10)
    sources, at = oxm.read_subfields(body, 16, len(body), source_at, bits)
    targets, at = oxm.read_subfields(body, at, len(body), target_at, bits)
    if len(body) - at >= 8:
        raise WireError(error.ACTION_BAD_LEN, "move has bytes left over")
    check_writable(*targets)
    moves = tuple(value.Move(source=a, target=b) for a, b in registers.paired(sources, targets))
    for n, move in enumerate(moves):
        if any(move.source.field == before.target.field for before in moves[:n]):
            raise WireError(error.ACTION_BAD_ARGUMENT, "move between wide registers that overlap")
    return moves


def _read_load(body: bytes) -> tuple[value.SetField, ...]:
    exactly(body, 24, "reg_load")
    packed, _, own = _LOAD.unpack_from(body, 10)
    start, bits = unpack_bits(packed)
    targets, _ = oxm.read_subfields(body, 12, 16, start, bits)
    if own >> bits:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"{own:#x} does not fit {bits} bits")
    check_writable(*targets)
    return tuple(
        registers.write_to(target, own >> low & (1 << target.bits) - 1)
        for target, low in registers.slices(bits, targets)
    )


def _read_output_reg(body: bytes) -> value.OutputField:
    exactly(body, 24, "output_reg")
    if body[9] == OUTPUT_REG:
        packed, _, max_len = _OUTPUT_REG.unpack_from(body, 10)
        source, _ = oxm.read_subfield(body, 12, 16, *unpack_bits(packed))
    else:
        packed, max_len = HEAD.unpack_from(body, 10)
        source, _ = oxm.read_subfield(body, 14, len(body), *unpack_bits(packed))
    return value.OutputField(source=source, max_len=max_len)


def _read_dec_ttl_ids(body: bytes) -> value.DecTtl:
    at_least(body, 16, "dec_ttl")
    ids = number(body, 10, 2)
    if any(body[12:16]) or not ids:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"dec_ttl that tells {ids} controllers")
    if len(body) - 16 < 2 * ids:
        raise WireError(error.ACTION_BAD_LEN, f"dec_ttl says that it tells {ids} controllers")
    return value.DecTtl(controllers=tuple(number(body, at, 2) for at in range(16, 16 + 2 * ids, 2)))


def _read_clone(body: bytes, depth: int) -> Clone:
    return Clone(actions=_read_list(body, 16, len(body), depth))


def _read_conjunction(body: bytes) -> value.Conjunction:
    exactly(body, 16, "conjunction")
    clause, n_clauses, number = body[10], body[11], int.from_bytes(body[12:16], "big")
    if not 2 <= n_clauses <= 64 or clause >= n_clauses:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"conjunction with clause {clause + 1} of {n_clauses}")
    return value.Conjunction(id=number, clause=clause + 1, n_clauses=n_clauses)


def _read_ct(body: bytes, depth: int) -> value.Ct:
    if len(body) < 24:
        raise WireError(error.ACTION_BAD_LEN, f"ct has {len(body)} bytes")
    flags, zone_field, zone, table, alg = _CT.unpack_from(body, 10)
    if flags & ~(_CT_COMMIT | _CT_FORCE) or (flags & _CT_FORCE and not flags & _CT_COMMIT):
        raise WireError(error.ACTION_BAD_ARGUMENT, f"ct has flags {flags:#x}")
    if alg:
        raise WireError(error.ACTION_BAD_ARGUMENT, f"ct helper {alg} is not known here")
    source: int | value.Subfield = zone
    if zone_field:
        source, _ = oxm.read_subfield(body, 12, 16, *unpack_bits(zone))
        if source.bits > 16:
            raise WireError(error.ACTION_BAD_ARGUMENT, f"a ct zone has 16 bits, not {source.bits}")
    nat, rest = _take_nat(body[24:])
    inner = _read_list(rest, 0, len(rest), depth)
    written = tuple(a for a in inner if isinstance(a, value.SetField) and a.field in _ONLY_IN_CT)
    if len(written) != len(inner) or (inner and not flags & _CT_COMMIT):
        raise WireError(
            error.ACTION_BAD_ARGUMENT, "ct may only write ct_mark and ct_label, and when it commits"
        )
    if nat is not None and nat.kind is not NatKind.KNOWN and not flags & _CT_COMMIT:
        raise WireError(error.ACTION_BAD_ARGUMENT, "ct translates new connections only when it commits")
    return value.Ct(
        commit=bool(flags & _CT_COMMIT),
        force=bool(flags & _CT_FORCE),
        table=None if table == _NO_TABLE else table,
        zone=source,
        exec_=written,
        nat=nat,
    )


def _take_nat(inner: bytes) -> tuple[Nat | None, bytes]:
    """Take the one ``nat`` out of the actions inside a ``ct``; the rest is read as any list."""
    at, found, rest = 0, None, b""
    while len(inner) - at >= 16:
        kind, length, experimenter, subtype = NX.unpack_from(inner, at)
        if length < 8 or length % 8 or length > len(inner) - at:
            break
        if (kind, experimenter, subtype) == (EXPERIMENTER, NICIRA, action_nat.SUBTYPE):
            if found is not None:
                raise WireError(error.ACTION_BAD_ARGUMENT, "ct has two nat")
            found = action_nat.read(inner[at : at + length])
        else:
            rest += inner[at : at + length]
        at += length
    return found, rest + inner[at:]


_NICIRA: dict[int, Callable[[bytes], _Read]] = {
    **action_ovs.READERS,
    RESUBMIT: _read_resubmit,
    RESUBMIT_TABLE: _read_resubmit,
    RESUBMIT_TABLE_CT: _read_resubmit,
    SET_TUNNEL: _read_set_tunnel,
    SET_TUNNEL64: _read_set_tunnel,
    SET_QUEUE: _read_queue,
    REG_MOVE: _read_move,
    REG_LOAD: _read_load,
    REG_LOAD2: lambda body: _read_set_field(body, 10, exact=False),
    OUTPUT_REG: _read_output_reg,
    OUTPUT_REG2: _read_output_reg,
    CONJUNCTION: _read_conjunction,
    CT_CLEAR: lambda _: value.CtClear(),
    DEC_TTL: lambda _: value.DecTtl(),
    DEC_TTL_CNT_IDS: _read_dec_ttl_ids,
    action_learn.LEARN: action_learn.read,
    action_learn.LEARN2: action_learn.read,
    action_encap.ENCAP: action_encap.read_encap,
    action_encap.DECAP: action_encap.read_decap,
    action_encap.DEC_NSH_TTL: action_encap.read_dec_ttl,
}
_NESTING: dict[int, Callable[[bytes, int], value.Action]] = {CT: _read_ct, CLONE: _read_clone}
