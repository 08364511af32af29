"""Bytes on their way to the controller are packet-ins; nothing else is."""

import struct

import pytest

from sdn_lab.backends.mininet.packet_ins import PacketIns
from sdn_lab.model.observation import NONCE_MAGIC

HYPERVISOR, CONTROLLER, OTHER = bytes([172, 30, 0, 2]), bytes([172, 30, 0, 1]), bytes([172, 30, 0, 3])
NONCE = NONCE_MAGIC.ljust(16, b"x")


def segment(payload, src=HYPERVISOR, dst=CONTROLLER, l4_port=40000, protocol=6, options=b"", padding=b""):
    tcp = struct.pack(">HHIIBBHHH", l4_port, 6653, 0, 0, (20 + len(options)) << 2, 0, 0, 0, 0) + options
    length = 20 + len(tcp) + len(payload)
    ip = struct.pack(">BBHHHBBH", 0x45, 0, length, 0, 0, 64, protocol, 0) + src + dst
    return bytes(12) + b"\x08\x00" + ip + tcp + payload + padding


@pytest.fixture
def wire():
    return PacketIns(HYPERVISOR, CONTROLLER)


def test_what_goes_to_the_controller_is_told(wire):
    assert wire.read(segment(b"before" + NONCE + b"after", options=bytes(12))) == b"before" + NONCE + b"after"


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_nonce_cut_in_two_is_found_once_whole(wire, cut):
    first = wire.read(segment(bytes(100) + NONCE[:cut]))
    second = wire.read(segment(NONCE[cut:] + bytes(100)))
    assert NONCE not in first
    assert NONCE in second
    assert NONCE not in wire.read(segment(bytes(100)))


def test_pieces_of_two_connections_are_not_put_together(wire):
    wire.read(segment(NONCE[:8], l4_port=40000))
    assert NONCE not in wire.read(segment(NONCE[8:], l4_port=40001))


def test_padding_is_no_payload(wire):
    assert wire.read(segment(b"", padding=NONCE)) == b""


def test_what_the_controller_sends_is_no_packet_in(wire):
    assert wire.read(segment(NONCE, src=CONTROLLER, dst=HYPERVISOR)) == b""


@pytest.mark.parametrize(
    "frame",
    [
        segment(NONCE, src=OTHER),
        segment(NONCE, dst=OTHER),
        segment(NONCE, protocol=17),
        bytes(12) + b"\x08\x06" + bytes(30) + NONCE,
        NONCE,
        b"",
    ],
    ids=["another sender", "another receiver", "UDP", "ARP", "no packet", "nothing"],
)
def test_everything_else_is_not_openflow(wire, frame):
    assert wire.read(frame) is None
