"""A flow that a hypervisor tracks, as the lab speaks of it whatever the datapath is."""

from __future__ import annotations

from dataclasses import dataclass

from sdn_lab.model.traffic import Microflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """One connection in one zone of one hypervisor; *flow* is its opening packet.

    Where the tracker knows no ports (SCTP in Open vSwitch's userspace datapath), they are 0 in *flow*.
    *icmp_id* is the identifier of an ICMP request.
    """

    hypervisor: str
    zone: int
    flow: Microflow
    icmp_id: int = 0
