"""The management plane: controllers connect, tables survive or do not, packet-ins are seen, nothing opens."""

import contextlib
import os
import sys

import hand_made
import pytest
from hand_made import arp_reply, nonce, sightings, window
from remains import until

from sdn_lab.model.diagnostic import ApparatusError, LabError

CONTROLLER = """
import socket, sys, threading
def exactly(c, n):
    data = b""
    while len(data) < n:
        more = c.recv(n - len(data))
        if not more: raise SystemExit
        data += more
    return data
def serve(c):
    c.sendall(bytes.fromhex("0400000800000001"))
    while True:
        head = exactly(c, 8)
        body = exactly(c, int.from_bytes(head[2:4], "big") - 8)
        if head[1] == 2: c.sendall(head[:1] + b"\\x03" + head[2:] + body)
        if head[1] == 10: print("packet-in", flush=True)
s = socket.create_server((sys.argv[1], 0))
print(s.getsockname()[1], flush=True)
for _ in range(2):
    threading.Thread(target=serve, args=s.accept()[:1], daemon=True).start()
sys.stdin.read()
"""


@contextlib.contextmanager
def controller(lab):
    child = lab.spawn([sys.executable, "-c", CONTROLLER, lab.controller_host], dict(os.environ))
    try:
        yield child, int(child.stdout.readline())
    finally:
        child.kill()


def run_on_hv1(lab, command):
    child = lab.spawn_on("hv1", ["sh", "-ec", command])
    child.stdout.read()
    until(lambda: child.poll() is not None, "the command did not end")
    assert child.poll() == 0, child.last_words()
    child.kill()


@pytest.fixture
def lab():
    lab = hand_made.start(hand_made.scenario())
    yield lab
    lab.close()


def test_before_a_controller_every_datapath_is_secure_empty_and_forwards_nothing(lab):
    state = lab.snapshot()
    for hypervisor in ("hv1", "hv2"):
        assert state.datapaths[hypervisor].tables.entries == ()
        assert state.datapaths[hypervisor].fail_mode == "secure"
        below = state.datapaths[f"{hypervisor}/underlay"]
        assert (below.fail_mode, len(below.tables.entries)) == ("secure", 4)
        assert below.ports == {1: "uplink", 0xFFFFFFFE: "local"}
    assert state.datapaths["hv1"].ports == {
        1: "tunnel",
        100: "port:blue/vm1",
        101: "port:blue/vm2",
        102: "port:red/vm1",
        103: "port:red/vm2",
        0xFFFFFFFE: "local",
    }
    frames = [("port", "red/vm1", arp_reply("vm1", "vm2", 1))]
    assert sightings(lab.exchange(window(frames, timeout_ms=200))) == {}


def test_packet_ins_are_seen_and_only_where_they_happen(lab):
    settled = []
    with controller(lab) as (child, l4_port):
        lab.connect(lab.controller_host, l4_port, lambda: settled.append(True))
        assert settled == [True]
        lab.load("hv1", "table=0,priority=1,actions=CONTROLLER:65535\n")
        numbers = range(1, 41)
        frames = [("port", "red/vm1", arp_reply("vm1", "vm2", n, 1400)) for n in numbers]
        seen = lab.exchange(window(frames, [("packet_in", "hv1", n) for n in numbers]))
        assert not seen.missing
        assert sightings(seen) == {nonce(n): {"packet_in:hv1"} for n in numbers}
        for _ in numbers:
            assert child.stdout.readline() == "packet-in\n"


def test_a_frame_for_the_local_port_is_seen_in_the_host_stack(lab):
    lab.load("hv1", "table=0,priority=1,actions=LOCAL\n")
    frames = [("port", "red/vm1", arp_reply("vm1", "vm2", 1))]
    seen = lab.exchange(window(frames, [("management", "hv1", 1)]))
    assert sightings(seen) == {nonce(1): {"management:hv1"}}


