"""``ct`` and ``ct_clear``: through the tracker, and on with what it said.

``ct(table=N)`` starts a second pipeline at N *before* the actions after it go on.

``nat`` changes the packet's bytes.  Where the packet goes on without ``table=``, its fields are still the old
ones, as in Open vSwitch: only the tables behind ``table=`` see the translation.

Reference: ovs-actions(7), "The ct action"; ``compose_conntrack_action`` of Open vSwitch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdn_lab.openflow.action import Ct, CtClear
from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopTable
from sdn_lab.openflow.packet_parse import dissect

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run


def _ct(run: Run, packet: Packet, action: Ct, place: Place) -> None:
    if run.tracker is None:
        run.note("ct() without a tracker: the packet stops")
        raise StopTable
    zone = action.zone if isinstance(action.zone, int) else (packet.read(action.zone) or 0) & 0xFFFF
    # What was pushed onto a tag hides nothing from who has read the packet: IP is where it was.
    hidden = len(packet.tags) > 1
    frame = packet.bare if hidden else packet.frame
    found = dissect(frame)
    if found.fields.get("ip_frag"):
        run.note("a fragment reached the tracker: reassembly is not modelled, it stops here")
        raise StopTable
    masked = {"ct_mark": (0, 0), "ct_label": (0, 0)}
    for setter in action.exec_:
        value, mask = masked[setter.field]
        masked[setter.field] = (value & ~setter.mask | setter.value & setter.mask, mask | setter.mask)
    run.tracked += 1
    packet.ct = run.tracker.track(
        frame,
        found,
        packet.ct,
        zone,
        commit=action.commit,
        force=action.force,
        mark=masked["ct_mark"],
        label=masked["ct_label"],
        now_ns=run.now_ns,
        **({} if action.nat is None else {"nat": action.nat}),
    )
    if packet.ct.note:
        run.note(packet.ct.note)
    if packet.ct.frame is not None:
        packet.translated(packet.ct.frame, whole=not hidden)
    if action.table is not None:
        if place.action_set:
            run.note("ct(table=) with an action set: ovs-vswitchd 3.1.0 aborts")
        run.recirculate(packet.recirculated(packet.ct.copy()), action.table, list(place.action_set))
    packet.clear_ct()


def _ct_clear(_run: Run, packet: Packet, _action: CtClear, _place: Place) -> None:
    packet.ct = PacketState()
    packet.clear_ct()


HANDLERS: Mapping[type[Any], Callable[..., None]] = {Ct: _ct, CtClear: _ct_clear}
