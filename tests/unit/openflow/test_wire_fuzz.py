"""Whatever bytes come: a message is read or refused, soon, and a stream is cut or ended.

The seeds are one message of every kind that a controller sends, and those in which a length says zero, at
which decoders that advance by what they are told never end.  Among these are the six of CVE-2024-34483, 34484
and 34486 to 34489, at which Ryu's never does, also those of them that only a switch sends.
"""

import random
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow.text import parse_flows
from sdn_lab.openflow.wire import action_write, bundle, decode, error, frame
from sdn_lab.openflow.wire.error import WireError
from sdn_lab.openflow.wire.reply import PortState
from tests.unit.openflow.dialect import DUMPED
from tests.unit.openflow.memory import taken
from tests.unit.openflow.test_wire_strict import REFUSED, WHOLE, apply, drop, flow_mod, meter_mod

MULTIPART = [
    frame.message(frame.MULTIPART_REQUEST, 1, kind.to_bytes(2) + bytes(6) + body)
    for kind, body in [
        *((kind, b"") for kind in (0, 3, 7, 8, 11, 12, 13)),
        *((kind, b"\xff" * 4 + bytes(4)) for kind in (4, 6, 9, 10)),
        *((kind, b"\xff" + bytes(3) + b"\xff" * 8 + bytes(20) + b"\0\1\0\4" + bytes(4)) for kind in (1, 2)),
        (5, b"\xff" * 8),
    ]
]
PLAIN = [frame.message(kind, 1) for kind in (2, 3, 5, 7, 20, 26)]
BUCKET = b"\0\x20\0\1" + b"\xff" * 8 + bytes(4) + b"\0\0\0\x10\0\0\0\2" + bytes(8)
# Open vSwitch's own actions, as many as there are in one entry
DIALECT = flow_mod(
    does=apply(
        action_write.write_actions(
            a
            for line in DUMPED
            for a in parse_flows(f"tcp,ct_state=+trk-inv,actions={line}")[0].instructions.apply
        )
    )
)
BUNDLE = bundle.ONF.to_bytes(4) + bundle.CONTROL.to_bytes(4) + b"\0\0\0\x09"
SEEDS = [
    WHOLE,
    DIALECT,
    *(frame.message(frame.EXPERIMENTER, 1, BUNDLE + bytes((0, kind, 0, 3))) for kind in (0, 2, 4, 6)),
    frame.message(
        frame.EXPERIMENTER, 1, BUNDLE[:4] + bundle.ADD.to_bytes(4) + BUNDLE[8:] + b"\0\0\0\3" + WHOLE
    ),
    meter_mod(drop(5), drop(9)),
    frame.message(frame.HELLO, 1, b"\0\1\0\x08\0\0\0\x10"),
    frame.message(frame.PACKET_OUT, 1, b"\xff" * 8 + b"\0\x10" + bytes(6) + b"\0\0\0\x10\0\0\0\2" + bytes(8)),
    frame.message(frame.GROUP_MOD, 1, b"\0\0\1\0\0\0\0\7" + BUCKET),
    frame.message(frame.ROLE_REQUEST, 1, b"\0\0\0\2" + bytes(12)),
    frame.message(frame.SET_ASYNC, 1, b"\0\0\0\7" * 6),
    frame.message(frame.PORT_MOD, 1, bytes(32)),
    *MULTIPART,
    *PLAIN,
]
ZEROES = {name: data for name, (data, _) in REFUSED.items() if "length 0" in name} | {
    "hello element": frame.message(frame.HELLO, 1, b"\0\1\0\0\0\0\0\x10"),
    "match": WHOLE[:50] + b"\0\0" + WHOLE[52:],
    "packet-out's action": frame.message(
        frame.PACKET_OUT, 1, b"\xff" * 8 + b"\0\x10" + bytes(6) + b"\0\0\0\0\0\0\0\2" + bytes(8)
    ),
    "action of a bucket": frame.message(
        frame.GROUP_MOD, 1, b"\0\0\1\0\0\0\0\7" + BUCKET[:18] + b"\0\0" + BUCKET[20:]
    ),
}


def multipart_reply(kind, body):
    return frame.message(frame.MULTIPART_REPLY, 1, kind.to_bytes(2) + bytes(6) + body)


