"""The quick flow-mod is the framework's, byte for byte."""

from __future__ import annotations

import pytest
from os_ken.base import app_manager  # noqa: F401  (first: the framework's circular import)
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import action as act
from sdn_lab.openflow import codec, codec_quick
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.scenario import find, load

DATAPATH = ProtocolDesc(4)
ADD, DELETE_STRICT = 0, 4
XID = 0x12345678


def by_the_framework(command: int, entry: FlowEntry) -> bytes:
    message = codec.flow_mod(DATAPATH, command, entry)
    message.set_xid(XID)
    message.serialize()
    return bytes(message.buf)


@pytest.mark.parametrize("scenario", ["overlap", "three_tier", "shared_services"])
def test_every_entry_of_a_shipped_scenario_has_the_framework_s_bytes(scenario: str) -> None:
    read = load(find(scenario))
    entries = [e for t in compile_scenario(read, assign(read)).tables.values() for e in t.entries]
    assert len(entries) > 100
    for entry in entries:
        assert codec_quick.flow_mod(DATAPATH, ADD, entry, XID) == by_the_framework(ADD, entry)


@pytest.mark.parametrize("command", [ADD, 1, 2, 3, DELETE_STRICT])
@pytest.mark.parametrize(
    "entry",
    [
        FlowEntry(),
        FlowEntry(
            priority=0xFFFF, cookie=(1 << 64) - 1, table_id=253, flags=1, idle_timeout=3, hard_timeout=9
        ),
        FlowEntry(match=Match.of(in_port=3, eth_type=0x0800, ipv4_src=(0x0A000000, 0xFF000000))),
        FlowEntry(
            match=Match.of(metadata=(5, 0xFF), eth_type=0x86DD, ip_proto=6, tcp_flags=(2, 0x17)),
            instructions=Instructions(
                apply=(act.Ct(commit=True, zone=5), act.Output(of_port=act.CONTROLLER)),
                clear=True,
                write=(act.GroupAction(group_id=3),),
                metadata=(1, 3),
                goto=9,
            ),
        ),
    ],
    ids=["empty", "numbers", "match", "all"],
)
def test_every_part_of_an_entry_is_where_the_framework_puts_it(command: int, entry: FlowEntry) -> None:
    assert codec_quick.flow_mod(DATAPATH, command, entry, XID) == by_the_framework(command, entry)
