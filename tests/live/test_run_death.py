"""`sdn-lab run` and `kill -9`: of the command, and of any one of its children, at random moments."""

import os
import random
import signal
import subprocess
import sys
import threading

import pytest
import remains
from remains import Traces, until


class Run:
    """One `sdn-lab run overlap --backend mininet`, and what was seen of it."""

    def __init__(self):
        self.before = remains.visible()
        self._lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sdn_lab", "run", "overlap", "--backend", "mininet"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.traces = Traces(self.process.pid)

    def _read(self):
        self._lines.extend(self.process.stdout)

    def children(self, words=""):
        return [p for p in self.traces.look()[1:] if words in remains.command_line(p)]

    def let_it_run(self, seconds):
        """Watch it for a while; it must not end by itself."""
        with pytest.raises(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.children()

    def finish(self):
        watchdog = threading.Timer(90, self.process.kill)
        watchdog.start()
        self._reader.join()
        self.process.stdout.close()
        watchdog.cancel()
        status = self.process.wait()
        self.traces.ended()
        return status, "".join(self._lines)

    def kill(self):
        self.traces.ended()
        self.process.kill()
        self.process.wait()

    def assert_nothing_is_left(self):
        self.traces.assert_gone()
        assert remains.visible() <= self.before


@pytest.fixture
def run():
    run = Run()
    yield run
    run.process.kill()
    run.finish()


@pytest.mark.parametrize("seed", range(10))
def test_killing_the_command_at_a_random_moment_leaves_nothing(run, seed):
    until(lambda: run.children("backends.mininet.daemon"), "the lab did not begin", 30)
    run.let_it_run(random.Random(seed).uniform(0, 3))
    run.kill()
    run.assert_nothing_is_left()


@pytest.mark.parametrize("seed", range(10))
def test_killing_any_child_at_a_random_moment_is_status_6_in_one_sentence(run, seed):
    dice = random.Random(seed)
    until(lambda: run.children("backends.mininet.daemon"), "the lab did not begin", 30)
    victim = dice.choice(sorted(run.let_it_run(dice.uniform(0, 3))))
    name = remains.command_line(victim)
    os.kill(victim, signal.SIGKILL)
    status, said = run.finish()
    assert status == 6, (name, said)
    assert "Traceback" not in said
    assert "SIGKILL" in said, (name, said)
    run.assert_nothing_is_left()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("sdn_lab.control.child", "controller"),
        ("ovs-vswitchd unix:", "ovs-vswitchd of hv"),
        ("ovsdb-server /run", "ovsdb-server of hv"),
        ("mininet:i", "the shell of the instance of"),
    ],
)
def test_killing_each_kind_of_child_names_it(run, words, sentence):
    victims = until(lambda: run.children(words), f"no {words} began", 30)
    os.kill(victims[-1], signal.SIGKILL)
    status, said = run.finish()
    assert status == 6, said
    assert sentence in said
    assert "Traceback" not in said
    run.assert_nothing_is_left()
