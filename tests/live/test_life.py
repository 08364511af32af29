"""Rows LIFE-02 to -05 and -12 on Open vSwitch: what a change, a silence, an edit leaves behind.

Each rule has its control beside it: the guard is taken away, and the same question finds it.  A killed
controller and a killed switch (LIFE-07) are in `test_mend.py`, random edits in `test_drift.py`.

``SDN_LAB_PROBE_S=30`` gives switches the lab's own patience with a silent controller; 5 is the least.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from remains import until
from test_drift import on, vsctl

from sdn_lab.lab import Lab, Options
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Window
from sdn_lab.model.verdict import Status
from sdn_lab.openflow.entry import Program
from sdn_lab.openflow.text import format_entry
from tests.unit.lab.lives import (
    AGAIN,
    FIRST,
    MOVED,
    NOBODY,
    Flow,
    Identity,
    Packet,
    conversation,
    crosswise,
    denied,
    entries_kept,
    locations,
    old_numbers,
    sent,
    spoofs,
)
from tests.unit.lab.probing import Tally

PROBE_S = int(os.environ.get("SDN_LAB_PROBE_S", "5"))
OPTIONS = Options(backend="mininet", methods=("graph", "drift"), mend=True)
OLD = "where red/vm2 was"

SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind((sys.argv[1], 0))
for line in sys.stdin:
    wire.send(bytes.fromhex(line))
    print("sent", flush=True)
"""
DROP = """
import ctypes, os, socket, sys
PIDFD_GETFD = 438
process, dropped = os.pidfd_open(int(sys.argv[1])), 0
for number in os.listdir(f"/proc/{sys.argv[1]}/fd"):
    ours = ctypes.CDLL(None).syscall(PIDFD_GETFD, process, int(number), 0)
    try:
        connection = socket.socket(fileno=ours)
        connection.getpeername()
    except OSError:
        continue
    if connection.family == socket.AF_INET:
        connection.shutdown(socket.SHUT_RDWR)
        dropped += 1
print(dropped)
"""

CONNECTED = ("ovs-vsctl", "--timeout=10", "--bare", "--columns=is_connected", "list", "controller")
HERE = ("red/vm1", "red/vm2")  # both on hv1


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(FIRST, OPTIONS) as running:
        yield running


@pytest.fixture(scope="module")
def kept() -> Iterator[Lab]:
    """A lab for tests that leave it as it was."""
    with Lab(FIRST, OPTIONS) as running:
        yield running


# -- LIFE-02: a rule changed under probes


def leaks_half_way(monkeypatch) -> list[str]:
    """What arrives while the datapaths hold what `meet` says, of all that both scenarios deny."""
    pair = crosswise()
    tally = Tally(pair)
    with Lab(pair.one, OPTIONS) as lab:
        change = lab.backend.change

        def and_look(scenario: Scenario, assignment: Assignment) -> None:
            lab.backend.take_effect()
            tally.see(lab.backend.exchange(Window(injections=tally.injections(60), timeout_ms=200)).captures)
            change(scenario, assignment)

        monkeypatch.setattr(lab.backend, "change", and_look)
        for scenario in (pair.other, pair.one):
            lab.apply(scenario)
        assert lab.check().status == "holds"
    assert tally.of_denied() == 80
    return tally.leaks


def test_life_02_half_way_nothing_passes(monkeypatch):
    assert leaks_half_way(monkeypatch) == []


def test_life_02_half_way_without_the_meet_it_passes(monkeypatch):
    """One datapath holds the new program, the other the old one: so it is when one was quicker."""

    def quicker(held: Program, wanted: Program) -> Program:
        return Program(tables={**held.tables, "hv1": wanted.tables["hv1"]})

    monkeypatch.setattr("sdn_lab.lab.apply.meet", quicker)

    assert leaks_half_way(monkeypatch)


# -- LIFE-03: an identity that is another tenant's now


def test_life_03_who_gets_a_deleted_ports_identity_gets_nothing_that_was_sent_to_it(lab):
    was, asks = Identity.of(lab, "red/vm2"), conversation(lab)
    assert was.left(lab)

    for scenario in (NOBODY, AGAIN):
        lab.apply(scenario)
        assert was.left(lab) == []

    twin = replace(asks, at="blue/vm1")
    assert sent(lab, asks, replace(asks, flags=2, dport=80), twin) == [[], [], []]
    own = replace(asks, flags=2, dport=81, at="blue/vm1")
    assert sent(lab, own) == [["blue/vm2"]]
    assert lab.check(Options(backend="mininet")).status == "holds"


