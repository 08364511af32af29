"""The switches meet a controller over TCP; time stands still while it has anything to do."""

import threading
import time

import pytest

from sdn_lab.backends.sim import connection
from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import action as act
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire import action_write, frame, oxm, request
from tests.unit.backends.sim.conftest import DEADLINE_S, entry, out

FRAME = packet.ethernet("02:00:00:00:00:11", "02:00:00:00:00:13", 0x88B5, b"sdn-lab-payload" * 4)
PORT1, PORT2 = (WatchPoint(kind=PointKind.PORT, name=f"red/vm{n}") for n in (1, 2))


def window(*frames):
    return Window(injections=tuple(Injection(point=PORT1, frame=f) for f in frames))


def reach(lab, controller, settle=lambda: None):
    lab.connect("127.0.0.1", controller.port, settle)


def packet_out(data, of_port):
    packed = action_write.write_actions([out(of_port)])
    head = b"\xff\xff\xff\xff" + act.CONTROLLER.to_bytes(4, "big") + len(packed).to_bytes(2, "big") + bytes(6)
    return frame.message(frame.PACKET_OUT, 3, head + packed + data)


def answers(message):
    """The frame inside a packet-in."""
    _, at = oxm.read_match(message, 24, len(message))
    return message[at + 2 :]


def poll(done, what):
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.002)


def test_every_integration_bridge_connects_and_no_physical_one(lab, controller):
    reach(lab, controller)
    assert len(controller.sockets) == 3
    features = [m for m in controller.heard if m[1] == frame.FEATURES_REPLY]
    dpids = {m[8:16].hex() for m in features}
    assert dpids == {d.dpid for d in lab.assignment.datapaths.values()}


def test_a_controller_that_is_not_there_is_one_sentence(lab, controller):
    controller.close()
    with pytest.raises(
        LabError, match=r"^hv1 cannot reach its controller at 127.0.0.1:\d+: Connection refused$"
    ):
        reach(lab, controller)


def test_a_controller_that_does_not_speak_is_one_sentence(lab, controller, monkeypatch):
    monkeypatch.setattr(connection, "ANSWER_S", 0.05)
    monkeypatch.setattr(controller, "_serve", lambda sock: None)
    with pytest.raises(LabError, match="the controller of hv1 did not ask for its features"):
        reach(lab, controller)


def test_connect_returns_when_the_controller_has_nothing_left_to_do(lab, controller):
    asked = []
    reach(lab, controller, lambda: asked.append(len(controller.heard)))
    assert asked[-1] == 6  # three hellos and three features replies, and nothing since


def test_an_exchange_waits_for_what_the_controller_answers(lab, controller):
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(act.CONTROLLER), in_port=102),))})

    def answer(sock, message):
        if message[1] == frame.PACKET_IN:
            sock.sendall(packet_out(answers(message), 103))

    controller.answer = answer
    got = lab.exchange(window(FRAME, FRAME + b"!"))
    assert [(str(c.point), c.frame) for c in got.captures] == [
        ("packet_in:hv1", FRAME),
        ("packet_in:hv1", FRAME + b"!"),
        ("port:red/vm2", FRAME),
        ("port:red/vm2", FRAME + b"!"),
    ]


def test_the_clock_stands_still_while_the_controller_thinks(lab, controller):
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(act.CONTROLLER), in_port=102),))})
    pending = []

    def answer(sock, message):
        if message[1] == frame.PACKET_IN:
            pending.append((sock, message))

    def settle():  # "has nothing left to do" only once it has answered, some time later
        before = lab.clock.now_ns
        while pending:
            sock, message = pending.pop()
            threading.Event().wait(0.02)
            sock.sendall(packet_out(answers(message), 103))
        assert lab.clock.now_ns == before

    controller.answer = answer
    lab._channel._settle = settle
    began = lab.clock.now_ns
    got = lab.exchange(window(FRAME))
    assert PORT2 in {c.point for c in got.captures}
    assert lab.clock.now_ns - began == 1_000_000  # the window's own, and none for the waiting


def test_without_packet_ins_the_controller_is_not_asked(lab, controller):
    asked = []
    reach(lab, controller, lambda: asked.append(1))
    before = len(asked)
    lab.program({"hv1": Tables(entries=(entry(out(103), in_port=102),))})
    lab.exchange(window(FRAME))
    assert len(asked) == before


def test_echo_requests_are_answered_whatever_the_lab_does(lab, controller):
    reach(lab, controller)
    with lab._channel.lock:
        pass
    controller.sockets[0].sendall(frame.message(frame.ECHO_REQUEST, 9, b"there?"))
    assert controller.wait_for(frame.ECHO_REPLY)[8:] == b"there?"


def test_a_controller_that_goes_leaves_the_entries(lab, controller):
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(103), in_port=102),))})
    controller.close()
    poll(lambda: not lab._channel.talks(), "the lab does not see that its controller is gone")
    assert PORT2 in {c.point for c in lab.exchange(window(FRAME)).captures}


def test_a_standalone_switch_floods_once_its_controller_has_been_gone_long_enough(lab, controller):
    reach(lab, controller)
    lab.switch("hv1").fail_mode = "standalone"
    lab._channel.disconnect()
    assert lab.exchange(window(FRAME)).captures == ()
    lab.advance(15)
    assert PORT2 in {c.point for c in lab.exchange(window(FRAME)).captures}
    assert lab.snapshot().datapaths["hv1"].fail_mode == "standalone"


