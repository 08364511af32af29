"""The simulator's physical bridge has the entries that real Open vSwitch gets."""

from ipaddress import IPv4Address

import pytest

from sdn_lab.backends.mininet import physical as real
from sdn_lab.backends.sim import physical
from sdn_lab.openflow.text import parse_flows

OWN, PEERS = "172.31.0.1", ["172.31.0.2", "172.31.0.9"]


@pytest.mark.parametrize("l4_port", [4789, 6081])
def test_it_equals_what_the_other_backend_writes(l4_port):
    ours = physical.entries(IPv4Address(OWN), [IPv4Address(p) for p in PEERS], l4_port)
    lines = "\n".join(real.entries(OWN, PEERS, l4_port))
    theirs = parse_flows(lines, "physical.flows")
    assert {(e.key, e.instructions, e.cookie) for e in ours} == {
        (e.key, e.instructions, e.cookie) for e in theirs
    }
    assert real.UPLINK_OF_PORT == physical.UPLINK_OF_PORT


def test_one_hypervisor_alone_lets_nothing_through():
    assert physical.entries(IPv4Address(OWN), [], 4789) == ()
