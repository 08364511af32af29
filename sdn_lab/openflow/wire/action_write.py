"""Actions to bytes, as Open vSwitch sends them; `action` reads them.

A write to a whole field goes out as ``set_field``, to adjoining bits as ``reg_load``, to others as
``reg_load2``.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow import action as value
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow import fields
from sdn_lab.openflow.wire import action, action_labels, action_nat, oxm

_HEAD = Struct("!HH")
_NX = Struct("!HHIH")  # type, length, experimenter, subtype
_PORT = Struct("!IH6x")
_LOAD = Struct("!HIQ")
_MOVE = Struct("!HHH")
_CT = Struct("!HIHB3xH")
_OUTPUT_REG = Struct("!HIH6x")
_CT_COMMIT, _CT_FORCE, _NO_TABLE, _SAME_PORT = 1, 2, 0xFF, 0xFFF8


def write_actions(actions: Iterable[value.Action]) -> bytes:
    """Return the list of actions."""
    return b"".join(_write(a) for a in actions)


def _standard(kind: int, body: bytes) -> bytes:
    length = 4 + len(body)
    return _HEAD.pack(kind, length + -length % 8) + body + bytes(-length % 8)


def _nicira(subtype: int, body: bytes) -> bytes:
    length = 10 + len(body)
    return (
        _NX.pack(action.EXPERIMENTER, length + -length % 8, action.NICIRA, subtype)
        + body
        + bytes(-length % 8)
    )


def _write(a: value.Action) -> bytes:
    match a:
        case value.Output():
            return _standard(
                action.OUTPUT, _PORT.pack(a.of_port, a.max_len if a.of_port == value.CONTROLLER else 0)
            )
        case value.OutputField():
            packed = a.source.start << 6 | a.source.bits - 1
            header = int.from_bytes(oxm.write_field(a.source.field)[:4], "big")
            return _nicira(action.OUTPUT_REG, _OUTPUT_REG.pack(packed, header, a.max_len))
        case value.SetField():
            return _write_set_field(a)
        case value.Move():
            body = _MOVE.pack(a.source.bits, a.source.start, a.target.start)
            return _nicira(
                action.REG_MOVE, body + oxm.write_field(a.source.field) + oxm.write_field(a.target.field)
            )
        case value.GroupAction():
            return _standard(action.GROUP, a.group_id.to_bytes(4, "big"))
        case value.PushVlan():
            return _standard(action.PUSH_VLAN, a.eth_type.to_bytes(2, "big"))
        case value.PopVlan():
            return _standard(action.POP_VLAN, b"")
        case value.DecTtl():
            return _standard(action.DEC_NW_TTL, b"")
        case value.Resubmit():
            port = _SAME_PORT if a.in_port is None else oxm.narrow_port(a.in_port)
            table = _NO_TABLE if a.table is None else a.table
            return _nicira(action.RESUBMIT_TABLE, port.to_bytes(2, "big") + bytes((table, 0, 0, 0)))
        case value.Ct():
            return _write_ct(a)
        case value.CtClear():
            return _nicira(action.CT_CLEAR, b"")
        case value.Conjunction():
            return _nicira(action.CONJUNCTION, bytes((a.clause - 1, a.n_clauses)) + a.id.to_bytes(4, "big"))
        case (
            labels.PushMpls()
            | labels.PopMpls()
            | labels.DecMplsTtl()
            | labels.CopyTtlOut()
            | labels.CopyTtlIn()
        ):
            return _standard(*action_labels.write(a))
        case labels.PushPbb() | labels.PopPbb() | labels.SetQueue():
            return _standard(*action_labels.write(a))
        case _:
            raise LabError(f"action {type(a).__name__} has no bytes here")


def _write_set_field(a: value.SetField) -> bytes:
    if a.mask == fields.FIELDS[a.field].full_mask:
        return _standard(action.SET_FIELD, oxm.write_element(a.field, a.value))
    start = (a.mask & -a.mask).bit_length() - 1
    run = a.mask >> start
    if run & (run + 1) or run.bit_length() > 64 or a.field == "tcp_flags":
        return _nicira(action.REG_LOAD2, oxm.write_element(a.field, a.value, a.mask))
    header = int.from_bytes(oxm.write_field(a.field), "big")
    return _nicira(action.REG_LOAD, _LOAD.pack(start << 6 | run.bit_length() - 1, header, a.value >> start))


def _write_ct(a: value.Ct) -> bytes:
    flags = (_CT_COMMIT if a.commit else 0) | (_CT_FORCE if a.force else 0)
    header, zone = 0, a.zone
    if isinstance(zone, value.Subfield):
        header = int.from_bytes(oxm.write_field(zone.field), "big")
        zone = zone.start << 6 | zone.bits - 1
    table = _NO_TABLE if a.table is None else a.table
    nat = b"" if a.nat is None else _nicira(action_nat.SUBTYPE, action_nat.write(a.nat))
    return _nicira(action.CT, _CT.pack(flags, header, zone, table, 0) + nat + write_actions(a.exec_))
