"""Pieces of work take turns at the lab, each in its own order, and time changes nothing."""

from __future__ import annotations

import threading

import pytest

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.observation import Captured, Injection, PointKind, WatchPoint, Window
from sdn_lab.observe.turns import AT_ONCE, Steps, take_turns

POINT = WatchPoint(kind=PointKind.PORT, name="red/a")


class Echo:
    """A lab that tells how many windows it had before; *slow* ones wait until somebody lets them go on."""

    def __init__(self, slow: frozenset[str] = frozenset()) -> None:
        self.asked: list[str] = []
        self.slow = slow
        self.let_go = threading.Event()

    def exchange(self, window: Window) -> Captured:
        name = window.injections[0].frame.decode()
        if name == "bad":
            raise LabError("the lab died")
        if name in self.slow:
            assert self.let_go.wait(10)
        self.asked.append(name)
        return Captured(lost=len(self.asked) - 1)


def window(name: str) -> Window:
    return Window(injections=(Injection(point=POINT, frame=name.encode()),))


def work(name: str, steps: int) -> Steps[str]:
    told = []
    for step in range(steps):
        seen = yield window(f"{name}{step}")
        told.append(seen.lost)
    return f"{name}: {told}"


def test_each_is_told_what_its_own_windows_saw_and_results_keep_the_order() -> None:
    lab = Echo()
    assert take_turns(lab, [work("a", 3), work("b", 1), work("c", 2)]) == [
        "a: [0, 2, 4]",
        "b: [1]",
        "c: [3, 5]",
    ]
    assert lab.asked == ["a0", "b0", "a1", "c0", "a2", "c1"]


def test_work_without_windows_is_done_too() -> None:
    assert take_turns(Echo(), [work("a", 0), work("b", 1), work("c", 0)]) == ["a: []", "b: [0]", "c: []"]
    assert take_turns(Echo(), iter([])) == []


def test_one_is_read_while_the_window_of_another_is_out() -> None:
    lab = Echo(slow=frozenset({"b0"}))

    def reader() -> Steps[str]:
        yield window("a0")
        lab.let_go.set()  # b0 is out until this has been read
        return "read"

    assert take_turns(lab, [reader(), work("b", 1)]) == ["read", "b: [1]"]


def test_no_more_begin_than_take_turns() -> None:
    begun: list[int] = []

    def beginning() -> Steps[None]:
        begun.append(len(begun))
        alive.append(None)
        assert len(alive) <= AT_ONCE
        yield window("w")
        alive.pop()

    alive: list[None] = []
    take_turns(Echo(), (beginning() for _ in range(7)))
    assert len(begun) == 7


def test_the_end_of_the_lab_is_the_callers() -> None:
    def doomed() -> Steps[str]:
        yield window("bad")
        return "never"

    with pytest.raises(LabError, match="the lab died"):
        take_turns(Echo(), [work("a", 2), doomed()])


def test_a_mistake_in_reading_is_the_callers() -> None:
    def mistaken() -> Steps[str]:
        yield window("a0")
        raise KeyError("red/nobody")

    with pytest.raises(KeyError, match="red/nobody"):
        take_turns(Echo(), [mistaken(), work("b", 1)])
