"""Networks that are connected on purpose: what then is claimed, and what may pass."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sdn_lab.model.joined import joined
from sdn_lab.model.traffic import ICMP, TCP, UDP, Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.scenario import loads, to_yaml
from sdn_lab.scenario.claims import boundaries, claims, pair

WORLD = """
version: 1
name: joined
underlay: {sites: {east: [hv1, hv2, hv3]}}
tenants:
  red:
    networks:
      web: {cidr: [10.1.0.0/24, "fd00:1::/64"]}
      db: {cidr: [10.2.0.0/24, "fd00:2::/64"]}
      log: {cidr: [10.3.0.0/24, "fd00:3::/64"]}
      old: {cidr: 10.4.0.0/24}
    routers:
      r1: {interfaces: {web: [10.1.0.1, "fd00:1::1"], db: [10.2.0.1, "fd00:2::1"]}}
      r2: {interfaces: {db: [10.2.0.2, "fd00:2::2"], log: 10.3.0.1}}
    security_groups:
      front: [{direction: ingress, protocol: tcp, ports: 80}]
      back:
        - {direction: ingress, protocol: tcp, ports: 5432, remote: {group: front}}
        - {direction: ingress, protocol: tcp, ports: 22, remote: {network: web}}
        - {direction: ingress, protocol: tcp, ports: 9, remote: {cidr: 10.1.0.11/32}}
      open: [{direction: ingress, protocol: any}]
    instances:
      w1: {network: web, hypervisor: hv1, ip: [10.1.0.11, "fd00:1::11"], groups: front}
      w2: {network: web, hypervisor: hv2, ip: [10.1.0.12, "fd00:1::12"]}
      d1: {network: db, hypervisor: hv1, ip: [10.2.0.11, "fd00:2::11"], groups: back}
      l1: {network: log, hypervisor: hv1, ip: [10.3.0.11, "fd00:3::11"], groups: open}
      o1: {network: old, hypervisor: hv1, ip: 10.4.0.11, groups: open}
  blue:
    networks:
      api: {cidr: [10.9.0.0/24, "fd00:9::/64"]}
    routers:
      r1: {interfaces: {api: [10.9.0.1, "fd00:9::1"]}}
    security_groups:
      open: [{direction: ingress, protocol: any}]
      named: [{direction: ingress, protocol: any, remote: {group: open}}]
      picky: {egress: deny, rules: [{direction: ingress, protocol: tcp, ports: 5432}]}
    instances:
      a1: {network: api, hypervisor: hv2, ip: [10.9.0.11, "fd00:9::11"], groups: open}
      a2: {network: api, hypervisor: hv2, ip: [10.9.0.12, "fd00:9::12"], groups: named}
      a3: {network: api, hypervisor: hv2, ip: [10.9.0.13, "fd00:9::13"], groups: picky}
peerings:
  - between: [red/web, blue/api]
    approved_by: [red, blue]
    allow: [{protocol: tcp, ports: [5000-5999]}, {protocol: icmp, types: {v4: [8]}}]
dedicated:
  - {tenant: blue, hypervisors: [hv3]}
