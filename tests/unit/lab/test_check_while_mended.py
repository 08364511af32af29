"""A check during which the controller dies and is restarted: its report is sound, or it is not green."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.verdict import Report
from sdn_lab.scenario import find, load

LEAK = "table=0,priority=999,in_port=100,actions=output:102"  # what blue/vm1 sends, red/vm1 gets
AWAY = "the controller, or a datapath's connection to it, was lost while the lab was checked"


@contextmanager
def dying(lab: Lab, window: int) -> Iterator[None]:
    """Kill the controller just before this window of frames (0: before the check), in the middle of it."""
    exchange, windows = lab.backend.exchange, iter(range(1, 1 << 20))

    def counted(asked):
        if next(windows) == window:
            kill(lab)
        return exchange(asked)

    if window == 0:
        kill(lab)
    lab.backend.exchange = counted
    try:
        yield
        assert window == 0 or next(windows) > window, "the check was over before the controller was to die"
    finally:
        del lab.backend.exchange


def kill(lab: Lab) -> None:
    os.kill(lab.controller._child.pid, signal.SIGKILL)


def up(controller: str = "overlay") -> Lab:
    return Lab(load(find("overlap")), Options(methods=("probe", "graph"), controller=controller, mend=True))


def settled(lab: Lab) -> None:
    lab.controller.await_whole(timeout_ms=30_000)


def claimed(report: Report) -> dict[str, str]:
    return {claim: status.value for claim, status in report.summary.items()}


def test_no_packet_leans_on_a_controller_that_pushes_and_the_report_says_that_it_was_away() -> None:
    with up() as lab:
        before = claimed(lab.check())
        for window in (0, 3):
            with dying(lab, window):
                report = lab.check()
            assert (report.exit, claimed(report)) == (0, before), report.error
            assert [line for line in report.information if line.startswith(AWAY)], window
            settled(lab)
        assert not [line for line in lab.check().information if "controller" in line]


def test_what_is_broken_is_found_though_the_new_controller_puts_it_right() -> None:
    dice = random.Random(3)
    with up() as lab:
        for _ in range(3):
            plant(lab)
            with dying(lab, dice.randrange(1, 6)):
                code, said = judged(lab)
            assert code == 1 or "changed while they were verified" in said, said
            settled(lab)


def judged(lab: Lab) -> tuple[int, str]:
    """Check as a command does: its exit code, and the error if there was one."""
    try:
        report = lab.check()
    except LabError as error:
        return error.exit_code, str(error)
    return report.exit, report.error


def plant(lab: Lab) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        words = ["ovs-ofctl", "add-flow", "br-int", LEAK]
        assert lab.backend.execute("hv1", words, dict(os.environ), "/", [nowhere] * 3).finish() == 0
    finally:
        os.close(nowhere)


@pytest.mark.parametrize("controller", ["learning_switch"])
def test_where_packets_wait_for_the_controller_a_check_without_it_is_never_green(controller: str) -> None:
    with up(controller) as lab:
        for window in (0, 3):
            with dying(lab, window):
                code, said = judged(lab)
            assert code == 6
            assert said.startswith((AWAY, "the controller closed its connection")), said
            settled(lab)
        assert judged(lab)[1] == ""
