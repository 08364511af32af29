"""The controller's process and its faults, against real Open vSwitch where a switch is needed."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from sdn_lab import process
from sdn_lab.control.complaint import _FIX
from sdn_lab.model.diagnostic import InputError, LabError, Span
from sdn_lab.openflow.action import Output
from sdn_lab.openflow.entry import FlowEntry, Instructions, Origin, Program, Tables
from sdn_lab.openflow.match import Match
from tests.unit.control import lab
from tests.unit.control.dummy_ovs import DummyOvs, eventually

IMPORTS = """
import time
from sdn_lab.control.console import ProgramChanged
from sdn_lab.control.push import Pusher
from sdn_lab.control.ryu import App, MAIN_DISPATCHER, hub, ofp_event, set_ev_cls
from sdn_lab.control.site import site
"""


def many(number: int) -> list[FlowEntry]:
    return [
        FlowEntry(
            table_id=10 + n % 5,
            priority=100,
            cookie=n + 1,
            match=Match.of(in_port=100, eth_type=0x800, ipv4_src=0x0A000000 + n),
            instructions=Instructions(goto=30),
        )
        for n in range(number)
    ]


def app(folder: Path, body: str) -> str:
    path = folder / "app.py"
    path.write_text(IMPORTS + body)
    return str(path)


# -- pushing


@pytest.mark.ovs
def test_a_push_is_confirmed_and_a_second_sends_nothing(ovs: DummyOvs) -> None:
    made, assignment = lab.one("push")
    wanted = lab.program("push", *many(500))
    ovs.add_bridge("push", assignment.datapaths["push"].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=wanted) as controller:
        ovs.connect("push", controller.l4_port)
        first = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)["push"]
        controller.push(wanted)
        second = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)["push"]

        assert (first.added, first.modified, first.deleted, first.held) == (500, 0, 0, 500)
        assert (second.added, second.modified, second.deleted, second.held) == (0, 0, 0, 500)
        assert controller.dump("push") == wanted.tables["push"]


@pytest.mark.ovs
@pytest.mark.parametrize(
    ("verb", "text", "counts"),
    [
        ("mod-flows", "table=10,ip,in_port=100,nw_src=10.0.0.0,actions=goto_table:31", (0, 1, 0)),
        ("del-flows", "table=10,ip,in_port=100,nw_src=10.0.0.0", (1, 0, 0)),
        ("add-flow", "table=3,priority=5,actions=drop", (0, 0, 1)),
    ],
    ids=["changed", "removed", "added"],
)
def test_what_was_edited_by_hand_is_repaired_by_one_operation(
    ovs: DummyOvs, verb: str, text: str, counts: tuple[int, int, int]
) -> None:
    name = f"by-{verb}"
    made, assignment = lab.one(name)
    wanted = lab.program(name, *many(50))
    ovs.add_bridge(name, assignment.datapaths[name].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=wanted) as controller:
        ovs.connect(name, controller.l4_port)
        controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        ovs.ofctl(verb, name, text)
        assert controller.dump(name) != wanted.tables[name]
        controller.push(wanted)
        repair = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)[name]

        assert (repair.added, repair.modified, repair.deleted) == counts
        assert controller.dump(name) == wanted.tables[name]


@pytest.mark.ovs
def test_replay_adds_its_tables_and_corrects_nothing(ovs: DummyOvs) -> None:
    made, assignment = lab.one("replay")
    wanted = lab.program("replay", *many(5))
    ovs.add_bridge("replay", assignment.datapaths["replay"].dpid, {"p": 100})

    with lab.started(made, assignment, app="replay", wanted=wanted) as controller:
        ovs.connect("replay", controller.l4_port)
        controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        assert len(ovs.dump_flows("replay")) == 5
        ovs.vsctl("del-controller", "replay")  # empties the tables
        eventually(lambda: not controller._joined, "its leaving was noticed")
        ovs.ofctl("add-flow", "replay", "table=3,priority=5,actions=drop")
        ovs.connect("replay", controller.l4_port)  # trap 3 again: the first controller empties them
        eventually(lambda: controller._joined, "its return was noticed")
        controller.settle()

        assert controller.dump("replay") == Tables()


@pytest.mark.ovs
def test_an_entry_that_is_refused_is_named_with_its_origin(ovs: DummyOvs) -> None:
    made, assignment = lab.one("refuse")
    made = replace(made, sources={"red/web/rules/3": Span(file="acme.yaml", line=58, column=9)})
    origin = Origin(stage="ingress_group", kind="rule", path="red/web/rules/3")
    bad = FlowEntry(table_id=20, priority=110, match=Match.of(tcp_dst=80), origin=origin)
    wanted = lab.program("refuse", *many(3), bad)
    ovs.add_bridge("refuse", assignment.datapaths["refuse"].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=wanted) as controller:
        ovs.connect("refuse", controller.l4_port)
        with pytest.raises(LabError) as caught:
            controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)

    dpid = assignment.datapaths["refuse"].dpid
    assert str(caught.value).splitlines() == [
        f"error[CTL004]: datapath {dpid} (refuse) rejected 1 of 4 operations",
        "  why: OFPET_BAD_MATCH / OFPBMC_BAD_PREREQ: add table=20, priority=110,tp_dst=80 actions=drop",
        "         from: rule red/web/rules/3 (acme.yaml:58:9)",
        "         match on tcp_dst needs eth_type=0x800|0x86dd",
        f"  fix: {_FIX}",
    ]


@pytest.mark.ovs
def test_a_datapath_that_holds_something_else_than_it_was_sent_is_confirmed_and_told(ovs: DummyOvs) -> None:
    """Open vSwitch knows 8 of the 32 bits of ct_state, and forgets a test on the others."""
    made, assignment = lab.one("forget")
    forgetful = FlowEntry(priority=1, match=Match.of(ct_state=(0x21, 0x1021)))
    ovs.add_bridge("forget", assignment.datapaths["forget"].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=lab.program("forget", forgetful)) as controller:
        ovs.connect("forget", controller.l4_port)
        text = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)["forget"].differs

    assert re.search(r"CTL005.*forget holds something else", text)
    assert "- table=0, priority=1,ct_state=" in text
    assert "+ table=0, priority=1,ct_state=+new+trk actions=drop" in text


@pytest.mark.ovs
def test_a_dump_that_cannot_be_read_fails(ovs: DummyOvs) -> None:
    made, assignment = lab.one("note")
    ovs.add_bridge("note", assignment.datapaths["note"].dpid, {"p": 100})

    with lab.started(made, assignment, app="replay", wanted=lab.program("note")) as controller:
        ovs.connect("note", controller.l4_port)
        controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        ovs.ofctl("add-flow", "note", "table=3,tun_gbp_id=5,actions=drop")
        with pytest.raises(LabError, match="cannot dump note: 'tun_gbp_id' is not a field"):
            controller.dump("note")


@pytest.mark.ovs
def test_a_datapath_that_comes_back_empty_is_filled_again(ovs: DummyOvs) -> None:
    made, assignment = lab.one("back")
    ovs.add_bridge("back", assignment.datapaths["back"].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=lab.program("back", *many(20))) as controller:
        ovs.connect("back", controller.l4_port)
        controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        ovs.vsctl("del-controller", "back")  # empties the tables
        eventually(lambda: not controller._joined, "its leaving was noticed")
        with pytest.raises(LabError, match="cannot dump back: it is not connected"):
            controller.dump("back")
        ovs.connect("back", controller.l4_port)

        eventually(lambda: len(ovs.dump_flows("back")) == 20, "the tables were filled again")


def test_what_is_missing_after_the_time_limit_is_named() -> None:
    made = lab.scenario({"hv1": {"red/vm1": "red/app"}, "hv2": {}})
    assignment = lab.assign(made)

    with (
        lab.started(made, assignment, wanted=Program(tables={})) as controller,
        pytest.raises(
            LabError, match=r"0.2 s for its datapaths.*hv1, hv2 missing \(hv1, hv2 never connected\)"
        ),
    ):
        controller.wait_confirmed(timeout_ms=200, progress=lab.QUIET)


# -- starting and ending


def test_a_busy_port_is_one_sentence() -> None:
    made, assignment = lab.one("busy")
    with socket.create_server(("127.0.0.1", 0)) as other:
        l4_port = other.getsockname()[1]

        with (
            pytest.raises(
                LabError, match=f"cannot listen on 127.0.0.1 port {l4_port}: address already in use"
            ),
            lab.started(made, assignment, l4_port=l4_port),
        ):
            pass


def test_it_listens_where_it_was_told_and_nowhere_else() -> None:
    made, assignment = lab.one("listen")

    with lab.started(made, assignment, host="127.0.0.3") as controller:
        assert listeners(controller._child.pid) == {("127.0.0.3", controller.l4_port)}


def listeners(pid: int) -> set[tuple[str, int]]:
    """What a process listens on, as the kernel says."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                packed = struct.pack("<I", int(address[-8:], 16))
                found.add((socket.inet_ntoa(packed), int(port, 16)))
    return found


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("def f(:\n", r"app.py, line 7: "),
        ("x = 1\n", r"app.py holds no Ryu app: no class in it derives from App"),
        ("import nothing_of_that_name\n", r"cannot be loaded: ModuleNotFoundError: .*\(app.py, line 7\)"),
        ("raise SystemExit('not today')\n", r"cannot be loaded: SystemExit: not today"),
        (
            "class Mine(App):\n    def __init__(self, *a, **k):\n        raise KeyError('hv9')\n",
            r"cannot be started: KeyError: 'hv9' \(app.py, line 9\)",
        ),
    ],
    ids=["syntax", "no app", "import", "exit", "constructor"],
)
def test_an_app_that_does_not_start_is_one_sentence(tmp_path: Path, body: str, sentence: str) -> None:
    made, assignment = lab.one("start")

    with (
        pytest.raises(LabError, match=sentence) as caught,
        lab.started(made, assignment, app=app(tmp_path, body)),
    ):
        pass
    assert "Traceback" not in str(caught.value)


