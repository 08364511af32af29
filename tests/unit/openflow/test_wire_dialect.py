"""Open vSwitch's own actions cross the wire: in its bytes, both ways, and nothing of them is lost."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings
from os_ken.ofproto import ofproto_v1_3_parser

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow import action as act
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow import codec
from sdn_lab.openflow.action_labels import SetQueue
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire import action_form, decode, error, oxm, reply, request, stats
from sdn_lab.openflow.wire.action import read_actions
from sdn_lab.openflow.wire.action_write import write_actions
from sdn_lab.openflow.wire.error import WireError
from tests.unit.openflow.dialect import ACTIONS, DUMPED, MEANS
from tests.unit.openflow.passive import Keeper, Passive
from tests.unit.openflow.test_wire_entries import RYU, serialized

# What each action stands behind, so that ovs-ofctl lets it go out.
MATCHES = {
    "fin_timeout": "tcp",
    "NXM_OF_IP_DST": "tcp",
    "dec_ttl": "ip",
    "ct(": "ip",
    "IPV6_SRC": "ipv6",
    "TCP_FLAGS": "tcp",
    "resubmit(,7,ct)": "tcp,ct_state=+trk-inv",
}
ROWS = [
    *DUMPED,
    *(
        "learn(table=9,priority=7,NXM_OF_VLAN_TCI[0..11],load:0x12345->NXM_NX_XXREG0[3..40])",
        "learn(table=9,eth_type=0x86dd,NXM_NX_IPV6_DST[]=NXM_NX_IPV6_SRC[],load:NXM_NX_XXREG0[]->NXM_NX_XXREG1[])",
        "learn(table=9,limit=3,result_dst=NXM_NX_REG0[7])",
        "multipath(symmetric_l3l4+udp,7,hash_threshold,16,3,NXM_NX_REG3[4..11])",
        "multipath(symmetric_l3,7,iter_hash,16,3,NXM_NX_REG3[4..11])",
        "bundle(symmetric_l4,0,hrw,ofport,members:LOCAL,3,4,5,6)",
        "controller(userdata=01.02.03.04.05.06.07.08.09,id=3,max_len=9,reason=invalid_ttl,meter_id=4)",
        "push:NXM_NX_XXREG0[3..90],pop:NXM_NX_XXREG0[3..90]",
        "push:OXM_OF_METADATA[],pop:NXM_OF_ETH_DST[]",
        "push:NXM_NX_TUN_METADATA0[0..31],exit",
        "clone(clone(clone(exit),output:3),ct(commit,exec(set_field:1->ct_mark)))",
        "output(port=LOCAL,max_len=66)",
        "delete_field:tun_metadata0,output:1",
        "dec_ttl(1,2,3,4,5,6,7)",
        "move:NXM_OF_VLAN_TCI[0..11]->NXM_NX_REG0[0..11]",
        "move:NXM_NX_XXREG0[]->NXM_NX_XXREG1[]",
        "set_field:0x10000000200000003->xxreg2",
        "set_field:0x1/0x100000001->xreg2",
        "load:0x123456789->OXM_OF_PKT_REG1[3..50]",
        "load:0x3->NXM_OF_VLAN_TCI[0..11]",
        "encap(mpls)",
        "encap(mpls_mc)",
        "encap(nsh)",
        "load:0x7->NXM_OF_IN_PORT[],output:3",
        "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],push:OXM_OF_IN_PORT[]",
        "output:NXM_OF_IN_PORT[],output:OXM_OF_IN_PORT[]",
        "learn(table=20,NXM_OF_IN_PORT[],NXM_NX_REG1[0..15]=NXM_OF_IN_PORT[],output:NXM_OF_IN_PORT[])",
        "learn(table=20,output:OXM_OF_IN_PORT[])",
        "move:NXM_NX_TCP_FLAGS[]->NXM_NX_REG0[0..11]",
        "encap(nsh(md_type=2,tlv(0x1000,10,0x123456),tlv(0x2000,20,0xfedcba9876543210)))",
        "decap,decap(packet_type(ns=1,type=0x894f))",
        "sample(probability=1,collector_set_id=1,obs_domain_id=0,obs_point_id=0,sampling_port=4)",
    ),
]


def entry(actions: str) -> FlowEntry:
    match = next((match for word, match in MATCHES.items() if word in actions), "priority=9")
    [made] = parse_flows(f"{match} actions={actions}")
    return made


def spoken(actions):
    """Return what actions are over OpenFlow 1.3: there is no ``enqueue``, and notes fill whole words."""
    for a in actions:
        match a:
            case ovs.Enqueue():
                yield from (SetQueue(queue_id=a.queue_id), act.Output(of_port=a.of_port), ovs.PopQueue())
            case ovs.Note():
                yield ovs.Note(data=a.data + bytes(-(len(a.data) - 6) % 8 if a.data else 6))
            case ovs.Clone():
                yield ovs.Clone(actions=tuple(spoken(a.actions)))
            case ovs.Controller() if a == ovs.Controller(max_len=a.max_len):
                yield act.Output(of_port=act.CONTROLLER, max_len=a.max_len)
            case _:
                yield a


def said(made: FlowEntry) -> Instructions:
    return Instructions(apply=tuple(spoken(made.instructions.apply)))


def through_the_wire(actions):
    packed = write_actions(actions)
    assert len(packed) % 8 == 0
    return read_actions(packed, 0, len(packed))


@pytest.mark.parametrize("row", [*ROWS, *(written.partition("actions=")[2] for written, _ in MEANS)])
def test_what_we_write_we_read(row):
    made = entry(row) if "nw_" not in row else parse_flows(f"ip actions={row}")[0]
    assert through_the_wire(made.instructions.apply) == said(made).apply


def has_no_bytes(a):
    """Say whether four bytes would have to name an experimenter's field."""
    target = a.target if isinstance(a, ovs.Multipath | ovs.Bundle) else None
    inner = a.actions if isinstance(a, ovs.Clone) else ()
    return any(map(has_no_bytes, inner)) or (target is not None and len(oxm.write_field(target.field)) > 4)


