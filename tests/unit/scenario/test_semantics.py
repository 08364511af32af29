"""The reference semantics: tables written by hand, and a slow, obvious oracle."""

import random
from ipaddress import ip_address
from itertools import pairwise

import pytest

from sdn_lab.model.boundaries import worth_trying
from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    NetworkRemote,
    Protocol,
)
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow, refused
from sdn_lab.scenario import loads, random_scenario
from sdn_lab.scenario.claims import boundaries, pair
from sdn_lab.scenario.semantics import Semantics, merged, without

PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP}


# -- the oracle: for one concrete microflow, ask every rule, as the documentation reads


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
        s.network == d.network
        and flow.src in s.ips
        and flow.dst in d.ips
        and oracle_egress(scenario, s, d, flow)
        and oracle_ingress(scenario, s, d, flow)
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
        return flow.protocol not in (2, 58)
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
        protocol = dice.choice((TCP, UDP, SCTP, ICMP, ICMPV6, 2, 47, dice.randrange(60, 256)))
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


@pytest.mark.parametrize("block", range(8))
def test_semantics_are_the_rules_read_one_by_one(block):
    admitted = 0
    for seed in range(block * 15, block * 15 + 15):
        scenario, dice = random_scenario(seed), random.Random(seed)
        semantics = Semantics(scenario)
        for s in scenario.ports:
            for d in scenario.ports:
                if s is d or s.network != d.network:
                    continue
                said = semantics.pair(s, d)
                for flow in microflows(scenario, s, d, dice):
                    expected = oracle_new(scenario, s, d, flow)
                    admitted += expected
                    assert said.new.admits(flow) is expected, (seed, s.path, d.path, flow)
                    own = flow.src in s.ips and flow.dst in d.ips
                    assert said.egress.admits(flow) is (own and oracle_egress(scenario, s, d, flow))
                    back = flow.reversed()
                    assert said.reverse_new.admits(back) is oracle_new(scenario, d, s, back)
    assert admitted > 200  # a test over worlds in which nothing passes would hold for nothing


@pytest.mark.parametrize("seed", range(40))
def test_ports_of_different_networks_never_meet(seed):
    scenario = random_scenario(seed)
    for s in scenario.ports:
        for d in scenario.ports:
            if s.network != d.network or s is d:
                said = pair(scenario, s, d)
                assert not said.new
                assert not said.egress


# -- tables by hand

WORLD = """
version: 1
name: table
underlay: {{sites: {{east: [hv1]}}}}
tenants:
  t:
    networks:
      n: {{cidr: [10.0.0.0/24, "fd00::/64"]}}
      other: {{cidr: 10.0.0.0/24}}
    security_groups:
      a: {a}
      b: {b}
      marked: []
    instances:
      s: {{network: n, hypervisor: hv1, ip: [10.0.0.1, "fd00::1"], groups: {of_s}}}
      d: {{network: n, hypervisor: hv1, ip: [10.0.0.2, "fd00::2"], groups: {of_d}}}
"""


def world(*, a="[]", b="[]", of_s="[]", of_d="[a]"):
    scenario = loads(WORLD.format(a=a, b=b, of_s=of_s, of_d=of_d), "table.yaml")
    return pair(scenario, scenario.port("t/s"), scenario.port("t/d"))


def flow(what, *, src_l4=40000, family=4, back=False):
    """Write ``tcp/80``, ``icmp/8``, ``ip/47``."""
    word, _, number = what.partition("/")
    s, d = ("10.0.0.1", "10.0.0.2") if family == 4 else ("fd00::1", "fd00::2")
    if back:
        s, d = d, s
    ends = {"src": ip_address(s), "dst": ip_address(d)}
    if word in PROTOCOLS:
        return Microflow(**ends, protocol=PROTOCOLS[word], src_l4=src_l4, dst_l4=int(number))
    if word == "icmp":
        return Microflow(**ends, protocol=ICMP if family == 4 else ICMPV6, icmp_type=int(number))
    return Microflow(**ends, protocol=int(number))


IN = "direction: ingress"
OUT = "direction: egress"


