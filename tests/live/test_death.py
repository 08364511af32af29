"""Whatever is killed, whenever: nothing is left, and the survivor says in one sentence what happened."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import remains
from remains import Traces

VICTIM = Path(__file__).parent / "victim.py"
STEPS = 14  # lines that the victim prints before its first window


class Victim:
    """A `victim.py`, the processes below it, and what it said."""

    def __init__(self):
        self.before = remains.visible()
        self.process = subprocess.Popen(
            [sys.executable, VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.said = []
        self.traces = Traces(self.process.pid)

    def listen(self, lines):
        """Read so many lines, and remember every process that there is meanwhile."""
        for _ in range(lines):
            line = self.process.stdout.readline()
            if not line:
                break
            self.said.append(json.loads(line))
            self.traces.look()

    def find(self, words):
        """Return the pids below the victim whose command line has *words*."""
        return [p for p in remains.below(self.process.pid)[1:] if words in remains.command_line(p)]

    def finish(self):
        """Wait for its end; return its status and its last sentence."""
        watchdog = threading.Timer(40, self.process.kill)
        watchdog.start()
        self.said += [json.loads(line) for line in self.process.stdout]
        self.process.wait()
        self.traces.ended()
        watchdog.cancel()
        errors = [line["error"] for line in self.said if "error" in line]
        return self.process.returncode, errors

    def kill(self):
        self.traces.ended()
        self.process.kill()
        self.process.wait()

    def assert_nothing_is_left(self):
        assert self.traces.namespaces, "the test saw no namespace of the lab"
        self.traces.assert_gone()
        assert remains.visible() <= self.before | {"link lo"}


@pytest.fixture
def victim():
    victim = Victim()
    yield victim
    if victim.process.poll() is None:
        victim.kill()
    victim.process.stdin.close()
    victim.process.stdout.close()


def test_a_lab_that_ends_well_leaves_nothing(victim):
    victim.listen(STEPS + 3)
    victim.process.stdin.close()
    assert victim.finish() == (0, [])
    assert all(line.get("missing", 0) == 0 for line in victim.said)
    victim.assert_nothing_is_left()


@pytest.mark.parametrize("moment", random.Random(2).sample(range(2, STEPS + 8), 10))
def test_killing_the_command_leaves_nothing(victim, moment):
    victim.listen(moment)
    victim.kill()
    victim.assert_nothing_is_left()


KILLED = {
    "keeper": ("sdn_lab.backends.mininet.daemon", 0, "the lab died: its keeper was ended by SIGKILL"),
    "daemon": ("sdn_lab.backends.mininet.daemon", 1, "the lab died: the lab daemon was ended by SIGKILL"),
    "database": ("ovsdb-server /", 0, "ovsdb-server of hv1 was ended by SIGKILL"),
    "switch": ("ovs-vswitchd unix:", 1, "ovs-vswitchd of hv2 was ended by SIGKILL"),
    "instance": ("mininet:i", 0, "the shell of the instance of blue/vm1 was ended by SIGKILL"),
    "hypervisor": ("mininet:h", 1, "the shell of hypervisor hv2 was ended by SIGKILL"),
    "underlay": ("mininet:underlay", 0, "the shell of the underlay was ended by SIGKILL"),
    "management": ("mininet:management", 0, "the shell of the management network was ended by SIGKILL"),
    "controller": ("sys.stdin.read()", 0, "the controller was ended by SIGKILL"),
}


@pytest.mark.parametrize("what", KILLED)
def test_killing_a_child_is_reported_by_name_and_leaves_nothing(victim, what):
    words, index, sentence = KILLED[what]
    victim.listen(STEPS + 2)
    os.kill(sorted(victim.find(words))[index], signal.SIGKILL)
    assert victim.finish() == (6, [sentence])
    victim.assert_nothing_is_left()


@pytest.mark.parametrize("seed", range(16))
def test_killing_any_child_while_the_lab_starts_leaves_nothing(victim, seed):
    dice = random.Random(seed)
    victim.listen(dice.randrange(2, STEPS))
    children = [p for p in victim.find("") if remains.namespaces_of(p) & victim.traces.namespaces]
    os.kill(dice.choice(sorted(children)), signal.SIGKILL)
    status, errors = victim.finish()
    assert status == 6
    assert len(errors) == 1
    assert "\n" not in errors[0]
    victim.assert_nothing_is_left()
