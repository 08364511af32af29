"""A slow, obvious oracle: for one concrete microflow, ask every rule, as the documentation reads."""

from sdn_lab.model.intent import AnyRemote, CidrRemote, Direction, GroupRemote, NetworkRemote, Protocol
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow
from sdn_lab.scenario.claims import boundaries

PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP}


def oracle_egress(scenario, s, d, flow):
    groups = [scenario.security_group(g) for g in s.groups]
    rules = [r for g in groups for r in g.rules if r.direction is Direction.EGRESS]
    if not rules and not any(g.egress_deny for g in groups):
        return oracle_possible(flow)
    return oracle_possible(flow) and any(oracle_rule(r, d, flow.dst, flow) for r in rules)


def oracle_ingress(scenario, s, d, flow):
    groups = [scenario.security_group(g) for g in d.groups]
    rules = [r for g in groups for r in g.rules if r.direction is Direction.INGRESS]
    return oracle_possible(flow) and any(oracle_rule(r, s, flow.src, flow) for r in rules)


def oracle_new(scenario, s, d, flow):
    return (
        flow.src in s.ips
        and flow.dst in d.ips
        and oracle_passage(scenario, s.network, d.network, flow)
        and oracle_egress(scenario, s, d, flow)
        and oracle_ingress(scenario, s, d, flow)
    )


def oracle_passage(scenario, source, destination, flow):
    """Within a network, through a router that is in both, or as an approved peering allows."""
    if source == destination:
        return True
    for router in scenario.routers:
        if oracle_leg(router, source, flow.family) and oracle_leg(router, destination, flow.family):
            return True
    for peering in scenario.peerings:
        tenants = [network.split("/")[0] for network in peering.between]
        approved = all(tenant in peering.approved_by for tenant in tenants)
        if approved and [source, destination] == list(peering.between):
            first = [min(r.path for r in scenario.routers if oracle_in(r, n)) for n in peering.between]
            gates = [next(r for r in scenario.routers if r.path == path) for path in first]
            if all(oracle_leg(g, n, flow.family) for g, n in zip(gates, peering.between, strict=True)):
                return any(oracle_protocol(rule, flow) for rule in peering.allow)
    return False


def oracle_in(router, network):
    return any(leg.network == network for leg in router.interfaces)


def oracle_leg(router, network, family):
    return any(
        leg.network == network and any(a.version == family for a in leg.addresses)
        for leg in router.interfaces
    )


def oracle_possible(flow):
    """What the groups may speak of at all: no DHCP server, only requests of the right ICMP."""
    if flow.protocol in (TCP, UDP, SCTP) and (flow.src_l4 == 0 or flow.dst_l4 == 0):
        return False
    if flow.family == 4:
        if flow.protocol == UDP and (flow.src_l4 == 67 or flow.dst_l4 == 67):
            return False
        if flow.protocol == ICMP:
            return flow.icmp_type in (8, 13, 15)
        return flow.protocol not in (0, 2, 58)
    if flow.protocol == UDP and (flow.src_l4 == 547 or flow.dst_l4 == 547):
        return False
    if flow.protocol == ICMPV6:
        return flow.icmp_type == 128
    return flow.protocol not in (1, 2, 0, 43, 44, 51, 60)  # and no extension headers


def oracle_rule(rule, peer, address, flow):
    return oracle_protocol(rule, flow) and any(oracle_remote(r, peer, address) for r in rule.remotes)


def oracle_protocol(rule, flow):
    if rule.protocol is Protocol.ANY:
        return True
    if rule.protocol is Protocol.ICMP:
        types = rule.icmp_types_v4 if flow.family == 4 else rule.icmp_types_v6
        right = flow.protocol == (ICMP if flow.family == 4 else ICMPV6)
        return right and (types is None or flow.icmp_type in types)
    if flow.protocol != PROTOCOLS[rule.protocol.value]:
        return False
    return rule.l4_ports is None or any(p.first <= flow.dst_l4 <= p.last for p in rule.l4_ports)


def oracle_remote(remote, peer, address):
    if isinstance(remote, AnyRemote):
        return True
    if isinstance(remote, GroupRemote):
        return remote.group in peer.groups
    if isinstance(remote, NetworkRemote):
        return remote.network == peer.network
    assert isinstance(remote, CidrRemote)

    def inside(prefix):
        bits = prefix.max_prefixlen - prefix.prefixlen
        same = int(address) >> bits == int(prefix.network_address) >> bits
        return prefix.version == address.version and same

    return inside(remote.cidr) and not any(inside(hole) for hole in remote.excluded)


def microflows(scenario, s, d, dice):
    """Boundary flows, and others drawn at random: also with addresses that are not theirs."""
    yield from boundaries(scenario, s, d)
    everyone = [ip for p in scenario.ports for ip in p.ips]
    for _ in range(30):
        src = dice.choice([*s.ips, dice.choice(everyone)])
        dst = dice.choice([*d.ips, dice.choice(everyone)])
        if src.version != dst.version:
            continue
        protocol = dice.choice((TCP, UDP, SCTP, ICMP, ICMPV6, 0, 2, 47, dice.randrange(60, 256)))
        l4 = protocol in (TCP, UDP, SCTP)
        icmp = protocol in (ICMP, ICMPV6)
        ports = (0, 1, 22, 67, 68, 80, 547, 1024, 65535, dice.randrange(65536))
        yield Microflow(
            src=src,
            dst=dst,
            protocol=protocol,
            src_l4=dice.choice(ports) if l4 else 0,
            dst_l4=dice.choice(ports) if l4 else 0,
            icmp_type=dice.randrange(256) if icmp else 0,
        )
