"""The graph finds each planted fault, and raises no alarm over sound tables."""

from dataclasses import replace

import pytest

from sdn_lab.model.verdict import Status
from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import Origin
from sdn_lab.openflow.text import parse_groups
from tests.unit.verify.graph_world import BLUE, BLUE_VNI, RED, judge, scenario, snapshot, sound

ISOLATED = "isolated/blue/app/red/app"
REACHABLE = "reachable/red/vm1/red/vm2/tcp/80"
BLUE_HERE = "set_field:201->metadata,set_field:101"


def replaced(bridge, old, new, count=None):
    tables = sound()
    hits = [n for n, line in enumerate(tables[bridge]) if old in line][:count]
    assert hits, f"nothing in {bridge} has {old!r}"
    for n in hits:
        tables[bridge][n] = tables[bridge][n].replace(old, new)
    return tables


def added(bridge, *lines):
    tables = sound()
    tables[bridge] += lines
    return tables


def removed(bridge, part):
    tables = sound()
    kept = [line for line in tables[bridge] if part not in line]
    assert len(kept) < len(tables[bridge])
    tables[bridge] = kept
    return tables


def test_sound_tables_raise_no_alarm():
    verdicts = judge(snapshot(sound()))
    assert {v.status for v in verdicts.values()} == {Status.HOLDS}
    assert {claim.partition("/")[0] for claim in verdicts} == {"isolated", "management", "segmented"}
    assert "every header, by over-approximation of 34 entries" in verdicts[ISOLATED].covers


# Each leaks for certain: the graph must show a frame.
LEAKS = {
    "wrong VNI set at classification": replaced("hv1", "set_field:202->metadata,set_field:101", BLUE_HERE),
    "wrong VNI on the tunnel": replaced("hv1", "set_field:202->tun_id", "set_field:201->tun_id"),
    "VNI right in the low 24 bits": replaced(
        "hv1", "set_field:202->tun_id", f"set_field:{1 << 24 | BLUE_VNI}->tun_id"
    ),
    "VNI taken for the other network": replaced(
        "hv2", "set_field:201->metadata,goto_table:20", "set_field:202->metadata,goto_table:20"
    ),
    "output added": replaced("hv1", "output:NXM_NX_REG5[]", f"output:NXM_NX_REG5[],output:{BLUE}"),
    "wrong output register": replaced("hv1", f"set_field:{RED}->reg5", f"set_field:{BLUE}->reg5"),
    "FLOOD": added("hv1", "table=0,priority=300,actions=FLOOD"),
    "ALL in the action set": added(
        "hv1", f"table=0,priority=300,in_port={RED},actions=write_actions(output:ALL)"
    ),
    "NORMAL": added("hv1", "table=0,priority=300,actions=NORMAL"),
    "a miss opened": added("hv1", f"table=20,priority=0,actions=output:{BLUE}"),
    "tagged frames slip past": added("hv1", f"table=0,priority=50,in_port={RED},actions=output:{BLUE}"),
    "metadata written after the guard": replaced(
        "hv1", "priority=1,actions=goto", "priority=1,actions=set_field:201->metadata,goto"
    ),
    "guard removed": added(
        "hv1", f"table=20,priority=200,dl_dst=02:00:00:00:00:01,actions=output:{BLUE},output:{RED}"
    ),
    "resubmitted as the other's": added(
        "hv1", f"table=0,priority=300,in_port={RED},actions=resubmit({BLUE},0)"
    ),
    "a clone sent": added("hv1", f"table=0,priority=300,in_port={RED},actions=clone(output:{BLUE})"),
    "through a queue": added("hv1", f"table=0,priority=300,in_port={RED},actions=enqueue:{BLUE}:1"),
    "cut short": added("hv1", f"table=0,priority=300,in_port={RED},actions=output(port={BLUE},max_len=60)"),
}


@pytest.mark.parametrize("fault", LEAKS)
def test_a_leak_is_shown_with_a_frame_and_its_path(fault):
    verdict = judge(snapshot(LEAKS[fault]))[ISOLATED]
    assert verdict.status is Status.VIOLATED, verdict.reason
    witness = verdict.counterexample
    assert {witness.src.partition("/")[0], witness.dst.partition("/")[0]} == {"red", "blue"}
    assert bytes.fromhex(witness.packet_hex)
    assert witness.path[0].datapath in ("hv1", "hv2")
    assert witness.path[0].table == 0
    assert "actions=" in witness.path[-1].entry


