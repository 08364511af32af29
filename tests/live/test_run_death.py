"""`sdn-lab run` and `kill -9`: of the command, and of any one of its children, at random moments."""

import os
import random
import signal
import subprocess
import sys
import threading

import pytest
import remains
from remains import until


class Run:
    """One `sdn-lab run overlap --backend mininet`, and every namespace seen below it."""

    def __init__(self):
        self.before = remains.visible()
        self.seen = set()
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
        self._home = remains.namespaces_of(os.getpid())

    def _read(self):
        self._lines.extend(self.process.stdout)

    def children(self, words=""):
        pids = remains.below(self.process.pid)[1:]
        for pid in pids:
            self.seen |= remains.namespaces_of(pid) - self._home
        return [p for p in pids if words in remains.command_line(p)]

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
        return self.process.wait(), "".join(self._lines)

    def assert_nothing_is_left(self):
        def gone():
            return not any(remains.namespaces_of(p) & self.seen for p in remains.living())

        until(gone, "a process lives in a namespace of the lab")
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
    run.process.kill()
    run.process.wait()
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
