"""What rules speak of, as tests: connection states, TCP flags, port ranges, ICMP types.

Security groups and peerings say in the same words what they allow; this is where the words become tests.
The state names are the tracker's (`openflow.fields.CT_STATE_BITS`), each with ``+trk``.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.compiler.writer import Tests
from sdn_lab.model.intent import PeeringRule, PortRange, Protocol, Rule
from sdn_lab.openflow.fields import CT_STATE_BITS, ETH_IP, ETH_IPV6, TCP_FLAG_BITS

FAMILIES = ((4, ETH_IP), (6, ETH_IPV6))
ICMP_TEST = {4: (1, "icmpv4_type"), 6: (58, "icmpv6_type")}
SCTP = 132
_REQUESTS = {4: (8, 13, 15), 6: (128,)}  # the tracker takes no other type for a new flow
_L4 = {Protocol.TCP: (6, "tcp"), Protocol.UDP: (17, "udp"), Protocol.SCTP: (SCTP, "sctp")}
_EVERY_L4_PORT = (PortRange(first=0, last=0xFFFF),)


def state(*names: str) -> Tests:
    """Return the test that the tracker said all of *names*."""
    bits = sum(CT_STATE_BITS[n] for n in ("trk", *names))
    return {"ct_state": (bits, bits)}


def _flags(on: tuple[str, ...], off: tuple[str, ...]) -> Tests:
    value = sum(TCP_FLAG_BITS[f] for f in on)
    return {"tcp_flags": (value, value | sum(TCP_FLAG_BITS[f] for f in off))}


INVALID, ESTABLISHED, RELATED, REPLY = state("inv"), state("est"), state("rel"), state("rpl")
NEW: Tests = {
    "ct_state": (
        CT_STATE_BITS["trk"] | CT_STATE_BITS["new"],
        CT_STATE_BITS["trk"] | CT_STATE_BITS["new"] | CT_STATE_BITS["rel"],
    )
}
PURE_SYN = _flags(("syn",), ("ack", "rst", "fin"))


def opening(rule: Rule | PeeringRule, version: int) -> Iterator[tuple[int, Tests]]:
    """Give (priority, tests) of the new flows that a rule speaks of; not SCTP's, which need more."""
    if rule.protocol is Protocol.ANY:
        yield 100, {"ip_proto": 6, **PURE_SYN}
        yield 80, {}
    elif rule.protocol is Protocol.TCP:
        yield from ((100, {**tests, **PURE_SYN}) for tests in spoken_of(rule, version))
    elif rule.protocol is not Protocol.SCTP:
        yield from ((100, tests) for tests in spoken_of(rule, version))


def spoken_of(rule: Rule | PeeringRule, version: int) -> Iterator[Tests]:
    """Give tests of all packets that a rule speaks of, whatever their state and flags."""
    if rule.protocol is Protocol.ANY:
        yield {}
    elif rule.protocol is Protocol.ICMP:
        number, field = ICMP_TEST[version]
        wanted = rule.icmp_types_v4 if version == 4 else rule.icmp_types_v6
        for kind in _REQUESTS[version]:
            if wanted is None or kind in wanted:
                yield {"ip_proto": number, field: kind}
    else:
        number, name = _L4[rule.protocol]
        for l4_port in masked(rule.l4_ports):
            yield {"ip_proto": number, **l4_test(f"{name}_dst", l4_port)}


def sctp_ports(rule: Rule | PeeringRule) -> Iterator[tuple[int, int]]:
    """Give the SCTP ports that a rule speaks of, as (value, mask)."""
    if rule.protocol in (Protocol.SCTP, Protocol.ANY):
        yield from masked(rule.l4_ports if rule.protocol is Protocol.SCTP else None)


def masked(ranges: tuple[PortRange, ...] | None) -> Iterator[tuple[int, int]]:
    """Cover port ranges with the least (value, mask) pairs; merged first, so none overlap."""
    merged: list[list[int]] = []
    wanted = _EVERY_L4_PORT if ranges is None else ranges
    for first, last in sorted((r.first, r.last) for r in wanted):
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    for first, last in merged:
        start = first
        while start <= last:
            size = start & -start or 0x10000
            while size > last - start + 1:
                size >>= 1
            yield start, 0x10000 - size
            start += size


def l4_test(field: str, test: tuple[int, int]) -> Tests:
    """Return the test on a port field; none for every port."""
    return {field: test} if test[1] else {}
