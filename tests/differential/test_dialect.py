"""Open vSwitch's own words, put to Open vSwitch: it takes them, dumps them as we do, and does the same.

`test_switch` draws tables of everything; here every action stands once, with a frame that shows what it does.
"""

from __future__ import annotations

import pytest

from sdn_lab.openflow import frames
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.text import format_entry, format_groups, parse_flows, parse_groups, sort_entries
from tests.unit.openflow.dialect import DUMPED, MEANS

from .ovs_process import Vswitch

pytestmark = pytest.mark.ovs
PORTS = {f"p{n}": n for n in range(1, 7)}
MATCHES = {"fin_timeout": "tcp", "NXM_OF_IP_DST": "tcp", "dec_ttl": "ip"}
# Over OpenFlow 1.3 Open vSwitch writes these in other words.
OTHERWISE = ("enqueue:1:7", "resubmit(,7,ct)")  # the second only behind a match on a valid connection
OTHER_WORDS = ("mod_vlan_", "strip_vlan")


def loaded(vswitch: Vswitch, text: str) -> Tables:
    vswitch.load("br0", text)
    return Tables(entries=parse_flows(vswitch.dump_flows("br0"), "dump"))


@pytest.mark.parametrize("actions", [a for a in DUMPED if a not in OTHERWISE])
def test_open_vswitch_takes_what_we_write_and_dumps_what_we_read(vswitch: Vswitch, actions: str) -> None:
    match = next((match for word, match in MATCHES.items() if word in actions), "priority=9")
    [entry] = parse_flows(f"{match} actions={actions}")
    assert loaded(vswitch, format_entry(entry)).entries == (entry,)


@pytest.mark.parametrize("written", [pair[0] for pair in MEANS if not any(w in pair[0] for w in OTHER_WORDS)])
def test_open_vswitch_reads_the_older_words_as_we_do(vswitch: Vswitch, written: str) -> None:
    [entry] = parse_flows(written)
    held = loaded(vswitch, written)
    again = loaded(vswitch, format_entry(entry))
    assert held.entries == again.entries


def tcp(dst: str = "02:00:00:00:00:02", *, ttl: int = 64, tag: bytes = b"") -> bytes:
    src_ip, dst_ip = "10.0.0.1", "10.0.0.2"
    packet = frames.ipv4(src_ip, dst_ip, 6, frames.tcp(src_ip, dst_ip, 1000, 80, flags=2), ttl=ttl)
    made = frames.ethernet("02:00:00:00:00:01", dst, 0x0800, packet, pad=True)
    return made[:12] + tag + made[12:]