"""


@pytest.fixture(scope="module")
def world():
    return loads(WORLD, "joined.yaml")


def between(scenario, s, d):
    return pair(scenario, scenario.port(s), scenario.port(d))


def opening(scenario, s, d, what, family=4, src_l4=40000):
    """Write ``tcp/80``, ``icmp/8``."""
    word, _, number = what.partition("/")
    src, dst = (next(a for a in scenario.port(p).ips if a.version == family) for p in (s, d))
    if word == "icmp":
        return Microflow(src=src, dst=dst, protocol=ICMP if family == 4 else 58, icmp_type=int(number))
    protocol = {"tcp": TCP, "udp": UDP}[word]
    return Microflow(src=src, dst=dst, protocol=protocol, src_l4=src_l4, dst_l4=int(number))


def opens(scenario, s, d, what, family=4):
    return between(scenario, s, d).new.admits(opening(scenario, s, d, what, family))


def ids(scenario, kind):
    return [c.id for c in claims(scenario) if c.kind is kind]


# -- which networks are joined


def test_a_router_joins_its_networks_and_never_those_of_the_next_router(world):
    assert joined(world) == {("blue/api", "red/web"), ("red/db", "red/log"), ("red/db", "red/web")}


def test_what_nobody_joins_is_isolated_and_what_is_joined_is_not(world):
    assert ids(world, Kind.ISOLATED) == [
        "isolated/blue/api/red/db",
        "isolated/blue/api/red/log",
        "isolated/blue/api/red/old",
        "isolated/red/db/red/old",
        "isolated/red/log/red/old",
        "isolated/red/log/red/web",  # both are joined to db
        "isolated/red/old/red/web",
    ]


def test_ports_of_joined_networks_are_exact_in_both_directions(world):
    found = set(ids(world, Kind.EXACT))
    assert {"exact/red/w1/red/d1", "exact/red/d1/red/w1", "exact/red/w1/red/w2"} <= found
    assert {"exact/red/w1/blue/a1", "exact/blue/a1/red/w1"} <= found
    assert not {"exact/red/w1/red/l1", "exact/red/w1/red/o1", "exact/red/d1/blue/a1"} & found
    assert len(found) == 2 * (1 + 3) + 2 * (2 * 1 + 1 * 1) + 2 * (2 * 3)


def test_every_pair_of_ports_is_exact_or_isolated_and_never_both(world):
    exact = {c.objects for c in claims(world) if c.kind is Kind.EXACT}
    isolated = {c.objects for c in claims(world) if c.kind is Kind.ISOLATED}
    for s in world.ports:
        for d in world.ports:
            if s is not d:
                apart = tuple(sorted((s.network, d.network))) in isolated
                assert ((s.path, d.path) in exact) is not apart


@pytest.mark.parametrize("approved_by", [(), ("red",), ("blue",)])
def test_without_both_approvals_a_peering_is_closed_and_its_networks_isolated(world, approved_by):
    half = replace(world, peerings=(replace(world.peerings[0], approved_by=approved_by),))
    assert "isolated/blue/api/red/web" in ids(half, Kind.ISOLATED)
    assert not [i for i in ids(half, Kind.EXACT) if "red" in i and "blue" in i]
    said = between(half, "red/w1", "blue/a1")
    assert not said.new
    assert not said.egress


def test_one_approval_is_enough_where_one_tenant_owns_both_networks(world):
    peering = replace(world.peerings[0], between=("red/web", "red/log"), approved_by=("red",))
    own = replace(world, peerings=(peering,))
    assert "isolated/red/log/red/web" not in ids(own, Kind.ISOLATED)
    assert opens(own, "red/w1", "red/l1", "tcp/5432")
    assert not opens(own, "red/w1", "red/l1", "tcp/80")
    assert "isolated/blue/api/red/web" in ids(own, Kind.ISOLATED)


def test_a_hypervisor_that_is_dedicated_is_a_claim(world):
    assert [(c.id, c.objects) for c in claims(world) if c.kind is Kind.DEDICATED] == [
        ("dedicated/blue/hv3", ("blue", "hv3"))
    ]


def test_networks_without_a_family_in_common_are_isolated(world):
    r2 = next(r for r in world.routers if r.path == "red/r2")
    db, log = r2.interfaces
    only_v6 = replace(db, addresses=tuple(a for a in db.addresses if a.version == 6))
    odd = replace(
        world, routers=tuple(replace(r, interfaces=(only_v6, log)) if r is r2 else r for r in world.routers)
    )
    assert "isolated/red/db/red/log" in ids(odd, Kind.ISOLATED)
    assert not [i for i in ids(odd, Kind.EXACT) if "l1" in i]


# -- through a router


@pytest.mark.parametrize(
    ("s", "d", "what", "admitted"),
    [
        ("red/d1", "red/w1", "tcp/80", True),
        ("red/d1", "red/w1", "tcp/81", False),
        ("red/d1", "red/w2", "tcp/80", False),  # it has no group
        ("red/w1", "red/d1", "tcp/5432", True),  # a member of the group, behind a router
        ("red/w2", "red/d1", "tcp/5432", False),
        ("red/w1", "red/d1", "tcp/22", True),  # a port of the network, behind a router
        ("red/w2", "red/d1", "tcp/22", True),
        ("red/l1", "red/d1", "tcp/22", False),
        ("red/w2", "red/d1", "tcp/9", False),
        ("red/w1", "red/l1", "tcp/80", False),  # open to everybody, but two routers away
        ("red/o1", "red/l1", "tcp/80", False),
    ],
)
def test_groups_see_through_a_router(world, s, d, what, admitted):
    assert opens(world, s, d, what) is admitted
    if world.port(s).network != "red/old":
        assert opens(world, s, d, what, family=6) is admitted


def test_a_prefix_means_addresses_of_joined_networks_too(world):
    assert opens(world, "red/w1", "red/d1", "tcp/9")
    assert not opens(world, "red/w1", "red/d1", "tcp/9", family=6)


def test_only_families_that_both_gateways_have_are_routed(world):
    assert opens(world, "red/d1", "red/l1", "tcp/80")
    assert not opens(world, "red/d1", "red/l1", "tcp/80", family=6)
    assert not opens(world, "red/l1", "red/d1", "tcp/5432", family=6)
    assert {a.src.version for a in between(world, "red/d1", "red/l1").egress.allowances} == {4}


def test_two_routers_between_two_networks_route_what_either_does(world):
    r2 = next(r for r in world.routers if r.path == "red/r2")
    v6 = tuple(
        replace(leg, addresses=(ip_address(a),)) for leg, a in zip(r2.interfaces, V6_LEGS, strict=True)
    )
    both = replace(world, routers=(*world.routers, replace(r2, path="red/r3", interfaces=v6)))
    assert opens(both, "red/d1", "red/l1", "tcp/80")
    assert opens(both, "red/d1", "red/l1", "tcp/80", family=6)


V6_LEGS = ("fd00:2::3", "fd00:3::3")


# -- through a peering


@pytest.mark.parametrize(
    ("s", "d", "what", "admitted"),
    [
        ("red/w1", "blue/a1", "tcp/5000", True),
        ("red/w1", "blue/a1", "tcp/5999", True),
        ("red/w1", "blue/a1", "tcp/4999", False),
        ("red/w1", "blue/a1", "tcp/6000", False),
        ("red/w1", "blue/a1", "udp/5000", False),
        ("red/w1", "blue/a1", "icmp/8", True),
        ("red/w1", "blue/a1", "icmp/13", False),
        ("red/w1", "blue/a2", "tcp/5000", False),  # its group named 'open' is not red's
        ("red/w1", "blue/a3", "tcp/5432", True),  # allowed by the peering, and by the group
        ("red/w1", "blue/a3", "tcp/5433", False),  # by the peering alone
        ("blue/a1", "red/w1", "tcp/80", False),  # by the group alone: nothing is opened this way
        ("blue/a1", "red/w1", "tcp/5000", False),
        ("red/d1", "blue/a1", "tcp/5000", False),  # joined to web, not to api
    ],
)
def test_a_peering_opens_what_it_allows_from_the_first_network_to_the_second(world, s, d, what, admitted):
    assert opens(world, s, d, what) is admitted


def test_types_that_a_peering_names_are_of_that_family_only(world):
    assert not opens(world, "red/w1", "blue/a1", "icmp/128", family=6)
    assert opens(world, "red/w1", "blue/a1", "tcp/5000", family=6)


def test_a_peering_that_allows_nothing_opens_nothing_and_is_no_isolation(world):
    nothing = replace(world, peerings=(replace(world.peerings[0], allow=()),))
    assert not between(nothing, "red/w1", "blue/a1").new
    assert "exact/red/w1/blue/a1" in ids(nothing, Kind.EXACT)


def test_answers_come_back_through_a_peering_and_nothing_else_does(world):
    back = between(world, "blue/a3", "red/w1")  # a3's own egress lets nothing go
    assert not back.new
    assert back.must_answer(opening(world, "red/w1", "blue/a3", "tcp/5432"))
    for refused in ("tcp/5433", "tcp/4999", "udp/5432"):
        assert not back.may_answer(opening(world, "red/w1", "blue/a3", refused))


def test_a_refused_flow_is_not_answered_though_the_far_side_could_send_anything(world):
    """Within a network it might be: the far side's own tracker would have opened the reverse."""
    back = between(world, "blue/a2", "red/w1")  # a2 admits nothing of red's, and may send what it likes
    assert not back.may_answer(opening(world, "red/w1", "blue/a2", "tcp/5000"))
    inside = between(world, "blue/a2", "blue/a3")
    assert inside.may_answer(opening(world, "blue/a3", "blue/a2", "tcp/5000")) is False  # a3: egress deny
    assert between(world, "red/w2", "red/w1").may_answer(opening(world, "red/w1", "red/w2", "tcp/5000"))


