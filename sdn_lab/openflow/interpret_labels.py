"""Actions between Ethernet and IP: MPLS, PBB, copied TTLs; and the choice of a queue.

After a header was pushed or popped the packet is read anew: what is now outermost is what later actions and
tables see, as after Open vSwitch's recirculation.

No port of a simulated switch has queues, so ``set_queue`` leaves the packet to the port's only one (OpenFlow
leaves what a queue does to the switch).

Reference: OpenFlow 1.3.5 sections 5.12 and 5.12.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sdn_lab.openflow import packet_labels
from sdn_lab.openflow.action_labels import (
    CopyTtlIn,
    CopyTtlOut,
    DecMplsTtl,
    PopMpls,
    PopPbb,
    PushMpls,
    PushPbb,
    SetQueue,
)
from sdn_lab.openflow.fields import ETH_QINQ, ETH_VLAN
from sdn_lab.openflow.fields_labels import ETH_PBB
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_place import Place, StopTable, VoidBucket
from sdn_lab.openflow.interpret_result import Reason
from sdn_lab.openflow.packet_label_fields import MPLS
from sdn_lab.openflow.packet_parse import ETH_TYPE_MIN
from sdn_lab.openflow.reading import Reading

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run


_KNOWN_LABELS = 3
VOID_LABELS = "too many MPLS labels for Open vSwitch: nothing is sent"
ABORTS = "pop_mpls with an action set: ovs-vswitchd 3.1.0 aborts"
RELABELLED = "a pushed label was popped to another EtherType: Open vSwitch may do neither"
NO_LABEL = "a label of zeroes, or a stack without a last one: Open vSwitch counts fewer labels"
NO_ETHERTYPE = "a label was pushed on an 802.3 frame: Open vSwitch puts it behind the LLC header"
BEHIND_TAGS = "a label was pushed behind two VLAN tags: Open vSwitch puts it elsewhere"


def _known(run: Run, packet: Packet) -> tuple[int, bool]:
    """Return how many labels Open vSwitch knows of, three at most, and whether it has seen the last."""
    if packet.fields["eth_type"] not in MPLS:
        return 0, True
    count, whole = packet_labels.labels(packet.bare)
    stack = packet.bare[14 : 14 + 4 * min(count, _KNOWN_LABELS)]
    if (not whole and count < _KNOWN_LABELS) or b"\0\0\0\0" in (stack[:4], stack[4:8], stack[8:]):
        run.note(NO_LABEL)
        return 1, True
    return min(count, _KNOWN_LABELS), whole and count <= _KNOWN_LABELS


def _push_mpls(run: Run, packet: Packet, action: PushMpls, _place: Place) -> None:
    as_ovs = run.reading is Reading.OPEN_VSWITCH
    if as_ovs and _known(run, packet)[0] >= _KNOWN_LABELS:
        raise VoidBucket(VOID_LABELS)
    if as_ovs and (packet.fields["eth_type"] in (ETH_VLAN, ETH_QINQ) or len(packet.tags) > 1):
        run.note(BEHIND_TAGS)
    if as_ovs and int.from_bytes(packet.bare[12:14]) < ETH_TYPE_MIN:
        run.note(NO_ETHERTYPE)
    if packet.fields["eth_type"] not in MPLS:
        packet.unlabelled = packet.fields["eth_type"]
    packet.replace(packet_labels.push_mpls(packet.bare, action.eth_type, packet.fields, as_ovs=as_ovs))


def _pop_mpls(run: Run, packet: Packet, action: PopMpls, place: Place) -> None:
    if packet.fields["eth_type"] not in MPLS:
        return
    count = 1
    if run.reading is Reading.OPEN_VSWITCH:
        known, whole = _known(run, packet)
        if not whole:
            raise VoidBucket(VOID_LABELS)
        if action.eth_type not in MPLS:  # what is no label has none: all of them go
            count = known
            if place.action_set:
                run.note(ABORTS)
        elif known == 1:
            run.note(NO_LABEL)
        if count == known and packet.unlabelled not in (None, action.eth_type):
            run.note(RELABELLED)
    if len(packet.bare) >= 14 + 4 * count:
        packet.replace(packet_labels.pop_mpls(packet.bare, action.eth_type, count))


def _dec_mpls_ttl(run: Run, packet: Packet, _action: DecMplsTtl, place: Place) -> None:
    ttl = packet.fields.get("mpls_ttl")
    if ttl is None:
        return
    if ttl <= 1:
        if run.reading is Reading.LETTER:  # of Open vSwitch no controller hears it unless it asks
            run.packet_in(packet, 0xFFFF, place, Reason.INVALID_TTL)
        raise StopTable
    packet.write("mpls_ttl", ttl - 1)


def _copy_ttl(_run: Run, packet: Packet, action: CopyTtlOut | CopyTtlIn, _place: Place) -> None:
    outwards = isinstance(action, CopyTtlOut)
    packet.replace(packet_labels.copy_ttl(packet.bare, packet.fields["eth_type"], outwards=outwards))


def _push_pbb(_run: Run, packet: Packet, action: PushPbb, _place: Place) -> None:
    packet.enclose(packet_labels.push_pbb(packet.frame, action.eth_type, packet.fields))


def _pop_pbb(_run: Run, packet: Packet, _action: PopPbb, _place: Place) -> None:
    inside = packet_labels.pop_pbb(packet.bare) if packet.fields["eth_type"] == ETH_PBB else None
    if inside is not None:
        packet.replace(inside)


def _set_queue(_run: Run, _packet: Packet, _action: SetQueue, _place: Place) -> None:
    """Do nothing: there is one queue."""


HANDLERS: Mapping[type[Any], Callable[..., None]] = {
    PushMpls: _push_mpls,
    PopMpls: _pop_mpls,
    DecMplsTtl: _dec_mpls_ttl,
    CopyTtlOut: _copy_ttl,
    CopyTtlIn: _copy_ttl,
    PushPbb: _push_pbb,
    PopPbb: _pop_pbb,
    SetQueue: _set_queue,
}
