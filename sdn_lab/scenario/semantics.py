"""What may pass between two ports, worked out from the intent alone: the reference semantics.

Where it sits
-------------
Reads:    `Scenario` (ports and security groups) and `scenario.joins` (which networks are connected on
          purpose).  Never a flow entry, never `openflow`.
Used by:  `scenario.claims`.  The compiler reads the same scenario on its own; that the two agree is
          what the differential tests show.

The rules of the game (design: section 5, decision 1)
-----------------------------------------------------
1.  A port's groups are one union of rules.  A rule admits a microflow when its direction, its protocol
    (ports, ICMP types) and one of its remotes fit.  The remote is the *other* side: the source of what
    comes in, the destination of what goes out.
2.  Ingress is always an allow-list.  A port without a group admits nothing.
3.  Egress is open until one of the port's groups has an egress rule (even one that admits nothing) or
    says ``egress: deny``; from then on it is an allow-list too.
4.  An empty list (ports, types, remotes) admits nothing.
5.  ICMP means requests: v4 8, 13, 15 and v6 128.  Nothing else of ICMP opens a flow.
6.  ``any`` is TCP, UDP, SCTP, ICMP requests and every other IP protocol.
7.  Only ports of one network, or of two that are joined, can meet, over the families that are joined.
    NEW(s, d) = passage(s, d) intersected with egress(s, d) and ingress(d, s).
8.  The passage is everything within a network and through a router.  Through a peering it is what
    ``allow`` says from the first network to the second, and nothing the other way: what comes back are
    answers.  A connection that the peering does not let through is never known on the far side, so
    passage bounds what a port may *let go* as well (`PairSemantics.egress`).
9.  Copies of broadcast and multicast are apart: `scenario.copies`.
10. Names are a tenant's own.  A rule about a group or a network means its ports wherever they can be met,
    routers between or not; another tenant's ports are meant by ``any`` and prefixes alone.

How it stays fast
-----------------
What a set of rules admits does not depend on the addresses once the remotes have been matched.  So a
`Grant` (protocol to ranges) is computed once for each set of matching rules, an intersection once for
each pair of grants, and a pair of ports costs little more than its boxes: 10,000 pairs in about a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    IPAddress,
    NetworkRemote,
    Port,
    Protocol,
    Remote,
    Rule,
    Scenario,
)
from sdn_lab.model.traffic import Allowance, Copies, PairSemantics, Traffic
from sdn_lab.scenario.copies import copied
from sdn_lab.scenario.grants import Grant, both, boxes, grant, union
from sdn_lab.scenario.joins import Joins, joins_of

NOTHING = Traffic()


def pair(scenario: Scenario, source: Port, destination: Port) -> PairSemantics:
    """Return the semantics of one ordered pair of ports.  For many pairs use `Semantics`."""
    return Semantics(scenario).pair(source, destination)


@dataclass(slots=True)
class Semantics:
    """All pairs of one scenario.  Remembers what it worked out; the scenario must not change (it cannot)."""

    scenario: Scenario
    _lists: dict[tuple[tuple[str, ...], Direction], tuple[Rule, ...] | None] = field(default_factory=dict)
    _seen: dict[tuple[tuple[str, ...], Direction, tuple[str, ...], str, IPAddress], Grant] = field(
        default_factory=dict
    )
    _grants: dict[tuple[tuple[int, ...] | None, int], Grant] = field(default_factory=dict)
    _common: dict[tuple[int, int], Grant] = field(default_factory=dict)
    _one_way: dict[tuple[str, str], tuple[Traffic, Traffic]] = field(default_factory=dict)
    _passages: dict[tuple[str, str, int], Grant] = field(default_factory=dict)
    _joins: Joins = field(init=False)

    def __post_init__(self) -> None:
        self._joins = joins_of(self.scenario)

    def pair(self, source: Port, destination: Port) -> PairSemantics:
        """Return what may be delivered from *source* to *destination*, and what may answer."""
        egress, new = self._way(source, destination)
        reverse_egress, reverse_new = self._way(destination, source)
        return PairSemantics(
            new=new,
            egress=egress,
            reverse_new=reverse_new,
            reverse_egress=reverse_egress,
            copies=self._copies(source, destination),
        )

    def _way(self, source: Port, destination: Port) -> tuple[Traffic, Traffic]:
        """Return (egress, NEW) of one direction."""
        key = (source.path, destination.path)
        if key not in self._one_way:
            self._one_way[key] = self._work_out(source, destination)
        return self._one_way[key]

    def _work_out(self, source: Port, destination: Port) -> tuple[Traffic, Traffic]:
        if source.path == destination.path:
            return NOTHING, NOTHING
        egress: list[Allowance] = []
        new: list[Allowance] = []
        for s in source.ips:
            for d in destination.ips:
                passage = self._passage(source.network, destination.network, s.version)
                if s.version != d.version or not passage:
                    continue
                out = self._granted(source, Direction.EGRESS, destination, d)
                into = self._granted(destination, Direction.INGRESS, source, s)
                gone = self._intersection(passage, out)
                egress.extend(boxes(gone, s, d))
                new.extend(boxes(self._intersection(gone, into), s, d))
        return Traffic(allowances=tuple(egress)), Traffic(allowances=tuple(new))

    def _copies(self, source: Port, destination: Port) -> Copies:
        """Return what of *source*'s broadcasts may be delivered to *destination*."""
        if source.network != destination.network or source.path == destination.path:
            return Copies()
        network = self.scenario.network(source.network)
        if not network.broadcast:
            return Copies()
        rules = self._allow_list(source.groups, Direction.EGRESS)
        families = {ip.version for ip in destination.ips}
        admitted = {
            s: self._granted(destination, Direction.INGRESS, source, s)
            for s in source.ips
            if s.version in families
        }
        return copied(network, rules, admitted)

    def _passage(self, source: str, destination: str, family: int) -> Grant:
        """Return what may be opened from one network to another, whatever groups say."""
        key = (source, destination, family)
        if key not in self._passages:
            self._passages[key] = self._open_between(*key)
        return self._passages[key]

    def _open_between(self, source: str, destination: str, family: int) -> Grant:
        if source == destination:
            return grant(Protocol.ANY, family)
        ways = [join for join in self._joins.get((source, destination), ()) if family in join.families]
        if any(join.peering is None for join in ways):
            return grant(Protocol.ANY, family)
        rules = [
            rule
            for join in ways
            if join.peering is not None and join.peering.between == (source, destination)
            for rule in join.peering.allow
        ]
        return union(rules, family)

    def _granted(self, port: Port, direction: Direction, peer: Port, address: IPAddress) -> Grant:
        """Return what *port*'s groups let pass between it and *address* of *peer*."""
        known = (port.groups, direction, peer.groups, peer.network, address)
        if known not in self._seen:
            self._seen[known] = self._look_up(port, direction, peer, address)
        return self._seen[known]

    def _look_up(self, port: Port, direction: Direction, peer: Port, address: IPAddress) -> Grant:
        rules = self._allow_list(port.groups, direction)
        fitting = None if rules is None else tuple(r for r in rules if _names(r, peer, address))
        # Rules are told apart by identity, which is quick: they live as long as the scenario does.
        key = (None if fitting is None else tuple(map(id, fitting)), address.version)
        if key not in self._grants:
            self._grants[key] = (
                grant(Protocol.ANY, address.version) if fitting is None else union(fitting, address.version)
            )
        return self._grants[key]

    def _allow_list(self, groups: tuple[str, ...], direction: Direction) -> tuple[Rule, ...] | None:
        """Return the rules of one direction, or None where it is open."""
        key = (groups, direction)
        if key not in self._lists:
            found = [self.scenario.security_group(path) for path in groups]
            rules = tuple(r for group in found for r in group.rules if r.direction is direction)
            is_open = direction is Direction.EGRESS and not rules and not any(g.egress_deny for g in found)
            self._lists[key] = None if is_open else rules
        return self._lists[key]

    def _intersection(self, one: Grant, other: Grant) -> Grant:
        key = (id(one), id(other))  # grants live as long as self does
        if key not in self._common:
            self._common[key] = {n: both(ranges, other[n]) for n, ranges in one.items() if n in other}
        return self._common[key]


def _names(rule: Rule, peer: Port, address: IPAddress) -> bool:
    return any(_is(remote, peer, address) for remote in rule.remotes)


def _is(remote: Remote, peer: Port, address: IPAddress) -> bool:
    """Say whether *remote* means *peer* when it uses *address*."""
    match remote:
        case AnyRemote():
            return True
        case GroupRemote(group=group):
            return group in peer.groups
        case NetworkRemote(network=network):
            return network == peer.network
        case CidrRemote(cidr=cidr, excluded=holes):
            inside = cidr.version == address.version and address in cidr
            return inside and not any(hole.version == address.version and address in hole for hole in holes)
