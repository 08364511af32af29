"""The harness of the trace records says what is so; and what is covered agrees."""

from __future__ import annotations

import json
import lzma

import pytest

from tests.conformance import trace, trace_features
from tests.conformance.__main__ import main
from tests.conformance.case_files import folder
from tests.conformance.trace_bridge import Bridges, port_vlan
from tests.conformance.trace_flow import Flow, differences

FLOW = (
    "tcp,in_port=1,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,"
    "nw_dst=10.0.0.2,nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no,tp_src=1000,tp_dst=80,tcp_flags=syn"
)


def record(actions, dpactions, final="unchanged", flow=FLOW, bridges=None, ports=None, patches=(), **more):
    names = ports or {"p1": 1, "p2": 2, "p3": 3}
    tables = bridges or {"br0": [f"in_port=1 actions={actions}"]}
    stdout = "".join(f'bridge("{name}")\n' for name in tables)
    held = {
        "id": 1,
        "test": "made up",
        "bridges": {name: {"flows": flows, "groups": [], "fdb": []} for name, flows in tables.items()},
        "ports": {n: {"ofport": p, "dpport": str(10 + p), "type": "dummy"} for n, p in names.items()},
        "interfaces": [{"name": n, "options": ["map", [["peer", peer]]]} for n, peer in patches],
        "port_cfg": [{"_uuid": ["uuid", name], "name": name} for name in names],
        "mirrors": [],
        "trace_args": ["br0", FLOW],
        "flow": [flow],
        "final": [final],
        "dpactions": [dpactions],
        "stdout": stdout,
    }
    for name, peer in patches:
        held["ports"][name] = {"ofport": names[name], "dpport": "none", "type": f"patch: peer={peer}"}
    for name in tables:
        held["ports"][name] = {"ofport": 65534, "dpport": "100", "type": "dummy-internal"}
    return {**held, **more}


def test_a_record_agrees_where_flow_and_ports_do():
    assert trace.failure(record("output:2,output:3", "12,13")) == ""
    changed = FLOW.replace("nw_ttl=64", "nw_ttl=63")
    assert trace.failure(record("dec_ttl,output:2", "set(ipv4(ttl=63)),12", changed)) == ""


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (record("output:2", "13"), "ports: 12, not 13"),
        (record("output:2,output:2", "12"), "ports: 12,12, not 12"),
        (record("drop", "12"), "ports: none, not 12"),
        (record("dec_ttl,output:2", "12"), "final flow: nw_ttl: 0x3f, not 0x40"),
        (record("set_field:5->reg3,output:2", "12"), "final flow: reg3: 0x5, not 0x0"),
        (record("output:2", "push_vlan(vid=5,pcp=0),12"), "tags: [('12', ())], not [('12', ((5, 0),))]"),
        (
            record("push_vlan:0x8100,output:2", "push_vlan(vid=0,pcp=0),12"),
            "final flow: tags: [(0, 0)], not []",
        ),
        (record("decap(),output:2", "12"), "table 0: action Decap is not supported"),
    ],
)
def test_a_planted_fault_is_found(made, why):
    assert trace.failure(made).startswith(why)


def test_bridges_are_joined_by_their_patch_ports():
    ports = {"p1": 1, "a": 2, "b": 1, "p7": 7}
    tables = {
        "br0": ["in_port=1 actions=output:2"],
        "br1": ["in_port=1 actions=output:7,LOCAL", "in_port=7 actions=drop"],
    }
    made = record("", "17,100", bridges=tables, ports=ports, patches=(("a", "b"), ("b", "a")))
    bridges = Bridges(made, "br0", 1)
    assert {i.name: i.bridge for i in bridges.interfaces.values()} == {
        "p1": "br0",
        "a": "br0",
        "br0": "br0",
        "b": "br1",
        "p7": "br1",
        "br1": "br1",
    }
    assert trace.failure(made) == ""


def test_a_ports_row_of_the_database_is_read():
    row = {"tag": 5, "vlan_mode": "native-untagged", "trunks": ["set", [5, 6]], "other_config": ["map", []]}
    assert port_vlan(row).carries(6)
    assert not port_vlan(row).carries(7)
    assert not port_vlan({"tag": 5}).carries(5)
    assert port_vlan({}).carries(7)


def test_a_flow_becomes_a_packet_that_is_it_again():
    for text in (
        FLOW,
        FLOW.replace("vlan_tci=0x0000", "dl_vlan=5,dl_vlan_pcp=3,dl_vlan1=7,dl_vlan_pcp1=0"),
        FLOW.replace("nw_ttl=64", "nw_ttl=0"),
        "in_port=1,vlan_tci=0x0000,dl_src=02:00:00:00:00:01,dl_dst=00:00:00:00:00:00,dl_type=0x05ff",
        "arp,in_port=1,vlan_tci=0x0000,arp_spa=1.2.3.4,arp_tpa=1.2.3.5,arp_op=1,arp_sha=02:00:00:00:00:01",
    ):
        assert differences(Flow(text).packet(), Flow(text)) == []
    assert differences(Flow(FLOW).packet(), Flow(FLOW.replace("tp_dst=80", "tp_dst=81"))) == [
        "tcp_dst: 0x50, not 0x51"
    ]


def test_outputs_are_read_with_what_is_nested_and_what_is_not_an_output():
    text = "set(ipv4(dst=1.1.1.1)),push_vlan(vid=5,pcp=1),3,clone(ct(commit),pop_vlan,4),"
    text += "userspace(pid=0,x(7)),p2"
    tag = ((5, 1),)
    assert trace.outputs([text], (), {"p2"}) == [("3", tag), ("4", ()), ("p2", tag)]
    assert trace.outputs(["drop"], ()) == []


def test_features_are_what_a_record_uses():
    made = record("decap(),output:2", "pop_eth,recirc(0x1)", stdout='bridge("br0")\n  debug_recirc\n')
    assert {"action:Decap", "action:Output", "match:in_port", "trace:cut", "action:debug_recirc"} <= (
        trace_features.of(made)
    )


def test_a_table_that_cannot_be_read_fails_the_run(tmp_path, capsys):
    made = record("frobnicate", "12")
    with lzma.open(tmp_path / trace.FILE, "wt") as held:
        held.write(json.dumps(made))
    assert main([trace.NAME, "--cases", str(tmp_path)]) == 1
    assert "1 records, 0 read" in capsys.readouterr().out


@pytest.mark.skipif(not (folder() / trace.FILE).exists(), reason=f"{folder() / trace.FILE} is not there")
def test_every_table_is_read_nine_in_ten_are_covered_and_those_agree():
    summary = trace.run(folder())
    assert not summary.unparsed
    assert len(summary.covered) >= 0.9 * summary.total
    assert [(one.name, one.failure) for one in summary.covered if one.failure] == []
    text, passed = trace.judged(folder())
    assert passed, text
