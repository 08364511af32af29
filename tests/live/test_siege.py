"""A siege finds what opens, and knows when it cannot tell."""

import pytest
from orders import kinds, protected
from remains import until
from siege import Siege

from sdn_lab.lab import Lab, Options


@pytest.fixture(scope="module")
def lab():
    with Lab(protected(), Options(backend="mininet", methods=("graph",))) as running:
        yield running


def change(lab, how, flow):
    for hypervisor in ("hv1", "hv2", "hv3"):
        words = ["ovs-ofctl", "-O", "OpenFlow13", "--strict", how, "br-int", flow]
        child = lab.backend.spawn_on(hypervisor, words)
        assert child.stdout.read() + child.last_words() == ""
        child.kill()


def found(siege):
    return {sentence.partition(" arrived at ")[0] for sentence in siege.leaks}


def test_all_that_is_allowed_arrives_and_nothing_else(lab):
    with Siege(lab, kinds(lab.scenario)) as siege:
        siege.until(lambda: siege.denied > 2000, "too slow")
    siege.assert_closed()
    allowed = [order for order in siege.orders if order.dst is not None]
    assert [siege.arrived[order] for order in allowed] == [siege.sent[order] for order in allowed]


def test_every_kind_of_packet_is_found_on_switches_that_flood(lab):
    """The control: each is seen by the very sockets that see nothing while the switches are closed."""
    denied = [order for order in kinds(lab.scenario) if order.dst is None]
    try:
        with Siege(lab, denied, rate=200) as siege:
            siege.assert_closed()
            change(lab, "add-flow", "table=0,priority=60000,actions=ALL")
            with pytest.raises(AssertionError, match="arrived at port:"):
                siege.until(lambda: False, "an open switch was not noticed")
            until(lambda: found(siege) == {str(order) for order in denied}, "not every kind was found")
    finally:
        change(lab, "del-flows", "table=0,priority=60000")