# Each may leak; what is not decided must never be called isolated.
DOUBTS = {
    "tunnel accepts any VNI": replaced("hv2", ",tun_id=202", ""),
    "match removed, equal priorities": replaced("hv1", "metadata=202,dl_dst", "dl_dst", 1),
    "output to a port that the packet names": added(
        "hv1", "table=0,priority=300,udp,actions=move:NXM_OF_UDP_DST[]->NXM_NX_REG5[0..15],goto_table:50"
    ),
    "output to what was popped": added(
        "hv1", "table=0,priority=300,actions=push:NXM_OF_ETH_SRC[0..15],pop:NXM_NX_REG5[0..15],goto_table:50"
    ),
    "what was learned": added(
        "hv1",
        "table=0,priority=300,actions=learn(table=99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
        "output:NXM_OF_IN_PORT[]),resubmit(,99)",
    ),
    "learned in a clone": added(
        "hv1",
        "table=0,priority=300,actions=clone(learn(table=99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
        "output:NXM_OF_IN_PORT[])),goto_table:99",
    ),
    "a bundle": added(
        "hv1", f"table=0,priority=300,actions=bundle(eth_src,0,hrw,ofport,members:{RED},{BLUE})"
    ),
    "addresses translated": added(
        "hv1",
        "table=0,priority=300,ip,actions=ct(commit,nat(src=10.0.0.77),table=97)\n"
        f"table=97,ip,nw_src=10.0.0.77,actions=output:{BLUE}",
    ),
    "a header taken off": added("hv1", "table=0,priority=300,actions=decap(),goto_table:50"),
    "a header taken off in the action set": added(
        "hv1", "table=0,priority=300,actions=write_actions(decap(),output:1)"
    ),
    "an option of the tunnel": added("hv1", f"table=0,priority=300,tun_metadata0=7,actions=output:{BLUE}"),
    "the tag rewritten": added(
        "hv1",
        f"table=0,priority=300,actions=mod_vlan_vid:0,resubmit(,98)\n"
        f"table=98,vlan_tci=0x1000/0x1fff,actions=output:{BLUE}",
    ),
}


@pytest.mark.parametrize("fault", DOUBTS)
def test_what_cannot_be_decided_is_unknown_and_says_where(fault):
    verdict = judge(snapshot(DOUBTS[fault]))[ISOLATED]
    assert verdict.status is Status.UNKNOWN
    assert "could not be decided: hv1 table 0" in verdict.reason


def test_a_leak_is_reported_by_segmentation_too_with_what_joins():
    verdict = judge(snapshot(LEAKS["output added"]))["segmented"]
    assert verdict.status is Status.VIOLATED
    assert "blue/app + red/app" in verdict.reason
    assert verdict.counterexample is not None


def test_an_output_to_local_is_out_of_bounds_for_the_ports_that_reach_it():
    verdicts = judge(snapshot(added("hv1", f"table=0,priority=300,in_port={RED},actions=LOCAL")))
    assert verdicts["management/red/vm1"].status is Status.VIOLATED
    assert verdicts["management/red/vm1"].counterexample.dst == "management:hv1"
    assert verdicts["management/blue/vm1"].status is Status.HOLDS


def test_flood_reaches_the_stack_of_the_hypervisor():
    verdicts = judge(snapshot(LEAKS["FLOOD"]))
    assert verdicts["management/red/vm1"].status is Status.VIOLATED


def test_a_plain_frame_on_the_physical_network_is_out_of_bounds():
    tables = added("hv1", f"table=0,priority=300,in_port={RED},actions=output:9")
    verdicts = judge(snapshot(tables, hv1={9: "uplink"}))
    assert verdicts["management/red/vm1"].status is Status.VIOLATED
    assert verdicts["management/red/vm1"].counterexample.dst == "underlay:hv1"


