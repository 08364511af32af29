"""Actions, to and from the controller framework's action classes.

Both directions are tables, by type and by the framework's class name.  Open vSwitch's own actions, of which
the framework has few and those not whole, go through it as bytes (`wire.action`); what is in neither is
refused by its name.  See `codec` for the rest of the messages, and for what the framework does not do well.

Reference: OpenFlow Switch Specification 1.3.5, section 7.2.5; ovs-actions(7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from ipaddress import ip_address
from typing import Any

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow import registers
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.codec_field import (
    NUMBERS,
    CodecError,
    check_carried,
    framework_name,
    ofs_nbits,
    oxm,
    payload,
    read_subfield,
    read_test,
    row_of,
)
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.wire import action as wire
from sdn_lab.openflow.wire import action_write
from sdn_lab.openflow.wire.error import WireError

_NO_TABLE = 0xFF  # "this table" of resubmit, "no table" of ct
_CT_COMMIT, _CT_FORCE = 1, 2
_NAT_KINDS = {NatKind.SRC: 1, NatKind.DST: 2, NatKind.KNOWN: 0}
_NAT_FLAGS = {"persistent": 4, "by_hash": 8, "random": 16}


def actions(datapath: Any, values: Iterable[act.Action]) -> list[Any]:
    """Return the framework's actions for *values*."""
    made = []
    for value in values:
        writer = _WRITERS.get(type(value))
        if isinstance(value, ovs.Enqueue):
            queued = labels.SetQueue(queue_id=value.queue_id), act.Output(of_port=value.of_port)
            made += actions(datapath, (*queued, ovs.PopQueue()))
        elif writer is None or _says_more(value):
            made.append(_as_bytes(datapath, value))
        else:
            made.append(writer(datapath, value))
    return made


def _says_more(value: act.Action) -> bool:
    """Say whether the framework's class lacks something of *value*."""
    match value:
        case act.DecTtl():
            return value.controllers != (0,)
        case act.Resubmit():
            return value.ct
        case _:
            return False


def _as_bytes(datapath: Any, value: act.Action) -> Any:
    """Return an action of Open vSwitch's as the framework carries those that it does not know."""
    packed = action_write.write_actions((value,))
    subtype = int.from_bytes(packed[8:10])
    return datapath.ofproto_parser.NXActionUnknown(subtype, packed[10:])


def _output(datapath: Any, value: act.Output) -> Any:
    max_len = value.max_len if value.of_port == act.CONTROLLER else 0
    return datapath.ofproto_parser.OFPActionOutput(value.of_port, max_len)


def _output_field(datapath: Any, value: act.OutputField) -> Any:
    source = value.source
    return datapath.ofproto_parser.NXActionOutputReg(
        ofs_nbits(source), framework_name(datapath, source.field), value.max_len
    )


def _set_field(datapath: Any, value: act.SetField) -> Any:
    row, parser = FIELDS[value.field], datapath.ofproto_parser
    check_carried(row.name)
    if value.mask != row.full_mask:
        return _masked_set(parser)(value)
    if row.name == "in_port":  # Open vSwitch takes it by its older name alone
        place = act.Subfield(field="in_port", start=0, bits=registers.IN_PORT_BITS)
        return parser.NXActionRegLoad(ofs_nbits(place), "in_port_nxm", value.value & 0xFFFF)
    name, user = datapath.ofproto.oxm_to_user(NUMBERS[row.name], payload(row, value.value), None)
    return parser.OFPActionSetField(**{name: user})


def _move(datapath: Any, value: act.Move) -> Any:
    return datapath.ofproto_parser.NXActionRegMove(
        src_field=framework_name(datapath, value.source.field),
        dst_field=framework_name(datapath, value.target.field),
        n_bits=value.source.bits,
        src_ofs=value.source.start,
        dst_ofs=value.target.start,
    )


