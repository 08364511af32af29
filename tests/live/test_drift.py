"""On real Open vSwitch: whatever somebody with a shell on a hypervisor changes is found, named and reverted.

Row LIFE-12; `test_life.py` has the edit that nobody looks for.

``SDN_LAB_EDITS=200`` (as `make drift` sets it) tries more of the random edits.
"""

import os
import random
import time
from collections.abc import Iterator, Sequence

import pytest

from sdn_lab.lab import Lab, Options
from sdn_lab.model.verdict import Difference, Drift, Status
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.scenario import find, load
from tests.unit.lab.edits import draw

EDITS = int(os.environ.get("SDN_LAB_EDITS", "12"))
BRIDGES = {"hv1": "br-int", "hv1/underlay": "br-phy", "hv2": "br-int", "hv3": "br-int"}
LIMIT_S = 20.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    options = Options(backend="mininet", methods=("drift",))
    with Lab(load(find("overlap")), options) as made:
        yield made


def on(lab: Lab, hypervisor: str, *argv: str) -> str:
    """Run a program on a hypervisor; return what it wrote."""
    child = lab.backend.spawn_on(hypervisor, argv)
    wrote = child.stdout.read()
    deadline = time.monotonic() + LIMIT_S
    while (status := child.poll()) is None:
        assert time.monotonic() < deadline, f"{argv} does not end"
    assert status == 0, f"{argv}: {child.last_words()}"
    child.kill()
    return wrote


def ofctl(lab: Lab, name: str, command: str, flow: str = "") -> None:
    words = [*command.split(), BRIDGES[name], *([flow] if flow else [])]
    on(lab, name.partition("/")[0], "ovs-ofctl", "-O", "OpenFlow13", *words)


def vsctl(lab: Lab, hypervisor: str, *words: str) -> None:
    on(lab, hypervisor, "ovs-vsctl", "--timeout=10", *words)


def found(lab: Lab) -> Sequence[Difference]:
    return [difference for verdict in lab.drift() for difference in verdict.differences]


def held(lab: Lab, name: str) -> tuple[FlowEntry, ...]:
    return lab.backend.snapshot().datapaths[name].tables.entries


def test_real_datapaths_hold_what_was_built_whatever_has_been_through_them(lab: Lab) -> None:
    assert lab.check().exit == 0
    assert {v.status for v in lab.drift()} == {Status.HOLDS}
    assert len(lab.drift()) == 6


def test_every_random_edit_of_one_entry_is_found_named_and_reverted(lab: Lab) -> None:
    rng, spent = random.Random(11), []
    for number in range(EDITS):
        name = rng.choice(sorted(BRIDGES))
        change = draw(rng, held(lab, name))
        for command, flow in change.commands:
            ofctl(lab, name, command, flow)

        began = time.perf_counter()
        differences = found(lab)
        spent.append(time.perf_counter() - began)

        said = f"edit {number} of {name}: {change}: {[str(d) for d in differences]}"
        assert [d.datapath for d in differences] == [name], said
        [difference] = differences
        assert difference.table == (change.out or change.new).table_id, said
        wanted = {"delete": Drift.MISSING, "add": Drift.FOREIGN}.get(change.how, Drift.CHANGED)
        assert difference.drift is wanted, said
        assert difference.betrays, said
        assert "nothing of this scenario" not in difference.betrays, said
        reverted = lab.revert()
        assert ([*reverted.undone], reverted.left) == (differences, ()), said
    spent.sort()
    print(  # noqa: T201
        f"\n{EDITS} edits on Open vSwitch, each found and reverted; "
        f"found in {spent[EDITS // 2] * 1000:.0f} ms (median), {spent[-1] * 1000:.0f} ms (most)"
    )
    assert found(lab) == []


def test_fail_mode_ports_groups_and_mirrors_are_drift_and_are_reverted(lab: Lab) -> None:
    vsctl(lab, "hv1", "set-fail-mode", "br-int", "standalone")
    vsctl(lab, "hv2", "del-port", "br-int", "p100")
    vsctl(lab, "hv3", "add-port", "br-int", "spy", "--", "set", "interface", "spy", "type=internal")
    vsctl(
        lab, "hv3", "--", "--id=@m", "create", "mirror", "name=m", "select-all=true", "--", "set", "bridge",
        "br-int", "mirrors=@m",
    )  # fmt: skip
    ofctl(lab, "hv1/underlay", "add-group", "group_id=9,type=all,bucket=actions=LOCAL")

    differences = found(lab)
    reverted = lab.revert()

    told = {(d.datapath, d.part, d.drift) for d in differences}
    assert told == {
        ("hv1", "fail mode", Drift.CHANGED),
        ("hv2", "port", Drift.MISSING),
        ("hv3", "port", Drift.FOREIGN),
        ("hv3", "copies", Drift.FOREIGN),
        ("hv1/underlay", "group", Drift.FOREIGN),
    }
    assert lab.assignment.port_at("hv2", 100) in {d.betrays for d in differences}
    assert reverted.left == ()
    assert found(lab) == []


def test_a_hole_that_was_reverted_is_closed(lab: Lab) -> None:
    """A leak by one foreign entry: the check names it; after revert everything holds by every method."""
    datapath, port = lab.assignment.locate("red/vm1")
    other = lab.assignment.locate("blue/vm1")[1]
    assert datapath.hypervisor == "hv1"
    flow = f"table=0,priority=999,in_port={port.of_port},actions=output:{other.of_port}"
    ofctl(lab, "hv1", "add-flow", flow)

    report = lab.check()
    lab.revert()

    violated = [claim for claim, status in report.summary.items() if status is Status.VIOLATED]
    assert violated == ["as_built/hv1"]
    assert lab.check().exit == 0
