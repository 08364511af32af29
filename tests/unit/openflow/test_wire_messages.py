"""Every other message: what the controller's library sends we read, what we send it reads."""

import pytest
from os_ken.ofproto import ofproto_parser, ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser

from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import FlowEntry, Group, GroupType
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import decode, error, frame, reply, request, stats, table_features
from sdn_lab.openflow.wire.error import WireError

RYU = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
P = ofproto_v1_3_parser
PORT = reply.PortState(of_port=100, mac=bytes.fromhex("020000000001"), name="port-of-red-vm1-long")


def serialized(message, xid=1):
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def parsed(data):
    version, kind, length, xid = ofproto_parser.header(data)
    return ofproto_parser.msg(RYU, version, kind, length, xid, bytearray(data))


def body(kind, *parts):
    (data,) = reply.multipart(5, kind, parts)
    return parsed(data).body


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (P.OFPHello(RYU), request.Hello(versions=frozenset({1, 2, 3, 4}))),
        (P.OFPEchoRequest(RYU, b"abc"), request.Echo(reply=False, data=b"abc")),
        (P.OFPEchoReply(RYU, b"abc"), request.Echo(reply=True, data=b"abc")),
        (P.OFPFeaturesRequest(RYU), request.Plain(kind=frame.FEATURES_REQUEST)),
        (P.OFPGetConfigRequest(RYU), request.Plain(kind=frame.GET_CONFIG_REQUEST)),
        (P.OFPBarrierRequest(RYU), request.Plain(kind=frame.BARRIER_REQUEST)),
        (P.OFPGetAsyncRequest(RYU), request.Plain(kind=frame.GET_ASYNC_REQUEST)),
        (P.OFPSetConfig(RYU, 0, 128), request.SetConfig(flags=0, miss_send_len=128)),
        (P.OFPRoleRequest(RYU, 2, 7), request.RoleRequest(role=2, generation=7)),
        (
            P.OFPSetAsync(RYU, [1, 2], [3, 4], [5, 6]),
            request.SetAsync(packet_in=(1, 2), port_status=(3, 4), flow_removed=(5, 6)),
        ),
        (
            P.OFPPacketOut(RYU, act.NO_BUFFER, act.CONTROLLER, [P.OFPActionOutput(3)], b"frame"),
            request.PacketOut(in_port=act.CONTROLLER, actions=(act.Output(of_port=3),), data=b"frame"),
        ),
        (P.OFPDescStatsRequest(RYU, 0), request.Multipart(kind=request.DESC)),
        (P.OFPTableStatsRequest(RYU, 0), request.Multipart(kind=request.TABLE)),
        (P.OFPPortDescStatsRequest(RYU, 0), request.Multipart(kind=request.PORT_DESC)),
        (P.OFPPortStatsRequest(RYU, 0, 7), request.Multipart(kind=request.PORT_STATS, number=7)),
        (P.OFPGroupDescStatsRequest(RYU, 0), request.Multipart(kind=request.GROUP_DESC)),
        (P.OFPGroupFeaturesStatsRequest(RYU, 0), request.Multipart(kind=request.GROUP_FEATURES)),
        (P.OFPGroupStatsRequest(RYU, 0, 9), request.Multipart(kind=request.GROUP_STATS, number=9)),
        (P.OFPTableFeaturesStatsRequest(RYU, 0), request.Multipart(kind=request.TABLE_FEATURES)),
    ],
    ids=lambda m: type(m).__name__,
)
def test_requests(message, value):
    assert decode.read(serialized(message)) == value


def test_a_hello_with_a_bitmap_says_which_versions():
    assert decode.read(reply.hello(1)) == request.Hello(versions=frozenset({4}))
    newer = b"\x06" + reply.hello(1)[1:12] + (1 << 1 | 1 << 4 | 1 << 6).to_bytes(4, "big")
    assert decode.read(newer) == request.Hello(versions=frozenset({1, 4, 6}))


def test_flow_requests_say_what_they_filter_by():
    asked = P.OFPFlowStatsRequest(RYU, 0, 3, 5, 6, 7, 8, P.OFPMatch(eth_type=0x0806))
    got = decode.read(serialized(asked)).flows
    assert (got.table_id, got.out_port, got.out_group, got.cookie, got.cookie_mask) == (3, 5, 6, 7, 8)
    assert got.match == Match.of(eth_type=0x0806)


def test_a_delete_is_read_without_its_instructions():
    mod = P.OFPFlowMod(RYU, command=3, table_id=0xFF, cookie=1, cookie_mask=3, out_port=4, out_group=5)
    got = decode.read(serialized(mod))
    assert (got.command, got.entry.table_id, got.cookie_mask, got.out_port, got.out_group) == (
        3,
        255,
        3,
        4,
        5,
    )


