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
``ofproto_parser`` are the framework's.

What the framework does not do well, measured on os-ken 4.2.2
-------------------------------------------------------------
1.  A match made from its keyword arguments costs 0.35 ms; `_oxm_match` writes the bytes itself.
2.  ``NXActionRegLoad2`` cannot be serialized beyond 14 bytes of OXM; `codec_action` has its own.
3.  Nicira's older field numbers have other names than the current ones: `codec_field`.
4.  It returns None for an instruction that it does not know, and fails later with AttributeError.

Reference: OpenFlow Switch Specification 1.3.5, sections 7.2 to 7.3; ovs-actions(7), ovs-fields(7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from sdn_lab.openflow import action as act
from sdn_lab.openflow.codec_action import actions, read_actions
from sdn_lab.openflow.codec_field import CodecError, oxm, read_test
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.match import Match

__all__ = [
    "CodecError",
    "actions",
    "flow_entry",
    "flow_mod",
    "group",
    "group_mod",
    "instructions",
    "match",
    "read_actions",
    "read_instructions",
    "read_match",
]

_GROUP_TYPES: Mapping[GroupType, int] = {
    GroupType.ALL: 0,
    GroupType.SELECT: 1,
    GroupType.INDIRECT: 2,
    GroupType.FAST_FAILOVER: 3,
}
_GROUP_TYPE_OF = {number: type_ for type_, number in _GROUP_TYPES.items()}
_ANY = 0xFFFFFFFF


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
    if value.meter is not None:
        made.append(parser.OFPInstructionMeter(value.meter))
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
        row, test, mask = read_test(datapath, name, user)
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
    clear, metadata, goto, meter = False, None, None, None
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
        elif name == "OFPInstructionMeter":
            meter = value.meter_id
        else:
            raise CodecError(f"instruction {name} is not one of meter, apply, clear, write, metadata, goto")
    return Instructions(apply=apply, clear=clear, write=write, metadata=metadata, goto=goto, meter=meter)


@cache
def _oxm_match(parser: Any) -> Callable[[Match], Any]:
    class OxmMatch(parser.OFPMatch):  # type: ignore[misc]
        """A match that writes its fields itself."""

        def __init__(self, value: Match) -> None:
            super().__init__()
            self._oxm = b"".join(oxm(*test) for test in value)

        def serialize(self, buf: bytearray, offset: int) -> int:
            self.length = 4 + len(self._oxm)
            padding = bytes(-self.length % 8)
            buf[offset:] = struct.pack("!HH", self.type, self.length) + self._oxm + padding
            return self.length + len(padding)

    return OxmMatch
