"""Who looks for what is left of a lab finds it, and blames nobody else for it."""

import os
import subprocess
from contextlib import contextmanager

import pytest
import remains
from remains import Traces, until


@contextmanager
def stranger():
    """A process in a network namespace of its own, as another lab on this machine has."""
    argv = ["unshare", "--net", "sh", "-c", "echo; read end"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "\n"
        yield process
        process.kill()


def own_namespaces(pid):
    return remains.namespaces_of(pid) - remains.namespaces_of(os.getpid())


@contextmanager
def ended_lab():
    """The traces of a lab of two processes, which has ended."""
    with stranger() as lab:
        traces = Traces(lab.pid)
        traces.look()
        lab.kill()
        lab.wait()
        traces.ended()
        ended_at = remains.now()
        until(lambda: remains.now() > ended_at + remains.TICK_S, "the clock stands still")
        yield traces


def test_a_younger_process_in_a_namespace_with_the_same_number_is_somebody_elses():
    with ended_lab() as traces, stranger() as other:
        traces.namespaces |= own_namespaces(other.pid)  # as if the number had been given away again

        assert traces.left() == []


def test_an_older_process_in_a_namespace_of_the_lab_is_left_over_though_it_was_never_seen():
    with stranger() as other, ended_lab() as traces:
        traces.namespaces |= own_namespaces(other.pid)

        assert traces.left() == [other.pid]
        with pytest.raises(AssertionError, match="read end"):
            traces.assert_gone(limit_s=0.1)


def test_a_process_that_was_seen_is_left_over_wherever_it_is():
    with stranger() as lab:
        traces = Traces(lab.pid)
        traces.look()
        traces.namespaces.clear()
        traces.ended()

        assert traces.left() == [lab.pid]


def test_another_process_with_the_same_number_is_not_the_one_that_was_seen():
    with stranger() as lab:
        traces = Traces(lab.pid)
        traces.look()
        traces.ended()
        traces.namespaces.clear()
        traces.processes = {(pid, began - 1) for pid, began in traces.processes}

        assert traces.left() == []


def test_a_zombie_is_gone():
    with stranger() as lab:
        traces = Traces(lab.pid)
        traces.look()
        traces.ended()
        os.kill(lab.pid, 9)

        assert traces.assert_gone() > 0
