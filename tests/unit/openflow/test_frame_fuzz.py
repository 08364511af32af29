"""Whatever bytes come in a frame: they are read soon, within their bounds, and no table stumbles over them.

Inputs that once did are kept in ``found/frames.txt``, one a line, in hex.
"""

from __future__ import annotations

import random
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6, FIELDS
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.packet_parse import Dissection
from sdn_lab.openflow.reading import Reading
from tests.differential.corpus import boundary_frames, labelled
from tests.differential.switch_draw import THEMES, SwitchDrawing

FOUND = [
    bytes.fromhex(line)
    for line in (Path(__file__).parent / "found" / "frames.txt").read_text().splitlines()
    if not line.startswith("#")
]
BASES = [*boundary_frames(), *labelled()]
PORTS = (1, 2, 3, 4, 5, 6)
PIPELINES = 24


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame that is known to matter, with a few bytes changed, put in, or cut off."""
    frame = bytearray(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(frame) - 1))
        if draw(st.booleans()):
            frame[at] = draw(st.sampled_from((0, 1, 4, 5, 8, 0x3F, 0x40, 0x7F, 0x80, 0xFF)))
        else:
            frame[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(frame[: draw(st.integers(0, len(frame)))] if draw(st.integers(0, 3)) == 0 else frame)


FRAMES = damaged() | st.binary(max_size=120)


def check_read(frame: bytes) -> Dissection:
    """Every field fits its width, every offset lies in the frame, and prerequisites hold."""
    found = pk.dissect(frame)
    for name, value in found.fields.items():
        row = FIELDS[name]
        assert 0 <= value <= row.full_mask, name
        for needed, values in row.needs:
            assert found.fields[needed] in values or (needed == "ip_proto" and found.fields["ip_frag"]), name
    for at in (found.l3, found.l4, found.l4_start, found.end):
        assert at is None or 0 <= at <= max(len(frame), 14)
    return found


@settings(max_examples=600)
@given(frame=FRAMES)
def test_any_bytes_are_read_within_their_bounds(frame: bytes) -> None:
    check_read(frame)
    assert str(len(frame)) in pk.describe(frame)


@pytest.mark.parametrize("frame", FOUND, ids=lambda frame: frame.hex()[:24])
def test_what_was_found_once_is_read_and_processed(frame: bytes) -> None:
    check_read(frame)
    for number in range(PIPELINES):
        processed(number, frame)


@settings(max_examples=400)
@given(frame=FRAMES)
def test_a_field_that_is_written_as_it_was_changes_nothing(frame: bytes) -> None:
    found = check_read(frame)
    for name, value in found.fields.items():
        if not FIELDS[name].writable or name in found.behind:
            continue
        if not value and name.startswith(("nd_", "arp_op")):
            continue  # read as 0 is also what is there twice, or what Open vSwitch does not know
        try:
            again = pk.rewrite(frame, {name: value})
        except ValueError:  # the frame is too short for it
            continue
        if name.startswith("vlan") and found.tagged:
            assert pk.parse(again) == found.fields  # the bit between VLAN and priority is nobody's
        else:
            assert again == frame, name


@settings(max_examples=200)
@given(frame=FRAMES.filter(lambda frame: len(frame) >= 14), tci=st.integers(0, 0xFFFF))
def test_a_tag_that_is_pushed_and_popped_leaves_the_frame_as_it_was(frame: bytes, tci: int) -> None:
    assert pk.pop_vlan(pk.push_vlan(frame, 0x8100, tci)) == frame


_MAC, _U8, _U16 = st.integers(0, (1 << 48) - 1), st.integers(0, 255), st.integers(0, 0xFFFF)
_ADDRESS = {4: st.ip_addresses(v=4), 6: st.ip_addresses(v=6)}
_TRANSPORT = {6: "tcp", 17: "udp", 132: "sctp"}


@st.composite
def whole(draw: st.DrawFn) -> bytes:
    """A frame in which every header is whole."""
    version, proto = draw(st.sampled_from((4, 6))), draw(st.sampled_from((*_TRANSPORT, 1, 58)))
    src, dst = draw(_ADDRESS[version]), draw(_ADDRESS[version])
    ports, data = (draw(_U16), draw(_U16)), draw(st.binary(max_size=20))
    if proto == 6:
        message = pk.tcp(src, dst, *ports, data, flags=draw(st.integers(0, 0xFF)))
    elif proto == 17:
        message = pk.udp(src, dst, *ports, data)
    elif proto == 132:
        message = pk.sctp(*ports, data)
    elif proto == 1:
        message = pk.icmp(draw(_U8), draw(_U8), bytes(4) + data)
    else:
        kind = draw(_U8.filter(lambda kind: kind not in (135, 136)))
        there = (src, dst) if version == 6 else ("::1", "::2")
        message = pk.icmpv6(*there, kind, draw(_U8), bytes(4) + data)
    ttl, tos = draw(_U8), draw(_U8)
    if version == 4:
        return pk.ethernet(
            draw(_MAC), draw(_MAC), ETH_IP, pk.ipv4(src, dst, proto, message, ttl=ttl, tos=tos)
        )
    label = draw(st.integers(0, 0xFFFFF))
    packet = pk.ipv6(src, dst, proto, message, hop_limit=ttl, tos=tos, label=label)
    return pk.ethernet(draw(_MAC), draw(_MAC), ETH_IPV6, packet)


@settings(max_examples=400)
@given(frame=whole(), blank=whole())
def test_what_is_read_of_a_frame_makes_it_again(frame: bytes, blank: bytes) -> None:
    """Written into a frame of the same shape, with other values, the fields give the first frame's."""
    found = pk.dissect(frame)
    fields, shape = found.fields, pk.parse(blank)
    if fields.keys() != shape.keys() or any(
        fields[n] != shape[n] for n in fields if not FIELDS[n].writable and n != "tcp_flags"
    ):
        return
    values = {name: value for name, value in fields.items() if FIELDS[name].writable and "vlan" not in name}
    made = pk.parse(pk.rewrite(blank, values))
    assert {name: made[name] for name in values} == values