def test_a_controller_that_goes_while_it_is_asked_fails_the_lab(lab, controller):
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(act.CONTROLLER), in_port=102),))})
    controller.answer = lambda sock, message: message[1] == frame.PACKET_IN and sock.shutdown(2)
    with pytest.raises(LabError, match="the controller closed its connection to hv1"):
        lab.exchange(window(FRAME))


def test_a_controller_that_never_rests_fails_the_lab(lab, controller, monkeypatch):
    monkeypatch.setattr(connection, "ROUNDS_MAX", 5)
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(act.CONTROLLER)),))})

    def answer(sock, message):  # a barrier for every answer that it gets
        if message[1] in (frame.PACKET_IN, frame.BARRIER_REPLY):
            sock.sendall(frame.message(frame.BARRIER_REQUEST, 1))

    controller.answer = answer
    with pytest.raises(LabError, match="did not come to rest"):
        lab.exchange(window(FRAME))


def test_what_the_controller_does_between_exchanges_is_not_in_the_next_one(lab, controller):
    reach(lab, controller)
    for sock in controller.sockets:
        sock.sendall(packet_out(FRAME, act.FLOOD) + frame.message(frame.BARRIER_REQUEST, 1))
    controller.wait_for(frame.BARRIER_REPLY)
    lab._channel.lock.acquire()
    lab._channel.rest()
    lab._channel.lock.release()
    assert lab.exchange(window()).captures == ()


def test_a_long_program_and_a_long_dump_pass_through_the_sockets(lab, controller):
    reach(lab, controller)
    many = [entry(out(103), eth_type=0x0800, ipv4_dst=n, priority=9) for n in range(20_000)]
    lab.program({"hv1": Tables(entries=tuple(many))})
    body = request.FLOW.to_bytes(2, "big") + bytes(6)
    body += b"\xff" + bytes(3) + b"\xff" * 8 + bytes(4) + bytes(16) + oxm.write_match(Match())
    for sock in controller.sockets:
        sock.sendall(frame.message(frame.MULTIPART_REQUEST, 5, body))
    parts = []

    def complete():
        parts[:] = [m for m in list(controller.heard) if m[1] == frame.MULTIPART_REPLY]
        return sum(not m[11] & 1 for m in parts) == 3

    poll(complete, "the dump did not arrive")
    assert sum(len(m) - 16 for m in parts) == 20_000 * (48 + 24 + 8 + 16)


def test_flow_removed_reaches_the_controller_when_virtual_time_has_come(lab, controller):
    reach(lab, controller)
    mortal = FlowEntry(
        match=Match.of(in_port=102),
        hard_timeout=60,
        flags=request.SEND_FLOW_REM,
        cookie=0xC0,
        instructions=Instructions(apply=(out(103),)),
    )
    lab.program({"hv1": Tables(entries=(mortal,))})
    lab.advance(59.9)
    assert PORT2 in {c.point for c in lab.exchange(window(FRAME)).captures}
    lab.advance(0.2)
    message = controller.wait_for(frame.FLOW_REMOVED)
    assert (message[8:16], message[18]) == ((0xC0).to_bytes(8, "big"), 1)
    assert lab.exchange(window(FRAME)).captures == ()


def test_a_port_that_is_unplugged_is_announced_and_silent(lab, controller):
    reach(lab, controller)
    lab.program({"hv1": Tables(entries=(entry(out(act.ALL)),))})
    lab.set_link("red/vm2", up=False)
    assert controller.wait_for(frame.PORT_STATUS)[8] == 2
    assert PORT2 not in {c.point for c in lab.exchange(window(FRAME)).captures}


def test_leaving_the_lab_ends_connections_thread_and_children(scenario, controller):
    import sys

    with SimLab(scenario, assign(scenario)) as lab:
        child = lab.spawn([sys.executable, "-c", "print(input())"], {})
        child.stdin.write("hello\n")
        child.stdin.flush()
        assert child.stdout.readline() == "hello\n"
        sleeper = lab.spawn([sys.executable, "-c", "import time; time.sleep(1000)"], {})
        reach(lab, controller)
    assert sleeper.poll() is not None
    assert not [t for t in threading.enumerate() if t.name == "controller channel"]
    poll(lambda: all(s.fileno() < 0 or not s.recv(1) for s in controller.sockets), "a socket stayed open")


def test_a_malformed_stream_ends_its_own_connection_and_no_other(lab, controller):
    reach(lab, controller)
    controller.sockets[0].sendall(b"\4\0\0\0" + bytes(60))
    connections = lab._channel.connections
    poll(lambda: any(not c.open for c in connections.values()), "the malformed stream goes on")
    assert sorted(c.open for c in connections.values()) == [False, True, True]
    before = len(controller.heard)
    for sock in controller.sockets[1:]:
        sock.sendall(frame.message(frame.BARRIER_REQUEST, 77))
    poll(
        lambda: [m[1] for m in controller.heard[before:]].count(frame.BARRIER_REPLY) == 2,
        "the other switches do not answer",
    )
