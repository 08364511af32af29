"""What Open vSwitch tracks, in the lab's words, and how it is made to forget.

    tcp,orig=(src=10.0.0.11,dst=10.0.0.12,sport=57442,dport=80),reply=(...),zone=3,protoinfo=(state=LISTEN)

Read strictly: a line that is not understood is a LabError, because a flow that is not seen would not be
judged.

Why ICMPv6 is forgotten by a packet
-----------------------------------
``flush-conntrack`` with a tuple that selects an ICMPv6 connection aborts ovs-vswitchd 3.1.0
(docs/ovs-facts.md).  A reply that is committed by force makes the tracker delete the connection, and no new
one comes of it, because a reply cannot open one.

Reference: ovs-appctl(8) and ovs-vswitchd(8), ``dpctl/dump-conntrack``, ``dpctl/flush-conntrack``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import ICMP, ICMPV6, REPLY_TYPES, Microflow
from sdn_lab.openflow import packet
from sdn_lab.openflow.fields import ETH_IPV6

DUMP = ("dpctl/dump-conntrack",)
PURGE = ("revalidator/purge",)  # of the datapath's cache
GONE = "No such file or directory"  # the answer for a flow that ended by itself meanwhile

_NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "icmpv6": 58, "sctp": 132, "udplite": 136}
_TUPLE = (
    r"src=(?P<src>[^,()]+),dst=(?P<dst>[^,()]+)(?:,sport=(?P<sport>\d+),dport=(?P<dport>\d+))?"
    r"(?:,id=(?P<id>\d+),type=(?P<type>\d+),code=(?P<code>\d+))?"
)
_LINE = re.compile(
    rf"(?P<proto>\w+),orig=\({_TUPLE}\),reply=\([^()]*\)(?:,zone=(?P<zone>\d+))?"
    r"(?:,(?:mark|labels|timeout)=\w+)*(?:,protoinfo=\([^()]*\))?"
)
_MAC = "02:00:00:00:00:00"  # of a packet that goes nowhere


def tracked_of(hypervisor: str, dump: str) -> Iterator[Tracked]:
    """Read what ``dpctl/dump-conntrack`` printed.  Raises LabError."""
    for line in dump.splitlines():
        try:
            yield _read(hypervisor, line.strip())
        except ValueError:
            raise LabError(f"{hypervisor} tracks what cannot be read: {line.strip()}") from None


def _read(hypervisor: str, line: str) -> Tracked:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(line)
    name = found["proto"]
    flow = Microflow(
        src=ip_address(found["src"]),
        dst=ip_address(found["dst"]),
        protocol=_NUMBERS[name] if name in _NUMBERS else int(name),
        src_l4=int(found["sport"] or 0),
        dst_l4=int(found["dport"] or 0),
        icmp_type=int(found["type"] or 0),
        icmp_code=int(found["code"] or 0),
    )
    return Tracked(
        hypervisor=hypervisor, zone=int(found["zone"] or 0), flow=flow, icmp_id=int(found["id"] or 0)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """What one hypervisor is told: control commands, and lines of an OpenFlow bundle."""

    commands: tuple[tuple[str, ...], ...]
    bundle: tuple[str, ...]


def forgetting(hypervisor: str, flows: Collection[Tracked], zones: Collection[tuple[str, int]]) -> Forgetting:
    """Return how to make *hypervisor* forget its own of *flows*, and all that is tracked in *zones* there."""
    whole = sorted(zone for name, zone in zones if name == hypervisor)
    own = [f for f in flows if f.hypervisor == hypervisor and f.zone not in whole]
    return Forgetting(
        commands=(
            *(("dpctl/flush-conntrack", f"zone={zone}") for zone in whole),
            *(
                ("dpctl/flush-conntrack", f"zone={f.zone}", _selector(f))
                for f in own
                if f.flow.protocol != ICMPV6
            ),
        ),
        bundle=tuple(_packet_out(f) for f in own if f.flow.protocol == ICMPV6),
    )


def _selector(tracked: Tracked) -> str:
    flow = tracked.flow
    family = "nw" if flow.family == 4 else "ipv6"
    ends = f"ct_{family}_src={flow.src},ct_{family}_dst={flow.dst},ct_nw_proto={flow.protocol}"
    if flow.protocol == ICMP:
        return f"{ends},icmp_id={tracked.icmp_id},icmp_type={flow.icmp_type},icmp_code={flow.icmp_code}"
    return f"{ends},ct_tp_src={flow.src_l4},ct_tp_dst={flow.dst_l4}"


def _packet_out(tracked: Tracked) -> str:
    """Return the bundle line that makes the tracker take in a reply of an ICMPv6 flow by force."""
    flow = tracked.flow
    src, dst = flow.dst, flow.src
    assert isinstance(src, IPv6Address)
    assert isinstance(dst, IPv6Address)
    kind = REPLY_TYPES[6, flow.icmp_type]
    body = packet.icmpv6(src, dst, kind, 0, tracked.icmp_id.to_bytes(2, "big") + bytes(2))
    frame = packet.ethernet(_MAC, _MAC, ETH_IPV6, packet.ipv6(src, dst, ICMPV6, body))
    return f"packet-out in_port=LOCAL packet={frame.hex()} actions=ct(commit,force,zone={tracked.zone})"
