"""Steps that are done at once come in the order in which they would have come as events."""

import random
from collections.abc import Iterator

import pytest

from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import action as act
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import Tables
from tests.unit.backends.sim.conftest import entry, out


def windows(rng: random.Random, scenario) -> Iterator[Window]:
    """Frames between instances, several at a time, most of them to somebody who is there."""
    for _ in range(12):
        sent = []
        for _ in range(rng.randrange(1, 5)):
            src, dst = rng.sample(scenario.ports, 2)
            a, b = src.ips[0], dst.ips[0]
            body = packet.ipv4(a, b, 17, packet.udp(a, b, rng.randrange(1, 9), 80, rng.randbytes(9)))
            frame = packet.ethernet(src.mac, rng.choice((dst.mac, "ff:ff:ff:ff:ff:ff")), 0x0800, body)
            point = WatchPoint(kind=PointKind.PORT, name=src.path)
            sent.append(Injection(point=point, frame=frame))
        yield Window(injections=tuple(sent))


def seen(scenario, tables, seed: int) -> list[object]:
    """What is seen in what order, by captures and by who listens, and how many steps it took."""
    rng, found = random.Random(seed), list[object]()
    with SimLab(scenario, assign(scenario), seed) as lab:
        if tables is None:
            lab.program(compile_scenario(scenario, assign(scenario)).tables)
        else:
            lab.program(dict.fromkeys(lab.network.integration, tables))
        lab.network.listeners.append(found.append)
        for window in windows(rng, scenario):
            found += lab.exchange(window).captures
            found.append(lab.network.events)
        for src, dst in rng.sample([(p.path, q.path) for p in scenario.ports for q in scenario.ports], 6):
            found.append(src != dst and lab.ping(src, dst))
    return found


TO_ALL = Tables(entries=(entry(out(act.FLOOD)),))


@pytest.mark.parametrize("tables", [None, TO_ALL], ids=["compiled", "flood"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_done_at_once_is_seen_in_the_order_of_events(monkeypatch, scenario, tables, seed):
    quickly = seen(scenario, tables, seed)
    monkeypatch.setattr(Clock, "is_idle", lambda _: False)
    assert quickly == seen(scenario, tables, seed)
    assert len(quickly) > 50


def test_a_step_that_overtakes_is_found(monkeypatch, scenario):
    ordered = seen(scenario, TO_ALL, 1)
    monkeypatch.setattr(Clock, "is_idle", lambda _: True)
    monkeypatch.setattr("sdn_lab.backends.sim.network.Network._on", _at_once)
    assert ordered != seen(scenario, TO_ALL, 1)


def _at_once(network, last, step, *args):
    network.events += 1
    step(*args)


def test_events_of_one_moment_come_in_the_order_in_which_they_were_planned():
    clock, done = Clock(), []

    def say(word, then=(), delay_ns=0):
        def action():
            done.append((clock.now_ns, word))
            for other in then:
                clock.plan(say(other), delay_ns)

        return action

    clock.plan(say("later", ("after later",)), 5)
    clock.plan(say("later too"), 5)
    clock.plan(say("now", ("after now",)))
    clock.plan(say("now too", ("at five",), 5))
    while clock.next_ns() is not None:
        clock.step()
    assert done == [
        (0, "now"),
        (0, "now too"),
        (0, "after now"),
        (5, "later"),
        (5, "later too"),
        (5, "at five"),
        (5, "after later"),
    ]


def test_the_rest_of_a_moment_is_no_later_moment():
    clock, done = Clock(), []
    clock.plan(lambda: clock.plan(lambda: done.append("now")))
    clock.plan(lambda: done.append("later"), 1)
    clock.finish_moment()
    assert (done, clock.now_ns, clock.next_ns()) == (["now"], 0, 1)
    clock.plan(lambda: done.append("left over"))
    clock.pass_until(1)  # time may pass over what is planned; it still comes first
    clock.step()
    assert done == ["now", "left over"]