@pytest.mark.parametrize(
    ("rules", "what", "family", "admitted"),
    [
        # protocols and ports
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/80", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/80", 6, True),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "tcp/81", 4, False),
        (f"[{{{IN}, protocol: tcp, ports: 80}}]", "udp/80", 4, False),
        (f"[{{{IN}, protocol: sctp, ports: 80}}]", "sctp/80", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/8080", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/8081", 4, False),
        (f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]", "tcp/7999", 4, False),
        (f"[{{{IN}, protocol: tcp}}]", "tcp/65535", 4, True),
        (f"[{{{IN}, protocol: tcp, ports: []}}]", "tcp/80", 4, False),
        # any is every protocol, but not every packet
        (f"[{{{IN}, protocol: any}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: any}}]", "sctp/1", 6, True),
        (f"[{{{IN}, protocol: any}}]", "ip/47", 4, True),
        (f"[{{{IN}, protocol: any}}]", "ip/50", 6, True),
        (f"[{{{IN}, protocol: any}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: any}}]", "icmp/0", 4, False),
        (f"[{{{IN}, protocol: any}}]", "icmp/135", 6, False),
        (f"[{{{IN}, protocol: any}}]", "ip/2", 4, False),
        (f"[{{{IN}, protocol: any}}]", "ip/58", 4, False),
        (f"[{{{IN}, protocol: any}}]", "ip/1", 6, False),
        (f"[{{{IN}, protocol: any}}]", "udp/67", 4, False),
        (f"[{{{IN}, protocol: any}}]", "udp/67", 6, True),
        (f"[{{{IN}, protocol: any}}]", "udp/547", 6, False),
        (f"[{{{IN}, protocol: any}}]", "udp/547", 4, True),
        (f"[{{{IN}, protocol: udp, ports: 67}}]", "udp/67", 4, False),
        (f"[{{{IN}, protocol: any}}]", "tcp/67", 4, True),
        # icmp
        (f"[{{{IN}, protocol: icmp}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/13", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/15", 4, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/17", 4, False),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/128", 6, True),
        (f"[{{{IN}, protocol: icmp}}]", "icmp/129", 6, False),
        (f"[{{{IN}, protocol: icmp}}]", "ip/47", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/8", 4, True),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/13", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [8]}}}}]", "icmp/128", 6, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [], v6: []}}}}]", "icmp/8", 4, False),
        (f"[{{{IN}, protocol: icmp, types: {{v4: [0, 8], v6: []}}}}]", "icmp/0", 4, False),
        # remotes
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/31}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.2/31}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 0.0.0.0/0}}}}]", "tcp/1", 6, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/8, except: 10.0.0.1/32}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{cidr: 10.0.0.0/8, except: [10.0.0.2/32]}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{group: marked}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{group: a}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: {{network: n}}}}]", "tcp/1", 4, True),
        (f"[{{{IN}, protocol: tcp, remote: {{network: other}}}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: []}}]", "tcp/1", 4, False),
        (f"[{{{IN}, protocol: tcp, remote: [{{network: other}}, {{group: marked}}]}}]", "tcp/1", 4, True),
        # a second rule only adds
        (f"[{{{IN}, protocol: tcp, remote: []}}, {{{IN}, protocol: tcp}}]", "tcp/1", 4, True),
        # a group that is about egress says nothing of ingress
        (f"[{{{OUT}, protocol: any}}]", "tcp/1", 4, False),
        ("[]", "tcp/1", 4, False),
    ],
)
def test_ingress_is_an_allow_list(rules, what, family, admitted):
    assert world(a=rules, of_s="[marked]").new.admits(flow(what, family=family)) is admitted


OPEN = f"[{{{IN}, protocol: any}}]"


