"""A tracked flow may go on if it could be opened now; any other may not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sdn_lab.lab.established import outlawed
from sdn_lab.model.assignment import assign
from sdn_lab.model.tracked import Tracked
from sdn_lab.model.traffic import ICMP, ICMPV6, SCTP, TCP, UDP, Microflow
from sdn_lab.scenario import loads

TEXT = """
version: 1
name: flows
underlay: {sites: {here: [hv1, hv2]}}
tenants:
  red: &tenant
    networks: {app: {cidr: [10.0.0.0/24, "fd00:a::/64"]}}
    security_groups:
      w:
        - {direction: ingress, protocol: tcp, ports: 80, remote: any}
        - {direction: ingress, protocol: sctp, ports: 5000, remote: any}
        - {direction: ingress, protocol: icmp, remote: any}
    instances:
      vm1: {network: app, hypervisor: hv1, ip: [10.0.0.1, "fd00:a::1"], mac: "02:00:00:00:00:01", groups: [w]}
      vm2: {network: app, hypervisor: hv2, ip: [10.0.0.2, "fd00:a::2"], mac: "02:00:00:00:00:02", groups: [w]}
      vm3: {network: app, hypervisor: hv2, ip: 10.0.0.3, mac: "02:00:00:00:00:03"}
  blue: *tenant
"""
SCENARIO = loads(TEXT, "flows.yaml")
ASSIGNMENT = assign(SCENARIO)


def flow(src: str, dst: str, protocol: int, **more: int) -> Microflow:
    return Microflow(src=ip_address(src), dst=ip_address(dst), protocol=protocol, **more)


def judged(opened: Microflow, port: str, scenario=SCENARIO) -> bool:
    """Whether a flow may stay in a port's zone."""
    datapath, attachment = ASSIGNMENT.locate(port)
    tracked = Tracked(hypervisor=datapath.hypervisor, zone=attachment.zone, flow=opened)
    return not list(outlawed(scenario, ASSIGNMENT, [tracked]))


WEB = flow("10.0.0.1", "10.0.0.2", TCP, src_l4=40000, dst_l4=80)


@pytest.mark.parametrize("port", ["red/vm1", "red/vm2", "blue/vm1", "blue/vm2"])
def test_what_may_be_opened_stays_at_both_ends_and_in_both_tenants(port):
    assert judged(WEB, port)


@pytest.mark.parametrize(
    "opened",
    [
        replace(WEB, dst_l4=81),
        flow("10.0.0.1", "10.0.0.2", UDP, src_l4=40000, dst_l4=80),
        flow("10.0.0.1", "10.0.0.3", TCP, src_l4=40000, dst_l4=80),
        flow("10.0.0.1", "10.0.0.99", TCP, src_l4=40000, dst_l4=80),
        flow("10.0.0.1", "10.0.0.1", TCP, src_l4=40000, dst_l4=80),
        flow("10.0.0.1", "255.255.255.255", UDP, src_l4=40000, dst_l4=80),
        flow("10.0.0.1", "10.0.0.2", 47),
    ],
    ids=["port", "protocol", "no group", "nobody", "itself", "broadcast", "gre"],
)
def test_what_may_not_be_opened_ends(opened):
    assert not judged(opened, "red/vm1")


def test_a_flow_of_other_peoples_addresses_ends():
    assert not judged(WEB, "red/vm3")


def test_the_direction_in_which_it_was_opened_counts():
    back = replace(WEB, src_l4=80, dst_l4=40000, src=WEB.dst, dst=WEB.src)

    assert not judged(back, "red/vm1")


def test_pings_are_judged_by_their_type_and_family():
    assert judged(flow("10.0.0.1", "10.0.0.2", ICMP, icmp_type=8), "red/vm1")
    assert judged(flow("fd00:a::1", "fd00:a::2", ICMPV6, icmp_type=128), "red/vm2")
    assert not judged(flow("10.0.0.1", "10.0.0.3", ICMP, icmp_type=8), "red/vm1")


def test_sctp_stays_while_any_port_of_it_is_open_because_the_tracker_knows_none():
    association = flow("10.0.0.1", "10.0.0.2", SCTP)
    closed = loads(
        TEXT.replace("        - {direction: ingress, protocol: sctp, ports: 5000, remote: any}\n", ""), "x"
    )

    assert judged(association, "red/vm1")
    assert not judged(association, "red/vm1", closed)


def test_a_zone_of_nobody_keeps_nothing():
    nobodys = Tracked(hypervisor="hv1", zone=77, flow=WEB)

    assert list(outlawed(SCENARIO, ASSIGNMENT, [nobodys])) == [nobodys]