def test_answers_are_read_by_the_controller():
    assert parsed(reply.hello(1)).elements[0].versions == [4]
    features = parsed(reply.features(1, 0xABCDEF))
    assert (features.datapath_id, features.n_buffers, features.n_tables) == (0xABCDEF, 0, 254)
    config = parsed(reply.config(1, 0, 0xFFFF))
    assert (config.flags, config.miss_send_len) == (0, 0xFFFF)
    role = parsed(reply.role(1, 2, 77))
    assert (role.role, role.generation_id) == (2, 77)
    masks = parsed(reply.async_config(1, [(1, 2), (3, 4), (5, 6)]))
    assert (masks.packet_in_mask, masks.flow_removed_mask) == ([1, 2], [5, 6])
    refused = parsed(reply.refusal(9, error.FLOW_OVERLAP, b"\x04\x0e\x00\x08" + bytes(4)))
    assert (refused.xid, refused.type, refused.code, len(refused.data)) == (9, 5, 3, 8)
    assert parsed(frame.message(frame.BARRIER_REPLY, 4)).xid == 4
    assert parsed(frame.message(frame.ECHO_REPLY, 4, b"abc")).data == b"abc"


def test_what_the_switch_says_unasked_is_read_by_the_controller():
    match = Match.of(in_port=100, metadata=5, tun_id=9, tun_src=0xAC1F0001)
    got = parsed(
        reply.packet_in(xid=0, reason=1, table_id=7, cookie=3, match=match, data=b"frame", total=900)
    )
    assert (got.reason, got.table_id, got.cookie, got.total_len, got.data) == (1, 7, 3, 900, b"frame")
    assert (got.match["in_port"], got.match["tunnel_id"]) == (100, 9)
    assert got.match["tun_ipv4_src"] == "172.31.0.1"
    entry = FlowEntry(
        table_id=4, priority=5, cookie=6, idle_timeout=7, hard_timeout=8, match=Match.of(in_port=1)
    )
    gone = parsed(reply.flow_removed(xid=0, entry=entry, reason=1, age_ns=3_000_000_004, packets=5, octets=6))
    assert (gone.reason, gone.table_id, gone.priority, gone.cookie) == (1, 4, 5, 6)
    assert (gone.duration_sec, gone.duration_nsec, gone.packet_count, gone.byte_count) == (3, 4, 5, 6)
    assert gone.match["in_port"] == 1
    status = parsed(reply.port_status(0, reply.PORT_MODIFIED, PORT))
    assert (status.reason, status.desc.port_no, status.desc.name) == (2, 100, b"port-of-red-vm1")


def test_statistics_are_read_by_the_controller():
    described = body(request.DESC, stats.desc(serial="7", datapath="hv1", version="1"))
    assert (described.dp_desc, described.serial_num) == (b"hv1", b"7")
    summed = body(request.AGGREGATE, stats.aggregate(counted=stats.Counted(packets=4, octets=5), flows=6))
    assert (summed.packet_count, summed.byte_count, summed.flow_count) == (4, 5, 6)
    tables = body(request.TABLE, *(stats.table(n, active=n, lookups=2, matched=1) for n in range(3)))
    assert [(t.table_id, t.active_count, t.lookup_count, t.matched_count) for t in tables] == [
        (0, 0, 2, 1), (1, 1, 2, 1), (2, 2, 2, 1),
    ]  # fmt: skip
    (ports,) = body(request.PORT_DESC, PORT.encode())
    assert (ports.port_no, ports.hw_addr, ports.state) == (100, "02:00:00:00:00:01", 4)
    counted = stats.Counted(packets=1, octets=2), stats.Counted(packets=3, octets=4)
    (port,) = body(request.PORT_STATS, stats.port(7, received=counted[0], sent=counted[1], age_ns=10**9))
    assert (port.rx_packets, port.rx_bytes, port.tx_packets, port.tx_bytes, port.duration_sec) == (
        1,
        2,
        3,
        4,
        1,
    )
    group = Group(group_id=9, type=GroupType.ALL)
    (counts,) = body(
        request.GROUP_STATS,
        stats.group_stats(group, references=2, counted=counted[0], buckets=counted, age_ns=0),
    )
    assert (counts.group_id, counts.ref_count, counts.packet_count) == (9, 2, 1)
    assert body(request.GROUP_FEATURES, stats.group_features()).types == 15
    features = body(request.TABLE_FEATURES, *(table_features.write(n) for n in (0, 253)))
    assert [f.table_id for f in features] == [0, 253]


def test_a_long_reply_is_cut_between_entries_and_says_that_more_follows():
    part = stats.flow(FlowEntry(), age_ns=0, counted=stats.Counted())
    messages = [parsed(m) for m in reply.multipart(5, request.FLOW, [part] * 3000)]
    assert sum(len(m.body) for m in messages) == 3000
    assert [m.flags for m in messages] == [1, 1, 0]
    assert {m.xid for m in messages} == {5}


def test_an_empty_reply_is_one_message():
    (data,) = reply.multipart(5, request.FLOW, [])
    assert parsed(data).body == []


def test_the_framer_cuts_where_messages_end_however_they_arrive():
    stream = reply.hello(1) + frame.message(frame.ECHO_REQUEST, 2, b"x" * 300) + reply.features(3, 1)
    framer, got = frame.Framer(), []
    for n in range(len(stream)):
        got += framer.feed(stream[n : n + 1])
    assert [m[1] for m in got] == [frame.HELLO, frame.ECHO_REQUEST, frame.FEATURES_REPLY]
    assert b"".join(got) == stream


def test_the_framer_refuses_a_message_shorter_than_its_header():
    with pytest.raises(WireError, match="0 bytes long"):
        list(frame.Framer().feed(bytes((4, 0, 0, 0, 0, 0, 0, 0))))
