"""A process that works or is ready to is not idle; one that waits is."""

import os
import signal
import subprocess
import sys
import time

import pytest

from sdn_lab.backends.mininet.idle import all_threads_sleep, main_thread_sleeps

BUSY_BESIDE = """
import signal, threading
def work():
    while True: pass
threading.Thread(target=work, daemon=True).start()
signal.pause()
"""


@pytest.fixture
def start():
    started = []

    def one(program):
        started.append(subprocess.Popen([sys.executable, "-c", program]))
        return started[-1].pid

    yield one
    for process in started:
        process.kill()
        process.wait()


def becomes(expected, question, limit_s=10):
    deadline = time.monotonic() + limit_s
    while question() != expected:
        assert time.monotonic() < deadline
        os.sched_yield()
    return True


def test_one_that_waits_is_idle(start):
    pid = start("import signal; signal.pause()")
    assert becomes(True, lambda: main_thread_sleeps(pid))
    assert becomes(True, lambda: all_threads_sleep(pid))


def test_one_that_computes_is_not_idle_though_others_have_the_processors(start):
    pids = [start("while True: pass") for _ in range((os.cpu_count() or 1) + 2)]
    for pid in pids:
        assert becomes(False, lambda pid=pid: main_thread_sleeps(pid))
    for _ in range(50):
        assert not any(main_thread_sleeps(pid) or all_threads_sleep(pid) for pid in pids)


def test_a_busy_thread_beside_a_waiting_main_thread_is_seen(start):
    pid = start(BUSY_BESIDE)
    assert becomes((True, False), lambda: (main_thread_sleeps(pid), all_threads_sleep(pid)))


def test_a_stopped_process_is_not_asleep(start):
    pid = start("import signal; signal.pause()")
    becomes(True, lambda: main_thread_sleeps(pid))
    os.kill(pid, signal.SIGSTOP)
    assert becomes(False, lambda: main_thread_sleeps(pid))
    assert not all_threads_sleep(pid)


def test_one_that_is_gone_does_nothing_more_and_receives_nothing():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert all_threads_sleep(process.pid)
    assert not main_thread_sleeps(process.pid)
