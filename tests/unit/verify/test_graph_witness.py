"""From constraints to frames, and a search that says when it has not looked at everything."""

import pytest

from sdn_lab.openflow.packet import parse
from sdn_lab.verify.graph.fabric import End, Fabric, Sink
from sdn_lab.verify.graph.forwarding import ForwardingGraph
from sdn_lab.verify.graph.frame import build, templates
from sdn_lab.verify.graph.witness import Answer, Search
from tests.unit.verify.graph_world import BLUE, RED, scenario, snapshot, sound

BLUE_VM1 = frozenset({Sink(End.PORT, "blue/vm1")})


def search(*lines, **limits):
    tables = sound()
    tables["hv1"] += lines
    graph = ForwardingGraph(Fabric(snapshot(tables), "vxlan"))
    return Search(graph, scenario(), **limits)


def test_every_template_carries_what_it_says():
    src, dst = scenario().port("red/vm1"), scenario().port("red/vm2")
    for fields in templates(src, dst):
        carried = parse(build(fields))
        assert {name: carried.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    "fields",
    [
        {"eth_type": 0x0800, "ip_proto": 132, "sctp_dst": 38},
        {"eth_type": 0x0800, "ip_proto": 47, "ip_dscp": 46, "nw_ttl": 1},
        {"eth_type": 0x0800, "ip_proto": 17, "ip_frag": 1},
        {"eth_type": 0x0800, "ip_proto": 17, "ip_frag": 3},
        {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "nd_target": 5, "nd_sll": 7},
        {"eth_type": 0x86DD, "ip_proto": 6, "tcp_dst": 443, "tcp_flags": 0x12, "ipv6_flabel": 9},
        {"eth_type": 0x8847, "eth_dst": 5},
        {"eth_type": 0x0806, "vlan_vid": 0x1005, "vlan_pcp": 3, "arp_op": 2, "arp_spa": 9},
    ],
)
def test_unusual_frames_can_be_built_too(fields):
    carried = parse(build(fields))
    assert {name: carried.get(name) for name in fields} == fields


def test_no_path_is_no_packet():
    assert search().look(("red/vm1",), BLUE_VM1).answer is Answer.NONE


def test_a_path_becomes_a_frame():
    found = search(f"table=0,priority=300,in_port={RED},actions=output:{BLUE}").look(("red/vm1",), BLUE_VM1)
    assert found.answer is Answer.SHOWN
    assert found.witness.sink == Sink(End.PORT, "blue/vm1")


@pytest.mark.parametrize("limits", [{"budget": 0}, {"budget": 1}])
def test_a_spent_budget_is_open_and_says_so(limits):
    lines = (
        f"table=0,priority=300,in_port={RED},tcp,actions=goto_table:45",
        f"table=45,priority=1,udp,actions=output:{BLUE}",
    )
    assert search(*lines).look(("red/vm1",), BLUE_VM1).answer is Answer.NONE
    found = search(*lines, **limits).look(("red/vm1",), BLUE_VM1)
    assert found.answer is Answer.OPEN
    assert "budget" in found.why


def test_a_loop_ends():
    lines = (
        f"table=0,priority=300,in_port={RED},actions=resubmit(,45)",
        f"table=45,priority=2,tcp,actions=resubmit(,45),output:{BLUE}",
        "table=45,priority=1,actions=resubmit(,45)",
    )
    assert search(*lines).look(("red/vm1",), BLUE_VM1).answer is not Answer.NONE
