"""The tracker says of every packet of a random conversation what Open vSwitch's says.

The tables write ct_state (and ct_mark) of each look-up into the destination address, so that it can be read
from the frame that comes out.  Each policy is a way in which tables use ``ct``.
"""

from __future__ import annotations

import os
import random
import re

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.text import parse_flows

from .ovs_process import Vswitch
from .talk import Talk

pytestmark = pytest.mark.ovs
COUNT = int(os.environ.get("SDN_LAB_DIFFERENTIAL", "1"))

SAVE = "move:NXM_NX_CT_STATE[]->NXM_NX_REG0[],move:NXM_NX_CT_MARK[0..15]->NXM_NX_REG1[0..15]"
SHOW = (
    "table=9,actions=move:NXM_NX_REG0[]->NXM_OF_ETH_DST[0..31],"
    "move:NXM_NX_REG1[0..15]->NXM_OF_ETH_DST[32..47],move:NXM_NX_REG2[]->NXM_OF_ETH_SRC[0..31],output:3"
)
POLICIES = {
    "look up only": f"actions=ct(table=1)\ntable=1,actions={SAVE},goto_table:9",
    "commit what is new from one side": f"""actions=ct(table=1,zone=5)
        table=1,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=5),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit what is new, with a mark": f"""actions=ct(table=1,zone=6)
        table=1,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=6,exec(set_field:0x7->ct_mark)),goto_table:9
        table=1,priority=8,ct_state=+new+trk,actions={SAVE},ct(commit,zone=6,exec(set_field:0x8->ct_mark)),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit only pure SYN": f"""actions=ct(table=1,zone=7)
        table=1,priority=9,ct_state=+new+trk,tcp,tcp_flags=+syn-ack-rst-fin,actions={SAVE},ct(commit,zone=7),goto_table:9
        table=1,priority=1,actions={SAVE},goto_table:9""",
    "commit in one step": f"actions=ct(commit,table=1,zone=8)\ntable=1,actions={SAVE},goto_table:9",
    "commit with force": f"""priority=9,in_port=2,actions=ct(commit,force,table=1,zone=8)
        priority=1,actions=ct(commit,table=1,zone=8)
        table=1,actions={SAVE},goto_table:9""",
    "a zone for each side, one after the other": f"""
        priority=9,in_port=1,actions=set_field:11->reg6,set_field:12->reg7,goto_table:1
        priority=9,in_port=2,actions=set_field:12->reg6,set_field:11->reg7,goto_table:1
        table=1,actions=ct(table=2,zone=NXM_NX_REG6[0..15])
        table=2,priority=9,ct_state=+new+trk,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct(commit,zone=NXM_NX_REG6[0..15]),goto_table:3
        table=2,priority=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],goto_table:3
        table=3,actions=ct(table=4,zone=NXM_NX_REG7[0..15])
        table=4,priority=9,ct_state=+new+trk,in_port=1,actions={SAVE},ct(commit,zone=NXM_NX_REG7[0..15]),goto_table:9
        table=4,priority=1,actions={SAVE},goto_table:9""",
    "looked up twice in one zone": f"""actions=ct(table=1,zone=3)
        table=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct(commit,zone=3),ct(table=2,zone=3)
        table=2,actions={SAVE},goto_table:9""",
    "cleared between two zones": f"""actions=ct(commit,table=1,zone=3)
        table=1,actions=move:NXM_NX_CT_STATE[]->NXM_NX_REG2[],ct_clear,ct(commit,table=2,zone=4)
        table=2,actions={SAVE},goto_table:9""",
    "marks and labels in part": f"""actions=ct(commit,table=1,zone=3)
        table=1,priority=9,in_port=2,actions=ct(commit,table=2,zone=3,exec(set_field:0x5/0xf->ct_mark,set_field:0x9->ct_label))
        table=1,priority=1,actions=ct(commit,table=2,zone=3,exec(set_field:0x60/0xf0->ct_mark))
        table=2,actions=move:NXM_NX_CT_LABEL[0..31]->NXM_NX_REG2[],{SAVE},goto_table:9""",
    "what follows a commit": f"""actions=ct(table=1,zone=3)
        table=1,actions=ct(commit,zone=3),{SAVE},goto_table:9""",
    "the packet goes on after ct": f"""actions=ct(commit,zone=3,table=1),{SAVE},goto_table:9
        table=1,actions={SAVE},goto_table:9""",
}


def both_families(line: str) -> str:
    """Return an entry that uses ``ct`` once for each family: Open vSwitch wants the family in its match."""
    if not re.search(r"ct(_clear|\()", line.partition("actions=")[2]):
        return line
    if "tcp," in line:
        return line + "\n" + line.replace("tcp,", "tcp6,")
    head, _, actions = line.partition("actions=")
    return f"{head}ip,actions={actions}\n{head}ipv6,actions={actions}"


def differences(vswitch: Vswitch, flows: str, seed: int) -> list[str]:
    """Return a line for each packet of one conversation of which the two say different things."""
    text = "\n".join(both_families(line.strip()) for line in flows.splitlines()) + "\n" + SHOW
    entries = parse_flows(text)
    pipeline = Pipeline(Tables(entries=entries), tracker=Tracker(), ports=range(1, 7))
    vswitch.load("br0", text)
    vswitch.flush_conntrack()
    vswitch.transmitted()
    wrong = []
    for number, (port, frame) in enumerate(Talk(random.Random(seed)).frames()):
        result = pipeline.process(frame, port)
        if any("fragment" in note for note in result.notes):
            continue
        ours = sorted((f"p{e.of_port}", e.frame) for e in result.emissions)
        vswitch.receive(f"p{port}", frame)
        theirs = sorted((name, data) for name, sent in vswitch.transmitted().items() for data in sent)
        if ours != theirs:
            wrong.append(
                f"seed {seed}, packet {number} at {port}: {pk.describe(frame)} {frame.hex()}\n"
                f"  here  {_states(ours)}\n  there {_states(theirs)}"
            )
    return wrong


def _states(sent: list[tuple[str, bytes]]) -> list[str]:
    return [f"state {data[2:6].hex()} mark {data[:2].hex()} before {data[8:12].hex()}" for _, data in sent]


@pytest.mark.parametrize("policy", POLICIES)
def test_states_are_those_of_open_vswitch(vswitch: Vswitch, policy: str) -> None:
    for seed in range(4 * COUNT):
        wrong = differences(vswitch, POLICIES[policy], seed)
        assert not wrong, "\n".join(wrong[:3])


def test_the_comparison_sees_a_tracker_that_takes_syn_ack_for_new(
    vswitch: Vswitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdn_lab.openflow.conntrack.may_open", lambda flags: True)
    policy = POLICIES["commit what is new from one side"]
    assert any(differences(vswitch, policy, seed) for seed in range(8))
