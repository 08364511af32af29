"""Labels, TTLs and types by the paragraphs of OpenFlow 1.3.5; what Open vSwitch does otherwise is named."""

import pytest

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.fields_labels import EXTHDR_BITS
from sdn_lab.openflow.frames import ethernet, ipv4, ipv6, udp
from sdn_lab.openflow.interpret import Pipeline, Reason
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.packet import parse, push_vlan, rewrite
from sdn_lab.openflow.packet_checksum import internet
from sdn_lab.openflow.packet_labels import ttls
from sdn_lab.openflow.reading import Reading
from sdn_lab.openflow.text import parse_flows
from sdn_lab.openflow.text_action_write import write_actions

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
UDP4 = udp("10.0.0.1", "10.0.0.2", 1, 2, b"data")
IP4 = ethernet(A, B, 0x0800, ipv4("10.0.0.1", "10.0.0.2", 17, UDP4, ttl=32))
IP6 = ethernet(A, B, 0x86DD, ipv6("fd00::1", "fd00::2", 17, udp("fd00::1", "fd00::2", 1, 2, b"data")))
ARP = ethernet(A, B, 0x0806, bytes.fromhex("0001080006040001") + bytes(38))
MPLS = IP4[:12] + b"\x88\x47" + bytes.fromhex("00064740") + IP4[14:]  # label 100, class 3, bottom, TTL 64


def run(frame, *actions, reading=Reading.LETTER, then=None):
    """Return what leaves port 2 when *actions* are applied; *then* is a match that table 1 wants as well."""
    first = (
        Instructions(apply=actions, goto=1) if then else Instructions(apply=(*actions, act.Output(of_port=2)))
    )
    entries = [FlowEntry(instructions=first)]
    if then:
        last = Instructions(apply=(act.Output(of_port=2),))
        entries.append(FlowEntry(table_id=1, match=Match.of(**then), instructions=last))
    result = Pipeline(Tables(entries=tuple(entries)), ports=(1, 2), reading=reading).process(frame, 1)
    return [e.frame for e in result.emissions], result


def one(*args, **kwargs):
    [frame], _ = run(*args, **kwargs)
    return frame


def sound(frame):
    """Say whether the IPv4 header behind the label or at its usual place has a right checksum."""
    at = 18 if frame[12:14] == b"\x88\x47" else 14
    return internet(frame[at : at + 20]) == 0


@pytest.mark.parametrize(
    ("frame", "entry"),
    [(IP4, "00000120"), (IP6, "00000140"), (ARP, "00000100"), (MPLS, "00064640")],
    ids=["ip", "ipv6", "arp", "mpls"],
)
def test_a_pushed_label_copies_what_is_there_and_is_0_otherwise(frame, entry):
    got = one(frame, labels.PushMpls(eth_type=0x8848))
    assert got == frame[:12] + b"\x88\x48" + bytes.fromhex(entry) + frame[14:]


@pytest.mark.parametrize(("frame", "entry"), [(IP6, "00002140"), (ARP, "00000140")], ids=["ipv6", "arp"])
def test_open_vswitch_begins_a_stack_with_explicit_null_and_ttl_64(frame, entry):
    got = one(frame, labels.PushMpls(eth_type=0x8847), reading=Reading.OPEN_VSWITCH)
    assert got[14:18].hex() == entry


