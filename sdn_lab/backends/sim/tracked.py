"""What a simulated hypervisor tracks, in the lab's words, and back."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import ICMP, ICMPV6, Microflow
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.conntrack_key import Key


def tracked(hypervisor: str, tracker: Tracker, now_ns: int) -> Iterator[tuple[Tracked, Key]]:
    """Yield every connection that has not expired."""
    for connection in tracker.connections(now_ns):
        key = connection.key
        (src, src_l4, kind), (dst, dst_l4, _) = key.src, key.dst
        is_icmp = key.proto in (ICMP, ICMPV6)
        flow = Microflow(
            src=ip_address(src),
            dst=ip_address(dst),
            protocol=key.proto,
            src_l4=0 if is_icmp else src_l4,
            dst_l4=0 if is_icmp else dst_l4,
            icmp_type=kind,
        )
        yield (
            Tracked(hypervisor=hypervisor, zone=key.zone, flow=flow, icmp_id=src_l4 if is_icmp else 0),
            key,
        )