@settings(max_examples=400)
@given(frame=whole())
def test_a_whole_frame_is_built_from_what_is_read_of_it(frame: bytes) -> None:
    found = pk.dissect(frame)
    f, at = found.fields, found.l4_start
    assert at is not None
    v4 = f["eth_type"] == ETH_IP
    proto, tos = f["ip_proto"], f["ip_dscp"] << 2 | f["ip_ecn"]
    src, dst = (f["ipv4_src"], f["ipv4_dst"]) if v4 else (f["ipv6_src"], f["ipv6_dst"])
    here, there = (value.to_bytes(4 if v4 else 16) for value in (src, dst))
    one, other = (pk.ip_bytes(address) for address in (_ip(here), _ip(there)))
    assert (one, other) == (here, there)
    message = frame[at:]
    name = _TRANSPORT.get(proto)
    if name is not None:
        sport, dport = f[f"{name}_src"], f[f"{name}_dst"]
        if name == "tcp":
            flags = f["tcp_flags"]
            message = pk.tcp(_ip(here), _ip(there), sport, dport, frame[at + 20 :], flags=flags)
        elif name == "udp":
            message = pk.udp(_ip(here), _ip(there), sport, dport, frame[at + 8 :])
        else:
            message = pk.sctp(sport, dport, frame[at + 12 :])
    ttl, label = f["nw_ttl"], f.get("ipv6_flabel", 0)
    if v4:
        packet = pk.ipv4(_ip(here), _ip(there), proto, message, ttl=ttl, tos=tos)
    else:
        packet = pk.ipv6(_ip(here), _ip(there), proto, message, hop_limit=ttl, tos=tos, label=label)
    assert pk.ethernet(f["eth_src"], f["eth_dst"], f["eth_type"], packet) == frame


def _ip(packed: bytes) -> str:
    return str(ip_address(packed))


@lru_cache
def pipeline(number: int) -> Pipeline:
    """A pipeline of everything that tables can hold, drawn from a seed; odd ones track."""
    rng = random.Random(number)
    about = frozenset({THEMES[number % len(THEMES)], "labels"} - {"meter"})
    drawing = SwitchDrawing(rng, rng.sample(BASES, 6), ct=bool(number % 2), themes=about)
    reading = Reading.LETTER if number % 4 > 1 else Reading.OPEN_VSWITCH
    return Pipeline(drawing.tables(), tracker=Tracker(), ports=PORTS, reading=reading)


def processed(number: int, frame: bytes) -> None:
    """Process it; what is sent is at most some headers longer than what came."""
    result = pipeline(number).process(frame, PORTS[number % len(PORTS)], now_ns=number)
    for emission in result.emissions:
        check_read(emission.frame)


@settings(max_examples=800)
@given(frame=FRAMES, number=st.integers(0, PIPELINES - 1))
@example(frame=b"", number=0)
@example(frame=bytes(13), number=1)
def test_no_table_stumbles_over_a_frame(frame: bytes, number: int) -> None:
    processed(number, frame)


@settings(max_examples=400)
@given(frame=FRAMES, zone=st.integers(0, 3), commit=st.booleans())
def test_the_tracker_takes_any_bytes(frame: bytes, zone: int, commit: bool) -> None:
    state = Tracker().track(frame, pk.dissect(frame), PacketState(), zone, commit=commit)
    assert state.state & 0x20
