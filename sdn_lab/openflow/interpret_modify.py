"""Actions that change the packet: fields, tags, TTL.

Reference: OpenFlow 1.3.5 section 5.12; ovs-actions(7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdn_lab.openflow.action import DecTtl, Move, PopVlan, PushVlan, SetField
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopTable
from sdn_lab.openflow.interpret_result import Reason
from sdn_lab.openflow.reading import Reading

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run


def _set_field(_run: Run, packet: Packet, action: SetField, _place: Place) -> None:
    packet.set_field(action)


def _move(_run: Run, packet: Packet, action: Move, _place: Place) -> None:
    packet.move(action)


def _push_vlan(run: Run, packet: Packet, action: PushVlan, _place: Place) -> None:
    if not packet.push_vlan(action.eth_type):
        run.note("a third VLAN tag was pushed: Open vSwitch loses count of them")


def _pop_vlan(_run: Run, packet: Packet, _action: PopVlan, _place: Place) -> None:
    packet.pop_vlan()


def _dec_ttl(run: Run, packet: Packet, _action: DecTtl, place: Place) -> None:
    if not packet.dec_ttl():
        if run.reading is Reading.LETTER:  # of Open vSwitch no controller hears it unless it asks
            run.packet_in(packet, 0xFFFF, place, Reason.INVALID_TTL)
        raise StopTable


HANDLERS: Mapping[type[Any], Callable[..., None]] = {
    SetField: _set_field,
    Move: _move,
    PushVlan: _push_vlan,
    PopVlan: _pop_vlan,
    DecTtl: _dec_ttl,
}
