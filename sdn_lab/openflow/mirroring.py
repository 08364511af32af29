"""Mirrors: copies of what a bridge takes in and sends out, beside all entries.

A mirror copies a packet once at most: as it came in, where its port or VLAN is selected, or else as it goes
out of a selected port.  The copy goes to one port, or to all ports of one VLAN.

Reference: ovs-vswitchd.conf.db(5), "Mirror Table"; ``ofproto/ofproto-dpif-xlate.c``, `mirror_packet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sdn_lab.openflow import interpret_normal

if TYPE_CHECKING:
    from sdn_lab.openflow.interpret_packet import Packet
    from sdn_lab.openflow.interpret_run import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """One mirror.  *sources* and *targets* are the ports whose incoming and outgoing packets it copies.

    *vlans*: only these, empty for all.  Either *output_port* or *output_vlan* is given.
    """

    sources: frozenset[int] = frozenset()
    targets: frozenset[int] = frozenset()
    every_port: bool = False
    vlans: frozenset[int] = frozenset()
    output_port: int | None = None
    output_vlan: int | None = None

    def selects(self, of_port: int, vlan: int, *, incoming: bool) -> bool:
        """Say whether the mirror copies what passes a port."""
        chosen = self.every_port or of_port in (self.sources if incoming else self.targets)
        return chosen and (not self.vlans or vlan in self.vlans)


def copy(run: Run, packet: Packet, of_port: int, *, incoming: bool) -> None:
    """Send the copies of what passes a port, of those mirrors that have not copied the packet yet."""
    for mirror in run.bridging.mirrors:
        vlan = packet.fields["vlan_vid"] & 0xFFF
        if mirror in run.mirrored or not mirror.selects(of_port, vlan, incoming=incoming):
            continue
        run.mirrored.add(mirror)
        if mirror.output_port is not None:
            interpret_normal.send(run, packet, mirror.output_port, interpret_normal.tags_of(packet))
        elif mirror.output_vlan is not None and mirror.output_vlan != vlan:
            interpret_normal.send_to_vlan(run, packet, mirror.output_vlan)
