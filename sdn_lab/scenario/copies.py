"""Who has a copy of what is sent to everybody, in a network that says ``broadcast: true``.

Where it sits
-------------
Reads:    a network, the sender's egress rules, what the receiver's ingress groups admit of the sender.
Used by:  `scenario.semantics`.

The rules
---------
1.  The group addresses of a network are 255.255.255.255, the broadcast addresses of its IPv4 prefixes,
    224.0.0.0/4 and ff00::/8.
2.  The sender's egress groups are asked once, about the group address.  It is nobody's own, so a rule about
    a group's or a network's ports does not mean it: only ``any`` and prefixes can.
3.  Each member's ingress groups are asked about the sender, as for unicast.  A member without an address of
    the family has no copies of that family.
4.  Nobody gets his own copy back, and no router passes one on.
5.  Neighbour discovery, MLD, IGMP, DHCP and router advertisements are not broadcast: the ports refuse what
    is refused everywhere, and address resolution goes to the one owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from sdn_lab.model.intent import AnyRemote, CidrRemote, IPAddress, IPNetwork, Network, Protocol, Rule
from sdn_lab.model.traffic import Copies, GroupAllowance
from sdn_lab.scenario.grants import Grant, both, boxes, grant

MULTICAST: Mapping[int, IPNetwork] = {4: IPv4Network("224.0.0.0/4"), 6: IPv6Network("ff00::/8")}
EVERYBODY = IPv4Network("255.255.255.255/32")

Spot = tuple[IPNetwork, tuple[IPNetwork, ...]]  # group addresses, less some


def copied(network: Network, rules: Sequence[Rule] | None, admitted: Mapping[IPAddress, Grant]) -> Copies:
    """Return what a member gets of another's broadcasts.

    *rules* are the sender's egress rules, None where its egress is open; *admitted* is what the receiver's
    ingress groups admit from each of the sender's addresses.
    """
    return Copies(
        allowances=tuple(
            allowance
            for source, into in admitted.items()
            for spot, out in _let_go(network, rules, source.version)
            for allowance in _boxes(source, spot, {n: both(r, into[n]) for n, r in out.items() if n in into})
        )
    )


def group_prefixes(network: Network, family: int) -> tuple[IPNetwork, ...]:
    """Return the group addresses of a network, of one family."""
    if family == 6:
        return (MULTICAST[6],)
    own = (
        ip_network(f"{cidr.broadcast_address}/32")
        for cidr in network.cidrs
        if cidr.version == 4 and cidr.max_prefixlen - cidr.prefixlen > 1
    )
    return (EVERYBODY, *sorted(own, key=str), MULTICAST[4])


def _let_go(network: Network, rules: Sequence[Rule] | None, family: int) -> Iterator[tuple[Spot, Grant]]:
    """Give what the sender's egress groups let go, and to which group addresses."""
    groups = group_prefixes(network, family)
    if rules is None:
        yield from (((prefix, ()), grant(Protocol.ANY, family)) for prefix in groups)
        return
    for rule in rules:
        for spot in _spots(rule, groups):
            yield spot, grant(rule.protocol, family, rule)


def _spots(rule: Rule, groups: Sequence[IPNetwork]) -> Iterator[Spot]:
    for prefix in groups:
        for remote in rule.remotes:
            if isinstance(remote, AnyRemote):
                yield prefix, ()
            elif isinstance(remote, CidrRemote) and _meet(remote.cidr, prefix):
                longer = max(remote.cidr, prefix, key=lambda cidr: cidr.prefixlen)
                yield longer, tuple(hole for hole in remote.excluded if _meet(hole, longer))


def _meet(one: IPNetwork, other: IPNetwork) -> bool:
    return one.version == other.version and one.overlaps(other)


def _boxes(source: IPAddress, spot: Spot, granted: Grant) -> Iterator[GroupAllowance]:
    groups, excluded = spot
    for box in boxes(granted, source, groups.network_address):
        yield GroupAllowance(
            src=source,
            groups=groups,
            excluded=excluded,
            protocol=box.protocol,
            l4_ports=box.l4_ports,
            icmp_types=box.icmp_types,
        )
