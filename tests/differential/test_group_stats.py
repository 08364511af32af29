"""What groups count: the simulator's switch and Open vSwitch, by the same ovs-ofctl."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from sdn_lab.backends.sim.agent import Agent
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.openflow import frames
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.wire.reply import PortState
from tests.unit.openflow.passive import Passive

from .ovs_process import Vswitch

pytestmark = pytest.mark.ovs

GROUPS = """\
group_id=1,type=all,bucket=output:2,bucket=output:3
group_id=2,type=indirect,bucket=group:1
group_id=3,type=ff,bucket=watch_port:9,output:4,bucket=watch_port:4,output:4
group_id=4,type=ff,bucket=watch_port:9,output:4
group_id=5,type=select,bucket=weight:0,output:2,bucket=weight:9,output:3
group_id=6,type=all
"""
FLOWS = """\
in_port=1,actions=group:1
in_port=2,actions=group:2,group:1
in_port=3,actions=group:3
in_port=4,actions=group:4
in_port=5,actions=group:5,group:6
in_port=6,ip,actions=ct(zone=3,table=1)
table=1,actions=group:3,group:2
"""


@pytest.fixture
def passive() -> Iterator[tuple[Switch, Passive]]:
    attached = [
        Attached(state=PortState(of_port=n, mac=bytes(6), name=f"p{n}"), behind=f"port:{n}")
        for n in range(1, 7)
    ]
    switch = Switch("hv1", 1, Clock(), attached, tracker=Tracker())

    def make(send):
        agent = Agent(switch, send)
        agent.greet()
        return agent.receive

    made = Passive(make)
    yield switch, made
    made.close()


def frame(size: int, port: int) -> bytes:
    """Return a frame of the connection that port's sender has."""
    datagram = frames.udp("10.0.0.1", "10.0.0.2", 1000 + port, 80, bytes(size))
    packet = frames.ipv4("10.0.0.1", "10.0.0.2", 17, datagram)
    return frames.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, packet, pad=True)


def counters(text: str) -> dict[int, list[tuple[int, int]]]:
    """Return packets and bytes of a group and of its buckets, from ``dump-group-stats``."""
    return {
        int(line[1]): [
            (int(a), int(b)) for a, b in re.findall(r"packet_count=(\d+),byte_count=(\d+)", line[0])
        ]
        for line in re.finditer(r"group_id=(\d+),.*", text)
    }


def test_groups_and_buckets_count_as_open_vswitch_counts(
    vswitch: Vswitch, passive: tuple[Switch, Passive]
) -> None:
    switch, ours = passive
    vswitch.load("br0", FLOWS, GROUPS)
    ours.ofctl("add-groups", ours.where, "-", stdin=GROUPS)
    ours.ofctl("add-flows", ours.where, "-", stdin=FLOWS)

    def both() -> None:
        vswitch.control.call("revalidator/purge")  # which counts what was forwarded without asking
        theirs = vswitch.ofctl("dump-group-stats", vswitch.management("br0"))
        assert counters(ours.ofctl("dump-group-stats", ours.where)) == counters(theirs)

    for size in (0, 100, 333, 100):
        for port in range(1, 7):
            for _ in range(3):  # the first by the tables, then from the caches
                vswitch.receive(f"p{port}", frame(size, port))
                switch.receive(frame(size, port), port)
        both()
    assert sum(n for n, _ in counters(ours.ofctl("dump-group-stats", ours.where))[1]) > 100

    again = "group_id=1,type=all,bucket=output:2"
    vswitch.ofctl("mod-group", vswitch.management("br0"), again)
    ours.ofctl("mod-group", ours.where, again)
    both()
    vswitch.receive("p1", frame(5, 1))
    switch.receive(frame(5, 1), 1)
    both()
    assert counters(ours.ofctl("dump-group-stats", ours.where))[1] == [(1, 60), (1, 60)]


def test_a_groups_age_is_its_own_and_a_change_does_not_renew_it(passive: tuple[Switch, Passive]) -> None:
    switch, ours = passive
    ours.ofctl("add-group", ours.where, "group_id=1,type=all")
    switch.clock.pass_until(5_000_000_000)
    ours.ofctl("mod-group", ours.where, "group_id=1,type=all,bucket=output:2")
    ours.ofctl("add-group", ours.where, "group_id=2,type=all")
    switch.clock.pass_until(7_000_000_000)
    said = ours.ofctl("dump-group-stats", ours.where)
    assert re.findall(r"group_id=(\d+),duration=(\d+)", said) == [("1", "7"), ("2", "2")]


def test_a_bundle_that_fails_takes_back_no_count(passive: tuple[Switch, Passive]) -> None:
    switch, ours = passive
    ours.ofctl("add-group", ours.where, "group_id=1,type=all,bucket=output:2")
    ours.ofctl("add-flow", ours.where, "actions=group:1")
    switch.receive(frame(0, 1), 1)
    bad = "group modify group_id=1,type=all,bucket=output:3\nflow add actions=group:99"
    ours.ofctl("bundle", ours.where, "-", stdin=bad, fails=True)
    assert counters(ours.ofctl("dump-group-stats", ours.where)) == {1: [(1, 60), (1, 60)]}
