"""Which microflows are worth trying between two ports."""

import pytest

from sdn_lab.model.boundaries import worth_trying
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP
from sdn_lab.scenario import loads, random_scenario
from sdn_lab.scenario.claims import boundaries, pair

from .small_world import IN, WORLD, world


def test_boundaries_hold_each_end_and_the_port_beside_it():
    said = world(a=f"[{{{IN}, protocol: tcp, ports: [22, 8000-8080]}}]")
    scenario = loads(WORLD.format(a="[]", b="[]", of_s="[]", of_d="[]"), "x")
    flows = worth_trying(said, scenario.port("t/s"), scenario.port("t/d"))
    tcp = {f.dst_l4 for f in flows if f.protocol == TCP and f.family == 4}

    assert {21, 22, 23, 7999, 8000, 8080, 8081, 1, 65535} <= tcp
    assert {f.family for f in flows} == {4, 6}
    assert {f.protocol for f in flows if f.family == 4} >= {ICMP, TCP, UDP, SCTP, 47, 0}
    assert 0 not in {f.protocol for f in flows if f.family == 6}, "there it is an extension header"
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
