"""Broadcast and multicast where a network says so: who is to have a copy."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sdn_lab.model.intent import AnyRemote, CidrRemote, Direction
from sdn_lab.model.traffic import ICMP, ICMPV6, TCP, UDP, Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.scenario import loads, random_scenario
from sdn_lab.scenario.claims import boundaries, claims, group_boundaries, pair

from .oracle import oracle_ingress, oracle_possible, oracle_protocol

WORLD = """
version: 1
name: copies
underlay: {{sites: {{east: [hv1]}}}}
tenants:
  t:
    networks:
      n: {{cidr: [10.0.0.0/24, "fd00::/64"], broadcast: {broadcast}}}
      m: {{cidr: 10.1.0.0/24, broadcast: true}}
    routers: {{r1: {{interfaces: {{n: 10.0.0.254, m: 10.1.0.254}}}}}}
    security_groups:
      out: {out}
      into: {into}
      other: [{{direction: ingress, protocol: any}}]
    instances:
      s: {{network: n, hypervisor: hv1, ip: [10.0.0.1, "fd00::1"], groups: {of_s}}}
      d: {{network: n, hypervisor: hv1, ip: [10.0.0.2, "fd00::2"], groups: into}}
      v4: {{network: n, hypervisor: hv1, ip: 10.0.0.3, groups: other}}
      none: {{network: n, hypervisor: hv1, ip: 10.0.0.4}}
      m: {{network: m, hypervisor: hv1, ip: 10.1.0.1, groups: other}}