@pytest.mark.parametrize(
    ("b", "what", "admitted"),
    [
        ("[]", "tcp/80", True),  # open until somebody speaks of egress
        (f"[{{{IN}, protocol: tcp}}]", "tcp/80", True),
        ("{egress: deny}", "tcp/80", False),
        (f"{{egress: deny, rules: [{{{OUT}, protocol: tcp}}]}}", "tcp/80", True),
        (f"[{{{OUT}, protocol: udp}}]", "tcp/80", False),
        (f"[{{{OUT}, protocol: tcp, ports: []}}]", "tcp/80", False),  # admits nothing, and still closes
        (f"[{{{OUT}, protocol: tcp, remote: []}}]", "udp/80", False),
        (
            f"[{{{OUT}, protocol: tcp, remote: {{cidr: 10.0.0.2/32}}}}]",
            "tcp/80",
            True,
        ),  # remote: where it goes
        (f"[{{{OUT}, protocol: tcp, remote: {{cidr: 10.0.0.1/32}}}}]", "tcp/80", False),
        (f"[{{{OUT}, protocol: tcp, remote: {{group: a}}}}]", "tcp/80", True),
        (f"[{{{OUT}, protocol: tcp, remote: {{group: b}}}}]", "tcp/80", False),
    ],
)
def test_egress_is_open_until_a_group_speaks_of_it(b, what, admitted):
    assert world(a=OPEN, b=b, of_s="[b]").new.admits(flow(what)) is admitted


def test_one_group_closes_egress_for_all_groups_of_a_port():
    assert world(a=OPEN, of_s="[marked]").new.admits(flow("tcp/80"))
    assert not world(a=OPEN, b="{egress: deny}", of_s="[marked, b]").new.admits(flow("tcp/80"))


def test_a_port_without_a_group_admits_nothing_and_may_send():
    said = world(a=OPEN, of_d="[]")
    assert not said.new
    assert said.egress.admits(flow("tcp/80"))


def test_groups_of_a_port_are_a_union():
    said = world(
        a=f"[{{{IN}, protocol: tcp, ports: 80}}]", b=f"[{{{IN}, protocol: tcp, ports: 22}}]", of_d="[a, b]"
    )
    assert [n for n in (22, 80, 443) if said.new.admits(flow(f"tcp/{n}"))] == [22, 80]


def test_udp_from_a_dhcp_server_port_is_refused_too():
    said = world(a=OPEN)
    assert said.new.admits(flow("udp/5000"))
    assert not said.new.admits(flow("udp/5000", src_l4=67))
    assert not said.new.admits(flow("udp/5000", src_l4=547, family=6))


def test_port_zero_and_mixed_families_are_refused():
    assert refused(flow("tcp/0"))
    assert refused(flow("tcp/80", src_l4=0))
    assert refused(Microflow(src=ip_address("10.0.0.1"), dst=ip_address("fd00::2"), protocol=47))
    assert not refused(flow("tcp/80"))


# -- answers


def test_answers_to_an_allowed_flow_must_pass_whatever_the_answerer_may_open():
    # s -> d tcp 80 is allowed; d opens nothing
    said = world(a=f"{{egress: deny, rules: [{{{IN}, protocol: tcp, ports: 80}}]}}")
    opened = flow("tcp/80")
    reverse = swap(said)
    assert reverse.must_answer(opened)
    assert reverse.may_answer(opened)
    assert not reverse.must_answer(flow("tcp/81"))


@pytest.mark.parametrize(
    ("of_d_egress", "may"),
    [
        ("[]", True),  # d could open the reverse itself: it asked for the answer
        ("{egress: deny}", False),
        (f"[{{{OUT}, protocol: tcp, ports: 40000}}]", True),
        (f"[{{{OUT}, protocol: tcp, ports: 40001}}]", False),
    ],
)
def test_answers_to_a_refused_flow_pass_only_where_the_answerer_asked_for_it(of_d_egress, may):
    said = world(a="[]", b=of_d_egress, of_d="[a, b]")  # d's ingress refuses everything
    reverse = swap(said)
    assert not reverse.must_answer(flow("tcp/80"))
    assert reverse.may_answer(flow("tcp/80")) is may


def test_an_echo_reply_to_a_refused_request_never_passes():
    """Its type opens nothing, so no egress group can have let the answerer ask for it."""
    reverse = swap(world(a="[]"))
    assert not reverse.may_answer(flow("icmp/8"))
    assert swap(world(a=f"[{{{IN}, protocol: icmp}}]")).must_answer(flow("icmp/8"))


