"""The codec against itself through real bytes, and its refusals."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.base import app_manager  # noqa: F401  (first: the framework's circular import)
from os_ken.ofproto import ofproto_parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_labels as labels
from sdn_lab.openflow import codec
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.action_ovs import OvsAction
from sdn_lab.openflow.codec_field import NUMBERS, CodecError
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.match import Match

DATAPATH = ProtocolDesc(4)
ADD = 0
ZONE = act.Subfield(field="reg6", start=0, bits=16)

ACTIONS = [
    act.Output(of_port=7),
    act.Output(of_port=act.IN_PORT),
    act.Output(of_port=act.FLOOD),
    act.Output(of_port=act.CONTROLLER, max_len=128),
    act.Output(of_port=act.CONTROLLER),
    act.OutputField(source=act.Subfield(field="reg5", start=0, bits=32)),
    act.OutputField(source=act.Subfield(field="reg5", start=4, bits=12), max_len=64),
    act.Move(
        source=act.Subfield(field="eth_src", start=0, bits=48),
        target=act.Subfield(field="eth_dst", start=0, bits=48),
    ),
    act.Move(
        source=act.Subfield(field="tun_id", start=8, bits=16),
        target=act.Subfield(field="reg1", start=3, bits=16),
    ),
    act.GroupAction(group_id=9),
    act.PushVlan(),
    act.PushVlan(eth_type=0x88A8),
    act.PopVlan(),
    act.DecTtl(),
    act.Resubmit(in_port=3, table=4),
    act.Resubmit(table=4),
    act.Resubmit(in_port=3),
    act.Resubmit(in_port=act.LOCAL, table=1),
    act.Ct(),
    act.Ct(nat=Nat()),
    act.Ct(
        commit=True,
        nat=Nat(kind=NatKind.SRC, addresses=(ip_address("10.0.0.1"), ip_address("10.0.0.9")), ports=(80, 90)),
        exec_=(act.SetField(field="ct_mark", value=1, mask=0xFFFFFFFF),),
    ),
    act.Ct(commit=True, nat=Nat(kind=NatKind.DST, addresses=(ip_address("fd00::1"),) * 2, by_hash=True)),
    act.Ct(table=41, zone=17),
    act.Ct(commit=True, zone=ZONE),
    act.Ct(commit=True, force=True, zone=ZONE, table=3),
    act.Ct(commit=True, exec_=(act.SetField(field="ct_mark", value=5, mask=0xFFFFFFFF),)),
    act.Ct(commit=True, exec_=(act.SetField(field="ct_label", value=6, mask=0xFF),)),
    act.CtClear(),
    act.Conjunction(id=1234, clause=2, n_clauses=3),
    labels.PushMpls(eth_type=0x8847),
    labels.PopMpls(eth_type=0x0800),
    labels.DecMplsTtl(),
    labels.CopyTtlOut(),
    labels.CopyTtlIn(),
    labels.PushPbb(eth_type=0x88E7),
    labels.PopPbb(),
    labels.SetQueue(queue_id=7),
]


def through_bytes(entry: FlowEntry) -> FlowEntry:
    message = codec.flow_mod(DATAPATH, ADD, entry)
    message.xid = 1
    message.serialize()
    data = bytes(message.buf)
    version, type_, length, xid = ofproto_parser.header(data)
    assert length == len(data)
    return codec.flow_entry(DATAPATH, ofproto_parser.msg(DATAPATH, version, type_, length, xid, data))


@st.composite
def any_match(draw: st.DrawFn) -> Match:
    tests = {}
    for name in draw(st.lists(st.sampled_from(sorted(NUMBERS)), max_size=6, unique=True)):
        row = FIELDS[name]
        mask = draw(st.integers(1, row.full_mask)) if row.maskable else row.full_mask
        tests[name] = (draw(st.integers(0, row.full_mask)), mask)
    return Match.from_tests(tests)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_every_field_survives_the_wire_exact_masked_and_all_ones(name: str) -> None:
    row = FIELDS[name]
    tests = [(1, row.full_mask), (0, row.full_mask), (row.full_mask, row.full_mask)]
    if row.maskable:
        tests += [(1, 1), (0, 1), (row.full_mask & ~1, row.full_mask & ~1)]

    for value, mask in tests:
        entry = FlowEntry(match=Match.from_tests({name: (value, mask)}))
        assert through_bytes(entry) == entry, (name, value, mask)


@given(match=any_match())
def test_matches_on_several_fields_survive_the_wire(match: Match) -> None:
    entry = FlowEntry(match=match)

    assert through_bytes(entry) == entry


@pytest.mark.parametrize("name", sorted(name for name in NUMBERS if FIELDS[name].writable))
def test_every_writable_field_can_be_set_whole_or_in_part(name: str) -> None:
    row = FIELDS[name]
    actions = [act.SetField(field=name, value=row.full_mask - 1, mask=row.full_mask)]
    if row.maskable:
        actions += [act.SetField(field=name, value=1, mask=m) for m in (1, 1 | 1 << (row.bits - 1))]

    for action in actions:
        entry = FlowEntry(instructions=Instructions(apply=(action,)))
        assert through_bytes(entry) == entry, action


@pytest.mark.parametrize("action", ACTIONS, ids=repr)
@pytest.mark.parametrize("where", ["apply", "write"])
def test_every_action_survives_the_wire(action: act.Action, where: str) -> None:
    entry = FlowEntry(instructions=Instructions(**{where: (action, action)}))

    assert through_bytes(entry) == entry


def test_the_list_of_actions_here_is_complete() -> None:
    own = set(act.Action.__args__) - set(OvsAction.__args__)
    assert {type(a) for a in ACTIONS} | {act.SetField} == own


def test_a_field_that_the_framework_does_not_know_is_refused_by_name() -> None:
    value = act.SetField(field="tun_flags", value=1, mask=1)
    with pytest.raises(CodecError, match="does not go through"):
        through_bytes(FlowEntry(instructions=Instructions(apply=(value,))))


def test_everything_else_of_an_entry_survives_the_wire() -> None:
    entry = FlowEntry(
        table_id=254,
        priority=65535,
        cookie=2**64 - 1,
        idle_timeout=60,
        hard_timeout=65535,
        flags=0x1F,
        instructions=Instructions(
            apply=(act.PopVlan(),),
            clear=True,
            write=(act.DecTtl(),),
            metadata=(5, 2**64 - 1),
            goto=200,
            meter=9,
        ),
    )

    assert through_bytes(entry) == entry


def test_an_entry_that_drops_has_no_instruction() -> None:
    assert codec.flow_mod(DATAPATH, ADD, FlowEntry()).instructions == []


@pytest.mark.parametrize("type_", GroupType)
def test_groups_are_read_as_written(type_: GroupType) -> None:
    group = Group(
        group_id=5,
        type=type_,
        buckets=(
            Bucket(actions=(act.Output(of_port=1), act.PopVlan()), weight=3, watch_port=9),
            Bucket(),
        ),
    )

    assert codec.group(DATAPATH, codec.group_mod(DATAPATH, ADD, group)) == group


def test_a_field_without_a_row_is_refused_by_name() -> None:
    pbb = DATAPATH.ofproto_parser.OFPMatch(pbb_uca=1)

    with pytest.raises(codec.CodecError, match="'pbb_uca' is not a field"):
        codec.read_match(DATAPATH, pbb)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda p: p.NXActionUnknown(77), "NXActionUnknown with subtype 77"),
        (lambda p: p.NXActionRegLoad(31, "pkt_mark", 1), "'pkt_mark' is not a field"),
        (lambda p: p.NXActionCT(1, "", 0, 255, 21, []), "alg=21"),
        (lambda p: p.NXActionCT(1, "", 0, 255, 0, [p.NXActionNAT(1), p.NXActionNAT(0)]), "two nat"),
        (lambda p: p.NXActionCT(1, "", 0, 255, 0, [p.NXActionNAT(3)]), "flags=0x3"),
        (lambda p: p.NXActionNAT(1), "NXActionNAT"),
        (lambda p: p.NXActionCT(1, "", 0, 255, 0, [p.OFPActionOutput(1)]), "Output inside"),
        (lambda p: p.NXActionCT(4, "", 0, 255, 0, []), "flags=0x4"),
    ],
)
def test_an_action_without_a_value_is_refused_by_name(make, name: str) -> None:
    with pytest.raises(codec.CodecError, match=name):
        codec.read_actions(DATAPATH, [make(DATAPATH.ofproto_parser)])


@pytest.mark.parametrize("instruction", [None, DATAPATH.ofproto_parser.OFPActionOutput(1)])
def test_an_instruction_without_a_value_is_refused_by_name(instruction: object) -> None:
    with pytest.raises(codec.CodecError, match=type(instruction).__name__):
        codec.read_instructions(DATAPATH, [instruction])


def test_a_port_number_of_16_bits_is_refused() -> None:
    match = DATAPATH.ofproto_parser.OFPMatch(in_port_nxm=0xFFF8)

    with pytest.raises(codec.CodecError, match="'in_port_nxm' has 16 bits"):
        codec.read_match(DATAPATH, match)


def test_a_group_of_unknown_type_is_refused() -> None:
    message = codec.group_mod(DATAPATH, ADD, Group(group_id=5, type=GroupType.ALL))
    message.type = 77

    with pytest.raises(codec.CodecError, match="group 5 has the unknown type 77"):
        codec.group(DATAPATH, message)


def test_more_bits_than_the_wire_can_name_are_refused() -> None:
    source = act.Subfield(field="ipv6_src", start=0, bits=128)

    with pytest.raises(codec.CodecError, match="128 bits of ipv6_src"):
        codec.actions(DATAPATH, [act.OutputField(source=source)])
