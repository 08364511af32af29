"""Sets of microflows, as security groups speak of them.

Shared by `scenario.claims` (which makes the sets from intent), the probes and the differential
tests (which draw microflows from them and beside them).  The compiler does not read this module:
it turns rules into flow entries on its own, so that the two can be compared.

A `Microflow` is the opening packet of a connection, from s to d.  A `Traffic` is a union of
`Allowance` boxes and says which of them it admits.  What is `refused` for everybody lies in no
traffic, whatever its boxes say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress, IPNetwork

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
NO_PROTOCOL, IGMP = 0, 2
PORTED = frozenset({TCP, UDP, SCTP})
NAMED = PORTED | {NO_PROTOCOL, ICMP, ICMPV6, IGMP}
"""What `Allowance.protocol` ``None`` does not stand for."""

ICMP_OF: Mapping[int, int] = {4: ICMP, 6: ICMPV6}
REQUEST_TYPES: Mapping[int, frozenset[int]] = {4: frozenset({8, 13, 15}), 6: frozenset({128})}
"""Types that open a flow, by family; the connection tracker calls all others invalid."""
REPLY_TYPES: Mapping[tuple[int, int], int] = {(4, 8): 0, (4, 13): 14, (4, 15): 16, (6, 128): 129}
DHCP_SERVER_PORTS: Mapping[int, int] = {4: 67, 6: 547}
"""UDP from or to these is closed for everybody: DHCP stops at the port."""
IPV6_EXTENSIONS = frozenset({0, 43, 44, 51, 60})
"""Extension headers that a datapath walks past: never the protocol of an IPv6 packet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Microflow:
    """One flow: addresses, IP protocol number, and ports or ICMP type.

    *src_l4*, *dst_l4* are 1 to 65535 where *protocol* has ports (port 0 is `refused`) and 0 where it
    has none; *icmp_type*, *icmp_code* are 0 unless it is ICMP (1 over IPv4, 58 over IPv6).
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

    def answer(self) -> Microflow:
        """The reply to this flow's opening packet: reversed, and for an ICMP request the reply's type."""
        back = self.reversed()
        if self.protocol != ICMP_OF[self.family]:
            return back
        return replace(back, icmp_type=REPLY_TYPES.get((self.family, self.icmp_type), self.icmp_type))


def refused(flow: Microflow) -> bool:
    """Say whether *flow* stops at the port for everybody, whatever the groups say.

    DHCP servers (both directions), the other family's ICMP, IGMP, protocol 0 (a router of Open vSwitch would
    leave its TTL as it is), port 0 (the tracker calls it invalid), and what cannot be: addresses of two
    families, an extension header as a protocol.
    """
    family, protocol = flow.family, flow.protocol
    if flow.dst.version != family or protocol in {NO_PROTOCOL, IGMP, ICMP_OF[10 - family]}:
        return True
    if protocol in PORTED and (not 1 <= flow.src_l4 <= 65535 or not 1 <= flow.dst_l4 <= 65535):
        return True
    if protocol == UDP and DHCP_SERVER_PORTS[family] in {flow.src_l4, flow.dst_l4}:
        return True
    return family == 6 and protocol in IPV6_EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A box of microflows: these addresses, this protocol, destination ports or ICMP types.

    *src* and *dst* are exact addresses (a port's own: port security makes others impossible).
    *protocol* ``None`` stands for every IP protocol that has no entry of its own here: not TCP, UDP,
    SCTP, ICMP of either family, IGMP, 0.  *l4_ports* are inclusive (first, last) destination ports.
    """

    src: IPAddress
    dst: IPAddress
    protocol: int | None
    l4_ports: tuple[tuple[int, int], ...] = ()
    icmp_types: tuple[int, ...] = ()

    def admits(self, flow: Microflow) -> bool:
        """Say whether *flow* lies in this box, apart from what is `refused` for everybody."""
        # Comparing addresses takes longest.
        return _speaks_of(self, flow) and flow.src == self.src and flow.dst == self.dst


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """A union of allowances."""

    allowances: tuple[Allowance, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allowances)

    def admits(self, flow: Microflow) -> bool:
        """Say whether some allowance admits *flow*, which is not `refused`."""
        return not refused(flow) and any(a.admits(flow) for a in self.allowances)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAllowance:
    """A box of datagrams to group addresses: those in *groups*, less *excluded*; the rest as `Allowance`."""

    src: IPAddress
    groups: IPNetwork
    protocol: int | None
    excluded: tuple[IPNetwork, ...] = ()
    l4_ports: tuple[tuple[int, int], ...] = ()
    icmp_types: tuple[int, ...] = ()

    def admits(self, flow: Microflow) -> bool:
        """Say whether *flow* lies in this box, apart from what is `refused` for everybody."""
        if flow.src != self.src or flow.dst.version != self.groups.version or flow.dst not in self.groups:
            return False
        return not any(flow.dst in hole for hole in self.excluded) and _speaks_of(self, flow)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What one member of a ``broadcast: true`` network may have a copy of, when another sends it to all.

    The frame goes to the MAC address that belongs to the destination (RFC 1112, RFC 2464): ff:ff:ff:ff:ff:ff
    for 255.255.255.255 and the subnet's broadcast address, else the group's own.
    """

    allowances: tuple[GroupAllowance, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.allowances)

    def admits(self, flow: Microflow) -> bool:
        """Say whether a copy of *flow*, whose destination is a group, is to be delivered."""
        return not refused(flow) and any(a.admits(flow) for a in self.allowances)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSemantics:
    """What may be delivered from s to d (design: decision 1).

    *new*: deliverable from empty connection tracking; must be met exactly.  For TCP on a pure SYN.
    *egress*: what s's egress groups, and the peering between them if there is one, let go towards d.
    *reverse_new* and *reverse_egress*: the same for d towards s.  From them, EST of (s, d), given as the
    flow that s answers, is at least ``reverse_new`` and at most ``reverse_egress``, and beyond
    ``reverse_new`` only where the answer, read as a flow of s's own opening, is in ``egress``.

    *copies*: what s sends to everybody (broadcast, multicast) and d is to have a copy of.  Such a flow has
    no answer on its own connection: who answers sends from an address of his own.
    """

    new: Traffic
    egress: Traffic
    reverse_new: Traffic
    reverse_egress: Traffic
    copies: Copies = field(default_factory=Copies)

    def must_answer(self, flow: Microflow) -> bool:
        """Say whether s's answers to *flow*, opened from d to s, must reach d (once it was delivered).

        Answers are what comes back on the flow, `Microflow.answer` for the first packet, and related
        ICMP errors.
        """
        return self.reverse_new.admits(flow)

    def may_answer(self, flow: Microflow) -> bool:
        """Say whether packets from s to d that answer *flow*, opened from d to s, may reach d as answers.

        (A UDP packet, say, may besides be the opening of a flow of its own: that is for *new* to say.)
        All that must; beyond it, what d let go and s refused, only where s could as well have opened
        the answer itself: then s asked for it, and only s's connection tracking may know of it.
        """
        if self.reverse_new.admits(flow):
            return True
        return self.reverse_egress.admits(flow) and self.egress.admits(flow.answer())


def _speaks_of(box: Allowance | GroupAllowance, flow: Microflow) -> bool:
    if box.protocol is None:
        return flow.protocol not in NAMED
    if flow.protocol != box.protocol:
        return False
    if box.protocol in PORTED:
        return any(first <= flow.dst_l4 <= last for first, last in box.l4_ports)
    return flow.icmp_type in box.icmp_types


def address(text: str) -> IPAddress:
    """Read an IPv4 or IPv6 address.  Raises ValueError."""
    return ip_address(text)
