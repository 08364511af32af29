"""Flow entries and groups, to and from the controller framework's OpenFlow 1.3 messages.

What
----
`flow_mod` and `group_mod` make messages from values; `flow_entry` and `group` read values out of the
replies to a dump.  Reading is strict: a field, action, instruction or group type that
`openflow.fields`, `openflow.action` or `openflow.entry` does not know is a `CodecError` that names it.
A dump that we only half understand must never be compared with anything.

Where it sits
-------------
Used by:    `sdn_lab.control`, in the controller's process only.
Not here:   the switch's side of the wire (`openflow.wire`, written independently, so that the two
            check each other), text (`openflow.text`), order of sending (`openflow.delta`).

Ryu or os-ken
-------------
Nothing is imported: every function takes the datapath (or any ``ProtocolDesc``), whose ``ofproto`` and
``ofproto_parser`` are the framework's.  Field names differ between us and the framework, numbers do
not, so fields go by the OXM number in their row, and a new row in `fields.py` works here at once.

Four things that the framework does not do well, measured on os-ken 4.2.2
-------------------------------------------------------------------------
1.  A match made from its keyword arguments costs 0.35 ms; `_OxmMatch` writes the bytes itself.
2.  ``NXActionRegLoad2`` cannot be serialized beyond 14 bytes of OXM: `_MaskedSet` can.
3.  OVS answers a match on ``tcp_flags`` (NXM) with the ONF experimenter field, and names the fields of
    ``move`` by their older Nicira numbers, for which the framework has other names: `_row`.
4.  It returns None for an instruction that it does not know, and fails later with AttributeError.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.2 to 7.3; ovs-actions(7), ovs-fields(7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.fields import FIELDS, OFPXMC_EXPERIMENTER, ONF, Field
from sdn_lab.openflow.match import Match

_NUMBERS: Mapping[str, int] = {name: row.oxm[0] << 7 | row.oxm[1] for name, row in FIELDS.items()}
_BY_NUMBER: Mapping[object, Field] = {
    **{_NUMBERS[name]: row for name, row in FIELDS.items()},
    (ONF, OFPXMC_EXPERIMENTER << 7 | 42): FIELDS["tcp_flags"],
}
# The framework names a field's older Nicira number NAME_nxm, with these exceptions.
_NICIRA_NAMES: Mapping[str, str] = {
    "nd_target": "ipv6_nd_target",
    "nd_sll": "ipv6_nd_sll",
    "nd_tll": "ipv6_nd_tll",
    "ipv6_label": "ipv6_flabel",
}
_GROUP_TYPES: Mapping[GroupType, int] = {
    GroupType.ALL: 0,
    GroupType.SELECT: 1,
    GroupType.INDIRECT: 2,
    GroupType.FAST_FAILOVER: 3,
}
_GROUP_TYPE_OF = {number: type_ for type_, number in _GROUP_TYPES.items()}
_ANY = 0xFFFFFFFF
_NO_TABLE = 0xFF  # "this table" of resubmit, "no table" of ct
_CT_COMMIT, _CT_FORCE = 1, 2
_SUBFIELD_BITS_MAX = 64


class CodecError(ValueError):
    """A message holds something that this project has no value for; says what, by name."""


# -- values to messages


def flow_mod(datapath: Any, command: int, entry: FlowEntry) -> Any:
    """Return the OFPFlowMod that does *command* (``OFPFC_*``) with *entry*."""
    parser, ofproto = datapath.ofproto_parser, datapath.ofproto
    return parser.OFPFlowMod(
        datapath=datapath,
        cookie=entry.cookie,
        table_id=entry.table_id,
        command=command,
        idle_timeout=entry.idle_timeout,
        hard_timeout=entry.hard_timeout,
        priority=entry.priority,
        buffer_id=ofproto.OFP_NO_BUFFER,
        out_port=_ANY,
        out_group=_ANY,
        flags=entry.flags,
        match=match(datapath, entry.match),
        instructions=instructions(datapath, entry.instructions),
    )


def group_mod(datapath: Any, command: int, group: Group) -> Any:
    """Return the OFPGroupMod that does *command* (``OFPGC_*``) with *group*."""
    parser = datapath.ofproto_parser
    buckets = [
        parser.OFPBucket(b.weight, b.watch_port, _ANY, actions(datapath, b.actions)) for b in group.buckets
    ]
    return parser.OFPGroupMod(datapath, command, _GROUP_TYPES[group.type], group.group_id, buckets)


def match(datapath: Any, value: Match) -> Any:
    """Return the framework's match for *value*."""
    return _oxm_match(datapath.ofproto_parser)(value)


