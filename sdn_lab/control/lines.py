"""What passes between the lab and the controller's process: one JSON object a line, both ways.

To the process (``command``) on its standard input, from it (``event``) on its standard output.

    begin     facts, tables, generation, identity
                                         the first line: the inventory (`control.site`), and as below;
                                         *identity*: the controller's `tls.Identity`, or null for plain TCP
    program   facts, tables: {dpid: tables}, generation, least
                                         what every datapath should hold; replaces the one before.  *least*:
                                         only of those whose tables change, and what was confirmed is trusted
    settle    n                          answer ``settled`` once nothing is left to do
    dump      dpid                       answer ``dumped`` with what the datapath says it holds

    ready     host, l4_port, framework, pushes
                                         listening, and every app is up; *pushes*: one has a `Pusher`
    joined    dpid                       a datapath finished its handshake
    left      dpid                       a datapath's connection ended
    confirmed dpid, generation, added, modified, deleted, held, lacking, surplus, differing
                                         after a push: what was sent, and what a fresh dump lacks or has
                                         too much (the first of each as tables; *differing* counts all)
    rejected  dpid, sent, refused, errors
                                         the datapath refused operations, each with its error's names
    unreadable dpid, text                the datapath dumped something that we have no value for
    complained dpid, text                any error message of a datapath, by name
    dumped    dpid, tables, text         tables are null where *text* says why there are none
    settled   n
    said      text                       a warning or error that an app or the framework logged
    crashed   where, text, trace         an exception nobody caught
    failed    text                       the process ends: it could not start

`Tables` travel as nested lists.  Tests and instructions, of which a program has few different ones, are
listed once, and entries name them by their place in that list: a large program is a third as long so, and
takes a third as long to read.  Integers are exact in JSON as Python reads and writes it, 128 bits included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, get_args

from sdn_lab.openflow import action, action_nat
from sdn_lab.openflow.action_ovs import LearnSpec
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.match import Match, Test

_ACTIONS: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (*get_args(action.Action), action.Subfield, action_nat.Nat, action_nat.NatKind, LearnSpec)
}


def line(**members: Any) -> str:
    """Return one line, newline included."""
    return json.dumps(members, separators=(",", ":")) + "\n"


def parse(text: str) -> dict[str, Any]:
    """Return the object on one line.  Raises ValueError for anything else."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 (as json's own errors are)
    return value


def pack_tables(tables: Tables) -> list[Any]:
    """Return *tables* as JSON values.  Origins stay behind: a cookie explains its entry."""
    tests: dict[Test, int] = {}
    done: dict[Instructions, int] = {}
    return [
        [
            [
                entry.table_id,
                entry.priority,
                [tests.setdefault(test, len(tests)) for test in entry.match.tests],
                done.setdefault(entry.instructions, len(done)),
                entry.cookie,
                entry.idle_timeout,
                entry.hard_timeout,
                entry.flags,
            ]
            for entry in tables.entries
        ],
        [list(test) for test in tests],
        [_pack_instructions(instructions) for instructions in done],
        [
            [
                g.group_id,
                g.type.value,
                [[_pack_actions(b.actions), b.weight, b.watch_port] for b in g.buckets],
            ]
            for g in tables.groups
        ],
    ]


def unpack_tables(value: list[Any]) -> Tables:
    """Return the tables that `pack_tables` packed."""
    entries, listed, packed, groups = value
    tests = [(name, test, mask) for name, test, mask in listed]
    done = [_unpack_instructions(instructions) for instructions in packed]
    return Tables(
        entries=tuple(
            FlowEntry(
                table_id=table_id,
                priority=priority,
                match=Match(tuple([tests[number] for number in numbers])),
                instructions=done[instructions],
                cookie=cookie,
                idle_timeout=idle,
                hard_timeout=hard,
                flags=flags,
            )
            for table_id, priority, numbers, instructions, cookie, idle, hard, flags in entries
        ),
        groups=tuple(
            Group(
                group_id=number,
                type=GroupType(type_),
                buckets=tuple(
                    Bucket(actions=_unpack_actions(packed), weight=weight, watch_port=watch)
                    for packed, weight, watch in buckets
                ),
            )
            for number, type_, buckets in groups
        ),
    )


def _pack_instructions(value: Instructions) -> list[Any]:
    metadata = None if value.metadata is None else list(value.metadata)
    apply, write = _pack_actions(value.apply), _pack_actions(value.write)
    return [apply, value.clear, write, metadata, value.goto, value.meter]


def _unpack_instructions(value: list[Any]) -> Instructions:
    apply, clear, write, metadata, goto, meter = value
    return Instructions(
        apply=_unpack_actions(apply),
        clear=clear,
        write=_unpack_actions(write),
        metadata=None if metadata is None else (metadata[0], metadata[1]),
        goto=goto,
        meter=meter,
    )


def _pack_actions(values: tuple[Any, ...]) -> list[Any]:
    return [_pack(value) for value in values]


def _unpack_actions(values: list[Any]) -> tuple[Any, ...]:
    return tuple(_unpack(value) for value in values)


def _pack(value: Any) -> Any:
    if isinstance(value, tuple):
        return _pack_actions(value)
    if isinstance(value, bytes):
        return {"bytes": {"hex": value.hex()}}
    if isinstance(value, Enum):
        return {type(value).__name__: {"value": value.value}}
    if is_dataclass(value):
        return {type(value).__name__: {f.name: _pack(getattr(value, f.name)) for f in fields(value)}}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return _unpack_actions(value)
    if isinstance(value, dict):
        ((name, members),) = value.items()
        if name == "bytes":
            return bytes.fromhex(members["hex"])
        make: Callable[..., Any] = _ACTIONS[name]
        return make(**{key: _unpack(member) for key, member in members.items()})
    return value
