"""Which claims a scenario makes, and what they are called."""

import time
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from sdn_lab.model.intent import (
    Direction,
    GroupRemote,
    Network,
    Port,
    PortRange,
    Protocol,
    Rule,
    Scenario,
    SecurityGroup,
    Underlay,
    Wish,
)
from sdn_lab.model.traffic import TCP, UDP
from sdn_lab.model.verdict import Kind
from sdn_lab.scenario import find, load, random_scenario
from sdn_lab.scenario.claims import boundaries, claims, pair


@pytest.fixture(scope="module")
def overlap():
    return load(find("overlap"))


def ids(scenario, kind):
    return [c.id for c in claims(scenario) if c.kind is kind]


def test_every_pair_of_networks_is_isolated_once(overlap):
    assert ids(overlap, Kind.ISOLATED) == ["isolated/blue/app/red/app"]
    micro = load(find("micro_segments"))
    assert ids(micro, Kind.ISOLATED) == [
        "isolated/acme/db/acme/ops",
        "isolated/acme/db/acme/web",
        "isolated/acme/ops/acme/web",
    ]


def test_every_ordered_pair_of_a_network_is_exact(overlap):
    found = ids(overlap, Kind.EXACT)
    assert len(found) == 2 * 4 * 3
    assert "exact/red/vm1/red/vm3" in found
    assert "exact/red/vm3/red/vm1" in found
    assert not [i for i in found if "blue" in i and "red" in i]


@pytest.mark.parametrize("kind", [Kind.NO_SNIFFING, Kind.NO_SPOOFING, Kind.CLEAN, Kind.MANAGEMENT])
def test_every_port_has_its_own(overlap, kind):
    assert ids(overlap, kind) == [f"{kind.value}/{p.path}" for p in overlap.ports]


def test_segmented_is_one(overlap):
    assert ids(overlap, Kind.SEGMENTED) == ["segmented"]


def test_nothing_of_later_issues_is_claimed(overlap):
    for kind in (Kind.DEDICATED, Kind.INSPECTED, Kind.AS_BUILT):
        assert ids(overlap, kind) == []


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(kind="reachable", subject="red/vm1", object_="red/vm2"), "reachable/red/vm1/red/vm2"),
        (
            Wish(kind="unreachable", subject="red/vm1", object_="red/vm2", protocol=Protocol.ICMP),
            "unreachable/red/vm1/red/vm2/icmp",
        ),
        (
            Wish(
                kind="reachable",
                subject="red/vm1",
                object_="blue/vm2",
                protocol=Protocol.TCP,
                l4_ports=(PortRange(first=22, last=22), PortRange(first=8000, last=8080)),
            ),
            "reachable/red/vm1/blue/vm2/tcp/22,8000-8080",
        ),
        (Wish(kind="redundant", subject="west", object_="east"), "redundant/east/west"),
    ],
)
def test_ids_of_wishes(overlap, wish, expected):
    scenario = replace(overlap, wishes=(wish, wish))
    assert [c.id for c in claims(scenario) if c.kind.value == wish.kind] == [
        expected
    ]  # said twice, claimed once


def test_traffic_of_a_wish_is_all_that_it_speaks_of(overlap):
    wish = Wish(kind="reachable", subject="red/vm1", object_="red/vm2", protocol=Protocol.UDP)
    (claim,) = [c for c in claims(replace(overlap, wishes=(wish,))) if c.kind is Kind.REACHABLE]
    flows = boundaries(overlap, overlap.port("red/vm1"), overlap.port("red/vm2"))

    wished = [f for f in flows if claim.traffic.admits(f)]
    assert {f.protocol for f in wished} == {UDP}
    assert {f.family for f in wished} == {4, 6}
    assert not [f for f in wished if f.family == 4 and 67 in (f.src_l4, f.dst_l4)]


def test_a_wish_that_the_groups_contradict_is_a_claim_all_the_same(overlap):
    wish = Wish(kind="reachable", subject="red/vm1", object_="blue/vm1", protocol=Protocol.TCP)
    (claim,) = [c for c in claims(replace(overlap, wishes=(wish,))) if c.kind is Kind.REACHABLE]
    assert claim.traffic
    assert not pair(overlap, overlap.port("red/vm1"), overlap.port("blue/vm1")).new


@pytest.mark.parametrize("name", ["overlap", "micro_segments"])
def test_the_intents_of_shipped_scenarios_agree_with_their_groups(name):
    """They must hold when run: what is reachable is admitted, what is unreachable is not."""
    scenario = load(find(name))
    judged = 0
    for claim in claims(scenario):
        if claim.kind not in (Kind.REACHABLE, Kind.UNREACHABLE):
            continue
        s, d = (scenario.port(path) for path in claim.objects)
        spoken_of = [f for f in boundaries(scenario, s, d) if claim.traffic.admits(f)]
        assert spoken_of
        admitted = {pair(scenario, s, d).new.admits(f) for f in spoken_of}
        assert admitted == {claim.kind is Kind.REACHABLE}, claim.id
        judged += 1
    assert judged == len(scenario.wishes)


@pytest.mark.parametrize("seed", range(30))
def test_ids_are_unique_and_claims_deterministic(seed):
    found = claims(random_scenario(seed))
    assert len({c.id for c in found}) == len(found)
    assert found == claims(random_scenario(seed))
    assert all(c.id.startswith(c.kind.value) for c in found)


def test_a_hundred_ports_take_about_a_second():
    groups = tuple(
        SecurityGroup(
            path=f"t/g{g}",
            tenant="t",
            rules=tuple(
                Rule(
                    path=f"t/g{g}/rules/{r}",
                    direction=Direction.INGRESS if r % 2 else Direction.EGRESS,
                    protocol=Protocol.TCP,
                    l4_ports=(PortRange(first=r + 1, last=r + 50),),
                    remotes=(GroupRemote(group=f"t/g{r % 4}"),),
                )
                for r in range(8)
            ),
        )
        for g in range(10)
    )
    ports = tuple(
        Port(
            path=f"t/vm{n:03}",
            tenant="t",
            instance=f"t/vm{n:03}",
            network="t/n",
            hypervisor="hv1",
            mac=f"02:00:00:00:00:{n:02x}",
            ips=(ip_address("10.0.0.1") + n, ip_address("fd00::1") + n),
            groups=(f"t/g{n % 10}",),
        )
        for n in range(100)
    )
    scenario = Scenario(
        name="hundred",
        tenants=("t",),
        underlay=Underlay(sites={"east": ("hv1",)}),
        networks=(Network(path="t/n", tenant="t", cidrs=(ip_network("10.0.0.0/24"),), vni=1),),
        security_groups=groups,
        ports=ports,
    )
    start = time.process_time()
    found = claims(scenario)

    assert len([c for c in found if c.kind is Kind.EXACT]) == 9900
    assert any(
        c.semantics.new.allowances[0].protocol == TCP for c in found if c.semantics and c.semantics.new
    )
    assert time.process_time() - start < 4  # about 0.6 s; four is for a busy machine