def test_what_the_opener_may_not_send_has_no_answer():
    reverse = swap(world(a="[]", b="{egress: deny}", of_s="[b]"))
    assert not reverse.may_answer(flow("tcp/80"))


def swap(said):
    """The semantics of (d, s), in which d answers flows that s opens."""
    return type(said)(
        new=said.reverse_new,
        egress=said.reverse_egress,
        reverse_new=said.new,
        reverse_egress=said.egress,
    )


def test_swapping_a_pair_is_the_other_pair():
    scenario = random_scenario(11)
    s, d = next(
        (s, d) for s in scenario.ports for d in scenario.ports if s is not d and s.network == d.network
    )
    assert swap(pair(scenario, s, d)) == pair(scenario, d, s)


# -- boundaries


def test_boundaries_hold_each_end_and_the_port_beside_it():
    said = world(a=f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]")
    scenario = loads(WORLD.format(a="[]", b="[]", of_s="[]", of_d="[]"), "x")
    flows = worth_trying(said, scenario.port("t/s"), scenario.port("t/d"))
    tcp = {f.dst_l4 for f in flows if f.protocol == TCP and f.family == 4}

    assert {21, 22, 23, 7999, 8000, 8080, 8081, 1, 65535} <= tcp
    assert {f.family for f in flows} == {4, 6}
    assert {f.protocol for f in flows if f.family == 4} >= {ICMP, TCP, UDP, SCTP, 47}
    assert {f.icmp_type for f in flows if f.protocol == ICMP} >= {7, 8, 9, 0 + 12, 13, 14, 15, 16}
    assert {f.icmp_type for f in flows if f.protocol == ICMPV6} >= {127, 128, 129}
    assert len(set(flows)) == len(flows)


@pytest.mark.parametrize("seed", range(20))
def test_boundaries_are_the_ports_own_flows_and_find_both_answers(seed):
    scenario = random_scenario(seed)
    for s in scenario.ports:
        for d in scenario.ports:
            if s is d or s.network != d.network:
                continue
            said, flows = pair(scenario, s, d), boundaries(scenario, s, d)
            assert flows == boundaries(scenario, s, d)
            assert all(f.src in s.ips and f.dst in d.ips for f in flows)
            assert any(said.new.admits(f) for f in flows) is bool(said.new)
            assert not flows or not all(said.new.admits(f) for f in flows)


def test_a_port_that_others_may_reach_is_tried_from_here_too():
    """A rule for somebody else that was opened to everybody must be found."""
    icmp = f"{{{IN}, protocol: icmp, types: {{v4: [8, 42]}}}}"
    rules = f"[{{{IN}, protocol: tcp, ports: 5432, remote: []}}, {icmp}]"
    scenario = loads(WORLD.format(a=rules, b="[]", of_s="[]", of_d="[a]"), "x")
    flows = boundaries(scenario, scenario.port("t/s"), scenario.port("t/d"))

    assert {5431, 5432, 5433} <= {f.dst_l4 for f in flows if f.protocol == TCP}
    assert 42 in {f.icmp_type for f in flows if f.protocol == ICMP}


# -- ranges


@pytest.mark.parametrize("seed", range(50))
def test_merged_ranges_hold_the_same_numbers(seed):
    dice = random.Random(seed)
    ranges = [sorted((dice.randrange(20), dice.randrange(20))) for _ in range(dice.randrange(6))]
    found = merged((a, b) for a, b in ranges)

    assert {n for a, b in found for n in range(a, b + 1)} == {n for a, b in ranges for n in range(a, b + 1)}
    assert all(x[1] + 1 < y[0] for x, y in pairwise(found))  # disjoint and not adjacent


@pytest.mark.parametrize("hole", range(12))
def test_without_takes_out_one_number(hole):
    ranges = ((1, 3), (5, 5), (7, 10))
    numbers = {n for a, b in ranges for n in range(a, b + 1)}
    assert {n for a, b in without(ranges, hole) for n in range(a, b + 1)} == numbers - {hole}