@settings(max_examples=600)
@given(ACTIONS)
def test_every_action_that_can_be_drawn_crosses(a):
    if has_no_bytes(a):
        with pytest.raises(LabError, match="four bytes"):
            write_actions((a,))
        return
    assert through_the_wire((a,)) == tuple(spoken((a,)))


@pytest.fixture(scope="module")
def keeper():
    if shutil.which("ovs-ofctl") is None:
        pytest.skip("ovs-ofctl is missing: install openvswitch-common")
    made = Keeper()
    passive = Passive(made.make)
    made.ofctl, made.where = passive.ofctl, passive.where
    yield made
    passive.close()


@pytest.mark.ovs
@pytest.mark.parametrize("row", ROWS)
def test_ovs_ofctl_loads_and_dumps_it_over_openflow(keeper, row):
    keeper.entries.clear()
    keeper.bytes.clear()
    made = entry(row)
    keeper.ofctl("add-flow", keeper.where, format_entry(made))
    [held], [data] = keeper.entries, keeper.bytes
    assert (held.match, held.instructions) == (made.match, said(made))
    [dumped] = parse_flows(keeper.ofctl("--no-stats", "dump-flows", keeper.where), "dump")
    assert (dumped.match, dumped.instructions) == (made.match, said(made))
    ours = write_actions(held.instructions.apply)
    if not any(word in row for word in OTHER_BYTES):
        assert data.endswith(ours), f"Open vSwitch: {data[-len(ours) :].hex()}, we: {ours.hex()}"


# Fields that the controller's framework has no name for, and actions of which it does not keep all.
NOT_BY_THE_FRAMEWORK = ("set_field", "move", "->NXM_OF_VLAN", "IN_PORT", "encap", "userdata")


@pytest.mark.parametrize("row", [row for row in ROWS if not any(w in row for w in NOT_BY_THE_FRAMEWORK)])
def test_it_goes_through_the_controllers_framework_both_ways(row):
    made = entry(row)
    assert decode.read(serialized(codec.flow_mod(RYU, 0, made))).entry.instructions == said(made)
    body = stats.flow(made, age_ns=0, counted=stats.Counted())
    (data,) = reply.multipart(9, request.FLOW, [body])
    message = ofproto_v1_3_parser.OFPMultipartReply.parser(RYU, 4, 19, len(data), 9, data)
    assert codec.flow_entry(RYU, message.body[0]).instructions == said(made)


# The same said in other bytes: writes to wide registers and to bits, which we send register by register.
OTHER_BYTES = ("enqueue", "xreg", "XREG", "PKT_REG", "vlan_tci", "VLAN_TCI[0", "sampling_port=4,")


def nicira(subtype, body=b""):
    return action_form.nicira(subtype, body)


