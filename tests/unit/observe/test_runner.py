"""Runner and markers: a broken apparatus never reads as isolation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdn_lab.model.observation import Capture, Captured, Expected, Observation, Outcome, PointKind, Window
from sdn_lab.observe import frames, markers, runner, turns
from sdn_lab.observe.case import Case, Shot
from sdn_lab.observe.markers import Markers
from sdn_lab.observe.runner import ATTEMPTS, Runner
from sdn_lab.observe.sighting import Reader
from sdn_lab.observe.turns import take_turns
from sdn_lab.observe.world import World

from .fake import FakeLab, Faults, port_at, scenario, world_of


def case(world: World, src: str, dst: str, expected: Expected, *more: tuple[str, str, Expected]) -> Case:
    """Packets from a port to another's MAC; one that is for nobody is sent to a MAC that nobody has."""
    shots = []
    for sender, receiver, wanted in ((src, dst, expected), *more):
        nonce = world.nonces.draw()
        mac = world.scenario.port(receiver).mac if wanted is not Expected.NOTHING else "02:99:00:00:00:01"
        frame = frames.raw(world.scenario.port(sender).mac, mac, 0x0800, nonce)
        shots.append(
            Shot(src=sender, dst=receiver, frame=frame, nonce=nonce, expected=wanted, bears_on=("claim",))
        )
    return Case(probe="TEST", shots=tuple(shots))


def run(lab: FakeLab, world: World, *cases: Case) -> tuple[list[Observation], Markers]:
    markers = Markers(world)
    take_turns(lab, [markers.calibrate()])
    runner = Runner(lab, world, markers, Reader(lab.scenario, lab.assignment), lambda *_: None)
    return runner.run(cases), markers


def test_delivered_and_not_delivered() -> None:
    lab, world = FakeLab(scenario()), world_of(scenario())

    seen, markers = run(
        lab,
        world,
        case(world, "red/a", "red/c", Expected.DELIVERED),
        case(world, "red/a", "red/b", Expected.NOTHING),
    )

    assert [o.outcome for o in seen] == [Outcome.DELIVERED, Outcome.NOT_DELIVERED]
    assert markers.weak == []


@pytest.mark.parametrize("deaf", ["red/c", "blue/b"])
def test_a_dead_capture_is_never_isolation(deaf: str) -> None:
    lab = FakeLab(scenario(), Faults(deaf={port_at(deaf)}))
    world = world_of(scenario())

    seen, markers = run(lab, world, case(world, "red/a", "red/b", Expected.NOTHING))

    assert [o.outcome for o in seen] == [Outcome.INCONCLUSIVE]
    assert deaf in seen[0].detail
    assert markers.dead == {deaf}


def test_a_capture_that_dies_later_is_noticed() -> None:
    faults = Faults()
    lab, world = FakeLab(scenario(), faults), world_of(scenario())
    markers = Markers(world)
    take_turns(lab, [markers.calibrate()])
    runner = Runner(lab, world, markers, Reader(lab.scenario, lab.assignment), lambda *_: None)

    faults.deaf.add(port_at("blue/c"))
    seen = runner.run([case(world, "red/a", "red/b", Expected.NOTHING)])

    assert seen[0].outcome is Outcome.INCONCLUSIVE


def test_a_dead_underlay_capture_is_never_isolation() -> None:
    lab = FakeLab(scenario(), Faults(deaf={port_at("hv2", PointKind.UNDERLAY)}))
    world = world_of(scenario())

    seen, _ = run(lab, world, case(world, "red/a", "red/b", Expected.NOTHING))

    assert seen[0].outcome is Outcome.INCONCLUSIVE
    assert "underlay:hv2" in seen[0].detail


def test_a_leak_is_a_leak_even_when_the_apparatus_is_broken() -> None:
    def leak(src: str, frame: bytes) -> list[Capture]:
        return [Capture(point=port_at("blue/a"), frame=frame)] if src == "red/a" else []

    lab = FakeLab(scenario(), Faults(deaf={port_at("red/c")}, leak=leak))
    world = world_of(scenario())

    seen, _ = run(lab, world, case(world, "red/a", "red/b", Expected.NOTHING))

    assert seen[0].outcome is Outcome.LEAKED
    assert [str(s.point) for s in seen[0].sightings] == ["port:blue/a"]


def test_lost_frames_are_sent_again_and_then_inconclusive() -> None:
    world = world_of(scenario())
    once = FakeLab(scenario(), Faults(lose=[0, 3]))
    always = FakeLab(scenario(), Faults(lose=[0, *[3] * 50]))

    recovered, _ = run(once, world, case(world, "red/a", "red/b", Expected.NOTHING))
    broken, _ = run(always, world, case(world, "red/a", "red/b", Expected.NOTHING))

    assert [recovered[0].outcome, broken[0].outcome] == [Outcome.NOT_DELIVERED, Outcome.INCONCLUSIVE]
    assert broken[0].detail == "the apparatus lost frames"
    assert len(always.windows) == 1 + ATTEMPTS


def test_a_legitimate_packet_that_is_lost_once_is_sent_again() -> None:
    class Lossy(FakeLab):
        dropped = False

        def _carry(self, src: str, frame: bytes) -> list[Capture]:
            if frame[12:14] == b"\x08\x00" and not self.dropped:
                self.dropped = True
                return []
            return super()._carry(src, frame)

    world = world_of(scenario())

    seen, _ = run(Lossy(scenario()), world, case(world, "red/a", "red/c", Expected.DELIVERED))

    assert seen[0].outcome is Outcome.DELIVERED