TAGGED, TWICE = bytes.fromhex("81006005"), bytes.fromhex("8100600581000007")
FLOWS = {
    "stack": "in_port=1 actions=set_field:3->reg0,push:NXM_NX_REG0[],set_field:4->reg0,"
    "push:NXM_NX_REG0[0..7],pop:NXM_NX_REG1[],output:NXM_NX_REG1[],pop:NXM_NX_REG1[0..7],output:NXM_NX_REG1[],pop:NXM_NX_REG1[]",
    "stack in a called table": "in_port=1 actions=set_field:3->reg0,push:NXM_NX_REG0[],resubmit(,1),"
    "pop:NXM_NX_REG2[],output:NXM_NX_REG2[]\ntable=1 actions=pop:NXM_NX_REG1[],output:NXM_NX_REG1[],"
    "set_field:5->reg3,push:NXM_NX_REG3[]",
    "stack in a clone": "in_port=1 actions=set_field:3->reg0,push:NXM_NX_REG0[],"
    "clone(pop:NXM_NX_REG1[],output:NXM_NX_REG1[]),pop:NXM_NX_REG2[],output:NXM_NX_REG2[]",
    "wide registers": "in_port=1 actions=set_field:0x300000004->xxreg0,push:NXM_NX_XXREG0[],"
    "pop:NXM_NX_XXREG1[],output:NXM_NX_REG7[],output:NXM_NX_REG6[]",
    "clone": "in_port=1 actions=clone(set_field:02:00:00:00:00:09->eth_dst,output:2),output:3",
    "clone that calls": "in_port=1 actions=clone(set_field:5->reg0,resubmit(,1)),output:4,resubmit(,1)\n"
    "table=1,reg0=5 actions=output:2\ntable=1,reg0=0 actions=output:3",
    "clone with an action set": "in_port=1 actions=clone(resubmit(,1)),output:2\n"
    "table=1 actions=write_actions(output:3)",
    "exit": "in_port=1 actions=output:2,exit,output:3",
    "exit in a called table": "in_port=1 actions=output:2,resubmit(,1),output:3\n"
    "table=1 actions=output:4,exit",
    "exit in a clone": "in_port=1 actions=clone(output:2,exit,output:3),output:4",
    "exit before an action set": "in_port=1 actions=resubmit(,1)\n"
    "table=1 actions=output:2,write_actions(output:3),goto_table:2\ntable=2 actions=exit",
    "exit in a group": "in_port=1 actions=group:1,output:4",
    "a port's own": "in_port=1 actions=output(port=2,max_len=40),output:3,enqueue:4:0,set_queue:1,"
    "output:5,pop_queue",
    "length": "in_port=1 actions=check_pkt_larger(53)->NXM_NX_REG0[0],check_pkt_larger(54)->NXM_NX_REG0[1],"
    "resubmit(,1)\ntable=1,reg0=1 actions=output:2\ntable=1,reg0=3 actions=output:3\n"
    "table=1,reg0=0 actions=output:4",
    "tag on": "in_port=1 actions=mod_vlan_vid:9,output:2",
    "tag off": "in_port=1 actions=set_field:0->vlan_tci,output:2",
    "priority on": "in_port=1 actions=mod_vlan_pcp:5,output:2",
    "tag moved": "in_port=1 actions=move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG0[0..11],output:NXM_NX_REG0[],"
    "move:NXM_OF_VLAN_TCI[]->NXM_NX_REG1[0..15],load:0->NXM_OF_VLAN_TCI[],output:2,"
    "move:NXM_NX_REG1[0..15]->NXM_OF_VLAN_TCI[],output:3",
    "older ports": "tcp,in_port=1 actions=mod_tp_dst:81,mod_tp_src:82,output:2",
    "action set's port": "in_port=1 actions=write_actions(output:2),goto_table:1\n"
    "table=1,actset_output=2 actions=output:3,move:ONFOXM_ET_ACTSET_OUTPUT[]->NXM_NX_REG0[],goto_table:2\n"
    "table=2,reg0=2 actions=write_actions(group:1),goto_table:3\n"
    "table=3,actset_output=UNSET actions=output:4",
    "forward calls": "\n".join(f"table={n} actions=resubmit(,{n + 1})" for n in range(200))
    + "\ntable=200 actions=output:2",
    "a backup": "in_port=1 actions=bundle(eth_src,0,active_backup,ofport,members:9,3,2)",
    "a backup to load": "in_port=1 actions=bundle_load(eth_src,0,active_backup,ofport,NXM_NX_REG0[0..15],"
    "members:9,3),output:NXM_NX_REG0[]",
    "mark": "in_port=1 actions=set_field:7->pkt_mark,resubmit(,1)\ntable=1,pkt_mark=7 actions=output:2",
    "note": "in_port=1 actions=note:01.02,output:2",
    "NORMAL": "actions=NORMAL",
}
GROUPS = "group_id=1,type=all,bucket=actions=output:2,bucket=actions=resubmit(,250)"
SENT = {
    "plain": tcp(),
    "tagged": tcp(tag=TAGGED),
    "tagged twice": tcp(tag=TWICE),
    "broadcast": tcp("ff:ff:ff:ff:ff:ff"),
    "to a bridge": tcp("01:80:c2:00:00:0e"),
    "to another": tcp("01:80:c2:00:00:10"),
}


@pytest.mark.parametrize("name", FLOWS)
def test_every_action_does_what_it_does_there(vswitch: Vswitch, name: str) -> None:
    flows, groups = FLOWS[name], GROUPS + (",bucket=actions=output:5" if name != "exit in a group" else "")
    text = flows + "\ntable=250 actions=exit"
    entries, made = parse_flows(text), parse_groups(groups)
    vswitch.load("br0", "\n".join(map(format_entry, entries)), format_groups(made))
    vswitch.control.call("fdb/flush", "br0")
    vswitch.transmitted()
    pipeline = Pipeline(
        Tables(entries=sort_entries(entries), groups=made), tracker=Tracker(), ports=set(PORTS.values())
    )

    for what, frame in SENT.items():
        vswitch.receive("p1", frame)
        theirs = vswitch.transmitted()
        result = pipeline.process(frame, 1)
        ours: dict[str, list[bytes]] = {}
        for sent in result.emissions:
            ours.setdefault(f"p{sent.of_port}", []).append(sent.frame)
        assert not result.notes, (what, result.notes)
        assert ours == theirs, what


