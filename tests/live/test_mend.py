"""What dies in a lab that lives on is put right, and in no moment of it does anything open."""

import re
import statistics
import sys
import time

import pytest
from hand_made import arp_reply, nonce, sightings, window
from remains import until

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.packet import ethernet
from sdn_lab.scenario import find, load

MAC = {n: f"02:00:00:00:00:1{n}" for n in (1, 2, 3)}
BROADCAST = "ff:ff:ff:ff:ff:ff"


@pytest.fixture
def lab():
    options = Options(backend="mininet", methods=("graph", "drift"), mend=True)
    with Lab(load(find("overlap")), options) as running:
        yield running


def kill(lab, what):
    """Kill a process of the lab, by the name under which its daemon owns it."""
    pid = lab.backend.processes()[what]
    child = lab.backend.spawn_on("hv1", ["kill", "-9", str(pid)])
    child.stdout.read()
    child.kill()


def ethernet_frame(dst, src, number, kind=0x88B5):
    return ethernet(dst, src, kind, bytes(20) + nonce(number) + bytes(10))


def denied(number):
    """Frames that nobody may get, each with a nonce of its own, from red/vm1."""
    broadcast = ethernet_frame(BROADCAST, MAC[1], number)
    stranger = ethernet_frame(MAC[2], "02:00:00:00:00:99", number + 1)
    odd = ethernet_frame(MAC[2], MAC[1], number + 2)
    tagged = ethernet(MAC[3], MAC[1], 0x8100, bytes.fromhex("00050806") + bytes(28) + nonce(number + 3))
    spoofed = arp_reply("vm2", "vm1", number + 4)  # red/vm1 says that it is red/vm2
    return [("port", "red/vm1", frame) for frame in (broadcast, stranger, odd, tagged, spoofed)]


class Attack:
    """Sends what is denied for as long as it is asked to, and remembers what arrived anywhere."""

    def __init__(self, lab):
        self.lab, self.sent, self.arrived = lab, 0, []

    def until(self, condition, what, limit_s=60.0):
        deadline = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline, f"{what}; {self.lab.controller.said}"
            self.lab.controller.check()
            frames = denied(1000 + self.sent)
            self.sent += len(frames)
            seen = self.lab.backend.exchange(window(frames, timeout_ms=20))
            self.arrived += [(n, p) for n, points in sightings(seen).items() for p in points if "port:" in p]


def works(lab, number):
    seen = lab.backend.exchange(
        window([("port", "red/vm1", arp_reply("vm1", "vm3", number))], [("port", "red/vm3", number)])
    )
    return not seen.missing


def show(capsys, what, mended):
    times = [m.ms for m in mended]
    median, most = statistics.median(times), max(times)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{what}: {len(times)} times, put right in {median:.0f} ms (median), {most:.0f} ms (most)\n"
        )


def test_a_controller_that_is_killed_20_times_opens_nothing_and_the_tables_are_what_they_were(lab, capsys):
    before, attack = lab.backend.snapshot(), Attack(lab)
    for n in range(1, 21):
        kill(lab, "the controller")
        attack.until(lambda n=n: len(lab.mended) == n, f"the controller was not restarted the {n}th time")
        assert works(lab, n)
    assert attack.arrived == []
    assert attack.sent > 100
    assert lab.backend.snapshot().hash == before.hash
    assert lab.check().status == "holds"
    assert all(re.fullmatch("the controller was ended by SIGKILL.*", m.what) for m in lab.mended)
    show(capsys, "controller killed", lab.mended)


def test_a_switch_that_is_killed_5_times_stays_closed_until_it_is_told_again(lab, capsys):
    before, attack = lab.backend.snapshot(), Attack(lab)
    for n in range(1, 6):
        hypervisor = f"hv{1 + n % 2}"
        kill(lab, f"ovs-vswitchd of {hypervisor}")
        attack.until(
            lambda n=n: len(lab._mender._mended) == n, f"{hypervisor} was not restarted the {n}th time"
        )
        assert works(lab, n)
    assert attack.arrived == []
    assert lab.backend.snapshot().hash == before.hash
    assert lab.check().status == "holds"
    assert lab.mended[0].what == "ovs-vswitchd of hv2 was ended by SIGKILL"
    show(capsys, "ovs-vswitchd killed", lab.mended)


def test_the_attack_would_have_seen_a_switch_that_opens(lab):
    """The control: a bridge that floods is seen by the very frames that see nothing above."""
    child = lab.backend.spawn_on(
        "hv1", ["ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-int", "table=0,priority=60000,actions=ALL"]
    )
    child.stdout.read()
    until(lambda: child.poll() == 0, "the entry was not added")
    attack = Attack(lab)
    attack.until(lambda: attack.arrived, "an open bridge was not noticed", limit_s=10.0)


def test_a_database_that_is_killed_is_restarted_with_all_it_held(lab):
    before, attack = lab.backend.snapshot(), Attack(lab)
    kill(lab, "ovsdb-server of hv1")
    attack.until(lambda: lab.mended, "the database was not restarted")
    assert (attack.arrived, works(lab, 1)) == ([], True)
    assert lab.backend.snapshot().hash == before.hash


def dies(lab, what):
    """Kill *what* in a lab and wait until the lab says so."""
    with lab:
        kill(lab, what)
        until(lambda: lab.backend.snapshot() is None, "the lab never said that anything died")


def test_what_cannot_be_restarted_still_fails_the_lab():
    lab = Lab(load(find("overlap")), Options(backend="mininet", methods=("graph",), mend=True))
    with pytest.raises(LabError, match="the shell of hypervisor hv1 was ended by SIGKILL"):
        dies(lab, "the shell of hypervisor hv1")


def test_a_lab_that_is_not_mended_fails_when_its_controller_dies():
    lab = Lab(load(find("overlap")), Options(backend="mininet", methods=("graph",)))
    with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
        dies(lab, "the controller")
