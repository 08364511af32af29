"""Rows LIFE-02, -03, -04, -05 and -12 on the simulator: what a change, a death, an edit leaves behind.

Each rule has its control beside it: the guard is taken away, and the same question finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sdn_lab.backends.sim.network import attached
from sdn_lab.compiler.pipeline import FORWARD
from sdn_lab.lab import Lab, Options
from sdn_lab.model.verdict import Status
from sdn_lab.openflow.action import Output
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
from tests.unit.lab.test_apply_under_probes import Between

OLD = "where red/vm2 was"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(FIRST, Options(methods=("graph", "drift"))) as running:
        yield running


# -- LIFE-02: a rule changed under probes


def leaks_while_it_changes() -> list[str]:
    pair = crosswise()
    with Lab(pair.one, Options(methods=("graph",))) as lab:
        tally = Tally(pair)
        Between(lab, tally, 1)
        for scenario in (pair.other, pair.one):
            lab.apply(scenario)
        assert tally.of_denied() > 20
        return tally.leaks


def test_life_02_rules_at_both_ends_change_and_nothing_passes_between_the_flow_mods():
    assert leaks_while_it_changes() == []


def test_life_02_pushed_without_the_meet_it_passes(monkeypatch):
    monkeypatch.setattr("sdn_lab.lab.apply.met_once", lambda *_: True)

    assert leaks_while_it_changes()


# -- LIFE-03: an identity that is another tenant's now


@pytest.mark.parametrize("ways", [(AGAIN,), (NOBODY, AGAIN)], ids=["at once", "deleted first"])
def test_life_03_who_gets_a_deleted_ports_identity_gets_nothing_that_was_sent_to_it(lab, ways):
    was, asks = Identity.of(lab, "red/vm2"), conversation(lab)
    assert was.left(lab)

    for scenario in ways:
        lab.apply(scenario)
        assert was.left(lab) == []

    twin = replace(asks, at="blue/vm1")
    assert sent(lab, asks, replace(asks, flags=2, dport=80), twin) == [[], [], []]
    own = replace(asks, flags=2, dport=81, at="blue/vm1")
    assert sent(lab, own) == [["blue/vm2"]]
    assert lab.check(Options()).status == "holds"


def test_life_03_with_its_number_given_again_and_its_entries_kept_it_does(lab, monkeypatch):
    was = Identity.of(lab, "red/vm2")
    web = Packet(src=lab.scenario.port("red/vm1"), dst=was.port, sport=5555, dport=80)
    monkeypatch.setattr("sdn_lab.lab.apply.succeed", old_numbers(was, "blue/vm2"))
    monkeypatch.setattr("sdn_lab.lab.apply.compile_scenario", entries_kept(was, lab.program))

    lab.apply(AGAIN)

    assert sent(lab, web) == [["blue/vm2"]]
    assert [line for line in was.left(lab) if line.startswith("hv1: ")]
    report = lab.check()
    assert report.status == "violated"
    assert report.summary["isolated/blue/app/red/app"] is Status.VIOLATED


def test_life_03_with_its_zone_given_again_and_no_flow_forgotten_an_old_flow_opens_the_new_port(
    lab, monkeypatch
):
    """What blue's groups refuse arrives, because the tracker knows red's datagrams of the same addresses."""
    was, asks = Identity.of(lab, "red/vm2"), conversation(lab)
    monkeypatch.setattr("sdn_lab.lab.apply.succeed", old_numbers(was, "blue/vm2"))
    monkeypatch.setattr("sdn_lab.lab.apply.outlawed", lambda *_: ())

    lab.apply(AGAIN)

    assert sent(lab, replace(asks, at="blue/vm1")) == [["blue/vm2"]]
    assert any("zone" in line or "Tracked" in line for line in was.left(lab))


# -- LIFE-04: an instance that moves is in one place


def leave_attached(lab: Lab, was: Identity) -> None:
    """Put the port back where it was, under its old number."""
    network = lab.backend.network
    switch, of_port = network.integration[was.hypervisor], was.attachment.of_port
    switch.attach(attached(was.port, was.attachment))
    network.places[OLD] = switch, of_port
    network.behind[was.hypervisor, of_port] = OLD
    network.instances[OLD] = network.instances["red/vm2"]


def reached_once(lab: Lab) -> bool:
    """Whether what is sent to red/vm2 arrives there, once, and nowhere else; and the other way round."""
    me = lab.scenario.port("red/vm2")
    peers = [lab.scenario.port(f"red/{name}") for name in ("vm1", "vm3")]
    there = [Packet(src=p, dst=me, sport=7000 + n, dport=80) for n, p in enumerate(peers)]
    back = [Packet(src=me, dst=p, sport=7100 + n, dport=80) for n, p in enumerate(peers)]
    return sent(lab, *there, *back) == [["red/vm2"], ["red/vm2"], ["red/vm1"], ["red/vm3"]]


def test_life_04_a_moved_instance_is_in_one_place_and_its_old_port_is_dead(lab):
    for scenario, hypervisor in ((MOVED, "hv2"), (FIRST, "hv1"), (MOVED, "hv2")):
        was = Identity.of(lab, "red/vm2")

        lab.apply(scenario)

        now = Identity.of(lab, "red/vm2")
        assert locations(lab, "red/vm2") == [(hypervisor, now.attachment.of_port)]
        assert not [e for e in lab.program.tables[was.hypervisor].entries if was.numbered(e)]
        assert reached_once(lab)
        assert lab.check().status == "holds"
        leave_attached(lab, was)
        assert sent(lab, *spoofs(lab, OLD)) == [[], []]
        assert reached_once(lab)
        lab.backend.network.integration[was.hypervisor].detach(was.attachment.of_port)


def test_life_04_an_old_port_that_stayed_attached_with_its_entries_is_found(lab, monkeypatch):
    was = Identity.of(lab, "red/vm2")
    monkeypatch.setattr("sdn_lab.lab.apply.compile_scenario", entries_kept(was, lab.program))

    lab.apply(MOVED)
    leave_attached(lab, was)

    assert len(locations(lab, "red/vm2")) == 2
    assert sent(lab, *spoofs(lab, OLD)) == [["red/vm1"], ["red/vm3"]]


def test_life_04_a_copy_for_the_old_place_is_found(lab):
    was = Identity.of(lab, "red/vm2")
    lab.apply(MOVED)
    leave_attached(lab, was)
    switch, copy = lab.backend.switch("hv1"), (Output(of_port=was.attachment.of_port),)
    entries = tuple(
        replace(e, instructions=replace(e.instructions, apply=(*copy, *e.instructions.apply)))
        if e.table_id == FORWARD.id and e.match.exact("metadata") == was.vni and was.mentioned("hv1", e)
        else e
        for e in switch.tables().entries
    )
    assert reached_once(lab)

    switch.load(replace(switch.tables(), entries=entries))

    to_vm2 = Packet(src=lab.scenario.port("red/vm1"), dst=was.port, sport=7200, dport=80)
    assert sorted(sent(lab, to_vm2)[0]) == ["red/vm2", OLD]
    assert not reached_once(lab)


# -- LIFE-05: the controller is gone


def test_life_05_with_the_controller_gone_for_long_flows_go_on_and_nothing_opens(lab):
    flow, before = Flow(lab), lab.backend.snapshot().hash
    lab.backend._channel.disconnect()
    for _ in range(4):
        assert sent(lab, *denied(lab)) == [[]] * 5
        assert flow.goes_on()
        assert lab.backend.snapshot().hash == before
        lab.backend.advance(15)


def test_life_05_a_standalone_switch_opens_and_is_found_before_and_after(lab):
    lab.backend.switch("hv1").fail_mode = "standalone"
    lab.backend._channel.disconnect()
    assert sent(lab, *denied(lab)) == [[]] * 5

    lab.backend.advance(15)

    flooded = sent(lab, *denied(lab), pilot=("red/vm3", "red/vm4"))
    assert all({"blue/vm1", "red/vm1"} & {*ports} for ports in flooded)
    assert [d.part for v in lab.drift() for d in v.differences] == ["fail mode"]


# -- LIFE-12: an edit by hand


def test_life_12_an_edit_that_nobody_looks_for_is_found_by_nobody_else():
    """An entry that will end by itself: what it lets pass is what it should, as long as it is there."""
    with Lab(FIRST, Options(methods=("graph", "probe"))) as lab:
        switch = lab.backend.switch("hv1")
        first, *rest = switch.tables().entries
        switch.load(replace(switch.tables(), entries=(replace(first, hard_timeout=9), *rest)))

        report = lab.check()

        assert report.status == "holds"
        assert {v.claim for v in lab.drift() if v.status is Status.VIOLATED} == {"as_built/hv1"}
        assert "hard_timeout=9" in lab.revert().undone[0].held
        assert lab.drift()[0].status is Status.HOLDS