def test_a_packet_that_arrives_late_counts_whosever_window_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "WINDOW_FRAMES", 7)  # six markers and one packet: every case is a batch

    class Late(FakeLab):
        held: tuple[Capture, ...] = ()

        def exchange(self, window: Window) -> Captured:
            got = super().exchange(window)
            mine = tuple(c for c in got.captures if late in c.frame)
            told = replace(got, captures=(*self.held, *(c for c in got.captures if c not in mine)))
            self.held = mine if not self.held else ()
            return told

    world = world_of(scenario())
    cases = [
        case(world, "red/a", "red/c", Expected.DELIVERED),
        case(world, "red/a", "red/b", Expected.NOTHING),
    ]
    late = cases[0].shots[0].nonce
    lab = Late(scenario())

    seen, _ = run(lab, world, *cases)

    assert [o.outcome for o in seen] == [Outcome.DELIVERED, Outcome.NOT_DELIVERED]
    holding = [any(c.shots[0].nonce in i.frame for i in w.injections) for w in lab.windows for c in cases]
    assert holding == [False, False, True, False, False, True, True, False]  # told of in the second's window


def test_a_port_that_nobody_reaches_is_watched_by_its_own_link_and_that_is_said() -> None:
    lab, world = FakeLab(scenario(), Faults(unheard={"red/c"})), world_of(scenario())

    seen, markers = run(
        lab,
        world,
        case(world, "red/a", "red/c", Expected.DELIVERED),
        case(world, "red/a", "red/b", Expected.NOTHING),
    )

    assert [o.outcome for o in seen] == [Outcome.NOT_DELIVERED, Outcome.NOT_DELIVERED]
    assert seen[0].delivered is False
    assert markers.weak == ["red/c"]


def test_a_port_alone_in_its_network_has_only_its_own_link() -> None:
    made = scenario(names="a")
    _, markers = run(FakeLab(made), world_of(made), case(world_of(made), "red/a", "red/a", Expected.NOTHING))

    assert markers.weak == ["blue/a", "red/a"]


def test_a_sequence_whose_beginning_fails_tells_nothing_further_on() -> None:
    lab, world = FakeLab(scenario(), Faults(unheard={"red/c"})), world_of(scenario())
    last = ("red/a", "red/b", Expected.NOTHING)

    seen, _ = run(lab, world, case(world, "red/a", "red/c", Expected.DELIVERED, last))

    assert [o.outcome for o in seen] == [Outcome.NOT_DELIVERED, Outcome.INCONCLUSIVE]
    assert [len(o.frames) for o in seen] == [1, 2]


def test_steps_are_sent_in_windows_one_after_the_other() -> None:
    lab, world = FakeLab(scenario()), world_of(scenario())
    made = case(world, "red/a", "red/b", Expected.DELIVERED, ("red/b", "red/a", Expected.DELIVERED))

    run(lab, world, made)

    holding = [
        [n for n, w in enumerate(lab.windows) if any(shot.nonce in i.frame for i in w.injections)]
        for shot in made.shots
    ]
    assert holding == [[1], [2]]


def test_windows_are_bounded_and_every_port_is_asked_after_every_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "WINDOW_FRAMES", 100)  # fewer than ports: they need several windows
    monkeypatch.setattr(runner, "RIDING_MARKERS", 40)
    monkeypatch.setattr(markers, "WINDOW_FRAMES", 100)
    monkeypatch.setattr(turns, "AT_ONCE", 1)  # so that what follows a window belongs to it
    made = scenario(many=60)  # 126 ports
    lab, world = FakeLab(made), world_of(made)
    cases = [case(world, "red/a", "red/b", Expected.NOTHING) for _ in range(300)]

    seen, _ = run(lab, world, *cases)

    assert max(len(w.injections) for w in lab.windows) <= 100
    assert {o.outcome for o in seen} == {Outcome.NOT_DELIVERED}
    waiting: set[str] = set()
    for window in lab.windows[2:]:  # after calibration, which needs more than one for so many
        if any(c.shots[0].nonce in i.frame for c in cases for i in window.injections):
            assert not waiting, "a new batch before every port was asked after the last"
            waiting = {port.path for port in made.ports}
        waiting -= {point.name for point, _ in window.markers}
    assert not waiting


def test_a_dead_network_costs_a_bounded_number_of_windows() -> None:
    everybody = {f"{t}/{n}" for t in ("red", "blue") for n in "abc"}
    faults = Faults()
    lab, world = FakeLab(scenario(), faults), world_of(scenario())
    markers = Markers(world)
    take_turns(lab, [markers.calibrate()])
    runner = Runner(lab, world, markers, Reader(lab.scenario, lab.assignment), lambda *_: None)

    faults.unheard |= everybody
    runner.run([case(world, "red/a", "red/b", Expected.NOTHING) for _ in range(1000)])

    batches = 1000 // (128 - 6) + 1
    assert len(lab.windows) <= 1 + batches + 2 * ATTEMPTS  # calibration, batches, and retries until demoted
    assert markers.weak == sorted(everybody)
