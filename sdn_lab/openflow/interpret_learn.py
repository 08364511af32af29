"""``learn``: the entry that a packet makes.

The entry is added when the packet's run is over, so no look-up of the same packet meets it.

Reference: ovs-actions(7), ``learn``; ``lib/learn.c``, `learn_execute`.
"""

from __future__ import annotations

from collections.abc import Iterable

from sdn_lab.openflow import registers
from sdn_lab.openflow.action import IN_PORT, MAX_PORT, Action, Output
from sdn_lab.openflow.action_ovs import FinTimeout, Learn, LearnSpec
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.match import Match

_SEND_FLOW_REM = 1
_OVS_RESERVED = 0xFFF8
_VID_BITS, _VID_MASK = 13, 0x1FFF


def learned(action: Learn, packet: Packet) -> FlowEntry:
    """Return the entry that *packet* makes."""
    tests: dict[str, tuple[int, int]] = {}
    actions: list[Action] = []
    if action.fin_idle_timeout or action.fin_hard_timeout:
        actions.append(FinTimeout(idle_timeout=action.fin_idle_timeout, hard_timeout=action.fin_hard_timeout))
    for spec in action.specs:
        value = spec.value if spec.source is None else packet.read(spec.source) or 0
        if spec.kind == "match":
            _test(tests, spec, value)
        elif spec.kind == "load" and spec.target is not None:
            actions.append(registers.write_to(spec.target, value))
        elif spec.kind == "output" and (port := _port(value)) is not None:
            actions.append(Output(of_port=port))
    return FlowEntry(
        table_id=action.table,
        priority=action.priority,
        match=Match.from_tests(tests),
        instructions=Instructions(apply=tuple(actions)),
        cookie=action.cookie,
        idle_timeout=action.idle_timeout,
        hard_timeout=action.hard_timeout,
        flags=_SEND_FLOW_REM if action.send_flow_rem else 0,
    )


def has_room(action: Learn, made: FlowEntry, held: Iterable[FlowEntry]) -> bool:
    """Say whether the entry is below the action's limit: of entries with its cookie in its table.

    One that is there already is made again, whatever the limit.
    """
    if not action.limit:
        return True
    keys = {entry.key for entry in held if (entry.table_id, entry.cookie) == (made.table_id, made.cookie)}
    return made.key in keys or len(keys) < action.limit


def _test(tests: dict[str, tuple[int, int]], spec: LearnSpec, value: int) -> None:
    assert spec.target is not None
    target = registers.write_to(spec.target, value)
    value, mask = target.value, target.mask
    if target.field == "vlan_tci":
        parts = [
            ("vlan_vid", value & _VID_MASK, mask & _VID_MASK),
            ("vlan_pcp", value >> _VID_BITS, mask >> _VID_BITS),
        ]
    else:
        parts = [(target.field, value, mask)]
    for name, own, under in parts:
        if under:
            held, held_mask = tests.get(name, (0, 0))
            tests[name] = held & ~under | own, held_mask | under


def _port(value: int) -> int | None:
    """Return the port that a value of the packet names: a reserved one by its 16 bits."""
    if value <= MAX_PORT and value < _OVS_RESERVED:
        return value
    wide = value | 0xFFFF0000
    return wide if value >= IN_PORT or _OVS_RESERVED <= value <= 0xFFFF else None