def test_a_plain_frame_in_a_physical_bridges_stack_may_forge_any_tunnel():
    """hv1 lets plain frames out; hv2's physical bridge takes them in: red may then speak as blue."""
    tables = added("hv1", f"table=0,priority=300,in_port={RED},actions=output:9")
    verdicts = judge(snapshot(tables, hv1={9: "uplink"}))
    assert verdicts[ISOLATED].status is Status.UNKNOWN
    assert "underlay" in verdicts[ISOLATED].reason


def test_tunnel_frames_of_tenants_may_not_leave_the_physical_bridge_for_the_controller():
    tables = added("hv1/underlay", "table=0,priority=300,udp,actions=CONTROLLER:65535")
    assert not judge(snapshot(tables))


def test_the_controller_makes_the_graph_abstain():
    tables = added("hv1", f"table=20,priority=0,in_port={RED},actions=CONTROLLER:65535")
    verdicts = judge(snapshot(tables))
    assert ISOLATED not in verdicts
    assert "segmented" not in verdicts
    assert "management/red/vm1" not in verdicts
    assert verdicts["management/blue/vm1"].status is Status.HOLDS


def test_a_leak_counts_even_where_the_controller_is_asked_too():
    tables = added("hv1", f"table=0,priority=300,in_port={RED},actions=CONTROLLER:65535,output:{BLUE}")
    assert judge(snapshot(tables))[ISOLATED].status is Status.VIOLATED


def test_no_path_at_all_is_unreachable_and_any_path_is_an_abstention():
    assert REACHABLE not in judge(snapshot(sound()))
    verdict = judge(snapshot(removed("hv1", "set_field:202->tun_id")))[REACHABLE]
    assert verdict.status is Status.VIOLATED
    assert "no entries lead from red/vm1 to red/vm2" in verdict.reason
    assert "it reaches no other port" in verdict.reason


def test_a_bridge_that_is_not_secure_is_undecided():
    held = snapshot(sound())
    state = replace(held.datapaths["hv2"], fail_mode="standalone")
    verdict = judge(replace(held, datapaths={**held.datapaths, "hv2": state}))[ISOLATED]
    assert verdict.status is Status.UNKNOWN
    assert "fail_mode=standalone" in verdict.reason


def test_an_unknown_interface_is_undecided():
    tables = added("hv1", f"table=0,priority=300,in_port={RED},actions=output:9")
    verdict = judge(snapshot(tables, hv1={9: "unknown:tap7"}))[ISOLATED]
    assert verdict.status is Status.UNKNOWN
    assert "tap7" in verdict.reason


def test_a_port_that_no_datapath_has_is_undecided():
    held = snapshot(sound(), hv1={RED: "unknown:gone"})
    assert judge(held)[ISOLATED].status is Status.UNKNOWN
    assert "red/vm1" in judge(held)[ISOLATED].reason


def test_a_dump_that_lacks_a_bridge_is_undecided():
    tables = sound()
    del tables["hv2"]
    assert judge(snapshot(tables))[ISOLATED].status is Status.UNKNOWN


def test_a_path_that_contradicts_itself_is_refuted():
    """Coarsely red reaches blue; but what enters table 45 is TCP, and what leaves it is UDP."""
    tables = added(
        "hv1",
        f"table=0,priority=300,in_port={RED},tcp,actions=goto_table:45",
        f"table=45,priority=1,udp,actions=output:{BLUE}",
    )
    verdict = judge(snapshot(tables))[ISOLATED]
    assert verdict.status is Status.HOLDS
    assert "refuted" in verdict.covers


def test_the_frame_slips_past_entries_that_would_stop_it():
    """The obvious frame (UDP to 40002, untagged) is dropped first; the witness must be another."""
    tables = added(
        "hv1",
        f"table=0,priority=310,in_port={RED},udp,tp_dst=40002,actions=drop",
        f"table=0,priority=300,in_port={RED},udp,actions=output:{BLUE}",
    )
    verdict = judge(snapshot(tables))[ISOLATED]
    assert verdict.status is Status.VIOLATED
    assert "40002" not in verdict.counterexample.packet


