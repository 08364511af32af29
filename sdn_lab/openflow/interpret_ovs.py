"""Actions that only Open vSwitch has: the stack, clones, choices of a port, learning.

Reference: ovs-actions(7); ``ofproto/ofproto-dpif-xlate.c``, ``lib/learn.c``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any
from zlib import crc32

from sdn_lab.openflow.action import MAX_PORT, Output
from sdn_lab.openflow.action_ovs import (
    REASON_ACTION,
    Bundle,
    CheckPktLarger,
    Clone,
    Controller,
    DeleteField,
    Enqueue,
    Exit,
    FinTimeout,
    Learn,
    Multipath,
    Note,
    OutputTruncated,
    PopQueue,
    Sample,
    StackPop,
    StackPush,
)
from sdn_lab.openflow.field import TCP_FLAG_BITS
from sdn_lab.openflow.interpret_forward import to_port
from sdn_lab.openflow.interpret_learn import has_room, learned
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopEntries
from sdn_lab.openflow.interpret_result import Reason, Shortened
from sdn_lab.openflow.packet_parse import dissect

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run

_NO_PORT = 0xFFFF
_FIN_OR_RST = TCP_FLAG_BITS["fin"] | TCP_FLAG_BITS["rst"]
ASKED = (
    "check_pkt_larger in a called table or with an action set: Open vSwitch forgets what is done behind it"
)


def _output_truncated(run: Run, packet: Packet, action: OutputTruncated, _place: Place) -> None:
    if action.of_port <= MAX_PORT and action.of_port == packet.fields["in_port"]:
        return
    run.emit_cut(packet, action.of_port, action.max_len)


def _controller(run: Run, packet: Packet, action: Controller, place: Place) -> None:
    if action.controller_id == 0:
        reason = None if action.reason == REASON_ACTION else Reason(action.reason)
        run.packet_in(packet, action.max_len, place, reason)


def _enqueue(run: Run, packet: Packet, action: Enqueue, place: Place) -> None:
    to_port(run, packet, action.of_port, Output(of_port=0).max_len, place)


def _push(run: Run, packet: Packet, action: StackPush, _place: Place) -> None:
    value = 0
    for part in action.parts:
        value = value << part.bits | (packet.read(part) or 0)
    run.stack.append(value)


def _pop(run: Run, packet: Packet, action: StackPop, _place: Place) -> None:
    if not run.stack:
        return
    value = run.stack.pop()
    for part in reversed(action.parts):
        packet.load(part, value & (1 << part.bits) - 1)
        value >>= part.bits


def _clone(run: Run, packet: Packet, action: Clone, place: Place) -> None:
    stack, action_set = list(run.stack), list(place.action_set)
    run.perform_alone(packet.copy(), action.actions, place._replace(action_set=action_set))
    run.stack = stack


def _exit(_run: Run, _packet: Packet, _action: Exit, _place: Place) -> None:
    raise StopEntries


def _fin_timeout(run: Run, packet: Packet, action: FinTimeout, place: Place) -> None:
    if place.entry is not None and (packet.fields.get("tcp_flags") or 0) & _FIN_OR_RST:
        run.shortened.append(
            Shortened(entry=place.entry, idle_timeout=action.idle_timeout, hard_timeout=action.hard_timeout)
        )


def _nothing(_run: Run, _packet: Packet, _action: Any, _place: Place) -> None:
    """Forwarding does not see it."""


def _check_pkt_larger(run: Run, packet: Packet, action: CheckPktLarger, place: Place) -> None:
    if run.calls or place.action_set:
        run.note(ASKED)
    packet.load(action.target, int(dissect(packet.frame).end > action.size))


def _delete_field(_run: Run, packet: Packet, action: DeleteField, _place: Place) -> None:
    packet.fields[action.field] = 0


def _point(run: Run, packet: Packet, what: str, choices: int) -> int:
    """Choose by a hash of our own, and say so where there is a choice."""
    if choices > 1:
        run.note(f"{what} chooses by a hash of its own")
    names = ("eth_src", "eth_dst", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "ip_proto")
    return crc32(repr([packet.fields.get(name) for name in names]).encode()) % max(choices, 1)


def _multipath(run: Run, packet: Packet, action: Multipath, _place: Place) -> None:
    packet.load(action.target, _point(run, packet, "multipath", action.n_links))


def _bundle(run: Run, packet: Packet, action: Bundle, place: Place) -> None:
    live = [member for member in action.members if member in run.ports]
    if action.algorithm == "active_backup":
        live = live[:1]
    chosen = live[_point(run, packet, "bundle", len(live))] if live else None
    if action.target is not None:
        value = _NO_PORT if chosen is None else chosen & 0xFFFF
        packet.load(action.target, value & (1 << action.target.bits) - 1)
    elif chosen is not None:
        to_port(run, packet, chosen, 0, place)


def _learn(run: Run, packet: Packet, action: Learn, _place: Place) -> None:
    made = learned(action, packet)
    fits = has_room(action, made, chain(run.held.get(action.table, ()), run.learned))
    if fits:
        run.learned.append(made)
    if action.result is not None:
        packet.load(action.result, int(fits))


HANDLERS: Mapping[type[Any], Callable[..., None]] = {
    OutputTruncated: _output_truncated,
    Controller: _controller,
    Enqueue: _enqueue,
    PopQueue: _nothing,
    Note: _nothing,
    Sample: _nothing,
    StackPush: _push,
    StackPop: _pop,
    Clone: _clone,
    Exit: _exit,
    FinTimeout: _fin_timeout,
    CheckPktLarger: _check_pkt_larger,
    DeleteField: _delete_field,
    Multipath: _multipath,
    Bundle: _bundle,
    Learn: _learn,
}