def test_a_controller_that_does_not_exist_is_bad_usage() -> None:
    made, assignment = lab.one("none")

    with (
        pytest.raises(InputError, match=r"CTL001.*'overlord'.*\n.*learning_switch, overlay, replay, vlan"),
        lab.started(made, assignment, app="overlord"),
    ):
        pass


def test_what_an_app_prints_does_not_reach_the_lab(tmp_path: Path) -> None:
    made, assignment = lab.one("print")
    body = "print('{not json')\nclass Mine(App):\n    pass\n"

    with lab.started(made, assignment, app=app(tmp_path, body)) as controller:
        controller.settle()


def test_a_killed_controller_is_noticed() -> None:
    made, assignment = lab.one("killed")

    with lab.started(made, assignment) as controller:
        os.kill(controller._child.pid, signal.SIGKILL)
        with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
            controller.wait_confirmed(timeout_ms=5_000, progress=lab.QUIET)
        with pytest.raises(LabError, match="the controller was ended by SIGKILL"):
            controller.settle()


def test_it_ends_when_its_standard_input_ends() -> None:
    made, assignment = lab.one("ends")

    with lab.started(made, assignment) as controller:
        controller._child.stdin.close()
        eventually(lambda: controller._child.poll() == 0, "the end of the process")


def test_an_exception_in_a_handler_fails_the_lab(tmp_path: Path) -> None:
    made, assignment = lab.one("crash")
    body = """
class Mine(App):
    @set_ev_cls(ProgramChanged)
    def changed(self, ev):
        return {}["nothing"]
"""

    with lab.started(made, assignment, app=app(tmp_path, body)) as controller:
        controller.check()
        controller.push(Program(tables={}))
        with pytest.raises(LabError, match=r"crashed in .*KeyError: 'nothing' \(app.py, line 11\)"):
            controller.settle()


