"""What cannot be used is refused with the error that a switch owes; no input makes a decoder hang."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdn_lab.openflow import action as act
from sdn_lab.openflow.entry import Instructions
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import action, action_write, decode, error, frame, instruction, oxm
from sdn_lab.openflow.wire.error import WireError

MATCH = Match.of(
    in_port=5, eth_type=0x0800, ip_proto=6, ipv4_dst=(0x0A000000, 0xFF000000), tcp_dst=80, tcp_flags=(2, 3)
)
DO = Instructions(
    apply=(
        act.SetField(field="reg1", value=1, mask=1),
        act.Move(
            source=act.Subfield(field="eth_src", start=0, bits=48),
            target=act.Subfield(field="eth_dst", start=0, bits=48),
        ),
        act.Ct(commit=True, exec_=(act.SetField(field="ct_mark", value=1, mask=0xFFFFFFFF),)),
    ),
    metadata=(1, 1),
    goto=9,
)
FLOW_MOD = (
    bytes(16) + b"\x00\x00" + bytes(6) + b"\xff" * 12 + bytes(4)  # cookie to padding
)


def flow_mod(match: bytes = b"", does: bytes = b"", fixed: bytes = FLOW_MOD) -> bytes:
    return frame.message(frame.FLOW_MOD, 1, fixed + (match or oxm.write_match(Match())) + does)


WHOLE = flow_mod(oxm.write_match(MATCH), instruction.write_instructions(DO))


def oxm_match(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return (1).to_bytes(2, "big") + (4 + len(body)).to_bytes(2, "big") + body + bytes(-(4 + len(body)) % 8)


def apply(*actions: bytes) -> bytes:
    body = b"".join(actions)
    return b"\x00\x04" + (8 + len(body)).to_bytes(2, "big") + bytes(4) + body


def drop(rate: int) -> bytes:
    return b"\0\1\0\x10" + rate.to_bytes(4, "big") + bytes(8)


def meter_mod(*bands: bytes, flags: int = 1) -> bytes:
    head = b"\0\0" + flags.to_bytes(2, "big") + b"\0\0\0\5"
    return frame.message(frame.METER_MOD, 1, head + b"".join(bands))


def nicira(subtype: int, body: bytes) -> bytes:
    length = 10 + len(body)
    head = b"\xff\xff" + (length + -length % 8).to_bytes(2, "big") + action.NICIRA.to_bytes(4, "big")
    return head + subtype.to_bytes(2, "big") + body + bytes(-length % 8)


IP, TCP_DST = oxm.write_element("eth_type", 0x0800), oxm.write_element("tcp_dst", 80)
REG0 = oxm.write_field("reg0")
REFUSED = {
    "another version": (b"\x01\x0e\x00\x08" + bytes(4), error.REQUEST_BAD_VERSION),
    "unknown message": (frame.message(77, 1), error.REQUEST_BAD_TYPE),
    "meter 0": (frame.message(frame.METER_MOD, 1, bytes(8)), error.METER_INVALID),
    "meter-mod command 3": (frame.message(frame.METER_MOD, 1, b"\0\3" + bytes(6)), error.METER_BAD_COMMAND),
    "short meter-mod": (frame.message(frame.METER_MOD, 1, bytes(4)), error.REQUEST_BAD_LEN),
    "meter in kbps and pktps": (meter_mod(flags=3), error.METER_BAD_FLAGS),
    "meter of rate 0": (meter_mod(drop(0)), error.METER_BAD_RATE),
    "meter band of length 0": (meter_mod(b"\0\1\0\0" + bytes(12)), error.REQUEST_BAD_LEN),
    "half a meter band": (meter_mod(drop(5)[:8]), error.REQUEST_BAD_LEN),
    "meter band of an experimenter": (meter_mod(b"\xff\xff\0\x10" + bytes(12)), error.METER_BAD_BAND),
    "remark by 0": (meter_mod(b"\0\2" + drop(5)[2:]), error.METER_BAD_BAND_VALUE),
    "nine bands": (meter_mod(drop(5) * 9), error.METER_OUT_OF_BANDS),
    "short flow-mod": (frame.message(frame.FLOW_MOD, 1, bytes(40)), error.REQUEST_BAD_LEN),
    "barrier with a body": (frame.message(frame.BARRIER_REQUEST, 1, bytes(8)), error.REQUEST_BAD_LEN),
    "a buffer": (flow_mod(fixed=FLOW_MOD[:24] + bytes(4) + FLOW_MOD[28:]), error.REQUEST_BUFFER_UNKNOWN),
    "command 9": (flow_mod(fixed=FLOW_MOD[:17] + b"\x09" + FLOW_MOD[18:]), error.FLOW_BAD_COMMAND),
    "flag 0x20": (flow_mod(fixed=FLOW_MOD[:36] + b"\x00\x20" + FLOW_MOD[38:]), error.FLOW_BAD_FLAGS),
    "old match": (flow_mod(b"\x00\x00\x00\x04" + bytes(4)), error.MATCH_BAD_TYPE),
    "match of length 0": (flow_mod(b"\x00\x01\x00\x00" + bytes(4)), error.MATCH_BAD_LEN),
    "match beyond the message": (flow_mod(b"\x00\x01\xff\xf0" + bytes(4)), error.MATCH_BAD_LEN),
    "unknown class": (flow_mod(oxm_match(b"\x12\x34\x00\x04" + bytes(4))), error.MATCH_BAD_FIELD),
    "unknown field": (flow_mod(oxm_match(b"\x80\x00\xfe\x04" + bytes(4))), error.MATCH_BAD_FIELD),
    "element too short": (flow_mod(oxm_match(b"\x80\x00\x00\x02" + bytes(2))), error.MATCH_BAD_LEN),
    "element of length 0": (flow_mod(oxm_match(b"\x80\x00\x00\x00")), error.MATCH_BAD_LEN),
    "value outside mask": (
        flow_mod(oxm_match(b"\x80\x00\x05\x10" + bytes(7) + b"\x02" + bytes(7) + b"\x01")),
        error.MATCH_BAD_WILDCARDS,
    ),
    "value too wide": (flow_mod(oxm_match(b"\x80\x00\x0e\x01\x08")), error.MATCH_BAD_VALUE),
    "mask where none may be": (
        flow_mod(oxm_match(b"\x80\x00\x0b\x04\x08\x00\xff\x00")),
        error.MATCH_BAD_MASK,
    ),
    "a field twice": (flow_mod(oxm_match(IP, IP)), error.MATCH_DUP_FIELD),
    "two names of one field": (flow_mod(oxm_match(IP, b"\x00\x00\x06\x02\x08\x00")), error.MATCH_DUP_FIELD),
    "prerequisite missing": (flow_mod(oxm_match(IP, TCP_DST)), error.MATCH_BAD_PREREQ),
    "prerequisite too late": (
        flow_mod(oxm_match(oxm.write_element("nw_ttl", 255), IP)),
        error.MATCH_BAD_PREREQ,
    ),
    "unknown instruction": (flow_mod(does=b"\x00\x63\x00\x08" + bytes(4)), error.INSTRUCTION_UNKNOWN),
    "meter of 16 bytes": (flow_mod(does=b"\x00\x06\x00\x10" + bytes(12)), error.INSTRUCTION_BAD_LEN),
    "goto twice": (flow_mod(does=b"\x00\x01\x00\x08\x05\x00\x00\x00" * 2), error.INSTRUCTION_UNSUPPORTED),
    "instruction of length 0": (flow_mod(does=b"\x00\x01\x00\x00" + bytes(4)), error.INSTRUCTION_BAD_LEN),
    "goto of 16 bytes": (flow_mod(does=b"\x00\x01\x00\x10" + bytes(12)), error.INSTRUCTION_BAD_LEN),
    "half an instruction": (flow_mod(does=b"\x00\x01\x00\x08"), error.INSTRUCTION_BAD_LEN),
    "unknown action": (flow_mod(does=apply(b"\x00\x63\x00\x08" + bytes(4))), error.ACTION_BAD_TYPE),
    "push_mpls of IP": (flow_mod(does=apply(b"\x00\x13\x00\x08\x08\x00\x00\x00")), error.ACTION_BAD_ARGUMENT),
    "push_pbb of MPLS": (
        flow_mod(does=apply(b"\x00\x1a\x00\x08\x88\x47\x00\x00")),
        error.ACTION_BAD_ARGUMENT,
    ),
    "action of length 0": (flow_mod(does=apply(bytes(8))), error.ACTION_BAD_LEN),
    "output of 8 bytes": (flow_mod(does=apply(b"\x00\x00\x00\x08" + bytes(4))), error.ACTION_BAD_LEN),
    "output to any": (
        flow_mod(does=apply(b"\x00\x00\x00\x10\xff\xff\xff\xff" + bytes(8))),
        error.ACTION_BAD_OUT_PORT,
    ),
    "another experimenter": (
        flow_mod(does=apply(b"\xff\xff\x00\x10\x00\x00\x12\x34" + bytes(8))),
        error.ACTION_BAD_EXPERIMENTER,
    ),
    "an action beyond all": (flow_mod(does=apply(nicira(99, bytes(6)))), error.ACTION_BAD_EXP_TYPE),
    "nat": (flow_mod(does=apply(nicira(36, bytes(6)))), error.ACTION_BAD_EXP_TYPE),
    "pushing another tag": (
        flow_mod(does=apply(b"\x00\x11\x00\x08\x08\x00\x00\x00")),
        error.ACTION_BAD_ARGUMENT,
    ),
    "writing ipv6_exthdr": (
        flow_mod(does=apply(b"\x00\x19\x00\x10" + b"\x80\x00\x4e\x02" + bytes(8))),
        error.ACTION_BAD_SET_ARGUMENT,
    ),
    "writing an unknown field": (
        flow_mod(does=apply(b"\x00\x19\x00\x10\x80\x00\xfe\x04" + bytes(8))),
        error.ACTION_BAD_SET_TYPE,
    ),
    "writing with a short value": (
        flow_mod(does=apply(b"\x00\x19\x00\x10\x80\x00\x04\x04" + bytes(8))),
        error.ACTION_BAD_SET_LEN,
    ),
    "loading too much": (
        flow_mod(does=apply(nicira(7, b"\x00\x03" + REG0 + (16).to_bytes(8, "big")))),
        error.ACTION_BAD_ARGUMENT,
    ),
    "loading beyond the field": (
        flow_mod(does=apply(nicira(7, (30 << 6 | 7).to_bytes(2, "big") + REG0 + bytes(8)))),
        error.ACTION_BAD_ARGUMENT,
    ),
    "writing ct_mark outside of ct": (
        flow_mod(
            does=apply(action_write.write_actions([act.SetField(field="ct_mark", value=1, mask=0xFFFFFFFF)]))
        ),
        error.ACTION_BAD_SET_ARGUMENT,
    ),
    "ct helper": (flow_mod(does=apply(nicira(35, bytes(12) + b"\x00\x15"))), error.ACTION_BAD_ARGUMENT),
    "ct force without commit": (
        flow_mod(does=apply(nicira(35, b"\x00\x02" + bytes(12)))),
        error.ACTION_BAD_ARGUMENT,
    ),
    "ct that writes eth_dst": (
        flow_mod(
            does=apply(
                nicira(
                    35,
                    b"\x00\x01"
                    + bytes(12)
                    + action_write.write_actions(
                        [act.SetField(field="eth_dst", value=1, mask=(1 << 48) - 1)]
                    ),
                )
            )
        ),
        error.ACTION_BAD_ARGUMENT,
    ),
    "group command 9": (frame.message(frame.GROUP_MOD, 1, b"\x00\x09" + bytes(6)), error.GROUP_BAD_COMMAND),
    "group type 9": (frame.message(frame.GROUP_MOD, 1, b"\x00\x00\x09" + bytes(5)), error.GROUP_BAD_TYPE),
    "bucket of length 0": (frame.message(frame.GROUP_MOD, 1, bytes(24)), error.GROUP_BAD_BUCKET),
    "role 9": (frame.message(frame.ROLE_REQUEST, 1, b"\0\0\0\x09" + bytes(12)), error.ROLE_BAD),
    "multipart 99": (
        frame.message(frame.MULTIPART_REQUEST, 1, b"\0\x63" + bytes(6)),
        error.REQUEST_BAD_MULTIPART,
    ),
    "packet-out with too many actions": (
        frame.message(frame.PACKET_OUT, 1, b"\xff" * 8 + b"\x01\x00" + bytes(6)),
        error.REQUEST_BAD_LEN,
    ),
}


def test_the_whole_message_that_the_cases_break_is_good():
    got = decode.read(WHOLE)
    assert (got.entry.match, got.entry.instructions) == (MATCH, DO)


@pytest.mark.parametrize(("data", "pair"), REFUSED.values(), ids=REFUSED)
def test_each_fault_has_its_error(data, pair):
    with pytest.raises(WireError) as caught:
        decode.read(data)
    assert caught.value.pair == pair
    assert caught.value.why


@pytest.mark.parametrize("length", range(8, len(WHOLE)))
def test_a_truncated_flow_mod_is_refused_or_ends_between_instructions(length):
    cut = WHOLE[:2] + length.to_bytes(2, "big") + WHOLE[4:length]
    try:
        got = decode.read(cut)
    except WireError:
        return
    assert got.entry.match == MATCH
    assert got.entry.instructions != DO


@settings(max_examples=400, deadline=None)
@given(
    at=st.lists(st.integers(8, len(WHOLE) - 1), min_size=1, max_size=4),
    byte=st.lists(st.integers(0, 255), min_size=4, max_size=4),
)
def test_a_damaged_flow_mod_is_read_or_refused(at, byte):
    data = bytearray(WHOLE)
    for where, value in zip(at, byte, strict=False):
        data[where] = value
    try:
        got = decode.read(bytes(data))
    except WireError:
        return
    assert got.entry.match.missing_prerequisite() is None


@settings(max_examples=300, deadline=None)
@given(kind=st.integers(0, 31), body=st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(kind, body):
    try:
        decode.read(frame.message(kind, 1, body))
    except WireError:
        return