def _resubmit(datapath: Any, value: act.Resubmit) -> Any:
    port = act.IN_PORT if value.in_port is None else value.in_port
    table = _NO_TABLE if value.table is None else value.table
    return datapath.ofproto_parser.NXActionResubmitTable(in_port=port & 0xFFFF, table_id=table)


def _ct(datapath: Any, value: act.Ct) -> Any:
    if isinstance(value.zone, act.Subfield):
        zone_src, zone = framework_name(datapath, value.zone.field), ofs_nbits(value.zone)
    else:
        zone_src, zone = "", value.zone
    return datapath.ofproto_parser.NXActionCT(
        flags=(_CT_COMMIT if value.commit else 0) | (_CT_FORCE if value.force else 0),
        zone_src=zone_src,
        zone_ofs_nbits=zone,
        recirc_table=_NO_TABLE if value.table is None else value.table,
        alg=0,
        actions=[
            *([_nat(datapath, value.nat)] if value.nat is not None else []),
            *(_set_field(datapath, inner) for inner in value.exec_),
        ],
    )


def _nat(datapath: Any, nat: Nat) -> Any:
    flags = _NAT_KINDS[nat.kind] | sum(bit for name, bit in _NAT_FLAGS.items() if getattr(nat, name))
    ranges: dict[str, Any] = {}
    if nat.addresses is not None:
        family = f"range_ipv{nat.addresses[0].version}"
        ranges |= {f"{family}_min": str(nat.addresses[0]), f"{family}_max": str(nat.addresses[1])}
    if nat.ports is not None:
        ranges |= {"range_proto_min": nat.ports[0], "range_proto_max": nat.ports[1]}
    return _padded_nat(datapath.ofproto_parser)(flags=flags, **ranges)


_WRITERS: Mapping[type, Callable[[Any, Any], Any]] = {
    act.Output: _output,
    act.OutputField: _output_field,
    act.SetField: _set_field,
    act.Move: _move,
    act.GroupAction: lambda dp, a: dp.ofproto_parser.OFPActionGroup(a.group_id),
    act.PushVlan: lambda dp, a: dp.ofproto_parser.OFPActionPushVlan(a.eth_type),
    act.PopVlan: lambda dp, _: dp.ofproto_parser.OFPActionPopVlan(),
    act.DecTtl: lambda dp, _: dp.ofproto_parser.OFPActionDecNwTtl(),
    labels.PushMpls: lambda dp, a: dp.ofproto_parser.OFPActionPushMpls(a.eth_type),
    labels.PopMpls: lambda dp, a: dp.ofproto_parser.OFPActionPopMpls(a.eth_type),
    labels.DecMplsTtl: lambda dp, _: dp.ofproto_parser.OFPActionDecMplsTtl(),
    labels.CopyTtlOut: lambda dp, _: dp.ofproto_parser.OFPActionCopyTtlOut(),
    labels.CopyTtlIn: lambda dp, _: dp.ofproto_parser.OFPActionCopyTtlIn(),
    labels.PushPbb: lambda dp, a: dp.ofproto_parser.OFPActionPushPbb(a.eth_type),
    labels.PopPbb: lambda dp, _: dp.ofproto_parser.OFPActionPopPbb(),
    labels.SetQueue: lambda dp, a: dp.ofproto_parser.OFPActionSetQueue(a.queue_id),
    act.Resubmit: _resubmit,
    act.Ct: _ct,
    act.CtClear: lambda dp, _: dp.ofproto_parser.NXActionCTClear(),
    act.Conjunction: lambda dp, a: dp.ofproto_parser.NXActionConjunction(a.clause - 1, a.n_clauses, a.id),
}


def read_actions(datapath: Any, values: Iterable[Any]) -> tuple[act.Action, ...]:
    """Return the actions of the framework's list.  Raises CodecError."""
    made: list[act.Action] = []
    for value in values:
        name = type(value).__name__
        reader = _READERS.get(name)
        made += _from_bytes(value) if reader is None else (reader(datapath, value),)
    return tuple(made)


