"""A lab's life as a person lives it: up, status, check, down; and every other way to end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import SdnLabError
from sdn_lab.resident import address
from sdn_lab.resident.address import names
from sdn_lab.resident.client import Conversation
from sdn_lab.resident.gone import Family

ROOT = Path(__file__).parents[3]
UP = "up", "overlap", "--name"


def until(condition, what, limit_s=20.0):
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        os.sched_yield()
    return found


def test_up_status_check_down(name, say, tmp_path):
    code, out, _ = say(*UP, name)
    assert (code, f"{name} is up on sim" in out) == (0, True)

    code, out, _ = say("status", "--name", name, "--report", f"json={tmp_path / 's.json'}")
    assert code == 0
    assert f"{name}: scenario overlap on sim, up since" in out
    assert "overlay: runs" in out
    assert "drift        none" in out
    [told] = json.loads((tmp_path / "s.json").read_text())
    assert [h["name"] for h in told["hypervisors"]] == ["hv1", "hv2", "hv3"]
    assert all(h["datapath"]["entries"] > 100 for h in told["hypervisors"])
    assert told["state"] == "up"

    code, out, err = say("check", "--name", name, "--report", f"json={tmp_path / 'r.json'}")
    assert code == 0
    assert "overlap: holds, exit 0" in out
    assert "sdn-lab: probe" in err
    report = json.loads((tmp_path / "r.json").read_text())
    assert {v["method"] for v in report["verdicts"]} == {"graph", "probe", "drift"}

    assert say("down", "--name", name)[:2] == (0, f"{name} is down\n")
    assert name not in names()
    assert say("status", "--name", name)[0] == 2


def test_a_name_that_is_up_is_refused_and_its_lab_is_left_alone(name, say):
    say(*UP, name)
    code, _, err = say(*UP, name)
    assert code == 2
    assert f"there is a lab with the name '{name}' already" in err
    assert say("status", "--name", name)[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--controller", "no_such_app"], 2, "there is no controller 'no_such_app'"),
        (["--flows", "no/such/folder"], 2, "there is no folder"),
        (["--controller", __file__], 6, "no Ryu app"),
    ],
)
def test_what_keeps_a_lab_from_coming_up_reaches_whoever_asked_and_nothing_is_left(
    name, say, words, code, said
):
    found, out, err = say(*UP, name, *words)
    assert (found, out) == (code, "")
    assert said in err
    assert name not in names()


def test_a_controller_may_be_named_by_a_path_from_here(name, say, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, _, err = say(*UP, name, "--controller", "controllers/vlan.py")
    assert code == 0, err
    assert "vlan" in say("status", "--name", name)[1]


def test_down_all_is_content_with_nothing(say, monkeypatch):
    monkeypatch.setattr(address, "names", lambda: ())
    assert say("down", "--all")[:2] == (0, "no lab is up\n")


def test_check_by_one_method_says_so_and_the_next_one_is_by_all_again(name, say):
    say(*UP, name)
    code, out, _ = say("check", "--name", name, "--methods", "graph")
    assert code == 0
    assert "Not judged" in out
    assert "Not judged" not in say("check", "--name", name)[1]


def test_two_labs_of_one_scenario_live_side_by_side(name, say):
    other = f"{name}-2"
    say(*UP, name)
    say(*UP, other)
    try:
        assert {name, other} <= set(names())
        code, _, err = say("check")  # which?
        assert code == 2
        assert name in err
        assert say("check", "--name", name, "--methods", "graph")[0] == 0
    finally:
        assert say("down", "--name", other)[0] == 0
    assert say("status", "--name", name)[0] == 0


def test_sigterm_ends_a_lab_in_order(name, say):
    say(*UP, name)
    with Conversation(name) as asked, Family(asked.pid) as family:
        os.kill(asked.pid, signal.SIGTERM)
        assert family.wait(20)
    assert name not in names()


def test_kill_9_leaves_nothing_and_frees_the_name(name, say):
    say(*UP, name)
    with Conversation(name) as asked, Family(asked.pid) as family:
        os.kill(asked.pid, signal.SIGKILL)
        assert family.wait(20)
    assert say(*UP, name)[0] == 0


def test_a_controller_that_died_is_started_again_and_status_says_so(name, say):
    say(*UP, name)
    with Conversation(name) as asked:
        pid = asked.pid
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
    out = until(
        lambda: "mended" in (out := say("status", "--name", name)[1]) and out, "it was not mended", 60
    )
    assert "the controller was ended by SIGKILL" in out
    assert "overlay: runs" in out
    assert say("check", "--name", name, "--methods", "graph,drift")[0] == 0


def test_down_during_a_check_ends_both(name, say):
    say(*UP, name)
    with Conversation(name) as asked:
        asked.say(op="check", methods=None)
        assert "progress" in asked.hear()
        assert say("down", "--name", name)[0] == 0
        with pytest.raises(SdnLabError, match=r"taken down|ended while"):
            asked.answer()


def test_status_can_be_asked_for_during_a_check(name, say):
    say(*UP, name)
    with Conversation(name) as asked:
        asked.say(op="check", methods=None)
        assert "progress" in asked.hear()
        code, out, _ = say("status", "--name", name)
        assert (code, "being asked for: check" in out) == (0, True)
        assert asked.answer()["exit"] == 0


def test_an_interrupted_up_leaves_nothing(name):
    words = [sys.executable, "-m", "sdn_lab", *UP, name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as command:
        assert command.stderr.readline()  # the resident has begun
        command.kill()
    until(lambda: name not in names(), "the lab came up though nobody waits for it")


def test_a_lab_that_is_up_has_no_tie_to_the_command(name, say):
    say(*UP, name)
    with Conversation(name) as asked:
        pid = asked.pid
    assert os.getsid(pid) not in {os.getsid(0), pid}
    assert str(Path(f"/proc/{pid}/cwd").readlink()) == "/"
    assert {str(Path(f"/proc/{pid}/fd/{n}").readlink()) for n in range(3)} == {"/dev/null"}


def test_watching_prints_what_drifts_and_when_it_is_as_built_again(name, say):
    say(*UP, name)
    words = [sys.executable, "-m", "sdn_lab", "status", "--watch", "--name", name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
        while "drift        none" not in (line := watching.stdout.readline()):
            assert line
        run = "exec", "--name", name, "hv2", "--", "ovs-ofctl"
        say(*run, "add-flow", "br-int", "table=0,priority=999,actions=drop")
        assert "drift: hv2 table 0: entry foreign" in watching.stdout.readline()
        say(*run, "--strict", "del-flows", "br-int", "table=0,priority=999")
        assert "as built again: hv2 table 0" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0


def test_watching_a_lab_that_is_taken_down_ends_with_a_sentence(name, say):
    say(*UP, name)
    words = [sys.executable, "-m", "sdn_lab", "status", "--watch", "--name", name]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout.readline()
        say("down", "--name", name)
        _, err = watching.communicate(timeout=30)
    assert watching.returncode in {2, 6}
    assert "Traceback" not in err
    assert name in err