"""
UDP_IN = "[{direction: ingress, protocol: udp, ports: 5353}]"


def world(*, out="[]", into=UDP_IN, of_s="[]", broadcast="true"):
    return loads(WORLD.format(out=out, into=into, of_s=of_s, broadcast=broadcast), "copies.yaml")


def copies(scenario, s="t/s", d="t/d"):
    return pair(scenario, scenario.port(s), scenario.port(d)).copies


def to(group, number=5353, protocol=UDP, icmp_type=0):
    dst = ip_address(group)
    src = ip_address("10.0.0.1" if dst.version == 4 else "fd00::1")
    l4 = {"src_l4": 40000, "dst_l4": number} if protocol in (UDP, TCP) else {}
    return Microflow(src=src, dst=dst, protocol=protocol, icmp_type=icmp_type, **l4)


@pytest.mark.parametrize(
    ("group", "copied"),
    [
        ("255.255.255.255", True),
        ("10.0.0.255", True),
        ("224.0.0.251", True),
        ("239.255.255.255", True),
        ("ff02::fb", True),
        ("ff0e::1", True),
        ("10.1.0.255", False),  # another network's
        ("10.0.0.3", False),  # somebody's
        ("240.0.0.1", False),
        ("fe80::1", False),
    ],
)
def test_group_addresses_are_copied_and_no_others(group, copied):
    assert copies(world()).admits(to(group)) is copied


def test_a_network_that_does_not_say_so_copies_nothing():
    scenario = world(broadcast="false")
    assert not copies(scenario)
    assert group_boundaries(scenario, scenario.port("t/s"), scenario.port("t/d")) == ()


def test_a_copy_passes_the_receivers_ingress_groups():
    scenario = world()
    assert not copies(scenario).admits(to("224.0.0.251", 5354))
    assert copies(scenario, d="t/v4").admits(to("224.0.0.251", 5354))
    assert not copies(scenario, d="t/none")


def test_a_receiver_without_the_family_has_no_copies_of_it():
    assert not copies(world(), d="t/v4").admits(to("ff02::fb"))
    assert not copies(world(), d="t/none").admits(to("ff02::fb"))


@pytest.mark.parametrize(("s", "d"), [("t/s", "t/m"), ("t/m", "t/s"), ("t/s", "t/s")])
def test_nothing_is_copied_to_another_network_or_back(s, d):
    assert not copies(world(), s, d)


def test_what_is_refused_for_everybody_is_not_copied():
    into = "[{direction: ingress, protocol: any}]"
    found = copies(world(into=into))
    assert found.admits(to("255.255.255.255", 68))
    assert not found.admits(to("255.255.255.255", 67))  # a DHCP client's
    assert not found.admits(to("ff02::1:2", 547))
    assert not found.admits(to("224.0.0.22", protocol=2))  # IGMP
    for kind in (133, 134, 135, 136, 143):
        assert not found.admits(to("ff02::1", protocol=ICMPV6, icmp_type=kind))
    assert found.admits(to("ff02::1", protocol=ICMPV6, icmp_type=128))
    assert found.admits(to("224.0.0.1", protocol=ICMP, icmp_type=8))


@pytest.mark.parametrize(
    ("rule", "group", "copied"),
    [
        ("protocol: udp, remote: any", "224.0.0.251", True),
        ("protocol: tcp, remote: any", "224.0.0.251", False),
        ("protocol: udp, ports: 5354", "224.0.0.251", False),
        ("protocol: udp, remote: {group: into}", "224.0.0.251", False),  # a group address is no port's own
        ("protocol: udp, remote: {network: n}", "224.0.0.251", False),
        ("protocol: udp, remote: {cidr: 10.0.0.0/24}", "10.0.0.255", True),
        ("protocol: udp, remote: {cidr: 10.0.0.0/24}", "255.255.255.255", False),
        ("protocol: udp, remote: {cidr: 224.0.0.0/24}", "224.0.0.251", True),
        ("protocol: udp, remote: {cidr: 224.0.0.0/24}", "224.0.1.0", False),
        ("protocol: udp, remote: {cidr: 0.0.0.0/0, except: 224.0.0.0/24}", "224.0.0.251", False),
        ("protocol: udp, remote: {cidr: 0.0.0.0/0, except: 224.0.0.0/24}", "224.0.1.0", True),
        ("protocol: udp, remote: {cidr: 0.0.0.0/0}", "ff02::fb", False),
        ("protocol: udp, remote: []", "224.0.0.251", False),
    ],
)
def test_the_senders_egress_groups_are_asked_about_the_group_address(rule, group, copied):
    scenario = world(out=f"[{{direction: egress, {rule}}}]", of_s="out")
    assert copies(scenario).admits(to(group)) is copied


def test_edges_of_groups_ports_and_prefixes_are_worth_trying():
    rule = "{direction: egress, protocol: udp, remote: {cidr: 224.0.0.0/24, except: 224.0.0.128/25}}"
    scenario = world(out=f"[{rule}]", of_s="out")
    found = group_boundaries(scenario, scenario.port("t/s"), scenario.port("t/d"))

    edges = {"255.255.255.255", "10.0.0.255", "224.0.0.0", "224.0.0.255", "224.0.0.128", "ff02::1"}
    assert {str(f.dst) for f in found} >= edges
    assert {5352, 5353, 5354} <= {f.dst_l4 for f in found if f.protocol == UDP}
    assert {copies(scenario).admits(f) for f in found} == {True, False}
    assert len(set(found)) == len(found)
    assert not any(f.dst in d.ips for f in found for d in scenario.ports)


def test_broadcasting_changes_nothing_of_unicast():
    loud, quiet = world(), world(broadcast="false")
    for one, other in zip(claims(loud), claims(quiet), strict=True):
        assert one.id == other.id
        if one.kind is Kind.EXACT:
            assert replace(one.semantics, copies=other.semantics.copies) == other.semantics
    s, d = loud.port("t/s"), loud.port("t/d")
    assert boundaries(loud, s, d) == boundaries(quiet, s, d)


def oracle_copy(scenario, s, d, flow):
    """For one datagram to a group: ask every rule, as the documentation reads."""
    groups = [scenario.security_group(g) for g in s.groups]
    rules = [r for g in groups for r in g.rules if r.direction is Direction.EGRESS]
    gone = not rules and not any(g.egress_deny for g in groups)
    for rule in rules:
        for remote in rule.remotes:
            if isinstance(remote, AnyRemote):
                gone |= oracle_protocol(rule, flow)
            if isinstance(remote, CidrRemote) and remote.cidr.version == flow.family:
                inside = flow.dst in remote.cidr and not any(flow.dst in hole for hole in remote.excluded)
                gone |= inside and oracle_protocol(rule, flow)
    heard = any(ip.version == flow.family for ip in d.ips) and oracle_ingress(scenario, s, d, flow)
    return flow.src in s.ips and gone and heard and oracle_possible(flow)


@pytest.mark.parametrize("block", range(4))
def test_copies_are_the_rules_read_one_by_one(block):
    admitted = refused = 0
    for seed in range(block * 15, block * 15 + 15):
        scenario = random_scenario(seed, broadcast=True)
        for s in scenario.ports:
            for d in scenario.ports:
                said = pair(scenario, s, d).copies
                for flow in group_boundaries(scenario, s, d) if s is not d else ():
                    expected = oracle_copy(scenario, s, d, flow)
                    assert said.admits(flow) is expected, (seed, s.path, d.path, flow)
                    admitted += expected
                    refused += not expected
    assert admitted > 100
    assert refused > 100