FLOW_STATS = struct.pack("!HBxIIHHHH4xQQQ", 64, *(0,) * 10) + b"\0\1\0\4" + bytes(4)
RYU = {
    "34483, a group's bucket": multipart_reply(7, b"\0\x18\1\0\0\0\0\7" + bytes(16)),
    "34484, a bucket's action": multipart_reply(
        7, b"\0\x28\1\0\0\0\0\7" + BUCKET[:18] + b"\0\0" + BUCKET[20:]
    ),
    "34486, a queue's property": frame.message(
        frame.QUEUE_GET_CONFIG_REPLY, 1, bytes(8) + struct.pack("!IIH6x", 1, 1, 24) + bytes(8)
    ),
    "34487, an instruction": multipart_reply(1, FLOW_STATS[:-8] + b"\0\1\0\0" + bytes(4)),
    "34488, a record": multipart_reply(1, bytes(64)),
    "34489, an element of a hello": ZEROES["hello element"],
}
ZEROES |= RYU


def read(data):
    """Return what a message is, or the error that is owed; that says why, in words."""
    try:
        return decode.read(data)
    except WireError as refused:
        return refused if refused.why else None


def with_length(data):
    return data[:2] + len(data).to_bytes(2) + data[4:]


@pytest.mark.parametrize("data", ZEROES.values(), ids=ZEROES)
def test_a_length_of_zero_is_refused(data):
    assert isinstance(read(data), WireError)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{seed[1]}-{len(seed)}")
def test_a_seed_is_good_and_cut_anywhere_it_is_read_or_refused(seed):
    assert not isinstance(read(seed), WireError)
    for length in range(8, len(seed)):
        assert read(with_length(seed[:length])) is not None


@settings(max_examples=1500)
@given(
    seed=st.sampled_from(SEEDS),
    damage=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from([0, 1, 4, 8, 0x7F, 0x80, 0xFF])), max_size=6
    ),
    tail=st.binary(max_size=24),
)
def test_a_damaged_message_is_read_or_refused(seed, damage, tail):
    data = bytearray(seed + tail)
    for at, byte in damage:
        if 8 + at < len(data):
            data[8 + at] = byte
    assert read(with_length(bytes(data))) is not None


@settings(max_examples=300)
@given(data=st.binary(min_size=8, max_size=400))
@example(data=WHOLE)
def test_any_bytes_are_read_or_refused(data):
    assert read(data) is not None


@pytest.mark.parametrize(
    "fill", [b"\0", b"\xff", b"\0\1\0\x08", b"\0\x11\0\x08\x81\0\0\0", b"\x80\0\0\4\0\0\0\1"]
)
@pytest.mark.parametrize("kind", range(31))
def test_a_message_of_64_kib_is_read_or_refused(kind, fill):
    room = frame.MAX_LENGTH - 8
    assert read(struct.pack("!BBHI", 4, kind, frame.MAX_LENGTH, 1) + (fill * room)[:room]) is not None


def agent():
    attached = [Attached(state=PortState(of_port=1, mac=bytes(6), name="p1"), behind="port:1")]
    said = []
    made = Agent(Switch("hv1", 1, Clock(), attached), said.append)
    made.receive(frame.message(frame.FEATURES_REQUEST, 1))
    said.clear()
    return made, said


@settings(max_examples=200)
@given(chunks=st.lists(st.sampled_from(SEEDS + list(ZEROES.values())) | st.binary(max_size=40), max_size=8))
def test_a_stream_is_answered_or_ended_and_another_goes_on(chunks):
    (one, _), (other, said) = agent(), agent()
    for chunk in chunks:
        try:
            one.receive(chunk)
        except WireError:  # its connection is closed here
            break
    other.receive(frame.message(frame.BARRIER_REQUEST, 5))
    assert [m[1] for m in said] == [frame.BARRIER_REPLY]


@pytest.mark.parametrize("length", range(8))
def test_a_message_shorter_than_its_header_ends_the_stream(length):
    made, _ = agent()
    with pytest.raises(WireError) as ended:
        made.receive(b"\4\0" + length.to_bytes(2) + bytes(4))
    assert ended.value.pair == error.REQUEST_BAD_LEN


def test_memory_stays_flat_over_ten_thousand_messages():
    def some():
        rng = random.Random(6)
        made, said = agent()
        for _ in range(5000):
            data = bytearray(rng.choice([*SEEDS, *ZEROES.values()]))
            for _ in range(rng.randrange(4)):
                data[rng.randrange(8, len(data) + 1) - 1] = rng.choice((0, 1, 4, 8, 0x80, 0xFF))
            data = with_length(bytes(data) + rng.randbytes(rng.choice((0, 0, 8))))
            assert read(data) is not None
            try:
                made.receive(data)
            except WireError:  # its connection is closed here
                made, said = agent()
            said.clear()

    kept, peak = taken(some)
    assert kept < 100_000
    assert peak < 5_000_000
