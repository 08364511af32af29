"""What every shipped controller promises, whatever network it builds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdn_lab import doctor
from sdn_lab.control import apps
from sdn_lab.openflow.entry import FlowEntry, Instructions
from tests.unit.control import lab
from tests.unit.control.dummy_ovs import DummyOvs, eventually

APPS = apps.names()
FRAMES = {
    "broadcast": bytes.fromhex("ffffffffffff02000000000a0806").ljust(60, b"\0"),
    "unicast": bytes.fromhex("02000000000b02000000000a0800").ljust(60, b"\0"),
    "tagged": bytes.fromhex("ffffffffffff02000000000a8100000a0800").ljust(60, b"\0"),
    "two tags": bytes.fromhex("ffffffffffff02000000000a88a800058100000a0800").ljust(60, b"\0"),
    "from a group address": bytes.fromhex("ffffffffffff010000000001ffff").ljust(60, b"\0"),
    "as short as can be": bytes.fromhex("ffffffffffff02000000000a8100"),
}


@pytest.fixture(scope="module")
def ovs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DummyOvs]:
    switch = DummyOvs(tmp_path_factory.mktemp("contract"))
    yield switch
    switch.stop()


@pytest.fixture(params=["os_ken", "ryu"])
def framework(request: pytest.FixtureRequest) -> str:
    """Both frameworks; Ryu if there is one (`make ryu`)."""
    lacking = doctor.lacking(request.param)
    if lacking:
        pytest.skip(f"{lacking[0].missing}: {lacking[0].remedy}")
    return str(request.param)


@pytest.mark.ovs
@pytest.mark.parametrize("name", APPS)
def test_it_serves_a_switch_comes_to_rest_and_ends(ovs: DummyOvs, name: str, framework: str) -> None:
    hypervisor = f"{framework[:2]}-{name}"[:10]
    made, assignment = lab.one(hypervisor)
    wanted = lab.program(hypervisor, FlowEntry(instructions=Instructions(goto=10)))
    ovs.add_bridge(hypervisor, assignment.datapaths[hypervisor].dpid, {"a": 100, "b": 101})

    with lab.started(made, assignment, app=name, wanted=wanted, framework=framework) as controller:
        ovs.connect(hypervisor, controller.l4_port)
        confirmed = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        for frame in FRAMES.values():
            ovs.receive(hypervisor, "a", frame)
            controller.settle()
        controller.check()

        assert controller.pushes is (hypervisor in confirmed)
        eventually(lambda: len(ovs.dump_flows(hypervisor)) >= 1, "an entry")
        assert controller.framework.startswith({"os_ken": "os-ken ", "ryu": "ryu 4.34"}[framework])
        controller._child.stdin.close()
        eventually(lambda: controller._child.poll() == 0, "the end of the process")


@pytest.mark.parametrize("name", APPS)
def test_it_names_no_framework_and_reaches_for_nothing_but_control(name: str) -> None:
    """So that it runs on whichever framework `sdn_lab.control.ryu` finds."""
    tree = ast.parse((apps.directory() / f"{name}.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}

    assert {module.rpartition(".")[0] for module in imported} == {"sdn_lab.control"}


@pytest.mark.parametrize("name", APPS)
def test_it_is_one_screen_and_says_what_it_is_for(name: str) -> None:
    path: Path = apps.directory() / f"{name}.py"
    text = path.read_text()

    assert len(text.splitlines()) <= 130
    assert ast.get_docstring(ast.parse(text))
