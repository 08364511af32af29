"""What instances know of other networks: by routers and approved peerings, in families of both ends."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from sdn_lab.backends.routes import routes_of
from sdn_lab.model.intent import Network, Peering, Port, Router, RouterInterface, Scenario, Underlay


def leg(network: str, *addresses: str) -> RouterInterface:
    return RouterInterface(
        network=network, addresses=tuple(ip_address(a) for a in addresses), mac="0a:00:00:00:00:01"
    )


def network(path: str, *cidrs: str) -> Network:
    return Network(
        path=path, tenant=path.partition("/")[0], cidrs=tuple(ip_network(c) for c in cidrs), vni=len(path)
    )


WEB = network("red/web", "10.1.0.0/24", "fd00:1::/64")
APP = network("red/app", "10.2.0.0/24", "fd00:2::/64")
DB = network("red/db", "10.3.0.0/24")
API = network("blue/api", "10.9.0.0/24", "fd00:9::/64")
PORT = Port(
    path="red/vm1",
    tenant="red",
    instance="vm1",
    network="red/web",
    hypervisor="hv1",
    mac="02:00:00:00:00:01",
    ips=(ip_address("10.1.0.11"), ip_address("fd00:1::11")),
)
R1 = Router(
    path="red/r1",
    tenant="red",
    interfaces=(leg("red/app", "10.2.0.1", "fd00:2::1"), leg("red/web", "10.1.0.1", "fd00:1::1")),
)
R2 = Router(path="red/r2", tenant="red", interfaces=(leg("red/app", "10.2.0.2"), leg("red/db", "10.3.0.1")))
EDGE = Router(path="blue/edge", tenant="blue", interfaces=(leg("blue/api", "10.9.0.1", "fd00:9::1"),))
PEERED = Peering(path="peerings/0", between=("red/web", "blue/api"), approved_by=("blue", "red"), allow=())


def scenario(*routers: Router, peerings: tuple[Peering, ...] = ()) -> Scenario:
    return Scenario(
        name="t",
        tenants=("blue", "red"),
        underlay=Underlay(sites={"one": ("hv1",)}),
        networks=(API, APP, DB, WEB),
        ports=(PORT,),
        routers=routers,
        peerings=peerings,
    )


def routes(built: Scenario, port: Port = PORT) -> list[str]:
    return [f"{r.prefix} via {r.gateway}" for r in routes_of(built, port)]


def test_a_router_leads_to_its_other_networks_in_both_families() -> None:
    assert routes(scenario(R1)) == ["10.2.0.0/24 via 10.1.0.1", "fd00:2::/64 via fd00:1::1"]


def test_nothing_leads_over_two_routers() -> None:
    assert "10.3.0.0/24" not in " ".join(routes(scenario(R1, R2)))


def test_a_family_that_one_leg_lacks_is_not_routed() -> None:
    four = replace(R1, interfaces=(leg("red/app", "10.2.0.1"), R1.interfaces[1]))

    assert routes(scenario(four)) == ["10.2.0.0/24 via 10.1.0.1"]


def test_a_family_that_the_port_lacks_is_not_routed() -> None:
    assert routes(scenario(R1), replace(PORT, ips=PORT.ips[:1])) == ["10.2.0.0/24 via 10.1.0.1"]


@pytest.mark.parametrize(
    ("approved_by", "expected"),
    [(("blue", "red"), ["10.9.0.0/24 via 10.1.0.1", "fd00:9::/64 via fd00:1::1"]), (("blue",), []), ((), [])],
)
def test_a_peering_leads_somewhere_once_both_approve(
    approved_by: tuple[str, ...], expected: list[str]
) -> None:
    lone = replace(R1, interfaces=R1.interfaces[1:])
    built = scenario(EDGE, lone, peerings=(replace(PEERED, approved_by=approved_by),))

    assert routes(built) == expected


def test_without_a_router_there_is_no_route() -> None:
    assert routes(scenario()) == []
