"""The reference semantics against the slow oracle, over random scenarios."""

import random

import pytest

from sdn_lab.scenario import random_scenario
from sdn_lab.scenario.claims import pair
from sdn_lab.scenario.semantics import Semantics

from .oracle import microflows, oracle_egress, oracle_new, oracle_passage


@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
@pytest.mark.parametrize("block", range(8))
def test_semantics_are_the_rules_read_one_by_one(block, joined):
    admitted = 0
    for seed in range(block * 15, block * 15 + 15):
        scenario, dice = random_scenario(seed, joined=joined), random.Random(seed)
        semantics = Semantics(scenario)
        for s in scenario.ports:
            for d in scenario.ports:
                if s is d or (s.network != d.network and not joined):
                    continue
                said = semantics.pair(s, d)
                for flow in microflows(scenario, s, d, dice):
                    expected = oracle_new(scenario, s, d, flow)
                    admitted += expected
                    assert said.new.admits(flow) is expected, (seed, s.path, d.path, flow)
                    own = flow.src in s.ips and flow.dst in d.ips
                    gone = oracle_passage(scenario, s.network, d.network, flow)
                    gone = own and gone and oracle_egress(scenario, s, d, flow)
                    assert said.egress.admits(flow) is gone
                    back = flow.reversed()
                    assert said.reverse_new.admits(back) is oracle_new(scenario, d, s, back)
    assert admitted > 200  # a test over worlds in which nothing passes would hold for nothing


@pytest.mark.parametrize("seed", range(40))
def test_ports_of_different_networks_never_meet_where_nothing_joins_them(seed):
    scenario = random_scenario(seed, joined=False)
    for s in scenario.ports:
        for d in scenario.ports:
            if s.network != d.network or s is d:
                said = pair(scenario, s, d)
                assert not said.new
                assert not said.egress