def test_life_03_with_its_number_given_again_and_its_entries_kept_it_does(lab, monkeypatch):
    was = Identity.of(lab, "red/vm2")
    web = Packet(src=lab.scenario.port("red/vm1"), dst=was.port, sport=5555, dport=80)
    monkeypatch.setattr("sdn_lab.lab.apply.succeed", old_numbers(was, "blue/vm2"))
    monkeypatch.setattr("sdn_lab.lab.apply.compile_scenario", entries_kept(was, lab.program))

    lab.apply(AGAIN)

    assert sent(lab, web) == [["blue/vm2"]]
    assert [line for line in was.left(lab) if line.startswith("hv1: ")]
    assert lab.check().summary["isolated/blue/app/red/app"] is Status.VIOLATED


def test_life_03_with_its_zone_given_again_and_no_flow_forgotten_an_old_flow_opens_the_new_port(
    lab, monkeypatch
):
    was, asks = Identity.of(lab, "red/vm2"), conversation(lab)
    monkeypatch.setattr("sdn_lab.lab.apply.succeed", old_numbers(was, "blue/vm2"))
    monkeypatch.setattr("sdn_lab.lab.apply.outlawed", lambda *_: ())

    lab.apply(AGAIN)

    assert sent(lab, replace(asks, at="blue/vm1")) == [["blue/vm2"]]


# -- LIFE-04: an instance that moves is in one place


@contextmanager
def attached_again(lab: Lab, was: Identity) -> Iterator[Callable[[bytes], None]]:
    """A port under the old number, where it was; gives what sends a frame from it."""
    wire = "ip link add stale type veth peer name stale0; ip link set stale up; ip link set stale0 up"
    port = "add-port br-int stale -- set interface stale"
    number = f"ofport_request={was.attachment.of_port}"
    on(lab, was.hypervisor, "sh", "-ec", f"{wire}; ovs-vsctl --timeout=10 {port} {number}")
    assert was.attachment.of_port in lab.backend.snapshot().datapaths[was.hypervisor].ports
    child = lab.backend.spawn_on(was.hypervisor, [sys.executable, "-c", SEND, "stale0"])

    def send(frame: bytes) -> None:
        child.stdin.write(frame.hex() + "\n")
        child.stdin.flush()
        assert child.stdout.readline() == "sent\n", child.last_words()

    try:
        yield send
    finally:
        child.kill()
        on(lab, was.hypervisor, "ovs-vsctl", "--timeout=10", "del-port", "br-int", "stale")
        on(lab, was.hypervisor, "ip", "link", "delete", "stale")


def reached_once(lab: Lab) -> bool:
    """Whether what is sent to red/vm2 arrives there, once, and nowhere else; and the other way round."""
    me = lab.scenario.port("red/vm2")
    peers = [lab.scenario.port(f"red/{name}") for name in ("vm1", "vm3")]
    there = [Packet(src=p, dst=me, sport=7000 + n, dport=80) for n, p in enumerate(peers)]
    back = [Packet(src=me, dst=p, sport=7100 + n, dport=80) for n, p in enumerate(peers)]
    return sent(lab, *there, *back) == [["red/vm2"], ["red/vm2"], ["red/vm1"], ["red/vm3"]]


def test_life_04_a_moved_instance_is_in_one_place_and_its_old_port_is_dead(lab):
    for scenario, hypervisor in ((MOVED, "hv2"), (FIRST, "hv1")):
        was = Identity.of(lab, "red/vm2")

        lab.apply(scenario)

        now = Identity.of(lab, "red/vm2")
        assert locations(lab, "red/vm2") == [(hypervisor, now.attachment.of_port)]
        assert reached_once(lab)
        with attached_again(lab, was) as outside:
            assert sent(lab, *spoofs(lab, OLD), outside={OLD: outside}) == [[], []]
            assert reached_once(lab)
            assert [d.datapath for v in lab.drift() for d in v.differences] == [was.hypervisor]
        assert lab.check().status == "holds"


def test_life_04_an_old_port_that_stayed_attached_with_its_entries_is_found(lab, monkeypatch):
    was = Identity.of(lab, "red/vm2")
    monkeypatch.setattr("sdn_lab.lab.apply.compile_scenario", entries_kept(was, lab.program))

    lab.apply(MOVED)

    with attached_again(lab, was) as outside:
        assert sent(lab, *spoofs(lab, OLD), outside={OLD: outside}) == [["red/vm1"], ["red/vm3"]]


