"""Packet-ins: what Open vSwitch tells a controller, and what the simulator's switch tells it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow import frames
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.text import format_entry, parse_flows
from sdn_lab.openflow.wire import frame, oxm, reply
from sdn_lab.openflow.wire.reply import PortState

from .ovs_process import DEADLINE_S, Vswitch

pytestmark = pytest.mark.ovs
MATCH_AT = 24
NO_BUFFER = b"\0\0\xff\xff"
SET_CONFIG = frame.message(frame.SET_CONFIG, 2, NO_BUFFER)
EVERY_REASON = frame.message(frame.SET_ASYNC, 4, b"\0\0\0\7" * 6)

FLOWS = {
    "all of it": "cookie=0x5,in_port=1,actions=CONTROLLER:65535",
    "some of it": "cookie=0x5,in_port=1,actions=CONTROLLER:20",
    "a table-miss": "priority=0,actions=CONTROLLER:65535",
    "for a reason": "in_port=1,actions=controller(reason=invalid_ttl,max_len=99)",
    "with userdata, of which OpenFlow 1.3 says nothing": "in_port=1,actions=controller(userdata=01.02.03)",
    "with registers": (
        "in_port=1,actions=set_field:7->reg3,set_field:9->metadata,set_field:5->tun_id,resubmit(,4)\n"
        "table=4,cookie=0x77,actions=controller(max_len=64)"
    ),
    "behind the tracker": (
        "in_port=1,ip,actions=ct(table=4,zone=9)\ntable=4,ct_state=+trk,actions=CONTROLLER:65535"
    ),
}


class Listener:
    """A controller of a bridge that only listens."""

    def __init__(self, vswitch: Vswitch) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        self._socket.connect(str(vswitch.folder / "br0.mgmt"))
        self._framer = frame.Framer()
        self._socket.sendall(
            reply.hello(1) + SET_CONFIG + EVERY_REASON + frame.message(frame.BARRIER_REQUEST, 3)
        )
        self.wait_for(frame.BARRIER_REPLY)

    def wait_for(self, kind: int) -> bytes:
        while True:
            for message in self._framer.feed(self._socket.recv(1 << 16)):
                if message[1] == kind:
                    return message

    def close(self) -> None:
        self._socket.close()


def parts(message: bytes) -> tuple[bytes, Match, bytes]:
    """Return a packet-in's fixed part, what it tells beside the frame, and the frame."""
    match, at = oxm.read_match(message, MATCH_AT, len(message))
    return message[8:MATCH_AT], match, message[at:]


@pytest.fixture
def listener(vswitch: Vswitch) -> Iterator[Listener]:
    made = Listener(vswitch)
    yield made
    made.close()


def sent() -> bytes:
    datagram = frames.udp("10.0.0.1", "10.0.0.2", 5, 80, bytes(60))
    packet = frames.ipv4("10.0.0.1", "10.0.0.2", 17, datagram)
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, packet)


@pytest.mark.parametrize("name", FLOWS)
def test_a_packet_in_says_what_open_vswitch_says(vswitch: Vswitch, listener: Listener, name: str) -> None:
    entries = parse_flows(FLOWS[name])
    vswitch.load("br0", "\n".join(map(format_entry, entries)))
    vswitch.flush_conntrack()
    attached = [Attached(state=PortState(of_port=1, mac=bytes(6), name="p1"), behind="port:1")]
    switch = Switch("hv1", 1, Clock(), attached, tracker=Tracker())
    switch.load(Tables(entries=entries))
    ours: list[bytes] = []
    agent = Agent(switch, ours.append)
    agent.receive(frame.message(frame.FEATURES_REQUEST, 1) + SET_CONFIG + EVERY_REASON)
    ours.clear()
    switch.on_packet_in = agent.packet_in

    vswitch.receive("p1", sent())
    theirs = listener.wait_for(frame.PACKET_IN)
    switch.receive(sent(), 1)
    [told] = ours
    assert parts(told) == parts(theirs)
    assert len(told) == len(theirs)