def test_behind_a_popped_label_the_packet_is_read_anew():
    pop = labels.PopMpls(eth_type=0x0800)
    assert one(MPLS, pop, then={"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 2}) == IP4
    assert run(MPLS, pop, then={"eth_type": 0x0800, "ip_proto": 17, "udp_dst": 3})[0] == []


def test_behind_a_pushed_label_nothing_of_ip_is_seen():
    push = labels.PushMpls(eth_type=0x8847)
    assert run(IP4, push, then={"eth_type": 0x0800})[0] == []
    assert len(run(IP4, push, then={"eth_type": 0x8847, "mpls_bos": 1})[0]) == 1


def test_the_fields_of_a_label_are_matched_and_written():
    fields = parse(MPLS)
    assert [fields[n] for n in ("mpls_label", "mpls_tc", "mpls_bos", "mpls_ttl")] == [100, 3, 1, 64]
    set_ = [
        act.SetField(field=name, value=value, mask=mask)
        for name, value, mask in (("mpls_label", 5, 0xFFFFF), ("mpls_tc", 1, 7), ("mpls_ttl", 9, 0xFF))
    ]
    assert one(MPLS, *set_)[14:18].hex() == "00005309"


def test_a_label_whose_ttl_is_at_its_end_stops_and_is_reported():
    dying = MPLS[:17] + b"\x01" + MPLS[18:]
    frames, result = run(dying, labels.DecMplsTtl())
    assert frames == []
    assert [p.reason for p in result.packet_ins] == [Reason.INVALID_TTL]
    assert one(MPLS, labels.DecMplsTtl())[17] == 63


def test_an_ip_packet_whose_ttl_is_at_its_end_is_reported_to_the_letter_alone():
    dying = rewrite(IP4, {"nw_ttl": 1})
    for reading, told in ((Reading.LETTER, [Reason.INVALID_TTL]), (Reading.OPEN_VSWITCH, [])):
        frames, result = run(dying, act.DecTtl(), reading=reading)
        assert (frames, [p.reason for p in result.packet_ins]) == ([], told)


def test_ttls_are_copied_between_the_outermost_two_headers_that_have_one():
    assert one(MPLS, labels.CopyTtlOut())[17] == 32
    inwards = one(MPLS, labels.CopyTtlIn())
    assert (inwards[26], sound(inwards)) == (64, True)
    double = MPLS[:12] + b"\x88\x47" + bytes.fromhex("00001007") + MPLS[14:]
    assert one(double, labels.CopyTtlIn())[21] == 7
    assert one(IP4, labels.CopyTtlOut()) == IP4  # one header alone: nothing to copy


def test_ip_inside_of_ip_has_two_ttls():
    inner = ipv4("10.0.0.1", "10.0.0.2", 17, UDP4, ttl=7)
    frame = ethernet(A, B, 0x0800, ipv4("10.1.0.1", "10.1.0.2", 4, inner, ttl=99))
    assert [t.at for t in ttls(frame, 0x0800)] == [22, 42]
    got = one(frame, labels.CopyTtlOut())
    assert (got[22], sound(got)) == (7, True)


def test_a_frame_is_put_behind_an_i_tag_and_taken_out_again():
    tagged = push_vlan(IP4, 0x8100, 5 << 13 | 100)
    inside = one(tagged, labels.PushPbb(eth_type=0x88E7))
    assert inside == tagged[:12] + b"\x88\xe7" + b"\xa0\0\0\0" + tagged  # its priority is the tag's
    assert one(inside, labels.PopPbb()) == tagged
    again = one(inside[:15] + b"\0\0\x64" + inside[18:], labels.PushPbb(eth_type=0x88E7))
    assert again[14:18].hex() == "00000064"  # the service below


def test_the_service_of_an_i_tag_is_matched_and_written():
    inside = one(IP4, labels.PushPbb(eth_type=0x88E7))
    written = one(inside, act.SetField(field="pbb_isid", value=0xABCDEF, mask=0xFFFFFF))
    assert parse(written)["pbb_isid"] == 0xABCDEF
    assert run(written, then={"eth_type": 0x88E7, "pbb_isid": (0xAB0000, 0xFF0000)})[0] == [written]


def test_a_pushed_tag_copies_the_one_below_to_the_letter_and_nothing_in_open_vswitch():
    tagged = push_vlan(ARP, 0x8100, 3 << 13 | 100)
    push = act.PushVlan(eth_type=0x88A8)
    assert one(tagged, push)[14:16].hex() == "6064"
    assert one(tagged, push, reading=Reading.OPEN_VSWITCH)[14:16].hex() == "0000"


def test_to_the_letter_eth_type_is_behind_all_tags_and_in_open_vswitch_behind_one():
    double = push_vlan(push_vlan(ARP, 0x8100, 7), 0x88A8, 9)
    assert run(double, then={"eth_type": 0x0806, "vlan_vid": 0x1009})[0] == [double]
    assert run(double, then={"eth_type": 0x0806}, reading=Reading.OPEN_VSWITCH)[0] == []
    popped = one(double, act.PopVlan(), then={"vlan_vid": 0x1007})
    assert popped == push_vlan(ARP, 0x8100, 7)


def test_a_protocol_that_is_written_changes_both_checksums():
    got = one(IP4, act.SetField(field="ip_proto", value=6, mask=0xFF))
    assert (got[23], sound(got)) == (6, True)
    held, now = (int.from_bytes(f[40:42]) for f in (IP4, got))
    assert (now - held) % 0xFFFF == 17 - 6


def test_the_protocol_behind_extension_headers_is_named_by_the_last_of_them():
    chain = bytes((60, 0)) + bytes(6) + bytes((17, 0)) + bytes(6)
    frame = ethernet(A, B, 0x86DD, ipv6("fd00::1", "fd00::2", 0, chain + bytes(8)))
    got = one(frame, act.SetField(field="ip_proto", value=99, mask=0xFF))
    assert [n for n, (a, b) in enumerate(zip(frame, got, strict=True)) if a != b] == [54 + 8]


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        ((), ()),
        ((0,), ("hop",)),
        ((0, 51), ("hop", "auth")),
        ((60, 43, 44, 51, 60), ("dest", "router", "frag", "auth")),
        ((51, 0), ("hop", "auth", "unseq")),
        ((0, 0), ("hop", "unrep")),
        ((60, 60, 60), ("dest", "unrep")),
        ((59,), ("nonext",)),
        ((50, 0), ("esp",)),
    ],
)
def test_extension_headers_are_told_with_repeats_and_wrong_order(kinds, names):
    following = (*kinds, 17)[1 : len(kinds) + 1]
    chain = b"".join(bytes((kind, 0)) + bytes(6) for kind in following)
    frame = ethernet(A, B, 0x86DD, ipv6("fd00::1", "fd00::2", (*kinds, 17)[0], chain + bytes(8)))
    assert parse(frame)["ipv6_exthdr"] == sum(EXTHDR_BITS[name] for name in names)


def test_an_action_set_runs_in_the_order_of_the_specification():
    write = (
        act.Output(of_port=2),
        labels.DecMplsTtl(),
        labels.CopyTtlOut(),
        labels.PushMpls(eth_type=0x8847),
        act.PopVlan(),
    )
    tables = Tables(entries=(FlowEntry(instructions=Instructions(write=write)),))
    tagged = push_vlan(IP4, 0x8100, 5)
    [sent] = Pipeline(tables, ports=(1, 2), reading=Reading.LETTER).process(tagged, 1).emissions
    assert sent.frame[12:18].hex() == "88470000011f"  # popped, pushed, TTL 32 copied out, one less


@pytest.mark.parametrize(
    "text",
    [
        "push_mpls:0x8847",
        "pop_mpls:0x0800",
        "dec_mpls_ttl",
        "copy_ttl_out",
        "copy_ttl_in",
        "push_pbb:0x88e7",
        "pop_pbb",
        "set_queue:7",
    ],
)
def test_every_action_is_read_as_it_is_written(text):
    [entry] = parse_flows(f"table=0,priority=1,actions=meter:3,{text}")
    assert write_actions(entry.instructions.apply) == text
    assert entry.instructions.meter == 3
