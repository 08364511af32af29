"""Sets of microflows, as security groups speak of them.

Shared by `scenario.claims` (which makes the sets from intent), the probes and the differential
tests (which draw microflows from them and beside them).  The compiler does not read this module:
it turns rules into flow entries on its own, so that the two can be compared.

A `Microflow` is the opening packet of a connection, from s to d.  A `Traffic` is a union of
`Allowance` boxes and says which of them it admits.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
PORTED = frozenset({TCP, UDP, SCTP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Microflow:
    """One flow: addresses, IP protocol number, and ports or ICMP type.

    *src_l4*, *dst_l4* are 0 where *protocol* has no ports; *icmp_type*, *icmp_code* are 0 unless
    it is ICMP (1 over IPv4, 58 over IPv6).
    """

    src: IPAddress
    dst: IPAddress
    protocol: int
    src_l4: int = 0
    dst_l4: int = 0
    icmp_type: int = 0
    icmp_code: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return self.src.version

    def reversed(self) -> Microflow:
        """The reply direction (for ICMP: same type field; the reply type is the reader's to know)."""
        return Microflow(
            src=self.dst,
            dst=self.src,
            protocol=self.protocol,
            src_l4=self.dst_l4,
            dst_l4=self.src_l4,
            icmp_type=self.icmp_type,
            icmp_code=self.icmp_code,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A box of microflows: these addresses, this protocol, destination ports or ICMP types.

    *src* and *dst* are exact addresses (a port's own: port security makes others impossible).
    *protocol* ``None`` stands for every IP protocol that has no entry of its own here: not TCP, UDP,
    SCTP, ICMP of either family, IGMP.  *l4_ports* are inclusive (first, last) destination ports.
    """

    src: IPAddress
    dst: IPAddress
    protocol: int | None
    l4_ports: tuple[tuple[int, int], ...] = ()
    icmp_types: tuple[int, ...] = ()

    def admits(self, flow: Microflow) -> bool:
        """Say whether *flow* lies in this box."""
        if (flow.src, flow.dst) != (self.src, self.dst):
            return False
        if self.protocol is None:
            return flow.protocol not in {ICMP, TCP, UDP, ICMPV6, SCTP, 2}
        if flow.protocol != self.protocol:
            return False
        if self.protocol in PORTED:
            return any(first <= flow.dst_l4 <= last for first, last in self.l4_ports)
        return flow.icmp_type in self.icmp_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A union of allowances."""

    allowances: tuple[Allowance, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allowances)

    def admits(self, flow: Microflow) -> bool:
        """Say whether some allowance admits *flow*."""
        return any(a.admits(flow) for a in self.allowances)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSemantics:
    """What may be delivered from s to d (design: decision 1).

    *new*: deliverable from empty connection tracking; must be met exactly.  For TCP on a pure SYN.
    *egress*: what s's egress groups let go towards d.  *reverse_new* and *reverse_egress*: the same for
    d towards s.  From them, EST of (s, d), given as the flow that s answers, is at least
    ``reverse_new`` and at most ``reverse_egress``, and beyond ``reverse_new`` only where the answer,
    read as a flow of s's own opening, is in ``egress``.
    """

    new: Traffic
    egress: Traffic
    reverse_new: Traffic
    reverse_egress: Traffic


def address(text: str) -> IPAddress:
    """Read an IPv4 or IPv6 address.  Raises ValueError."""
    return ip_address(text)
