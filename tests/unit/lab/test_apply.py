"""A running lab is changed to another scenario, on the simulator: numbers, flows, refusals, failures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.assignment import MOST_EVER, Assignment, assign
from sdn_lab.model.diagnostic import InputError, LabError
from sdn_lab.scenario import loads
from tests.unit.cli.test_golden import assert_golden

GOLDEN = Path(__file__).parents[2] / "golden" / "words"
FILE = (Path(__file__).parents[3] / "topologies" / "overlap.yaml").read_text()


def edited(*changes: tuple[str, str]):
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return loads(text, "overlap.yaml")


BASE = edited()
CLOSED_80 = edited(("ports: 80, remote: any", "ports: 81, remote: any"))
MOVED = edited(("vm2: {network: app, hypervisor: hv1", "vm2: {network: app, hypervisor: hv3"))
FIFTH = edited(
    (
        "  blue: *tenant",
        (
            "      vm5: {network: app, hypervisor: hv2, ip: 10.0.0.15, "
            'mac: "02:00:00:00:00:15", groups: [web]}\n  blue: *tenant'
        ),
    )
)


@pytest.fixture
def lab():
    with Lab(BASE, Options(methods=("graph",))) as running:
        yield running


def held(lab):
    return {
        name: set(state.tables.entries)
        for name, state in lab.backend.snapshot().datapaths.items()
        if "/" not in name
    }


def wanted(lab):
    return {name: set(tables.entries) for name, tables in lab.program.tables.items()}


def test_a_change_of_one_rule_is_pushed_at_once_and_is_what_the_new_file_says(lab):
    assert lab.backend.tcp_connect("red/vm1", "red/vm2", 80)

    applied = lab.apply(CLOSED_80)

    assert applied.direct
    assert (applied.came, applied.gone, applied.moved) == ((), (), ())
    assert not lab.backend.tcp_connect("red/vm1", "red/vm2", 80)
    assert lab.backend.tcp_connect("red/vm1", "red/vm2", 81)
    assert held(lab) == wanted(lab)
    assert lab.check().status == "holds"


def test_the_same_scenario_again_sends_nothing(lab):
    assert set(lab.apply(edited()).sent.values()) == {0}


def test_an_instance_that_moves_is_elsewhere_under_numbers_that_were_never_used(lab):
    before = lab.assignment.locate("red/vm2")[1]

    applied = lab.apply(MOVED)

    datapath, attachment = lab.assignment.locate("red/vm2")
    assert (applied.moved, applied.direct) == (("blue/vm2", "red/vm2"), False)
    assert datapath.hypervisor == "hv3"
    assert attachment.of_port > max(a.of_port for a in assign(BASE).datapaths["hv3"].attachments)
    assert lab.backend.snapshot().datapaths["hv1"].ports.get(before.of_port) is None
    assert lab.backend.tcp_connect("red/vm1", "red/vm2", 80)
    assert not lab.backend.ping("red/vm1", "red/vm4")
    assert held(lab) == wanted(lab)
    assert lab.check().status == "holds"


def test_moved_back_it_does_not_get_its_old_numbers_again(lab):
    before = lab.assignment.locate("red/vm2")[1]
    lab.apply(MOVED)
    lab.apply(BASE)

    after = lab.assignment.locate("red/vm2")[1]
    assert after.of_port > before.of_port
    assert after.zone > before.zone
    assert lab.backend.ping("red/vm2", "red/vm3", family=6)


def test_an_instance_comes_and_goes(lab):
    came = lab.apply(FIFTH)
    assert came.came == ("blue/vm5", "red/vm5")
    assert lab.backend.ping("red/vm1", "red/vm5")
    assert lab.check().status == "holds"

    gone = lab.apply(BASE)
    assert gone.gone == ("blue/vm5", "red/vm5")
    with pytest.raises(LabError, match="no port red/vm5"):
        lab.backend.ping("red/vm1", "red/vm5")
    assert held(lab) == wanted(lab)


def test_an_instance_with_another_address_is_another_instance(lab):
    renumbered = edited(("ip: [10.0.0.12, ", "ip: [10.0.0.22, "))
    before = lab.assignment.locate("red/vm2")[1]

    applied = lab.apply(renumbered)

    assert applied.came == applied.gone == ("blue/vm2", "red/vm2")
    assert lab.assignment.locate("red/vm2")[1].of_port > before.of_port
    assert lab.backend.ping("red/vm1", "red/vm2")


def test_a_flow_that_is_no_longer_allowed_ends_and_others_go_on(lab):
    assert lab.backend.tcp_connect("red/vm1", "red/vm2", 80)
    assert lab.backend.ping("red/vm1", "red/vm3")
    before = lab.backend.tracked()
    doomed = {t for t in before if t.flow.dst_l4 == 80}
    assert doomed
    assert doomed != set(before)

    applied = lab.apply(CLOSED_80)

    assert (applied.tracked, applied.forgotten) == (len(before), len(doomed))
    assert set(lab.backend.tracked()) == set(before) - doomed


def test_all_that_was_tracked_of_a_port_that_moved_is_forgotten(lab):
    assert lab.backend.ping("red/vm1", "red/vm2")
    old = lab.assignment.locate("red/vm2")
    assert any((t.hypervisor, t.zone) == (old[0].hypervisor, old[1].zone) for t in lab.backend.tracked())

    lab.apply(MOVED)

    assert not [t for t in lab.backend.tracked() if (t.hypervisor, t.zone) == ("hv1", old[1].zone)]


REFUSED = {
    "APP002-hypervisors": ("east: [hv1, hv2]", "east: [hv1, hv2, hv4]"),
    "APP003-encapsulation": ("encap: vxlan", "encap: geneve"),
    "APP004-mtu": ("mtu: 1500", "mtu: 1600"),
    "APP005-sites": ("east: [hv1, hv2]\n    west: [hv3]", "east: [hv1]\n    west: [hv2, hv3]"),
    "APP006-links": ("delay: 5ms", "delay: 6ms"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_running_lab_cannot_become_is_refused_and_the_lab_is_as_it_was(lab, name):
    before = lab.backend.snapshot().hash

    with pytest.raises(InputError) as refused:
        lab.apply(edited(REFUSED[name]))

    assert_golden(GOLDEN / f"{name}.txt", f"{refused.value}\n")
    assert (lab.backend.snapshot().hash, lab.scenario, lab.closed) == (before, BASE, "")
    assert lab.apply(CLOSED_80).direct


def test_a_lab_of_another_controller_takes_no_scenario():
    options = Options(methods=("graph",), controller="learning_switch")
    with Lab(BASE, options) as lab, pytest.raises(InputError) as refused:
        lab.apply(CLOSED_80)

    assert_golden(GOLDEN / "APP001-another-controller.txt", f"{refused.value}\n")


def test_a_hypervisor_that_has_given_all_its_numbers_takes_no_more(lab):
    spent = {n: replace(d, ever=MOST_EVER) for n, d in lab.assignment.datapaths.items()}
    lab.assignment = Assignment(datapaths=spent)

    with pytest.raises(InputError) as refused:
        lab.apply(MOVED)

    assert_golden(GOLDEN / "APP007-no-numbers-left.txt", f"{refused.value}\n")
    assert (lab.closed, lab.apply(CLOSED_80).direct) == ("", True)


@pytest.mark.parametrize("broken", ["change", "tracked", "take_effect"])
def test_a_failure_half_way_leaves_the_lab_closed_and_the_next_apply_mends_it(lab, monkeypatch, broken):
    def fail(*_):
        raise LabError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(lab.backend, broken, fail)
        with pytest.raises(LabError, match="planted; until the next apply the lab is closed"):
            lab.apply(MOVED)
    assert "planted" in lab.closed
    assert not lab.backend.ping("red/vm2", "red/vm1")
    assert lab.backend.ping("red/vm1", "red/vm3")
    with pytest.raises(LabError, match="closed until a scenario is applied"):
        lab.check()

    applied = lab.apply(MOVED)

    assert not applied.direct
    assert lab.closed == ""
    assert held(lab) == wanted(lab)
    assert lab.backend.ping("red/vm2", "red/vm1")
    assert lab.check().status == "holds"


def test_a_failure_is_mended_by_a_third_scenario_as_well(lab, monkeypatch):
    def fail(*_):
        raise LabError("planted")

    with monkeypatch.context() as planted:
        planted.setattr(lab.backend, "forget", fail)
        with pytest.raises(LabError, match="judge flows"):
            lab.apply(MOVED)

    lab.apply(FIFTH)

    assert lab.backend.ping("red/vm5", "red/vm2")
    assert held(lab) == wanted(lab)


def test_what_came_of_it_is_told_in_a_few_lines(lab):
    told = str(replace(lab.apply(MOVED), timings_ms={"close": 12.0, "open": 30.4}))

    assert told.splitlines()[:2] == ["overlap applied in 42 ms", "  moved: blue/vm2, red/vm2"]
    assert "closed in between" in told
    assert "established flows: 0 of 0 ended" in told
