"""A controller that dies in a lab that lives on is started again, and the lab is what it was: row LIFE-05."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow.entry import Program, Tables
from sdn_lab.scenario import find, load


def until(done: Callable[[], object], what: str, limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def kill_controller(lab: Lab) -> None:
    os.kill(lab.controller._child.pid, signal.SIGKILL)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(load(find("overlap")), Options(methods=("graph", "drift"), mend=True)) as running:
        yield running


def test_a_killed_controller_is_restarted_at_its_address_and_the_lab_holds(lab: Lab) -> None:
    before, there = lab.backend.snapshot().hash, (lab.controller.host, lab.controller.l4_port)
    for n in (1, 2):
        kill_controller(lab)
        until(lambda n=n: len(lab.mended) == n, "the controller was not restarted")
        assert lab.check().status == "holds"
    assert (lab.controller.host, lab.controller.l4_port) == there
    assert lab.backend.snapshot().hash == before
    assert lab.backend.ping("red/vm1", "red/vm3"), "the new controller's switches forward"
    assert [m.what for m in lab.mended] == ["the controller was ended by SIGKILL"] * 2
    assert all(0 < m.ms < 30_000 for m in lab.mended)
    assert str(lab.mended[0]).startswith("the controller was ended by SIGKILL, put right in ")


def test_what_was_changed_while_the_controller_was_dead_is_what_the_new_one_wants(lab: Lab) -> None:
    emptied = Program(tables=dict.fromkeys(lab.program.tables, Tables()))
    pushed, restart = threading.Event(), lab._mender._restart
    lab._mender._restart = lambda: (pushed.wait(30), restart())
    kill_controller(lab)
    until(lambda: lab.controller.dead, "its death was not noticed")
    lab.controller.push(emptied)
    pushed.set()
    lab.controller.wait_confirmed(timeout_ms=30_000, progress=lambda *_: None)
    until(lambda: lab.mended, "the controller was not restarted")
    assert not any(lab.backend.snapshot().datapaths[name].tables.entries for name in lab.program.tables)


def test_a_controller_that_cannot_be_restarted_fails_the_lab(lab: Lab) -> None:
    lab.controller._chosen = "nothing"
    kill_controller(lab)
    until(lambda: lab.controller._failure, "that it cannot was not noticed")
    with pytest.raises(LabError, match="names no controller framework"):
        lab.check()


def test_without_mending_a_dead_controller_fails_the_lab() -> None:
    with Lab(load(find("overlap")), Options(methods=("graph",))) as lab:
        kill_controller(lab)
        until(lambda: lab.controller._failure, "its death was not noticed")
        with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
            lab.check()
        assert lab.mended == ()
