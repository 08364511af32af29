"""The few entries of a hypervisor's physical bridge.

The physical bridge holds the uplink NIC and, as its LOCAL port, the hypervisor's tunnel endpoint.  It
passes the lab's own ARP and tunnel packets between this endpoint and its peers, and nothing else: a
tenant's frame that gets here without encapsulation is dropped.  The backend writes the entries
before the bridge has a port; no controller touches them.

What they trust: a tunnel packet with a peer's source address is taken for the peer's.  The underlay
must keep its own port security (seen: a forged one is delivered).

>>> for line in entries("172.31.0.1", ["172.31.0.2"], 4789)[-1:]: print(line.partition("priority")[2])
=100,ip_frag=no,udp,in_port=LOCAL,vlan_tci=0x0000,nw_src=172.31.0.1,nw_dst=172.31.0.2,tp_dst=4789,actions=output:1
"""

from __future__ import annotations

from collections.abc import Iterable

from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import Origin

UPLINK_OF_PORT = 1


def entries(vtep: str, peers: Iterable[str], l4_port: int) -> tuple[str, ...]:
    """Return the entries as ``ovs-ofctl`` text; everything else is a miss, and dropped."""
    lines: list[str] = []
    for peer in peers:
        cookie = encode(Origin(stage="underlay", kind="hypervisor", path=peer))
        head = f"cookie={cookie:#x},table=0,priority=100"
        incoming = f"in_port={UPLINK_OF_PORT},vlan_tci=0x0000"
        outgoing = "in_port=LOCAL,vlan_tci=0x0000"
        l4 = f"tp_dst={l4_port}"
        lines += [
            f"{head},arp,{incoming},arp_spa={peer},arp_tpa={vtep},actions=LOCAL",
            f"{head},arp,{outgoing},arp_spa={vtep},arp_tpa={peer},actions=output:{UPLINK_OF_PORT}",
            f"{head},ip_frag=no,udp,{incoming},nw_src={peer},nw_dst={vtep},{l4},actions=LOCAL",
            f"{head},ip_frag=no,udp,{outgoing},nw_src={vtep},nw_dst={peer},{l4},actions=output:{UPLINK_OF_PORT}",
        ]
    return tuple(lines)