def test_the_edges_of_a_peering_are_worth_trying_in_both_directions_approved_or_not(world):
    half = replace(world, peerings=(replace(world.peerings[0], approved_by=()),))
    for scenario in (world, half):
        for s, d in (("red/w1", "blue/a1"), ("blue/a1", "red/w1")):
            flows = boundaries(scenario, scenario.port(s), scenario.port(d))
            assert {4999, 5000, 5999, 6000} <= {f.dst_l4 for f in flows if f.protocol == TCP}
            assert {7, 8, 9} <= {f.icmp_type for f in flows if f.protocol == ICMP}
    elsewhere = boundaries(world, world.port("red/w1"), world.port("red/d1"))
    assert 5999 not in {f.dst_l4 for f in elsewhere}


# -- files


def test_it_can_be_written_and_read_again(world):
    assert loads(to_yaml(world), "again.yaml") == world


def test_a_routers_macs_are_its_own_everywhere(world):
    macs = [leg.mac for router in world.routers for leg in router.interfaces]
    assert len(set(macs)) == len(macs) == 5
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs)  # locally administered, unicast


def test_routers_peerings_and_dedications_have_sources(world):
    lines = WORLD.splitlines()
    for key, text in (
        ("router:red/r2", "r2: {interfaces"),
        ("router:blue/r1", "r1: {interfaces: {api"),
        ("peering:peerings/0", "- between: [red/web, blue/api]"),
        ("dedicated:dedicated/0", "- {tenant: blue"),
    ):
        assert text in lines[world.sources[key].line - 1]
        assert world.sources[key.partition(":")[2]] == world.sources[key]


def test_a_router_does_not_take_the_bare_path_of_a_port():
    text = WORLD.replace("r2: {interfaces", "w1: {interfaces")
    found = loads(text, "x.yaml")
    assert found.sources["red/w1"] == found.sources["port:red/w1"] != found.sources["router:red/w1"]


def test_a_router_may_have_the_path_of_a_peering(world):
    text = WORLD.replace("  blue:", "  peerings:").replace("blue", "peerings")
    text = text.replace("r1: {interfaces: {api", "0: {interfaces: {api")
    found = loads(text, "x.yaml")
    assert [r.path for r in found.routers] == ["peerings/0", "red/r1", "red/r2"]
    assert opens(found, "red/w1", "peerings/a1", "tcp/5000")
    assert not opens(found, "red/w1", "peerings/a1", "tcp/80")
