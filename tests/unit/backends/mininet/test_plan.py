"""The plan names everything within the kernel's limits, and survives the channel."""

import json
from ipaddress import ip_address, ip_network

import pytest

from sdn_lab.backends.mininet.plan import Plan, fresh_nodes, plan
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Network, Port, Scenario, Underlay

LONG = "a-name-that-is-far-longer-than-an-interface-may-have"


def scenario(ports, hypervisors=("hv1", "hv2"), **underlay):
    return Scenario(
        name="plan",
        tenants=("blue", "red"),
        underlay=Underlay(sites={"east": tuple(hypervisors)}, **underlay),
        networks=tuple(
            Network(
                path=f"{tenant}/app",
                tenant=tenant,
                cidrs=(ip_network("10.0.0.0/22"), ip_network("fd00::/72")),
                vni=n,
            )
            for n, tenant in enumerate(("blue", "red"), start=1)
        ),
        ports=tuple(ports),
    )


def port(path, hypervisor="hv1", ips=("10.0.0.5", "fd00::5"), instance=None):
    tenant, _, name = path.partition("/")
    return Port(
        path=path,
        tenant=tenant,
        instance=instance or name,
        network=f"{tenant}/app",
        hypervisor=hypervisor,
        mac="02:00:00:00:00:05",
        ips=tuple(ip_address(i) for i in ips),
    )


def made(wanted):
    return plan(wanted, assign(wanted))


def test_addresses_carry_the_prefix_length_of_their_own_network():
    (instance,) = made(scenario([port("red/vm1")])).instances
    assert instance.ports[0].addresses == ("10.0.0.5/22", "fd00::5/72")


def test_every_name_fits_the_kernel_and_is_unique_in_its_namespace():
    ports = [port(f"{t}/{LONG}{n}", f"hv{n % 2}-{LONG}") for t in ("blue", "red") for n in range(300)]
    wanted = made(scenario(ports, [f"hv0-{LONG}", f"hv1-{LONG}"]))
    nodes = [h.node for h in wanted.hypervisors] + [i.node for i in wanted.instances]
    wires = [w for h in wanted.hypervisors for w in (h.uplink, h.control)]
    assert len(set(nodes)) == len(nodes)
    assert len(set(wires)) == len(wires)
    for hypervisor in wanted.hypervisors:
        peers = [p.peer for i in wanted.instances if i.hypervisor == hypervisor.name for p in i.ports]
        assert len(set(peers)) == len(peers) == 300
        assert all(len(name) <= 15 for name in [*peers, *nodes, *wires])


def test_the_ports_of_one_instance_share_a_node_and_equal_names_of_two_tenants_do_not():
    wanted = made(
        scenario(
            [
                port("blue/fw", ips=("10.0.0.5",)),
                port("red/fw:eth0", instance="fw"),
                port("red/fw:outside", instance="fw", ips=("10.0.0.6",)),
            ]
        )
    )
    assert [[p.path for p in i.ports] for i in wanted.instances] == [
        ["blue/fw"],
        ["red/fw:eth0", "red/fw:outside"],
    ]
    assert [p.interface for p in wanted.instances[1].ports] == ["eth0", "eth1"]


def test_openflow_ports_and_tunnel_ends_are_the_assignment_s():
    wanted = scenario([port("red/vm1"), port("red/vm2", "hv2", ("10.0.0.6",))])
    numbers = assign(wanted)
    for hypervisor in made(wanted).hypervisors:
        datapath = numbers.datapaths[hypervisor.name]
        assert (hypervisor.dpid, hypervisor.vtep_mac) == (datapath.dpid, datapath.vtep_mac)
        assert hypervisor.vtep == f"{datapath.vtep}/16"
        assert hypervisor.tunnel_of_port == datapath.tunnel_of_port
    for instance in made(wanted).instances:
        assert instance.ports[0].of_port == numbers.locate(instance.ports[0].path)[1].of_port


def test_no_two_hypervisors_nor_the_controller_share_a_management_address():
    wanted = made(scenario([], [f"hv{n}" for n in range(300)]))
    addresses = [h.management.partition("/")[0] for h in wanted.hypervisors] + [wanted.controller]
    assert len(set(addresses)) == 301


@pytest.mark.parametrize(("mtu", "inner"), [(1500, 1450), (9000, 8950)])
def test_the_inner_mtu_leaves_room_for_the_encapsulation(mtu, inner):
    wanted = made(scenario([port("red/vm1")], mtu=mtu))
    assert (wanted.underlay_mtu, wanted.inner_mtu) == (mtu, inner)


def test_a_plan_survives_the_channel():
    wanted = made(scenario([port("red/vm1"), port("blue/vm1", "hv2")], encap="geneve"))
    assert Plan.from_json(json.loads(json.dumps(wanted.as_json()))) == wanted


def test_in_a_running_lab_a_node_keeps_the_name_that_it_was_given():
    wanted = scenario([port("red/vm1"), port("red/vm2", ips=("10.0.0.6",))])
    assert fresh_nodes(wanted) == {("red", "vm1"): "i1", ("red", "vm2"): "i2"}

    made = plan(wanted, assign(wanted), {("red", "vm1"): "i7", ("red", "vm2"): "i2"})

    assert {i.ports[0].path: i.node for i in made.instances} == {"red/vm1": "i7", "red/vm2": "i2"}
