"""The simulated switches get on with a real os-ken controller in a process of its own."""

from contextlib import contextmanager
from pathlib import Path

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.control.controller import Controller
from sdn_lab.model.assignment import assign
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import Program, Tables

ASKING = str(Path(__file__).parent / "apps" / "asking.py")


def frame(number):
    return packet.ethernet("02:00:00:00:00:11", "02:00:00:00:00:99", 0x88B5, b"number %03d" % number)


def window(count):
    point = WatchPoint(kind=PointKind.PORT, name="red/vm1")
    return Window(injections=tuple(Injection(point=point, frame=frame(n)) for n in range(count)))


@contextmanager
def controlled(scenario, app, program=None):
    with SimLab(scenario, assign(scenario)) as lab:
        controller = Controller(
            lab.spawn,
            app=app,
            host=lab.controller_host,
            l4_port=0,
            scenario=scenario,
            assignment=lab.assignment,
            program=program,
        )
        controller.start()
        try:
            lab.connect(lab.controller_host, controller.l4_port, controller.settle)
            yield lab, controller
        finally:
            controller.stop()


def test_an_exchange_ends_only_when_the_app_has_answered_every_packet(scenario):
    with controlled(scenario, ASKING) as (lab, _):
        assert [len(d.tables.entries) for n, d in lab.snapshot().datapaths.items() if "/" not in n] == [1] * 3
        began = lab.clock.now_ns
        got = lab.exchange(window(100))
        arrived = [c.frame for c in got.captures if str(c.point) == "port:red/vm2"]
        assert arrived == [frame(n) for n in range(100)]
        assert lab.clock.now_ns - began == 1_000_000


def test_what_was_pushed_is_held_at_once_when_connect_returns(scenario, program):
    with controlled(scenario, "overlay", Program(tables=program)) as (lab, controller):
        held = lab.snapshot().datapaths
        assert {hv: len(held[hv].tables.entries) for hv in program} == {
            hv: len(tables.entries) for hv, tables in program.items()
        }
        assert set(controller.dump("hv2").entries) == set(held["hv2"].tables.entries)
        counted = {c.agent.switch.name: c.agent.refused for c in lab._channel.connections.values()}
        assert counted == {"hv1": [], "hv2": [], "hv3": []}
        assert lab.tcp_connect("red/vm1", "red/vm3", 80)
        controller.push(Program(tables={hv: Tables() for hv in program}))
        controller.wait_confirmed(timeout_ms=10_000, progress=lambda *_: None)
        assert not lab.tcp_connect("red/vm1", "red/vm3", 80)


def test_a_killed_controller_leaves_the_entries_and_is_reported_by_its_owner(scenario, program):
    with controlled(scenario, "overlay", Program(tables=program)) as (lab, controller):
        lab._children[0].kill()
        with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
            controller.settle()
        assert lab.tcp_connect("red/vm1", "red/vm3", 80)
