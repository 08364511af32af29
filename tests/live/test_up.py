"""A lab that stays, on Mininet and real Open vSwitch, as a person uses it."""

import io
import json
import os
import random
import signal
import subprocess
import sys

import pytest
import remains
from killing import COMMAND, kill_at_random, tell
from remains import until
from scapy.utils import PcapNgReader

from sdn_lab.resident.address import names
from sdn_lab.resident.client import Conversation


def say(*words, stdin="", timeout=120):
    """Run a command: its exit code, standard output and error."""
    argv = [*COMMAND, *map(str, words)]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=stdin, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture
def name():
    name = f"live-{os.getpid()}-{random.randrange(1 << 20)}"
    before = remains.visible()
    yield name
    if name in names():
        assert say("down", "--name", name)[0] == 0
    assert remains.visible() <= before


@pytest.fixture
def lab(name):
    code, _, err = say("up", "overlap", "--backend", "mininet", "--name", name)
    assert code == 0, err
    return name


def test_up_status_exec_check_capture_down(lab, tmp_path):
    code, out, _ = say("status", "--name", lab, "--report", f"json={tmp_path / 's.json'}")
    assert (code, "drift        none" in out) == (0, True)
    [told] = json.loads((tmp_path / "s.json").read_text())
    assert told["controller"]["runs"]
    assert [h["datapath"]["fail_mode"] for h in told["hypervisors"]] == ["secure"] * 3

    run = "exec", "--name", lab
    assert say(*run, "red/vm1", "--", "ping", "-c", "1", "-W", "2", "10.0.0.13")[0] == 0
    assert say(*run, "red/vm1", "--", "sh", "-c", "exit 7")[0] == 7
    assert say(*run, "red/vm1", "--", "cat", stdin="through\n")[:2] == (0, "through\n")
    assert say(*run, "red/vm1", "--", "no-such-program")[0] == 5
    code, out, _ = say(*run, "hv1", "--", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "br-int")
    assert (code, "table=0" in out) == (0, True)
    assert say(*run, "hv1", "--", "ovs-vsctl", "--timeout=5", "list-br")[1] == "br-int\nbr-phy\n"

    code, out, err = say("check", "--name", lab)
    assert code == 0, out + err
    assert say("down", "--name", lab)[:2] == (0, f"{lab} is down\n")
    assert lab not in names()


def test_drift_is_seen_found_and_reverted(lab):
    flow = "table=0,priority=999,in_port=100,actions=output:102"
    words = "ovs-ofctl", "-O", "OpenFlow13", "add-flow", "br-int", flow
    assert say("exec", "--name", lab, "hv1", "--", *words)[0] == 0
    assert "priority=999" in say("status", "--name", lab)[1]
    assert say("check", "--name", lab)[0] == 1
    code, out, _ = say("check", "--name", lab, "--revert")
    assert (code, "reverted: hv1 table 0" in out) == (0, True)


def test_what_a_person_runs_in_an_instance_outlives_a_check(lab):
    serve = "python3 -m http.server 80 >/dev/null 2>&1 &"
    fetch = "import urllib.request as r; print(r.urlopen('http://10.0.0.13/', timeout=2).status)"
    run = "exec", "--name", lab
    assert say(*run, "red/vm3", "--", "sh", "-c", serve)[0] == 0
    until(lambda: say(*run, "red/vm1", "--", sys.executable, "-c", fetch)[1] == "200\n", "no service", 30)
    assert say("check", "--name", lab, "--methods", "probe")[0] == 0
    assert say(*run, "red/vm1", "--", sys.executable, "-c", fetch)[1] == "200\n"


def test_a_capture_shows_a_packets_way(lab, tmp_path):
    file = tmp_path / "way.pcapng"
    argv = [*COMMAND, "capture", "--name", lab, "red/vm1", "hv1", "red/vm3", "blue/vm3", "-o", file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listening:
        assert "listening at" in listening.stderr.readline()
        assert say("exec", "--name", lab, "red/vm1", "--", "ping", "-c", "1", "10.0.0.13")[0] == 0
        listening.send_signal(signal.SIGINT)
        assert "0 lost" in listening.communicate(timeout=30)[0]
    with PcapNgReader(io.BytesIO(file.read_bytes())) as packets:
        seen = {packet.comments[0].decode() for packet in packets}
    assert {"was sent at port:red/vm1", "was sent at underlay:hv1", "arrived at port:red/vm3"} <= seen
    assert not [comment for comment in seen if "blue" in comment]


def test_ctrl_c_ends_the_program_and_so_does_the_death_of_the_command(lab):
    for number in (signal.SIGINT, signal.SIGKILL):
        argv = [*COMMAND, "exec", "--name", lab, "red/vm1", "--", "sh", "-c", "echo on; exec sleep 971"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout.readline() == "on\n"
            assert any("sleep 971" in remains.command_line(p) for p in remains.living())
            running.send_signal(number)
            assert running.wait(20) != 0
        until(
            lambda: not any("sleep 971" in remains.command_line(p) for p in remains.living()),
            "the program goes on",
        )


def test_the_shell_reads_a_script(lab):
    code, out, err = say("shell", "--name", lab, stdin="nodes\nred/vm1 ping -c 1 red/vm3\npingall\n")
    assert code == 0, err
    assert "64 bytes from 10.0.0.13" in out
    assert "red/vm1 -> red/vm2 red/vm3 X" in out


def test_a_lab_in_which_something_died_says_so_until_it_is_taken_down(lab):
    with Conversation(lab) as asked:
        below = remains.below(asked.pid)
    [shell, *_] = [p for p in below if "mininet:i" in remains.command_line(p)]
    os.kill(shell, signal.SIGKILL)
    code, out, _ = until(lambda: (s := say("status", "--name", lab))[0] == 6 and s, "nobody noticed")
    assert "the shell of the instance of" in out
    code, _, err = say("check", "--name", lab)
    assert (code, "the shell of the instance of" in err) == (6, True)
    assert "Traceback" not in err
    assert say("down", "--name", lab)[0] == 0


def test_a_switch_that_died_is_put_right_and_check_holds_again(lab):
    with Conversation(lab) as asked:
        below = remains.below(asked.pid)
    [switch, *_] = [p for p in below if "ovs-vswitchd unix:" in remains.command_line(p)]
    os.kill(switch, signal.SIGKILL)
    out = until(lambda: "mended" in (out := say("status", "--name", lab)[1]) and out, "it was not mended", 60)
    assert "ovs-vswitchd of hv" in out
    code, out, err = say("check", "--name", lab)
    assert code == 0, out + err


@pytest.fixture(scope="module")
def killed():
    killed = []
    yield killed
    if killed:
        tell("root", killed)


@pytest.mark.parametrize("seed", range(int(os.environ.get("SDN_LAB_KILLS", "6"))))
def test_kill_9_of_the_resident_at_any_moment_leaves_nothing(name, seed, killed):
    killed.append(kill_at_random(name, seed))
    assert name not in names()