def test_stop_is_idempotent_and_leaves_no_process() -> None:
    made, assignment = lab.one("stop")

    with lab.started(made, assignment) as controller:
        pid = controller._child.pid
        controller.stop()
        controller.stop()

        assert not Path(f"/proc/{pid}").exists()


# -- coming to rest

SLOW = """
class Slow(App):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.again = 2

    @set_ev_cls(ProgramChanged)
    def changed(self, ev):
        hub.sleep(0.15)
        if self.again:
            self.again -= 1
            self.send_event(self.name, ProgramChanged())
        else:
            open({path!r}, "w").close()
"""


def test_settle_waits_for_slow_handlers_and_for_what_they_post(tmp_path: Path) -> None:
    made, assignment = lab.one("slow")
    done = tmp_path / "done"

    with lab.started(made, assignment, app=app(tmp_path, SLOW.format(path=str(done)))) as controller:
        controller.push(Program(tables={}))
        assert not done.exists()
        controller.settle()

        assert done.exists()


TALKATIVE = """
class Talkative(App):
    @set_ev_cls(ofp_event.EventOFPStateChange, MAIN_DISPATCHER)
    def joined(self, ev):
        for _ in range(200):
            ev.datapath.send(bytes(1 << 16))
"""
HELLO = struct.pack("!BBHI", 4, 0, 8, 1)
FEATURES = struct.pack("!BBHIQIBB2xII", 4, 6, 32, 2, 0xA1, 0, 254, 0, 0, 0)
PORTS = struct.pack("!BBHIHH4x", 4, 19, 16, 3, 13, 0)


