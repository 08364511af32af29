"""The claims of a scenario: every sentence that the methods are to judge, made from intent alone.

Isolation, exactness, no sniffing, no spoofing, clean delivery, the management plane, segmentation and
what is dedicated are always derived; nobody has to ask for them.  Reachable, unreachable and redundant
come from ``intents``, whether or not the groups agree with them: a wish that they contradict is a violated
claim, not a mistake in the file.

Two networks are either isolated or joined on purpose (`model.joined`: a router, or a peering that both
sides approved).  Where they are joined, every ordered pair of their ports is exact, as within a network;
what is joined by nobody is isolated, also where a third network is joined to both.

Reads:    `Scenario`, `scenario.semantics`, `model.joined`.  Never imports `openflow`.
Used by:  `lab`, which hands claims to every checker and probe.

Ids are ``kind/objects[/protocol[/ports]]`` (design: decision 5) and sorted within each kind.
"""

from __future__ import annotations

from itertools import combinations, permutations

from sdn_lab.model.boundaries import worth_copying, worth_trying
from sdn_lab.model.intent import Direction, PeeringRule, Port, PortRange, Protocol, Rule, Scenario, Wish
from sdn_lab.model.joined import joined, ways
from sdn_lab.model.traffic import ICMP, ICMPV6, Microflow, Traffic
from sdn_lab.model.verdict import Claim, Kind
from sdn_lab.scenario.grants import NUMBER, boxes, grant
from sdn_lab.scenario.semantics import Semantics, pair

__all__ = ["boundaries", "claims", "group_boundaries", "pair"]

PER_PORT = (Kind.NO_SNIFFING, Kind.NO_SPOOFING, Kind.CLEAN, Kind.MANAGEMENT)


def claims(scenario: Scenario) -> tuple[Claim, ...]:
    """Return every claim of *scenario*: kind by kind, sorted by id within a kind, each id once."""
    found: dict[str, Claim] = {}
    for claim in (
        *_isolated(scenario),
        *_exact(scenario),
        *(_of_port(kind, port) for kind in PER_PORT for port in scenario.ports),
        Claim(id=Kind.SEGMENTED.value, kind=Kind.SEGMENTED),
        *_dedicated(scenario),
        *sorted((_wished(scenario, wish) for wish in scenario.wishes), key=_order),
    ):
        found.setdefault(claim.id, claim)
    return tuple(found.values())


def boundaries(scenario: Scenario, source: Port, destination: Port) -> tuple[Microflow, ...]:
    """Return the microflows worth trying from one port to another: admitted, refused, and at the edge.

    Edges are those of every rule of either port's groups, whomever it is about, of a peering between their
    networks, whether it is approved and whichever way it opens, and of every intent.
    """
    return worth_trying(
        pair(scenario, source, destination), source, destination, _named(scenario, source, destination)
    )


def group_boundaries(scenario: Scenario, source: Port, destination: Port) -> tuple[Microflow, ...]:
    """Return the flows to everybody worth trying, of which *destination* may have copies or may not.

    None where the two share no network, or one that does not broadcast.
    """
    network = scenario.network(source.network)
    if not network.broadcast or destination.network != source.network:
        return ()
    semantics = pair(scenario, source, destination)
    return worth_copying(semantics, source, network, _named(scenario, source, destination))


def _isolated(scenario: Scenario) -> list[Claim]:
    paths = sorted(n.path for n in scenario.networks)
    on_purpose = joined(scenario)
    return [_claim(Kind.ISOLATED, *two) for two in combinations(paths, 2) if two not in on_purpose]


def _exact(scenario: Scenario) -> list[Claim]:
    semantics = Semantics(scenario)
    members: dict[str, list[Port]] = {network.path: [] for network in scenario.networks}
    for port in scenario.ports:
        members[port.network].append(port)
    pairs = [pair for ports in members.values() for pair in permutations(ports, 2)]
    for one, other in ways(scenario):
        pairs.extend((s, d) for s in members[one] for d in members[other])
    return sorted(
        (
            Claim(
                id=f"{Kind.EXACT.value}/{s.path}/{d.path}",
                kind=Kind.EXACT,
                objects=(s.path, d.path),
                semantics=semantics.pair(s, d),
            )
            for s, d in pairs
        ),
        key=_order,
    )


def _dedicated(scenario: Scenario) -> list[Claim]:
    kept = sorted((d.tenant, hypervisor) for d in scenario.dedicated for hypervisor in d.hypervisors)
    return [_claim(Kind.DEDICATED, tenant, hypervisor) for tenant, hypervisor in kept]


def _named(scenario: Scenario, source: Port, destination: Port) -> dict[int, set[int]]:
    """Return ports and ICMP types by protocol that somebody speaks of who has to do with this pair."""
    groups = [scenario.security_group(path) for path in (*source.groups, *destination.groups)]
    ends = {source.network, destination.network}
    allowed = [rule for p in scenario.peerings if set(p.between) == ends for rule in p.allow]
    rules: list[Rule | PeeringRule] = [*(r for group in groups for r in group.rules), *allowed]
    named: dict[int, set[int]] = {}
    spoken = [(r.protocol, r.l4_ports) for r in rules] + [(w.protocol, w.l4_ports) for w in scenario.wishes]
    for protocol, l4_ports in spoken:
        if protocol in NUMBER:
            edges = (edge for ports in l4_ports or () for edge in (ports.first, ports.last))
            named.setdefault(NUMBER[protocol], set()).update(edges)
    for rule in rules:
        named.setdefault(ICMP, set()).update(rule.icmp_types_v4 or ())
        named.setdefault(ICMPV6, set()).update(rule.icmp_types_v6 or ())
    return named


def _of_port(kind: Kind, port: Port) -> Claim:
    return _claim(kind, port.path)


def _claim(kind: Kind, *objects: str) -> Claim:
    return Claim(id="/".join((kind.value, *objects)), kind=kind, objects=objects)


def _wished(scenario: Scenario, wish: Wish) -> Claim:
    kind = Kind(wish.kind)
    if kind is Kind.REDUNDANT:
        return _claim(kind, *sorted((wish.subject, wish.object_)))
    words = [kind.value, wish.subject, wish.object_]
    if wish.protocol is not Protocol.ANY:
        words.append(wish.protocol.value)
    if wish.l4_ports is not None:
        words.append(",".join(_written(r) for r in wish.l4_ports))
    return Claim(
        id="/".join(words),
        kind=kind,
        objects=(wish.subject, wish.object_),
        traffic=_traffic(scenario.port(wish.subject), scenario.port(wish.object_), wish),
    )


def _traffic(source: Port, destination: Port, wish: Wish) -> Traffic:
    """Return everything that a wish speaks of, over each family that both ends have."""
    rule = Rule(path="", direction=Direction.INGRESS, protocol=wish.protocol, l4_ports=wish.l4_ports)
    return Traffic(
        allowances=tuple(
            box
            for s in source.ips
            for d in destination.ips
            if s.version == d.version
            for box in boxes(grant(wish.protocol, s.version, rule), s, d)
        )
    )


def _written(ports: PortRange) -> str:
    return str(ports.first) if ports.first == ports.last else f"{ports.first}-{ports.last}"


def _order(claim: Claim) -> str:
    return claim.id
