"""Actions to bytes, as Open vSwitch sends them; `action` reads them.

A write to a whole field goes out as ``set_field``, to adjoining bits as ``reg_load``, to others as
``reg_load2``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from struct import Struct

from sdn_lab.openflow import action as value
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow import fields
from sdn_lab.openflow.wire import (
    action,
    action_encap,
    action_labels,
    action_learn,
    action_nat,
    action_ovs,
    oxm,
)
from sdn_lab.openflow.wire.action_form import nicira, pack_bits, standard, write_place

_PORT = Struct("!IH6x")
_LOAD = Struct("!HIQ")
_MOVE = Struct("!HHH")
_CT = Struct("!HIHB3xH")
_OUTPUT_REG = Struct("!HIH6x")
_CT_COMMIT, _CT_FORCE, _NO_TABLE, _SAME_PORT = 1, 2, 0xFF, 0xFFF8


def write_actions(actions: Iterable[value.Action]) -> bytes:
    """Return the list of actions."""
    return b"".join(_write(a) for a in actions)


_OVS: Mapping[type, Callable[..., bytes]] = {
    **action_ovs.WRITERS,
    ovs.Learn: action_learn.write,
    ovs.Clone: lambda a: nicira(action.CLONE, bytes(6) + write_actions(a.actions)),
    ovs.Enqueue: lambda a: write_actions(
        (labels.SetQueue(queue_id=a.queue_id), value.Output(of_port=a.of_port), ovs.PopQueue())
    ),
    ovs.Encap: action_encap.write_encap,
    ovs.Decap: action_encap.write_decap,
    ovs.DecNshTtl: lambda _: nicira(action_encap.DEC_NSH_TTL, b""),
}


def _write(a: value.Action) -> bytes:
    match a:
        case value.Output():
            return standard(
                action.OUTPUT, _PORT.pack(a.of_port, a.max_len if a.of_port == value.CONTROLLER else 0)
            )
        case value.OutputField():
            if len(oxm.write_place(a.source)) > 4:
                head = pack_bits(a.source).to_bytes(2) + a.max_len.to_bytes(2)
                return nicira(action.OUTPUT_REG2, head + oxm.write_place(a.source) + bytes(2))
            return nicira(action.OUTPUT_REG, _OUTPUT_REG.pack(*write_place(a.source), a.max_len))
        case value.SetField():
            return _write_set_field(a)
        case value.Move():
            body = _MOVE.pack(a.source.bits, a.source.start, a.target.start)
            return nicira(action.REG_MOVE, body + oxm.write_place(a.source) + oxm.write_place(a.target))
        case value.GroupAction():
            return standard(action.GROUP, a.group_id.to_bytes(4, "big"))
        case value.PushVlan():
            return standard(action.PUSH_VLAN, a.eth_type.to_bytes(2, "big"))
        case value.PopVlan():
            return standard(action.POP_VLAN, b"")
        case value.DecTtl(controllers=ids):
            if ids == (0,):
                return standard(action.DEC_NW_TTL, b"")
            told = b"".join(n.to_bytes(2) for n in ids)
            return nicira(action.DEC_TTL_CNT_IDS, len(ids).to_bytes(2) + bytes(4) + told)
        case value.Resubmit():
            port = _SAME_PORT if a.in_port is None else oxm.narrow_port(a.in_port)
            table = _NO_TABLE if a.table is None else a.table
            subtype = action.RESUBMIT_TABLE_CT if a.ct else action.RESUBMIT_TABLE
            return nicira(subtype, port.to_bytes(2) + bytes((table, 0, 0, 0)))
        case value.Ct():
            return _write_ct(a)
        case value.CtClear():
            return nicira(action.CT_CLEAR, b"")
        case value.Conjunction():
            return nicira(action.CONJUNCTION, bytes((a.clause - 1, a.n_clauses)) + a.id.to_bytes(4, "big"))
        case (
            labels.PushMpls()
            | labels.PopMpls()
            | labels.DecMplsTtl()
            | labels.CopyTtlOut()
            | labels.CopyTtlIn()
        ):
            return standard(*action_labels.write(a))
        case labels.PushPbb() | labels.PopPbb() | labels.SetQueue():
            return standard(*action_labels.write(a))
        case _:
            return _OVS[type(a)](a)


def _write_set_field(a: value.SetField) -> bytes:
    if (
        a.field == "in_port" and a.mask == fields.FIELDS["in_port"].full_mask
    ):  # by its OXM name it is read-only
        return standard(action.SET_FIELD, oxm.write_field("in_port") + oxm.narrow_port(a.value).to_bytes(2))
    if a.mask == fields.FIELDS[a.field].full_mask:
        return standard(action.SET_FIELD, oxm.write_element(a.field, a.value))
    start = (a.mask & -a.mask).bit_length() - 1
    run = a.mask >> start
    experimenter = len(oxm.write_field(a.field)) > 4
    if run & (run + 1) or run.bit_length() > 64 or experimenter:
        return nicira(action.REG_LOAD2, oxm.write_element(a.field, a.value, a.mask))
    return _load(value.Subfield(field=a.field, start=start, bits=run.bit_length()), a.value >> start)


def _load(target: value.Subfield, number: int) -> bytes:
    return nicira(action.REG_LOAD, _LOAD.pack(*write_place(target), number))


def _write_ct(a: value.Ct) -> bytes:
    flags = (_CT_COMMIT if a.commit else 0) | (_CT_FORCE if a.force else 0)
    header, zone = 0, a.zone
    if isinstance(zone, value.Subfield):
        header = int.from_bytes(oxm.write_field(zone.field), "big")
        zone = zone.start << 6 | zone.bits - 1
    table = _NO_TABLE if a.table is None else a.table
    nat = b"" if a.nat is None else nicira(action_nat.SUBTYPE, action_nat.write(a.nat))
    return nicira(action.CT, _CT.pack(flags, header, zone, table, 0) + nat + write_actions(a.exec_))