def instructions(datapath: Any, value: Instructions) -> list[Any]:
    """Return the framework's instructions; none at all for an entry that drops."""
    parser, ofproto = datapath.ofproto_parser, datapath.ofproto
    made = []
    if value.apply:
        made.append(parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, actions(datapath, value.apply)))
    if value.clear:
        made.append(parser.OFPInstructionActions(ofproto.OFPIT_CLEAR_ACTIONS, []))
    if value.write:
        made.append(parser.OFPInstructionActions(ofproto.OFPIT_WRITE_ACTIONS, actions(datapath, value.write)))
    if value.metadata is not None:
        made.append(parser.OFPInstructionWriteMetadata(*value.metadata))
    if value.goto is not None:
        made.append(parser.OFPInstructionGotoTable(value.goto))
    return made


def actions(datapath: Any, values: Iterable[act.Action]) -> list[Any]:
    """Return the framework's actions for *values*."""
    return [_WRITERS[type(value)](datapath, value) for value in values]


def _output(datapath: Any, value: act.Output) -> Any:
    max_len = value.max_len if value.of_port == act.CONTROLLER else 0
    return datapath.ofproto_parser.OFPActionOutput(value.of_port, max_len)


def _output_field(datapath: Any, value: act.OutputField) -> Any:
    source = value.source
    return datapath.ofproto_parser.NXActionOutputReg(
        _ofs_nbits(source), _framework_name(datapath, source.field), value.max_len
    )


def _set_field(datapath: Any, value: act.SetField) -> Any:
    row, parser = FIELDS[value.field], datapath.ofproto_parser
    if value.mask != row.full_mask:
        return _masked_set(parser)(value)
    name, user = datapath.ofproto.oxm_to_user(_NUMBERS[row.name], _bytes(row, value.value), None)
    return parser.OFPActionSetField(**{name: user})