def _from_bytes(value: Any) -> tuple[act.Action, ...]:
    """Read an action of Open vSwitch's from the bytes that the framework has of it.  Raises CodecError.

    Of ``encap``, and of ``controller`` with more than OpenFlow's own, it does not keep all (os-ken 4.2.2).
    """
    name = type(value).__name__
    if not hasattr(value, "subtype"):
        raise CodecError(f"action {name} is not one that sdn_lab knows")
    packed = bytearray()
    value.serialize(packed, 0)
    packed += bytes(-len(packed) % 8)
    try:
        return wire.read_actions(bytes(packed), 0, len(packed))
    except WireError as refused:
        raise CodecError(
            f"action {name} with subtype {value.subtype} is not one that sdn_lab knows: {refused.why}"
        ) from None


def _read_output(_: Any, value: Any) -> act.Action:
    if value.port == act.CONTROLLER:
        return act.Output(of_port=value.port, max_len=value.max_len)
    return act.Output(of_port=value.port)


def _read_output_field(datapath: Any, value: Any) -> act.Action:
    return act.OutputField(source=read_subfield(datapath, value.src, value.ofs_nbits), max_len=value.max_len)


def _read_set_field(datapath: Any, value: Any) -> act.SetField:
    row, number, mask = read_test(datapath, value.key, value.value)
    return act.SetField(field=row.name, value=number, mask=mask)


def _read_load(datapath: Any, value: Any) -> act.SetField:
    return registers.write_to(read_subfield(datapath, value.dst, value.ofs_nbits), value.value)


def _read_load2(datapath: Any, value: Any) -> act.SetField:
    user = value.value if value.mask is None else (value.value, value.mask)
    row, number, mask = read_test(datapath, value.dst, user)
    return act.SetField(field=row.name, value=number & mask, mask=mask)


def _read_move(datapath: Any, value: Any) -> act.Action:
    return act.Move(
        source=act.Subfield(
            field=row_of(datapath, value.src_field).name, start=value.src_ofs, bits=value.n_bits
        ),
        target=act.Subfield(
            field=row_of(datapath, value.dst_field).name, start=value.dst_ofs, bits=value.n_bits
        ),
    )


def _read_resubmit(_: Any, value: Any) -> act.Action:
    port = value.in_port if value.in_port < 0xFF00 else value.in_port | 0xFFFF0000
    table = getattr(value, "table_id", _NO_TABLE)
    return act.Resubmit(
        in_port=None if port == act.IN_PORT else port, table=None if table == _NO_TABLE else table
    )


def _read_ct(datapath: Any, value: Any) -> act.Action:
    if value.flags & ~(_CT_COMMIT | _CT_FORCE) or value.alg:
        raise CodecError(
            f"action ct with flags={value.flags:#x}, alg={value.alg} is not one that sdn_lab knows"
        )
    nats = [a for a in value.actions if type(a).__name__ == "NXActionNAT"]
    inner = read_actions(datapath, [a for a in value.actions if a not in nats])
    if len(nats) > 1:
        raise CodecError("action ct with two nat is not one that sdn_lab knows")
    unknown = [type(a).__name__ for a in inner if not isinstance(a, act.SetField)]
    if unknown:
        raise CodecError(f"action {unknown[0]} inside ct(exec(...)) is not one that sdn_lab knows")
    return act.Ct(
        commit=bool(value.flags & _CT_COMMIT),
        force=bool(value.flags & _CT_FORCE),
        table=None if value.recirc_table == _NO_TABLE else value.recirc_table,
        zone=(
            read_subfield(datapath, value.zone_src, value.zone_ofs_nbits)
            if value.zone_src
            else value.zone_ofs_nbits
        ),
        exec_=tuple(a for a in inner if isinstance(a, act.SetField)),
        nat=_read_nat(nats[0]) if nats else None,
    )


