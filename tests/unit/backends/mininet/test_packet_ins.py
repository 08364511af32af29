"""The packets inside packet-ins, from a stream that is cut anywhere; what is OpenFlow on the wire."""

import socket
import struct
import threading

import pytest

from sdn_lab.backends.mininet.packet_ins import PacketIns, is_openflow, packet_of
from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.packet import ethernet
from sdn_lab.openflow.wire import frame

PACKET = ethernet("02:00:00:00:00:11", "02:00:00:00:00:13", 0x88B5, b"sdn-lab-payload" * 4)
HYPERVISOR, CONTROLLER, OTHER = bytes([172, 30, 0, 2]), bytes([172, 30, 0, 1]), bytes([172, 30, 0, 3])


def packet_in(packet=PACKET, fields=b"\x80\x00\x00\x04\x00\x00\x00\x64"):
    match = struct.pack("!HH", 1, 4 + len(fields)) + fields
    match += bytes(-len(match) % 8)
    head = struct.pack("!IHBBQ", 0xFFFFFFFF, len(packet), 1, 0, 0)
    return frame.message(frame.PACKET_IN, 7, head + match + bytes(2) + packet)


@pytest.fixture
def bridge(tmp_path):
    """A bridge's management socket; what it accepts."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "br.mgmt"))
        listener.listen()
        accepted = []
        thread = threading.Thread(target=lambda: accepted.append(listener.accept()[0]))
        thread.start()
        ear = PacketIns(tmp_path / "br.mgmt")
        thread.join(timeout=5)
        with accepted[0] as there:
            yield ear, there
    ear.close()


@pytest.mark.parametrize("fields", [b"", b"\x80\x00\x00\x04\x00\x00\x00\x64", bytes(8), bytes(12), bytes(36)])
def test_the_packet_is_found_behind_a_match_of_any_length(fields):
    assert packet_of(packet_in(fields=fields)) == PACKET


def test_it_asks_in_openflow_1_3_for_whole_packets_and_for_nothing_else(bridge):
    _, there = bridge
    asked = there.recv(1000)
    assert asked == frame.message(frame.HELLO, 1) + frame.message(frame.SET_CONFIG, 2, b"\0\0\xff\xff")


def test_packets_are_told_wherever_the_stream_is_cut(bridge):
    ear, there = bridge
    stream = frame.message(frame.HELLO, 9) + packet_in() + packet_in(PACKET + b"second")
    told = []
    for n in range(len(stream)):
        there.sendall(stream[n : n + 1])
        told += ear.frames()
    assert told == [PACKET, PACKET + b"second"]
    assert ear.frames() == []


def test_an_echo_request_is_answered(bridge):
    ear, there = bridge
    there.recv(1000)
    there.sendall(frame.message(frame.ECHO_REQUEST, 5, b"alive?"))
    assert ear.frames() == []
    assert there.recv(1000) == frame.message(frame.ECHO_REPLY, 5, b"alive?")


def test_a_bridge_that_goes_is_an_error_and_not_silence(bridge):
    ear, there = bridge
    there.close()
    with pytest.raises(LabError, match=r"br\.mgmt no longer tells of packet-ins"):
        ear.frames()


def test_a_bridge_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(LabError, match=r"br\.mgmt cannot be asked for packet-ins: No such file"):
        PacketIns(tmp_path / "br.mgmt")


def wire(src=HYPERVISOR, dst=CONTROLLER, protocol=6, kind=b"\x08\x00"):
    return (
        bytes(12)
        + kind
        + struct.pack(">BBHHHBBH", 0x45, 0, 40, 0, 0, 64, protocol, 0)
        + src
        + dst
        + bytes(20)
    )


def test_tcp_between_hypervisor_and_controller_is_openflow_both_ways():
    assert is_openflow(wire(), HYPERVISOR, CONTROLLER)
    assert is_openflow(wire(CONTROLLER, HYPERVISOR), HYPERVISOR, CONTROLLER)


@pytest.mark.parametrize(
    "frame_",
    [wire(src=OTHER), wire(dst=OTHER), wire(protocol=17), wire(kind=b"\x08\x06"), wire()[:20], b""],
    ids=["another sender", "another receiver", "UDP", "ARP", "cut short", "nothing"],
)
def test_everything_else_on_the_wire_is_not(frame_):
    assert not is_openflow(frame_, HYPERVISOR, CONTROLLER)