def test_life_04_a_copy_for_everybody_there_is_found(lab):
    number = lab.assignment.locate("red/vm2")[1].of_port
    twice = f"table=110,priority=60000,reg5={number},actions=output:{number},output:{number}"
    assert reached_once(lab)

    on(lab, "hv1", "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-int", twice)

    assert not reached_once(lab)


# -- LIFE-05: the controller is gone


def controller(lab: Lab) -> str:
    return str(lab.backend.processes()["the controller"])


def normal(lab: Lab, hypervisor: str) -> bool:
    """Whether a bridge holds anything that forwards as a plain switch does, hidden entries included."""
    return "NORMAL" in on(lab, hypervisor, "ovs-appctl", "bridge/dump-flows", "br-int")


def test_life_05_a_connection_that_the_controller_drops_is_made_again_and_nothing_opens(kept):
    flow, before, rounds = Flow(kept), kept.backend.snapshot().hash, 0
    for _ in range(2):
        assert on(kept, "hv1", sys.executable, "-c", DROP, controller(kept)) == "2\n"
        until(lambda: not kept.controller.whole(), "that both switches left was not noticed")
        deadline = time.monotonic() + 30
        while not kept.controller.whole():
            assert time.monotonic() < deadline, f"they did not come back; {kept.controller.said}"
            assert sent(kept, *denied(kept)) == [[]] * 5
            assert flow.goes_on()
            rounds += 1
    assert rounds > 2
    assert kept.backend.snapshot().hash == before
    assert not normal(kept, "hv1")
    assert not kept.mended
    assert kept.check().status == "holds"


def test_life_05_a_controller_that_says_nothing_opens_what_is_standalone_and_nothing_else(kept):
    """Half-open: its process is stopped, its connections stay.  hv2 is the control: ``standalone``."""
    flow, before = Flow(kept, "red/vm5"), kept.backend.snapshot()
    three, four = (kept.scenario.port(f"red/{name}") for name in ("vm3", "vm4"))
    refused = Packet(src=three, dst=four, sport=8100, dport=80)
    for hypervisor in ("hv1", "hv2"):
        vsctl(kept, hypervisor, "set", "controller", "br-int", f"inactivity_probe={PROBE_S * 1000}")
    vsctl(kept, "hv2", "set-fail-mode", "br-int", "standalone")
    assert sent(kept, refused) == [[]]
    on(kept, "hv1", "kill", "-STOP", controller(kept))
    began = time.monotonic()
    try:
        while not sent(kept, refused, pilot=HERE)[0]:
            assert time.monotonic() < began + 10 * PROBE_S, "the control does not open"
            assert sent(kept, *denied(kept, "red/vm5"), pilot=HERE) == [[]] * 5
            assert flow.goes_on()
        assert time.monotonic() > began + 2 * PROBE_S
        assert sent(kept, *denied(kept, "red/vm5"), pilot=HERE) == [[]] * 5
        assert flow.goes_on()
        assert (normal(kept, "hv1"), normal(kept, "hv2")) == (False, True)
        assert on(kept, "hv1", *CONNECTED) == "false\n"
    finally:
        on(kept, "hv1", "kill", "-CONT", controller(kept))
        vsctl(kept, "hv2", "set-fail-mode", "br-int", "secure")
        for hypervisor in ("hv1", "hv2"):
            vsctl(kept, hypervisor, "set", "controller", "br-int", "inactivity_probe=30000")
    until(lambda: not kept.controller.whole(), "that it was left was not noticed", 30)
    until(kept.controller.whole, "they did not come back", 30)
    assert kept.backend.snapshot().hash == before.hash
    assert sent(kept, refused) == [[]]
    assert flow.goes_on()
    assert kept.check().status == "holds"


# -- LIFE-12: an edit by hand


def test_life_12_an_edit_that_nobody_looks_for_is_found_by_nobody_else(kept):
    """An entry that will end by itself: what it lets pass is what it should, as long as it is there."""
    first = kept.backend.snapshot().datapaths["hv1"].tables.entries[0]
    edit = format_entry(replace(first, hard_timeout=600))
    on(kept, "hv1", "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-int", edit)

    report = kept.check(Options(backend="mininet", methods=("graph", "probe")))

    assert report.status == "holds"
    assert {v.claim for v in kept.drift() if v.status is Status.VIOLATED} == {"as_built/hv1"}
    assert "hard_timeout=600" in kept.revert().undone[0].held
    assert kept.check().status == "holds"
