"""Actions that say where the packet goes: ports, groups, other tables.

Reference: OpenFlow 1.3.5 sections 4.5 (reserved ports), 5.6, 5.12; ovs-actions(7), ``resubmit``, ``output``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sdn_lab.openflow.action import (
    ALL,
    ANY,
    CONTROLLER,
    FLOOD,
    IN_PORT,
    NORMAL,
    TABLE,
    Conjunction,
    GroupAction,
    Output,
    OutputField,
    Resubmit,
)
from sdn_lab.openflow.entry import GroupType
from sdn_lab.openflow.interpret_groups import chosen
from sdn_lab.openflow.interpret_normal import forward
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopEntries, VoidBucket

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run

_OVS_RESERVED = 0xFFF8  # Open vSwitch's own port numbers have 16 bits; from here on they are reserved ones


def _output(run: Run, packet: Packet, action: Output, place: Place) -> None:
    to_port(run, packet, action.of_port, action.max_len, place)


def _output_field(run: Run, packet: Packet, action: OutputField, place: Place) -> None:
    of_port = packet.read(action.source)
    if of_port is None or of_port > 0xFFFF:
        return
    if of_port >= _OVS_RESERVED:
        of_port |= 0xFFFF0000
    to_port(run, packet, of_port, action.max_len, place)


def to_port(run: Run, packet: Packet, of_port: int, max_len: int, place: Place) -> None:
    """Send out of a port, of whatever kind."""
    in_port = packet.fields["in_port"]
    if of_port == CONTROLLER:
        run.packet_in(packet, max_len, place)
    elif of_port == IN_PORT:
        run.emit(packet, in_port)
    elif of_port in (FLOOD, ALL):
        for port in run.ports:
            if port != in_port:
                run.emit(packet, port)
    elif of_port == NORMAL:
        forward(run, packet)
    elif of_port == TABLE:
        run.enter(packet, 0, [], in_port)
    elif of_port not in (in_port, ANY):
        run.emit(packet, of_port)


_BUCKETS = 128  # a bucket nests as a table does, and is not refused for it: only the tables behind it are


def _group(run: Run, packet: Packet, action: GroupAction, place: Place) -> None:
    group = run.groups.get(action.group_id)
    if group is None:
        run.note(f"group {action.group_id} does not exist")
        return
    buckets, note = chosen(group, packet.fields, run.ports)
    if note:
        run.note(note)
    if buckets or group.type is GroupType.ALL:  # without a bucket that lives, Open vSwitch counts nothing
        run.choose(packet, group.group_id, None)
    every = len(buckets) == len(group.buckets)
    for n, bucket in enumerate(buckets):
        run.choose(packet, group.group_id, n if every else group.buckets.index(bucket))
        with run.deeper(most=_BUCKETS), suppress(StopEntries, VoidBucket):
            run.perform_set(packet.copy(), bucket.actions, place._replace(action_set=list(place.action_set)))


def _resubmit(run: Run, packet: Packet, action: Resubmit, place: Place) -> None:
    in_port = packet.fields["in_port"] if action.in_port is None else action.in_port
    table_id = place.table_id if action.table is None else action.table
    run.calls += 1
    try:
        run.enter(packet, table_id, place.action_set, in_port, back=table_id <= place.table_id)
    finally:
        run.calls -= 1


def _conjunction(_run: Run, _packet: Packet, _action: Conjunction, _place: Place) -> None:
    """Do nothing: it speaks to the look-up."""


HANDLERS: Mapping[type[Any], Callable[..., None]] = {
    Output: _output,
    OutputField: _output_field,
    GroupAction: _group,
    Resubmit: _resubmit,
    Conjunction: _conjunction,
}
