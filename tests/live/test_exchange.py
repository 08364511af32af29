"""Windows of frames on real Open vSwitch: nothing is lost in silence, and every point sees what it should."""

import struct

import hand_made
import pytest
from hand_made import arp_reply, nonce, sightings, udp, window

from sdn_lab.model.diagnostic import LabError

RED = ("vm1", "vm2", "vm3")


@pytest.fixture(scope="module")
def lab():
    wanted = hand_made.scenario()
    with hand_made.start(wanted) as lab:
        hand_made.load(lab, wanted)
        yield lab


@pytest.mark.parametrize("size", [60, 1400])
@pytest.mark.parametrize("spread", [True, False], ids=["from every port", "from one port"])
def test_of_thousands_of_frames_none_is_lost(lab, size, spread):
    number, windows, per_window = 0, 20, 120
    for _ in range(windows):
        frames, want = [], {}
        for _ in range(per_window):
            number += 1
            src = RED[number % 3] if spread else "vm1"
            dst = RED[(number + 1) % 3] if spread else RED[1 + number % 2]
            frames.append(("port", f"red/{src}", arp_reply(src, dst, number, size)))
            want[nonce(number)] = dst
        last = {dst: found for found, dst in want.items()}
        seen = lab.exchange(
            window(
                frames, [("port", f"red/{d}", struct.unpack(">Q", b"\0" + n[9:])[0]) for d, n in last.items()]
            )
        )
        assert (seen.missing, seen.lost) == ((), 0)
        where = sightings(seen)
        for found, dst in want.items():
            assert {p for p in where.get(found, ()) if p.startswith("port:")} == {f"port:red/{dst}"}


def test_a_window_waits_for_what_an_early_marker_has_overtaken(lab):
    for _ in range(20):
        frames = [("port", "red/vm1", arp_reply("vm1", "vm2", 1))]
        frames += [("port", "red/vm1", arp_reply("vm1", "vm3", n, 1400)) for n in range(2, 121)]
        seen = lab.exchange(window(frames, [("port", "red/vm2", 1)]))
        late = [n for n in range(2, 121) if "port:red/vm3" not in sightings(seen).get(nonce(n), ())]
        assert late == []


def test_what_crosses_hypervisors_is_seen_on_both_underlay_wires_and_in_no_host_stack(lab):
    seen = lab.exchange(window([("port", "red/vm1", arp_reply("vm1", "vm3", 1))], [("port", "red/vm3", 1)]))
    assert sightings(seen) == {nonce(1): {"port:red/vm3", "underlay:hv1", "underlay:hv2"}}


def test_a_window_closes_soon_after_its_last_marker(lab):
    frames = [("port", "red/vm1", arp_reply("vm1", "vm2", 1))]
    seen = lab.exchange(window(frames, [("port", "red/vm2", 1)], timeout_ms=30_000))
    assert seen.waited_ms < 5_000


def test_a_marker_that_does_not_arrive_is_missing_at_the_time_limit(lab):
    frames = [("port", "red/vm1", udp("vm1", "vm2", 9, 1)), ("port", "red/vm1", arp_reply("vm1", "vm2", 2))]
    seen = lab.exchange(window(frames, [("port", "red/vm2", 1), ("port", "red/vm2", 2)], timeout_ms=300))
    assert [(str(p), n) for p, n in seen.missing] == [("port:red/vm2", nonce(1))]
    assert seen.waited_ms >= 300


def test_a_marker_at_the_wrong_port_is_missing(lab):
    frames = [("port", "red/vm1", arp_reply("vm1", "vm2", 1))]
    seen = lab.exchange(window(frames, [("port", "blue/vm2", 1)], timeout_ms=200))
    assert len(seen.missing) == 1
    assert sightings(seen)[nonce(1)] == {"port:red/vm2"}


def test_a_frame_at_the_veth_reaches_the_instance_and_no_datapath(lab):
    frames = [("veth", "red/vm1", arp_reply("vm2", "vm1", 1))]
    seen = lab.exchange(window(frames, [("port", "red/vm1", 1)]))
    assert not seen.missing
    assert sightings(seen)[nonce(1)] == {"port:red/vm1"}


def test_a_raw_frame_on_the_underlay_reaches_the_wire_and_no_instance(lab):
    frames = [("underlay", "hv1", arp_reply("vm2", "vm1", 1))]
    seen = lab.exchange(window(frames, timeout_ms=200))
    assert sightings(seen) == {nonce(1): {"underlay:hv1"}}


@pytest.mark.parametrize("tag", ["81000005", "8100a005", "88a80005", "8100000581000007", "88a800058100e007"])
def test_a_capture_has_the_tags_that_were_on_the_wire(lab, tag):
    frame = arp_reply("vm2", "vm1", 1, tag=bytes.fromhex(tag))
    seen = lab.exchange(window([("veth", "red/vm1", frame)], [("port", "red/vm1", 1)]))
    assert [c.frame for c in seen.captures if str(c.point) == "port:red/vm1"] == [frame]


def test_the_other_tenant_with_the_same_addresses_sees_nothing(lab):
    numbers = range(1, 61)
    frames = [("port", "red/vm1", arp_reply("vm1", RED[1 + n % 2], n)) for n in numbers]
    seen = lab.exchange(window(frames, [("port", "red/vm2", 60), ("port", "red/vm3", 59)]))
    assert not seen.missing
    assert not [c for c in seen.captures if c.point.name.startswith("blue")]


def test_idle_instances_say_nothing(lab):
    assert lab.exchange(window([], timeout_ms=1500)).captures == ()


def test_a_frame_that_cannot_be_sent_is_an_error_with_its_size(lab):
    with pytest.raises(LabError, match="a frame of 2000 bytes could not be sent"):
        lab.exchange(window([("port", "red/vm1", bytes(2000))], timeout_ms=100))


def test_a_point_where_nothing_can_be_put_in_is_an_error(lab):
    with pytest.raises(LabError, match="no frame can be put in at management:hv1"):
        lab.exchange(window([("management", "hv1", bytes(60))], timeout_ms=100))


def test_frames_that_open_vswitch_had_no_room_for_are_counted(lab):
    """Planted: while Open vSwitch is stopped, more arrives than its sockets hold."""
    seen = lab.exchange(window([], timeout_ms=50))
    assert seen.lost == 0
    stopped = lab.spawn_on(
        "hv1",
        [
            "sh",
            "-c",
            "kill -STOP $(pidof ovs-vswitchd); echo stopped; read go; kill -CONT $(pidof ovs-vswitchd)",
        ],
    )
    assert stopped.stdout.readline() == "stopped\n"
    try:
        lost = 0
        for n in range(120):
            frames = [("port", "red/vm1", arp_reply("vm1", "vm2", n, 1400)) for _ in range(128)]
            lost += lab.exchange(window(frames, timeout_ms=0)).lost
            if lost:
                break
    finally:
        stopped.stdin.write("go\n")
        assert stopped.stdout.read() == ""
        stopped.kill()
    assert lost > 0