@pytest.mark.parametrize(
    "actions",
    [
        *(
            "mod_vlan_vid:9,output:2",
            "mod_vlan_pcp:5,output:2",
            "strip_vlan,output:2",
            "enqueue:2:0,output:3",
        ),
        *(
            "mod_tp_dst:81,mod_tp_src:82,mod_nw_src:10.9.9.9,output:2",
            "mod_nw_tos:32,mod_nw_dst:10.9.9.9,output:2",
        ),
        *(
            "mod_dl_src:02:00:00:00:00:77,mod_dl_dst:02:00:00:00:00:78,IN_PORT",
            "mod_nw_tos:4,output:2",
        ),
    ],
)
@pytest.mark.parametrize("match", ["", "ip,"])
def test_the_words_of_openflow_1_0_do_the_same(vswitch: Vswitch, match: str, actions: str) -> None:
    line = f"{match}in_port=1,actions={actions}"
    vswitch.load("br0", "")
    vswitch.ofctl("add-flow", vswitch.management("br0"), line, version="OpenFlow10")
    vswitch.transmitted()
    pipeline = Pipeline(Tables(entries=parse_flows(line)), ports=set(PORTS.values()))
    for what, frame in SENT.items():
        vswitch.receive("p1", frame)
        theirs = {name: list(sent) for name, sent in vswitch.transmitted().items()}
        ours: dict[str, list[bytes]] = {}
        for sent in pipeline.process(frame, 1).emissions:
            ours.setdefault(f"p{sent.of_port}", []).append(sent.frame)
        assert ours == theirs, what


def test_what_is_learned_is_met_by_the_next_packet(vswitch: Vswitch) -> None:
    flows = (
        "table=0,actions=learn(table=1,priority=7,cookie=0x9,idle_timeout=60,NXM_OF_VLAN_TCI[0..11],"
        "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],eth_type=0x800,load:NXM_NX_REG1[]->NXM_NX_REG0[],"
        "output:NXM_OF_IN_PORT[]),resubmit(,1)\ntable=1,priority=0,actions=FLOOD"
    )
    entries = parse_flows(flows)
    vswitch.load("br0", "\n".join(map(format_entry, entries)))
    for frame in (tcp(), tcp(tag=TAGGED)):
        held = Pipeline(Tables(entries=entries), ports=set(PORTS.values()))
        vswitch.load("br0", "\n".join(map(format_entry, entries)))
        vswitch.transmitted()
        vswitch.receive("p1", frame)
        first = vswitch.transmitted()
        result = held.process(frame, 1)
        assert {f"p{sent.of_port}" for sent in result.emissions} == first.keys()
        dumped = parse_flows(vswitch.dump_flows("br0"), "dump")
        assert dumped == sort_entries([*entries, *result.learned])


def test_normal_learns_where_a_sender_is(vswitch: Vswitch) -> None:
    vswitch.load("br0", "actions=NORMAL")
    vswitch.control.call("fdb/flush", "br0")
    vswitch.transmitted()
    pipeline = Pipeline(Tables(entries=parse_flows("actions=NORMAL")), ports=set(PORTS.values()))
    there = frames.ethernet("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800, bytes(46))
    for port, frame in ((1, tcp()), (2, there), (1, tcp()), (3, tcp(tag=TAGGED)), (2, tcp()), (1, there)):
        vswitch.control.call("revalidator/purge")  # or the first packet's cached flow would flood a while yet
        vswitch.receive(f"p{port}", frame)
        theirs = {name: list(sent) for name, sent in vswitch.transmitted().items()}
        ours: dict[str, list[bytes]] = {}
        for sent in pipeline.process(frame, port).emissions:
            ours.setdefault(f"p{sent.of_port}", []).append(sent.frame)
        assert ours == theirs, (port, frame.hex())