def test_a_tunnel_packet_to_no_peer_does_not_leave_the_hypervisor(lab):
    """Its neighbour entry is planted, and then, as the negative control, a hole in the physical bridge."""
    stranger = "172.31.0.9"
    neighbour = f"tnl/neigh/set br-phy {stranger} 0e:00:00:00:00:09"
    run_on_hv1(lab, f"ovs-appctl {neighbour}")
    lab.load(
        "hv1", f"table=0,priority=1,actions=set_field:7->tun_id,set_field:{stranger}->tun_dst,output:1\n"
    )
    frames = [("port", "red/vm1", arp_reply("vm1", "vm2", n)) for n in (1, 2)]
    assert sightings(lab.exchange(window(frames[:1], timeout_ms=300))) == {}
    run_on_hv1(lab, "ovs-ofctl -O OpenFlow13 add-flow br-phy priority=1,udp,actions=1")
    seen = lab.exchange(window(frames[1:], [("underlay", "hv1", 2)]))
    assert sightings(seen) == {nonce(2): {"underlay:hv1"}}  # it left; no switch there knows the stranger
    assert len(lab.snapshot().datapaths["hv1/underlay"].tables.entries) == 5


def test_entries_stay_and_nothing_opens_when_the_controller_is_gone(lab):
    with controller(lab) as (_, l4_port):
        lab.connect(lab.controller_host, l4_port, lambda: None)
        hand_made.load(lab, hand_made.scenario())
        before = lab.snapshot()
    assert lab.snapshot().hash == before.hash
    frames = [("port", "red/vm1", arp_reply("vm1", "vm3", 1)), ("port", "red/vm1", bytes(60))]
    seen = lab.exchange(window(frames, [("port", "red/vm3", 1)]))
    assert not seen.missing
    assert all(nonce(1) in c.frame for c in seen.captures)


def test_connecting_where_nobody_listens_names_the_datapaths(lab, monkeypatch):
    monkeypatch.setattr("sdn_lab.backends.mininet.lab._CONNECT_S", 0.5)
    with pytest.raises(LabError, match=r"hv1, hv2 did not connect to the controller at tcp:172\.30\.0\.1:9"):
        lab.connect(lab.controller_host, 9, lambda: None)


def test_no_instance_reaches_the_management_network(lab):
    with controller(lab) as (_, l4_port):
        lab.connect(lab.controller_host, l4_port, lambda: None)
        hand_made.load(lab, hand_made.scenario())
        program = (
            "import socket, sys\n"
            "try: socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1)\n"
            "except OSError as e: print(e.errno)\n"
        )
        argv = [sys.executable, "-c", program, lab.controller_host, str(l4_port)]
        child = lab.spawn_at("red/vm1", argv)
        assert child.stdout.read() == "101\n"  # ENETUNREACH
        child.kill()


def test_a_program_that_is_missing_is_named(lab):
    with pytest.raises(ApparatusError, match="there is no program no-such-controller"):
        lab.spawn(["no-such-controller"], dict(os.environ))


def test_a_controller_that_fails_keeps_its_last_words_and_fails_the_lab(lab):
    child = lab.spawn([sys.executable, "-c", "raise SystemExit('port busy')"], dict(os.environ))
    until(lambda: child.poll() is not None, "the controller did not end")
    assert (child.poll(), child.last_words()) == (1, "port busy")
    with pytest.raises(LabError, match=r"^the controller ended with status 1$"):
        lab.snapshot()
    with pytest.raises(LabError, match=r"^the controller ended with status 1$"):
        lab.__exit__(None, None, None)


def test_versions_name_what_forwards(lab):
    told = lab.versions()
    assert told["datapath"] == "userspace (netdev)"
    assert told["Open vSwitch"][0].isdigit()
    assert told["Mininet"][0].isdigit()


def test_two_labs_run_side_by_side(lab):
    with hand_made.start(hand_made.scenario()) as other:
        for each in (lab, other):
            hand_made.load(each, hand_made.scenario())
            frames = [("port", "red/vm1", arp_reply("vm1", "vm3", 1))]
            assert not each.exchange(window(frames, [("port", "red/vm3", 1)])).missing


def test_closing_twice_is_once_and_a_closed_lab_says_so(lab):
    lab.close()
    lab.close()
    with pytest.raises(LabError, match="the lab has been closed"):
        lab.snapshot()
