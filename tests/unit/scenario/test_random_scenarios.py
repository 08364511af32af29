"""Random scenarios: pure in the seed, valid, and crooked enough to be worth running."""

import subprocess
import sys

import pytest

from sdn_lab.model.intent import (
    AnyRemote,
    CidrRemote,
    Direction,
    GroupRemote,
    NetworkRemote,
    Protocol,
)
from sdn_lab.scenario import load, loads, random_scenario, to_yaml
from sdn_lab.scenario.claims import claims

SEEDS = range(150)


@pytest.fixture(scope="module")
def many():
    return [random_scenario(seed, joined=False, broadcast=False) for seed in SEEDS]


@pytest.fixture(scope="module")
def joined():
    return [random_scenario(seed) for seed in SEEDS]


@pytest.mark.parametrize("block", range(5))
def test_every_one_could_be_a_file(block, many, joined):
    for scenario in (*many[block * 30 : block * 30 + 30], *joined[block * 30 : block * 30 + 30]):
        assert loads(to_yaml(scenario), scenario.name) == scenario


def test_equal_seeds_give_equal_scenarios_in_every_process():
    code = "from sdn_lab.scenario import random_scenario, to_yaml; print(to_yaml(random_scenario(5)), end='')"
    for hash_seed in ("0", "1"):
        printed = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout == to_yaml(random_scenario(5))


def test_claims_are_the_same_in_every_process():
    code = (
        "from sdn_lab.scenario import random_scenario; from sdn_lab.scenario.claims import claims;"
        "print([repr(c) for s in range(8) for c in claims(random_scenario(s))])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(printed) == 1


def test_different_seeds_differ(many):
    assert len({to_yaml(s).partition("underlay:")[2] for s in many}) == len(many)


@pytest.mark.parametrize("seed", range(20))
def test_sizes_are_kept(seed):
    small = random_scenario(seed, max_ports=3, max_tenants=1, max_hypervisors=1)
    assert 2 <= len(small.ports) <= 3
    assert len(small.tenants) == 1
    assert len(small.underlay.hypervisors) == 1
    assert 2 <= len(random_scenario(seed).ports) <= 8


def test_everything_overlaps_across_networks(many):
    def pairs(scenario):
        return [(a, b) for a in scenario.ports for b in scenario.ports if a.network != b.network]

    assert len([s for s in many if any(a.mac == b.mac for a, b in pairs(s))]) > len(many) // 3
    assert len([s for s in many if any(set(a.ips) & set(b.ips) for a, b in pairs(s))]) > len(many) // 3


def test_every_form_of_the_language_is_drawn(many):
    rules = [r for s in many for g in s.security_groups for r in g.rules]
    remotes = [remote for r in rules for remote in r.remotes]

    assert {r.protocol for r in rules} == set(Protocol)
    assert {r.direction for r in rules} == set(Direction)
    assert {type(remote) for remote in remotes} == {AnyRemote, CidrRemote, GroupRemote, NetworkRemote}
    assert {remote.cidr.version for remote in remotes if isinstance(remote, CidrRemote)} == {4, 6}
    for wanted in (
        any(remote.excluded for remote in remotes if isinstance(remote, CidrRemote)),
        any(remote.cidr.prefixlen == 0 for remote in remotes if isinstance(remote, CidrRemote)),
        any(r.remotes == () for r in rules),
        any(r.l4_ports == () for r in rules),
        any(r.l4_ports is None for r in rules),
        any(p.last == 65535 for r in rules for p in r.l4_ports or ()),
        any(p.first == 1 for r in rules for p in r.l4_ports or ()),
        any(r.icmp_types_v4 == () for r in rules),
        any(r.icmp_types_v4 and not r.icmp_types_v6 for r in rules),
        any(g.egress_deny for s in many for g in s.security_groups),
        any(g.rules == () for s in many for g in s.security_groups),
        any(":" in p.path for s in many for p in s.ports),
        any(p.groups == () for s in many for p in s.ports),
        any(len([i for i in p.ips if i.version == 4]) > 1 for s in many for p in s.ports),
        any(len(s.tenants) == n for n in (1, 2, 3) for s in many),
        any(len(s.underlay.sites) == 2 for s in many),
        any(w.kind == "redundant" for s in many for w in s.wishes),
    ):
        assert wanted


def test_in_some_worlds_something_passes_and_in_none_everything(many):
    new = [bool(c.semantics.new) for s in many for c in claims(s) if c.semantics]
    assert 0.2 < sum(new) / len(new) < 0.8


def test_a_failing_one_can_be_saved_and_read_again(tmp_path):
    file = tmp_path / "failing.yaml"
    file.write_text(to_yaml(random_scenario(3)))
    assert load(file) == random_scenario(3)


def test_what_connects_on_purpose_can_be_left_out(many):
    for scenario in many:
        assert not scenario.routers
        assert not scenario.peerings
        assert not scenario.dedicated
        assert not any(n.broadcast for n in scenario.networks)


def test_every_form_of_connecting_is_drawn(joined):
    peerings = [p for s in joined for p in s.peerings]
    legs = [leg for s in joined for r in s.routers for leg in r.interfaces]
    rules = [rule for p in peerings for rule in p.allow]

    for wanted in (
        any(not s.routers for s in joined),
        any(len(r.interfaces) == n for n in (1, 2, 3) for s in joined for r in s.routers),
        any(len({r.tenant for r in s.routers}) < len(s.routers) for s in joined),
        {len(leg.addresses) for leg in legs} == {1, 2},
        any(p.approved for p in peerings),
        any(not p.approved and p.approved_by for p in peerings),
        any(not p.approved_by for p in peerings),
        any(len({n.partition("/")[0] for n in p.between}) == 1 for p in peerings),
        any(p.between[0] > p.between[1] for p in peerings),
        any(p.allow == () for p in peerings),
        {rule.protocol for rule in rules} == set(Protocol),
        any(rule.l4_ports == () for rule in rules),
        any(s.dedicated for s in joined),
        {n.broadcast for s in joined for n in s.networks} == {True, False},
    ):
        assert wanted


def test_something_crosses_on_purpose_in_many_of_them_and_prefixes_still_overlap(joined):
    def networks(scenario, claim):
        return {scenario.port(path).network for path in claim.objects}

    crossing = [
        s
        for s in joined
        if any(c.semantics and c.semantics.new and len(networks(s, c)) == 2 for c in claims(s))
    ]
    assert len(crossing) > len(joined) // 8
    assert any(
        set(a.ips) & set(b.ips) for s in crossing for a in s.ports for b in s.ports if a.network != b.network
    )
