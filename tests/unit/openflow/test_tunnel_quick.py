"""A tunnel frame that was mostly made before is the one that is made from nothing, and opens as it does."""

from __future__ import annotations

import random

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.frames_tunnel import GENEVE_PORT, VXLAN_PORT, geneve_header, vxlan_header
from sdn_lab.openflow.frames_tunnel_quick import Wrapper, carried, is_plain, same_header
from sdn_lab.openflow.packet_checksum import internet

ENDS = pk.Outer(src_mac="0e:00:00:00:00:01", dst_mac="0e:00:00:00:00:02", src="172.31.0.1", dst="172.31.0.2")
KINDS = {
    "vxlan": (VXLAN_PORT, vxlan_header, pk.vxlan_encap, pk.vxlan_decap),
    "geneve": (GENEVE_PORT, geneve_header, pk.geneve_encap, pk.geneve_decap),
}


def inner(rng: random.Random) -> bytes:
    size = rng.choice((0, 1, 2, 31, 64, 1400))
    kind = rng.randrange(4)
    if kind == 0:
        return pk.ethernet("02:00:00:00:00:11", "02:00:00:00:00:12", 0x88B5, rng.randbytes(size))
    ports = rng.randrange(1, 65536), rng.randrange(1, 65536)
    if kind == 1:
        body = pk.ipv6("fd00::1", "fd00::2", 17, pk.udp("fd00::1", "fd00::2", *ports, rng.randbytes(size)))
        return pk.ethernet("02:00:00:00:00:11", "02:00:00:00:00:12", 0x86DD, body)
    make = pk.tcp if kind == 2 else pk.udp
    body = pk.ipv4("10.0.0.1", "10.0.0.2", 6 if kind == 2 else 17, make("10.0.0.1", "10.0.0.2", *ports, b"x"))
    return pk.ethernet("02:00:00:00:00:11", "02:00:00:00:00:12", 0x0800, body + rng.randbytes(size))


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapper_writes_the_bytes_that_are_made_from_nothing(kind: str) -> None:
    l4_port, header, encap, decap = KINDS[kind]
    rng = random.Random(kind)
    wrapper = Wrapper(ENDS, l4_port, header)
    for _ in range(400):
        frame, vni = inner(rng), rng.choice((0, 5, 0xFFFFFF))
        made = wrapper.wrap(frame, vni)
        assert made == encap(frame, vni, ENDS)
        opened = decap(made)
        assert opened is not None
        assert (carried(made), is_plain(made)) == (opened.inner, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_of_a_tunnel_that_was_opened_opens_as_it_does_from_nothing(kind: str) -> None:
    """Every bit of the outer headers turned over, and every length."""
    _, _, encap, decap = KINDS[kind]
    rng = random.Random(kind)
    known = same_header(encap(inner(rng), 77, ENDS))
    compared = 0
    for _ in range(8):
        whole = encap(inner(rng), 77, ENDS)
        odd = [whole[:size] for size in range(14, min(len(whole), 90))]
        for bit in range(8 * 50):
            turned = bytearray(whole)
            turned[bit // 8] ^= 1 << bit % 8
            odd.append(bytes(turned))
            turned[24:26] = b"\0\0"  # and with a right header checksum
            turned[24:26] = internet(bytes(turned[14:34])).to_bytes(2)
            odd.append(bytes(turned))
        for frame in odd:
            if same_header(frame) != known:
                continue
            opened = decap(frame)
            assert carried(frame) == (None if opened is None else opened.inner), frame.hex()
            compared += 1
    assert compared > 300


@pytest.mark.parametrize(
    "frame",
    [
        pk.push_vlan(pk.vxlan_encap(bytes(80), 77, ENDS)),
        pk.ethernet(
            ENDS.src_mac,
            ENDS.dst_mac,
            0x0800,
            pk.ipv4(ENDS.src, ENDS.dst, 17, bytes(80), options=b"\x01\x01\x01\x00"),
        ),
        pk.ethernet(
            ENDS.src_mac,
            ENDS.dst_mac,
            0x0800,
            pk.ipv4(ENDS.src, ENDS.dst, 17, bytes(80), flags_offset=0x2000),
        ),
    ],
    ids=["tagged", "options", "fragment"],
)
def test_no_other_header_is_taken_for_a_plain_one(frame: bytes) -> None:
    assert not is_plain(frame)


def test_a_datagram_with_a_checksum_is_not_opened_unchecked() -> None:
    frame = bytearray(pk.vxlan_encap(bytes(80), 77, ENDS))
    frame[40:42] = b"\x12\x34"
    assert carried(bytes(frame)) is None