def _read_nat(value: Any) -> Nat:
    kinds = [kind for kind, bit in _NAT_KINDS.items() if bit == value.flags & 3]
    if not kinds or value.flags & ~0x1F:
        raise CodecError(f"action nat with flags={value.flags:#x} is not one that sdn_lab knows")
    first = value.range_ipv4_min or value.range_ipv6_min
    last = value.range_ipv4_max or value.range_ipv6_max or first
    low, high = value.range_proto_min, value.range_proto_max
    nat = Nat(
        kind=kinds[0],
        addresses=(ip_address(first), ip_address(last)) if first else None,
        ports=(low, high or low) if low else None,
        **{name: bool(value.flags & bit) for name, bit in _NAT_FLAGS.items()},
    )
    wrong = nat.complaint()
    if wrong is not None:
        raise CodecError(f"action nat: {wrong}")
    return nat


_READERS: Mapping[str, Callable[[Any, Any], act.Action]] = {
    "OFPActionOutput": _read_output,
    "NXActionOutputReg": _read_output_field,
    "NXActionOutputReg2": _read_output_field,
    "OFPActionSetField": _read_set_field,
    "NXActionRegLoad": _read_load,
    "NXActionRegLoad2": _read_load2,
    "NXActionRegMove": _read_move,
    "OFPActionGroup": lambda _, a: act.GroupAction(group_id=a.group_id),
    "OFPActionPushVlan": lambda _, a: act.PushVlan(eth_type=a.ethertype),
    "OFPActionPopVlan": lambda _, __: act.PopVlan(),
    "OFPActionDecNwTtl": lambda _, __: act.DecTtl(),
    "NXActionDecTtl": lambda _, __: act.DecTtl(),
    "OFPActionPushMpls": lambda _, a: labels.PushMpls(eth_type=a.ethertype),
    "OFPActionPopMpls": lambda _, a: labels.PopMpls(eth_type=a.ethertype),
    "OFPActionSetMplsTtl": lambda _, a: act.SetField(field="mpls_ttl", value=a.mpls_ttl, mask=0xFF),
    "OFPActionDecMplsTtl": lambda _, __: labels.DecMplsTtl(),
    "OFPActionCopyTtlOut": lambda _, __: labels.CopyTtlOut(),
    "OFPActionCopyTtlIn": lambda _, __: labels.CopyTtlIn(),
    "OFPActionPushPbb": lambda _, a: labels.PushPbb(eth_type=a.ethertype),
    "OFPActionPopPbb": lambda _, __: labels.PopPbb(),
    "OFPActionSetQueue": lambda _, a: labels.SetQueue(queue_id=a.queue_id),
    "OFPActionSetNwTtl": lambda _, a: act.SetField(field="nw_ttl", value=a.nw_ttl, mask=0xFF),
    "NXActionResubmit": _read_resubmit,
    "NXActionResubmitTable": _read_resubmit,
    "NXActionCT": _read_ct,
    "NXActionCTClear": lambda _, __: act.CtClear(),
    "NXActionConjunction": lambda _, a: act.Conjunction(id=a.id, clause=a.clause + 1, n_clauses=a.n_clauses),
}


@cache
def _masked_set(parser: Any) -> Callable[[act.SetField], Any]:
    class MaskedSet(parser.NXActionRegLoad2):  # type: ignore[misc]
        """``set_field:value/mask->field``, of any width."""

        def __init__(self, value: act.SetField) -> None:
            super().__init__(dst=value.field, value=value.value, mask=value.mask)
            self._oxm = oxm(value.field, value.value, value.mask)

        def serialize_body(self) -> bytearray:
            return bytearray(self._oxm + bytes(-(10 + len(self._oxm)) % 8))

    return MaskedSet


@cache
def _padded_nat(parser: Any) -> type[Any]:
    class PaddedNat(parser.NXActionNAT):  # type: ignore[misc]
        """``nat``, filled up to whole words: the framework's ends where its ranges end."""

        def serialize_body(self) -> bytearray:
            body = super().serialize_body()
            return bytearray(body + bytes(-(10 + len(body)) % 8))

    return PaddedNat