def test_a_certain_entry_above_shadows_what_is_below():
    tables = added(
        "hv1",
        f"table=0,priority=310,in_port={RED},actions=drop",
        f"table=0,priority=300,in_port={RED},actions=output:{BLUE}",
    )
    assert judge(snapshot(tables))[ISOLATED].status is Status.HOLDS


def test_a_shared_conntrack_zone_joins_no_networks_by_itself():
    """No packet crosses; that answers may be forged within a zone is for proof and probes to say."""
    verdict = judge(snapshot(replaced("hv1", "set_field:101->reg6", "set_field:100->reg6")))[ISOLATED]
    assert verdict.status is Status.HOLDS
    assert "conntrack" in verdict.covers


def test_groups_are_followed_into_every_bucket():
    tables = added("hv1", f"table=0,priority=300,in_port={RED},actions=group:7")
    held = snapshot(tables)
    for kind, status in (("all", Status.VIOLATED), ("select", Status.UNKNOWN)):
        text = f"group_id=7,type={kind},bucket=actions=output:1,bucket=actions=output:{BLUE}"
        state = held.datapaths["hv1"]
        state = replace(state, tables=replace(state.tables, groups=parse_groups(text)))
        verdict = judge(replace(held, datapaths={**held.datapaths, "hv1": state}))[ISOLATED]
        assert verdict.status is status


def test_a_path_names_objects_of_the_scenario_and_their_lines():
    cookie = encode(Origin(stage="classify", kind="port", path="red/vm1"))
    line = f"cookie={cookie:#x},table=0,priority=300,in_port={RED},actions=output:{BLUE}"
    verdict = judge(snapshot(added("hv1", line)))[ISOLATED]
    assert verdict.counterexample.path[0].origin.startswith("classify: port red/vm1 (twins.yaml:")


def test_a_tag_may_hide_a_second_one():
    """Popped once, the frame is not certainly untagged: no path through a match on a tag is refuted."""
    tables = added(
        "hv1",
        f"table=0,priority=300,in_port={RED},vlan_tci=0x1000/0x1000,actions=pop_vlan,goto_table:45",
        f"table=45,priority=1,vlan_tci=0x1005/0x1fff,actions=output:{BLUE}",
    )
    assert judge(snapshot(tables))[ISOLATED].status is Status.UNKNOWN


def test_a_pushed_tag_is_matched_on_as_it_was_set():
    pushed = f"table=0,priority=300,in_port={RED},vlan_tci=0/0x1000,udp,actions=push_vlan:0x8100,"
    for vid, status in ((5, Status.VIOLATED), (6, Status.HOLDS)):
        tables = added(
            "hv1",
            f"{pushed}set_field:{0x1000 | vid}->vlan_vid,goto_table:45",
            f"table=45,priority=1,vlan_tci=0x1005/0x1fff,actions=pop_vlan,output:{BLUE}",
        )
        assert judge(snapshot(tables))[ISOLATED].status is status


def test_a_frame_under_the_others_vni_is_a_leak_though_nobody_takes_it_in():
    """hv2 has no entry for it: it ends there, and yet red's frame was in blue's virtual network."""
    tables = replaced("hv1", "set_field:202->tun_id", f"set_field:{vni('blue/app')}->tun_id")
    verdict = judge(snapshot(tables))[ISOLATED]
    assert verdict.status is Status.VIOLATED
    assert verdict.counterexample.dst == "underlay:hv1"
    assert f"leaves hv1 under VNI {vni('blue/app')}, which is blue/app's" in verdict.reason


def test_a_vni_that_the_packet_names_is_undecided():
    tables = added(
        "hv1",
        f"table=0,priority=300,in_port={RED},udp,"
        "actions=move:NXM_OF_UDP_DST[]->NXM_NX_TUN_ID[0..15],set_field:172.31.0.2->tun_dst,output:1",
    )
    verdict = judge(snapshot(tables))[ISOLATED]
    assert verdict.status is Status.UNKNOWN


def test_a_tunnel_to_nowhere_is_no_wire():
    tables = added(
        "hv1", f"table=0,priority=300,in_port={RED},actions=set_field:{vni('blue/app')}->tun_id,output:1"
    )
    assert judge(snapshot(tables))[ISOLATED].status is Status.HOLDS


def vni(network):
    return scenario().network(network).vni