def _move(datapath: Any, value: act.Move) -> Any:
    return datapath.ofproto_parser.NXActionRegMove(
        src_field=_framework_name(datapath, value.source.field),
        dst_field=_framework_name(datapath, value.target.field),
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
        zone_src, zone = _framework_name(datapath, value.zone.field), _ofs_nbits(value.zone)
    else:
        zone_src, zone = "", value.zone
    return datapath.ofproto_parser.NXActionCT(
        flags=(_CT_COMMIT if value.commit else 0) | (_CT_FORCE if value.force else 0),
        zone_src=zone_src,
        zone_ofs_nbits=zone,
        recirc_table=_NO_TABLE if value.table is None else value.table,
        alg=0,
        actions=[_set_field(datapath, inner) for inner in value.exec_],
    )


_WRITERS: Mapping[type, Callable[[Any, Any], Any]] = {
    act.Output: _output,
    act.OutputField: _output_field,
    act.SetField: _set_field,
    act.Move: _move,
    act.GroupAction: lambda dp, a: dp.ofproto_parser.OFPActionGroup(a.group_id),
    act.PushVlan: lambda dp, a: dp.ofproto_parser.OFPActionPushVlan(a.eth_type),
    act.PopVlan: lambda dp, _: dp.ofproto_parser.OFPActionPopVlan(),
    act.DecTtl: lambda dp, _: dp.ofproto_parser.OFPActionDecNwTtl(),
    act.Resubmit: _resubmit,
    act.Ct: _ct,
    act.CtClear: lambda dp, _: dp.ofproto_parser.NXActionCTClear(),
    act.Conjunction: lambda dp, a: dp.ofproto_parser.NXActionConjunction(a.clause - 1, a.n_clauses, a.id),
}


# -- messages to values


def flow_entry(datapath: Any, stats: Any) -> FlowEntry:
    """Return the entry that an ``OFPFlowStats`` (or an ``OFPFlowMod``) describes.  Raises CodecError."""
    return FlowEntry(
        table_id=stats.table_id,
        priority=stats.priority,
        match=read_match(datapath, stats.match),
        instructions=read_instructions(datapath, stats.instructions),
        cookie=stats.cookie,
        idle_timeout=stats.idle_timeout,
        hard_timeout=stats.hard_timeout,
        flags=stats.flags,
    )


def group(datapath: Any, stats: Any) -> Group:
    """Return the group of an ``OFPGroupDescStats`` (or an ``OFPGroupMod``).  Raises CodecError."""
    type_ = _GROUP_TYPE_OF.get(stats.type)
    if type_ is None:
        raise CodecError(f"group {stats.group_id} has the unknown type {stats.type}")
    return Group(
        group_id=stats.group_id,
        type=type_,
        buckets=tuple(
            Bucket(actions=read_actions(datapath, b.actions), weight=b.weight, watch_port=b.watch_port)
            for b in stats.buckets
        ),
    )


def read_match(datapath: Any, value: Any) -> Match:
    """Return the `Match` of the framework's match.  Raises CodecError."""
    tests = {}
    for name, user in value.items():
        row, test, mask = _test(datapath, name, user)
        tests[row.name] = (test, mask)
    try:
        return Match.from_tests(tests)
    except ValueError as error:
        raise CodecError(str(error)) from error


def read_instructions(datapath: Any, values: Iterable[Any]) -> Instructions:
    """Return the `Instructions` of the framework's list.  Raises CodecError."""
    ofproto = datapath.ofproto
    apply: tuple[act.Action, ...] = ()
    write: tuple[act.Action, ...] = ()
    clear, metadata, goto = False, None, None
    for value in values:
        name = type(value).__name__
        if name == "OFPInstructionActions" and value.type == ofproto.OFPIT_APPLY_ACTIONS:
            apply = read_actions(datapath, value.actions)
        elif name == "OFPInstructionActions" and value.type == ofproto.OFPIT_WRITE_ACTIONS:
            write = read_actions(datapath, value.actions)
        elif name == "OFPInstructionActions" and value.type == ofproto.OFPIT_CLEAR_ACTIONS:
            clear = True
        elif name == "OFPInstructionWriteMetadata":
            metadata = (value.metadata, value.metadata_mask)
        elif name == "OFPInstructionGotoTable":
            goto = value.table_id
        else:
            raise CodecError(f"instruction {name} is not one of apply, clear, write, metadata, goto")
    return Instructions(apply=apply, clear=clear, write=write, metadata=metadata, goto=goto)


def read_actions(datapath: Any, values: Iterable[Any]) -> tuple[act.Action, ...]:
    """Return the actions of the framework's list.  Raises CodecError."""
    made = []
    for value in values:
        name = type(value).__name__
        reader = _READERS.get(name)
        if reader is None:
            detail = f" with subtype {value.subtype}" if name == "NXActionUnknown" else ""
            raise CodecError(f"action {name}{detail} is not one that sdn_lab knows")
        made.append(reader(datapath, value))
    return tuple(made)


def _read_output(_: Any, value: Any) -> act.Action:
    if value.port == act.CONTROLLER:
        return act.Output(of_port=value.port, max_len=value.max_len)
    return act.Output(of_port=value.port)


def _read_output_field(datapath: Any, value: Any) -> act.Action:
    return act.OutputField(source=_subfield(datapath, value.src, value.ofs_nbits), max_len=value.max_len)


def _read_set_field(datapath: Any, value: Any) -> act.SetField:
    row, number, mask = _test(datapath, value.key, value.value)
    return act.SetField(field=row.name, value=number, mask=mask)


def _read_load(datapath: Any, value: Any) -> act.SetField:
    target = _subfield(datapath, value.dst, value.ofs_nbits)
    mask = ((1 << target.bits) - 1) << target.start
    return act.SetField(field=target.field, value=value.value << target.start, mask=mask)


def _read_load2(datapath: Any, value: Any) -> act.SetField:
    user = value.value if value.mask is None else (value.value, value.mask)
    row, number, mask = _test(datapath, value.dst, user)
    return act.SetField(field=row.name, value=number & mask, mask=mask)


def _read_move(datapath: Any, value: Any) -> act.Action:
    return act.Move(
        source=act.Subfield(
            field=_row(datapath, value.src_field).name, start=value.src_ofs, bits=value.n_bits
        ),
        target=act.Subfield(
            field=_row(datapath, value.dst_field).name, start=value.dst_ofs, bits=value.n_bits
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
    inner = read_actions(datapath, value.actions)
    unknown = [type(a).__name__ for a in inner if not isinstance(a, act.SetField)]
    if unknown:
        raise CodecError(f"action {unknown[0]} inside ct(exec(...)) is not one that sdn_lab knows")
    return act.Ct(
        commit=bool(value.flags & _CT_COMMIT),
        force=bool(value.flags & _CT_FORCE),
        table=None if value.recirc_table == _NO_TABLE else value.recirc_table,
        zone=(
            _subfield(datapath, value.zone_src, value.zone_ofs_nbits)
            if value.zone_src
            else value.zone_ofs_nbits
        ),
        exec_=tuple(a for a in inner if isinstance(a, act.SetField)),
    )


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
    "NXActionResubmit": _read_resubmit,
    "NXActionResubmitTable": _read_resubmit,
    "NXActionCT": _read_ct,
    "NXActionCTClear": lambda _, __: act.CtClear(),
    "NXActionConjunction": lambda _, a: act.Conjunction(id=a.id, clause=a.clause + 1, n_clauses=a.n_clauses),
}


# -- fields


def _bytes(row: Field, value: int) -> bytes:
    width = (row.bits + 7) // 8
    return value.to_bytes(4 if width == 3 else width, "big")  # there is no OXM of three bytes


def _oxm(name: str, value: int, mask: int) -> bytes:
    row = FIELDS[name]
    payload = _bytes(row, value)
    masked = mask != row.full_mask
    if masked:
        payload += _bytes(row, mask)
    return struct.pack("!I", _NUMBERS[name] << 9 | masked << 8 | len(payload)) + payload


def _framework_name(datapath: Any, field: str) -> str:
    return str(datapath.ofproto.oxm_to_user_header(_NUMBERS[field]))


def _row(datapath: Any, name: str) -> Field:
    current = _NICIRA_NAMES.get(name, name.removesuffix("_nxm"))
    try:
        number = datapath.ofproto.oxm_from_user_header(current)
    except KeyError:
        number = None
    row = _BY_NUMBER.get(number)
    if row is None:
        raise CodecError(f"'{name}' is not a field that sdn_lab knows")
    return row


def _test(datapath: Any, name: str, user: Any) -> tuple[Field, int, int]:
    """Return (row, value, mask) of what the framework calls *name*, *user*."""
    row = _row(datapath, name)
    _, value, mask = datapath.ofproto.oxm_from_user(name, user)
    if len(value) < (row.bits + 7) // 8:
        raise CodecError(f"'{name}' has {8 * len(value)} bits where {row.name} has {row.bits}")
    bits = row.full_mask if mask is None else int.from_bytes(mask, "big") & row.full_mask
    return row, int.from_bytes(value, "big"), bits


def _ofs_nbits(value: act.Subfield) -> int:
    if value.bits > _SUBFIELD_BITS_MAX:
        raise CodecError(f"{value.bits} bits of {value.field} are more than OpenFlow can name")
    return value.start << 6 | value.bits - 1


def _subfield(datapath: Any, name: str, ofs_nbits: int) -> act.Subfield:
    return act.Subfield(field=_row(datapath, name).name, start=ofs_nbits >> 6, bits=(ofs_nbits & 0x3F) + 1)


# -- what the framework lacks, as subclasses of its own classes (made once per parser module)


@cache
def _oxm_match(parser: Any) -> Callable[[Match], Any]:
    class OxmMatch(parser.OFPMatch):  # type: ignore[misc]
        """A match that writes its fields itself."""

        def __init__(self, value: Match) -> None:
            super().__init__()
            self._oxm = b"".join(_oxm(*test) for test in value)

        def serialize(self, buf: bytearray, offset: int) -> int:
            self.length = 4 + len(self._oxm)
            padding = bytes(-self.length % 8)
            buf[offset:] = struct.pack("!HH", self.type, self.length) + self._oxm + padding
            return self.length + len(padding)

    return OxmMatch


@cache
def _masked_set(parser: Any) -> Callable[[act.SetField], Any]:
    class MaskedSet(parser.NXActionRegLoad2):  # type: ignore[misc]
        """``set_field:value/mask->field``, of any width."""

        def __init__(self, value: act.SetField) -> None:
            super().__init__(dst=value.field, value=value.value, mask=value.mask)
            self._oxm = _oxm(value.field, value.value, value.mask)

        def serialize_body(self) -> bytearray:
            return bytearray(self._oxm + bytes(-(10 + len(self._oxm)) % 8))

    return MaskedSet