def test_settle_does_not_wait_for_a_switch_that_does_not_read(tmp_path: Path) -> None:
    """The simulator's clock may stand still, and its switches with it, until we answer."""
    made, assignment = lab.one("mute")

    with (
        lab.started(made, assignment, app=app(tmp_path, TALKATIVE)) as controller,
        socket.create_connection((controller.host, controller.l4_port)) as switch,
    ):
        switch.sendall(HELLO + FEATURES + PORTS)
        eventually(lambda: controller._joined, "the handshake")
        controller.settle()
        controller.settle()


def test_a_message_that_cannot_be_parsed_fails_the_lab(tmp_path: Path) -> None:
    made, assignment = lab.one("garbage")

    with (
        lab.started(made, assignment) as controller,
        socket.create_connection((controller.host, controller.l4_port)) as switch,
    ):
        switch.sendall(HELLO + FEATURES + PORTS + struct.pack("!BBHI", 4, 10, 9, 4) + b"\0")
        eventually(lambda: controller._failure, "the failure")

        with pytest.raises(LabError, match="crashed"):
            controller.check()


def test_tables_of_other_datapaths_are_not_sent(ovs: DummyOvs) -> None:
    """A datapath that nobody wants anything of is left alone."""
    made, assignment = lab.one("alone")
    ovs.add_bridge("alone", "00000000deadbeef", {"p": 100})
    entry = FlowEntry(instructions=Instructions(apply=(Output(of_port=100),)))

    with lab.started(made, assignment, wanted=lab.program("alone", entry)) as controller:
        ovs.connect("alone", controller.l4_port)
        eventually(lambda: "00000000deadbeef" in controller._joined, "the handshake")
        controller.settle()

        assert ovs.dump_flows("alone") == []


def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    """Its own request for it, beside the one that `process.spawn` makes."""
    script = (
        "import subprocess, sys, time\n"
        "argv = [sys.executable, '-m', 'sdn_lab.control.child', sys.argv[1], '127.0.0.1', '0']\n"
        "child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        'child.stdin.write(\'{"facts":{"networks":[],"datapaths":{}},"tables":{},"generation":0}\\n\')\n'
        "child.stdin.flush()\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    path = app(tmp_path, "class Mine(App):\n    pass\n")
    parent = process.spawn([lab.sys.executable, "-c", script, path])
    try:
        pid = int(parent.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
    finally:
        parent.kill()

    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in state(pid), "the end of the child")


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_an_empty_program_empties_a_datapath(ovs: DummyOvs) -> None:
    made, assignment = lab.one("empty")
    ovs.add_bridge("empty", assignment.datapaths["empty"].dpid, {"p": 100})

    with lab.started(made, assignment, wanted=lab.program("empty", *many(9))) as controller:
        ovs.connect("empty", controller.l4_port)
        controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)
        controller.push(Program(tables={"empty": Tables()}))
        gone = controller.wait_confirmed(timeout_ms=15_000, progress=lab.QUIET)["empty"]

        assert (gone.deleted, gone.held) == (9, 0)


class Scripted:
    """A child that says these lines and nothing else."""

    def __init__(self, *lines: str) -> None:
        self.stdin = io.StringIO()
        self.stdout = io.StringIO("".join(lines))

    def poll(self) -> int:
        return 3

    def kill(self) -> None:
        """There is nothing to end."""


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("gibberish\n", "said something that cannot be read: gibberish"),
        ('{"event": "never_heard_of"}\n', "said something that cannot be read"),
        ('{"event": "joined", "wrong": 1}\n', "said something that cannot be read"),
        ('{"event": "joi', "the controller ended with status 3"),
        ("", "the controller ended with status 3"),
    ],
)
def test_what_a_child_says_is_never_waited_for_in_vain(said: str, sentence: str) -> None:
    made, assignment = lab.one("said")

    with (
        pytest.raises(LabError, match=sentence),
        lab.started(made, assignment, spawn=lambda *_: Scripted(said)),
    ):
        pass
