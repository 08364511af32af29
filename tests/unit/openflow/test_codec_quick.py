"""The quick flow-mod is the framework's, byte for byte, and a dump reads as the framework reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from os_ken.base import app_manager  # noqa: F401  (first: the framework's circular import)
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import action as act
from sdn_lab.openflow import codec, codec_quick, codec_quick_read
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import reply, request, stats
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


def dumped(*entries: FlowEntry) -> bytes:
    """A flow statistics reply as the simulator's switch writes it."""
    bodies = [stats.flow(e, age_ns=1_500_000_000, counted=stats.Counted(3, 300)) for e in entries]
    (message,) = reply.multipart(XID, request.FLOW, bodies)
    return message


def read_late(message: bytes) -> list[Any]:
    """What the framework makes of a reply, once a dump has told it to leave the entries alone."""
    parser = DATAPATH.ofproto_parser
    before = parser.OFPFlowStatsReply.cls_stats_body_cls
    parser.OFPFlowStatsReply.cls_stats_body_cls = codec_quick_read.late_stats(parser)
    try:
        read = parser.OFPMultipartReply.parser(DATAPATH, 4, 19, len(message), XID, bytearray(message))
    finally:
        parser.OFPFlowStatsReply.cls_stats_body_cls = before
    return list(read.body)


def by_the_framework_s_reading(message: bytes) -> list[FlowEntry]:
    read = DATAPATH.ofproto_parser.OFPMultipartReply.parser(
        DATAPATH, 4, 19, len(message), XID, bytearray(message)
    )
    return [codec.flow_entry(DATAPATH, part) for part in read.body]


@pytest.mark.parametrize("scenario", ["overlap", "three_tier", "shared_services"])
def test_every_entry_of_a_dump_reads_as_the_framework_reads_it(scenario: str) -> None:
    written = load(find(scenario))
    tables = compile_scenario(written, assign(written)).tables.values()
    for entry in (e for t in tables for e in t.entries):
        message = dumped(entry)
        (late,) = read_late(message)
        assert [codec_quick_read.flow_entry(DATAPATH, late)] == by_the_framework_s_reading(message)
        assert codec_quick_read.flow_entry(DATAPATH, late) == entry


FIRST_MATCH = 16 + 48  # where a reply's first match begins
ODD = {
    "an older number": "0001 000a 00000602 0800",
    "a field twice": "0001 0010 80000a02 0800 80000a02 0806",
    "out of order": "0001 0012 80000a02 0800 80000004 00000007",
    "an experimenter": "0001 0019 80000a02 0800 80001401 06 ffff5406 4f4e4600 0002",
    "a full mask": "0001 0018 80000510 0000000000000005 ffffffffffffffff",
    "an empty mask": "0001 0018 80000510 0000000000000000 0000000000000000",
    "bits outside the mask": "0001 0018 80000510 00000000000000ff 00000000000000f0",
    "too wide a value": "0001 000f 80000a02 0800 80001001 ff",
}


@pytest.mark.parametrize("written", ODD.values(), ids=ODD)
def test_an_odd_match_reads_as_the_framework_reads_it(written: str) -> None:
    match = bytes.fromhex(written)
    match = match + bytes(-len(match) % 8)
    plain = dumped(FlowEntry(priority=7, cookie=9))
    head, tail = plain[:FIRST_MATCH], plain[FIRST_MATCH + 8 :]
    grown = len(match) - 8
    message = bytearray(head + match + tail)
    for at in (2, 16):
        message[at : at + 2] = (int.from_bytes(plain[at : at + 2]) + grown).to_bytes(2)
    assert outcome(lambda: by_the_framework_s_reading(bytes(message))) == outcome(
        lambda: [codec_quick_read.flow_entry(DATAPATH, late) for late in read_late(bytes(message))]
    )


def outcome(read: Callable[[], list[FlowEntry]]) -> list[FlowEntry] | str:
    try:
        return read()
    except codec.CodecError as error:
        return str(error)


def test_who_looks_into_an_entry_of_a_dump_finds_what_the_framework_reads() -> None:
    entry = FlowEntry(priority=7, match=Match.of(in_port=3), instructions=Instructions(goto=4))
    (late,) = read_late(dumped(entry))
    assert (late.priority, late.packet_count, late.match["in_port"]) == (7, 3, 3)
    assert late.instructions[0].table_id == 4
    with pytest.raises(AttributeError):
        late.colour  # noqa: B018


@pytest.mark.parametrize("length", [0, 8, 55, 0xFFFF])
def test_an_entry_that_lies_about_its_length_is_refused_at_once(length: int) -> None:
    message = bytearray(dumped(FlowEntry()))
    message[16:18] = length.to_bytes(2)
    with pytest.raises(ValueError, match=f"says that it is {length} bytes long"):
        read_late(bytes(message))
