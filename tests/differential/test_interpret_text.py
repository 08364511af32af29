"""What Open vSwitch dumps after loading our text parses to what we wrote."""

from __future__ import annotations

import os
import random

import pytest

from sdn_lab.openflow.action import CONTROLLER, Conjunction, Output
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import format_entry, format_groups, parse_flows, parse_groups, sort_entries

from .corpus import boundary_frames
from .ovs_process import RefusedError, Vswitch
from .random_tables import Drawing

pytestmark = pytest.mark.ovs
COUNT = int(os.environ.get("SDN_LAB_DIFFERENTIAL", "1"))


def through_open_vswitch(vswitch: Vswitch, tables: Tables) -> Tables:
    vswitch.load("br0", "\n".join(map(format_entry, tables.entries)), format_groups(tables.groups))
    return Tables(
        entries=parse_flows(vswitch.dump_flows("br0"), "dump"),
        groups=parse_groups(vswitch.dump_groups("br0"), "dump"),
    )


@pytest.mark.parametrize("ct", [False, True], ids=["stateless", "stateful"])
def test_a_dump_of_what_was_loaded_parses_to_it(vswitch: Vswitch, ct: bool) -> None:
    refused = 0
    for seed in range(25 * COUNT):
        rng = random.Random(seed)
        tables = Drawing(rng, rng.sample(boundary_frames(), 12), ct=ct).tables()
        try:
            dumped = through_open_vswitch(vswitch, tables)
        except RefusedError:
            refused += 1
            continue
        assert dumped.groups == tables.groups
        assert dumped.entries == sort_entries(tables.entries)
    assert refused <= 3 * COUNT


def test_cookies_timeouts_flags_and_the_rare_actions_survive(vswitch: Vswitch) -> None:
    entries = (
        FlowEntry(table_id=3, priority=65535, cookie=2**64 - 2, idle_timeout=60, hard_timeout=65535, flags=1),
        FlowEntry(priority=0, instructions=Instructions(apply=(Output(of_port=CONTROLLER, max_len=128),))),
        FlowEntry(priority=5, match=Match.of(in_port=0xFFFFFFFE), instructions=Instructions(goto=7)),
        FlowEntry(
            priority=6,
            match=Match.of(eth_type=0x0800, conj_id=1234),
            instructions=Instructions(metadata=(5, 0xF), clear=True),
        ),
        FlowEntry(
            priority=7,
            match=Match.of(eth_type=0x0800, ip_proto=47, ipv4_src=(0x0A000001, 0xFF0000FF)),
            instructions=Instructions(
                apply=(Conjunction(id=1234, clause=1, n_clauses=2), Conjunction(id=7, clause=2, n_clauses=3))
            ),
        ),
        FlowEntry(priority=8, match=Match.of(eth_type=0x05FF)),
        FlowEntry(priority=9, match=Match.of(vlan_vid=(0x1000, 0x1000))),
        FlowEntry(priority=10, match=Match.of(vlan_vid=0x1005, vlan_pcp=3)),
        FlowEntry(priority=11, match=Match.of(ct_state=(0x21, 0x2B), ct_zone=7, ct_mark=(1, 3), ct_label=5)),
        FlowEntry(
            priority=12, match=Match.of(tun_id=101, tun_src=0xAC1F0001, tun_dst=(0xAC1F0000, 0xFFFF0000))
        ),
    )
    assert through_open_vswitch(vswitch, Tables(entries=entries)).entries == sort_entries(entries)