def outcome(packed):
    """Return what was read, or the error that is owed; that says why, in words."""
    try:
        return read_actions(packed, 0, len(packed))
    except WireError as refused:
        return refused if refused.why else None


WHOLE = [write_actions(entry(row).instructions.apply) for row in ROWS]


@pytest.mark.parametrize("packed", WHOLE, ids=ROWS)
def test_cut_anywhere_or_with_a_length_of_zero_it_is_refused_or_read(packed):
    """And never anything but an answer: no other exception, no endless reading."""
    for length in range(len(packed)):
        got = outcome(packed[:length])
        assert got or not length
        assert length % 8 == 0 or isinstance(got, WireError)
        for value in (0, 0xFF):
            damaged = bytearray(packed)
            damaged[length] = value
            assert outcome(bytes(damaged))


@pytest.mark.parametrize("subtype", range(52))
@pytest.mark.parametrize("size", [0, 6, 14, 22, 30, 62])
@pytest.mark.parametrize("fill", [b"\0", b"\xff", b"\0\1"])
def test_any_action_of_nonsense_is_refused_or_read(subtype, size, fill):
    assert outcome(nicira(subtype, (fill * size)[:size]))


REFUSED = {
    "learn without its fixed part": (nicira(16), error.ACTION_BAD_LEN),
    "learn into table 255": (nicira(16, bytes(16) + b"\xff" + bytes(5)), error.ACTION_BAD_ARGUMENT),
    "learn with a piece beyond its end": (
        nicira(16, bytes(22) + b"\x20\x30" + bytes(4)),
        error.ACTION_BAD_LEN,
    ),
    "learn that outputs a constant": (
        nicira(16, bytes(22) + b"\x30\x10" + bytes(4)),
        error.ACTION_BAD_ARGUMENT,
    ),
    "bundle that counts too many": (
        nicira(12, bytes(6) + b"\0\0\0\2\xff\xff" + bytes(10)),
        error.ACTION_BAD_LEN,
    ),
    "bundle of other members": (nicira(12, bytes(22)), error.ACTION_BAD_ARGUMENT),
    "a hash that is not there": (
        nicira(12, b"\0\0\0\x09\0\0\0\0\0\2" + bytes(12)),
        error.ACTION_BAD_ARGUMENT,
    ),
    "dec_ttl that tells nobody": (nicira(21, bytes(6)), error.ACTION_BAD_ARGUMENT),
    "dec_ttl that tells too many": (nicira(21, b"\xff\xff" + bytes(4)), error.ACTION_BAD_LEN),
    "a property of length 0": (nicira(37, bytes(6) + bytes(8)), error.ACTION_BAD_LEN),
    "a property that is not known": (
        nicira(37, bytes(6) + b"\0\x63\0\4" + bytes(4)),
        error.ACTION_BAD_ARGUMENT,
    ),
    "encap's property of length 0": (
        nicira(46, b"\0\0\0\1\x89\x4f\0\4\1\0" + bytes(4)),
        error.ACTION_BAD_LEN,
    ),
    "encap of nothing known": (nicira(46, b"\0\0\0\2\0\0"), error.ACTION_BAD_ARGUMENT),
    "push of no bits": (nicira(27, b"\0\0\0\1\0\4" + bytes(8)), error.ACTION_BAD_ARGUMENT),
    "pop into what cannot be written": (
        nicira(28, b"\0\0" + bytes.fromhex("00014402") + b"\0\1" + bytes(6)),
        error.ACTION_BAD_SET_ARGUMENT,
    ),
    "sample of none": (nicira(29, bytes(14)), error.ACTION_BAD_ARGUMENT),
    "clone with half an action": (nicira(42, bytes(6) + b"\0\0\0\x10" + bytes(4)), error.ACTION_BAD_LEN),
}


@pytest.mark.parametrize(("packed", "pair"), REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_has_its_error(packed, pair):
    with pytest.raises(WireError) as caught:
        read_actions(packed, 0, len(packed))
    assert caught.value.pair == pair


@pytest.mark.parametrize(("subtype", "before"), [(42, bytes(6)), (35, bytes(14))])
def test_actions_inside_actions_end_somewhere(subtype, before):
    packed = b""
    while len(packed) < 60_000:
        packed = nicira(subtype, before + packed)
    with pytest.raises(WireError) as caught:
        read_actions(packed, 0, len(packed))
    assert caught.value.pair == error.ACTION_TOO_MANY
