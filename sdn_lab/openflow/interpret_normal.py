"""NORMAL: what an ordinary switch would do, VLANs and learning included.

In order, as in Open vSwitch's `xlate_normal`: is the VLAN allowed at this port; which VLAN is it inside;
learn the sender; to the port where the addressee was seen, or to all that carry the VLAN.  Frames for
addresses that bridges keep for themselves (STP, LACP, LLDP, ...) are not forwarded.

Reference: ovs-actions(7), ``normal``; IEEE 802.1Q-2018 table 8-1; ``ofproto/ofproto-dpif-xlate.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdn_lab.openflow.action import ANY, CONTROLLER
from sdn_lab.openflow.bridging import PortVlan, PriorityTags, VlanMode
from sdn_lab.openflow.fields import ETH_QINQ, ETH_VLAN
from sdn_lab.openflow.interpret_packet import Packet

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_run import Run

Tag = tuple[int, int, int]  # EtherType, VLAN, priority
_NO_TAG: Tag = (0, 0, 0)
_KNOWN_TAGS = 2
_DROP_ELIGIBLE = 0x10  # of a tag's third byte
_NO_PORT = (ANY, CONTROLLER)  # where a packet-out comes from
_RESERVED_BLOCKS = ((0x0180C2000000, 0x10), (0x01000CCCCCC0, 8))
_RESERVED = frozenset(
    {
        *(0x00E02B000000, 0x00E02B000004, 0x00E02B000006),
        *(0x01000C000000, 0x01000CCCCCCC, 0x01000CCCCCCD, 0x01000CCDCDCD),
        *(start + offset for start, count in _RESERVED_BLOCKS for offset in range(count)),
    }
)


def forward(run: Run, packet: Packet) -> None:
    """Send *packet* as an ordinary switch would."""
    in_port = packet.fields["in_port"]
    if in_port not in run.ports and in_port not in _NO_PORT:
        return
    if packet.fields["eth_type"] in (ETH_VLAN, ETH_QINQ) and not packet.tags:
        return  # a tag that is cut short, or whose outer one was taken off
    tags = [_tag(raw) for raw in packet.tags[:_KNOWN_TAGS]]
    here = run.bridging.vlan(in_port)
    outermost = tags[0] if tags else _NO_TAG
    if not _admits(here, outermost[1]) or packet.fields["eth_dst"] in _RESERVED:
        return
    inside = _entering(here, tags)
    vlan = inside[0][1]
    if in_port not in _NO_PORT:
        run.bridging.learn(vlan, packet.fields["eth_src"], in_port, run.now_ns)
    known = run.bridging.find(vlan, packet.fields["eth_dst"], run.now_ns)
    if known is not None:
        if known != in_port:
            send(run, packet, known, inside)
        return
    for of_port in run.ports:
        if of_port != in_port and _includes(run.bridging.vlan(of_port), inside):
            send(run, packet, of_port, inside)


def _tag(raw: bytes) -> Tag:
    tci = int.from_bytes(raw[2:])
    return int.from_bytes(raw[:2]), tci & 0xFFF, tci >> 13


def _admits(port: PortVlan, vlan: int) -> bool:
    match port.mode:
        case VlanMode.ACCESS:
            return vlan == 0
        case VlanMode.DOT1Q_TUNNEL:
            return port.allows_customer(vlan)
        case VlanMode.NATIVE_TAGGED | VlanMode.NATIVE_UNTAGGED if vlan == 0:
            return True
        case _:
            return port.carries(vlan)


def _entering(port: PortVlan, tags: list[Tag]) -> list[Tag]:
    """Return the tags that the packet has inside the bridge, two of them, outermost first."""
    eth_type, vlan, priority = tags[0] if tags else _NO_TAG
    own = (eth_type or ETH_VLAN, port.tag, priority)
    padded = [*tags, _NO_TAG, _NO_TAG][:_KNOWN_TAGS]
    match port.mode:
        case VlanMode.ACCESS:
            return [own, _NO_TAG]
        case VlanMode.DOT1Q_TUNNEL:
            return [(port.qinq_ethtype, port.tag, priority), padded[0]]
        case VlanMode.NATIVE_TAGGED | VlanMode.NATIVE_UNTAGGED if vlan == 0:
            return [own, padded[1]]
        case _:
            return padded


def _includes(port: PortVlan, inside: list[Tag]) -> bool:
    vlan, customer = inside[0][1], inside[1][1]
    match port.mode:
        case VlanMode.ACCESS:
            return vlan == port.tag and customer == 0
        case VlanMode.DOT1Q_TUNNEL:
            return vlan == port.tag and port.allows_customer(customer)
        case _:
            return port.carries(vlan)


def tags_of(packet: Packet) -> list[Tag]:
    """Return the two tags of a packet, outermost first."""
    return [*(_tag(raw) for raw in packet.tags[:_KNOWN_TAGS]), _NO_TAG, _NO_TAG][:_KNOWN_TAGS]


def send_to_vlan(run: Run, packet: Packet, vlan: int) -> None:
    """Send out of every port of a VLAN, the port of arrival as well."""
    inside = [(ETH_VLAN, vlan, 0), _NO_TAG]
    for of_port in run.ports:
        if _includes(run.bridging.vlan(of_port), inside):
            send(run, packet, of_port, inside)


def send(run: Run, packet: Packet, of_port: int, inside: list[Tag]) -> None:
    """Send out of a port what has these tags inside the bridge."""
    port = run.bridging.vlan(of_port)
    leaving = list(inside)
    if port.mode is VlanMode.ACCESS:
        leaving = [_NO_TAG, _NO_TAG]
    elif port.mode is VlanMode.DOT1Q_TUNNEL or (
        port.mode is VlanMode.NATIVE_UNTAGGED and inside[0][1] == port.tag
    ):
        leaving = [inside[1], _NO_TAG]
    if port.priority_tags is not PriorityTags.NO:
        priority = packet.fields["vlan_pcp"]
        leaving[0] = (leaving[0][0], leaving[0][1], priority)
    tags = []
    for at, (eth_type, vlan, priority) in enumerate(leaving):
        if not (vlan or priority or (at == 0 and port.priority_tags is PriorityTags.ALWAYS)):
            break  # and without an outer one there is no inner one
        tags.append((eth_type or ETH_VLAN).to_bytes(2) + (priority << 13 | vlan).to_bytes(2))
    twin = packet.copy()
    if tags != [raw[:2] + bytes((raw[2] & ~_DROP_ELIGIBLE, raw[3])) for raw in packet.tags[:_KNOWN_TAGS]]:
        twin.retag(tags)  # else they go as they are, with the bit between VLAN and priority
    run.emit(twin, of_port)
