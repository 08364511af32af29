"""The first death of a process that the lab needs is the reason, by name, for ever."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from sdn_lab.backends.mininet.watch import Watch
from sdn_lab.model.diagnostic import LabError

WAIT = "import sys; sys.stdin.read()"


@pytest.fixture
def start():
    started = []

    def one(program=WAIT):
        started.append(subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()


@pytest.fixture
def watch():
    watch = Watch()
    yield watch
    for _, process in list(watch.census()):
        assert process
    for owned in list(watch._owned.values()):
        watch.disown(owned.process)


def failure(watch, limit_s=10):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        watch.note()
        if watch.failure:
            return watch.failure
        os.sched_yield()
    return None


def ended(process):
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)


def test_while_all_live_nothing_is_wrong(start, watch):
    watch.own("a", start())
    watch.check()
    assert watch.failure is None


def test_a_death_is_named_with_its_signal_and_stays_the_reason(start, watch):
    first, second = start(), start()
    watch.own("ovs-vswitchd of hv1", first)
    watch.own("ovsdb-server of hv1", second)
    first.kill()
    assert failure(watch) == "ovs-vswitchd of hv1 was ended by SIGKILL"
    second.kill()
    ended(second)
    with pytest.raises(LabError, match=r"^ovs-vswitchd of hv1 was ended by SIGKILL$"):
        watch.check()


@pytest.mark.parametrize(
    ("status", "allowed", "wrong"),
    [
        (0, {}, "x ended with status 0"),
        (0, {"may_finish": True}, None),
        (3, {"may_finish": True}, "x ended with status 3"),
        (3, {"may_fail": True}, None),
    ],
)
def test_who_may_end_and_how(start, watch, status, allowed, wrong):
    process = start(f"raise SystemExit({status})")
    watch.own("x", process, **allowed)
    ended(process)
    watch.note()
    assert watch.failure == wrong


def test_an_end_that_is_wanted_is_none(start, watch):
    process = start()
    watch.own("the controller", process)
    watch.disown(process)
    process.kill()
    process.wait()
    watch.check()


def test_orphans_are_reaped_and_our_own_are_left_to_their_owner(watch):
    orphan = os.fork()
    if orphan == 0:
        os._exit(7)
    os.waitid(os.P_PID, orphan, os.WEXITED | os.WNOWAIT)
    watch.reap()
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, 0)


def test_reaping_does_not_take_an_owned_process_s_status(start, watch):
    process = start("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    watch.own("x", process)
    ended(process)
    watch.reap()
    watch.note()
    assert process.returncode == -signal.SIGTERM
    assert watch.failure == "x was ended by SIGTERM"


SWITCH = "ovs-vswitchd of hv1"


def mending(watch, start, fails=0):
    """Own a switch, and restart it whenever it dies; the first *fails* times, fail to."""
    made, tries = [start()], []

    def restart():
        tries.append(1)
        if len(tries) <= fails:
            raise LabError("no such luck")
        made.append(start())
        watch.own(SWITCH, made[-1])

    watch.own(SWITCH, made[0])
    watch.mending({SWITCH: restart}, ("the controller",))
    return made


def kill(watch, process):
    process.kill()
    ended(process)
    watch.note(2000)


def test_what_can_be_restarted_is_and_is_no_failure(start, watch):
    made = mending(watch, start)
    kill(watch, made[0])
    assert (watch.failure, len(made)) == (None, 1)  # not by whoever looks, but by the main thread's check
    watch.check()
    assert len(made) == 2
    assert [m.what for m in watch.mended] == [f"{SWITCH} was ended by SIGKILL"]
    assert 0 <= watch.mended[0].ms < 10_000
    watch.check()
    assert len(made) == 2


def test_another_thread_restarts_nothing(start, watch):
    """Its child would die with it."""
    made = mending(watch, start)
    thread = threading.Thread(target=lambda: (kill(watch, made[0]), watch.put_right()))
    thread.start()
    thread.join()
    assert len(made) == 1
    watch.put_right()
    assert len(made) == 2


def test_what_cannot_be_restarted_is_a_failure_that_says_both(start, watch):
    made = mending(watch, start, fails=1)
    kill(watch, made[0])
    sentence = f"^{SWITCH} was ended by SIGKILL, and could not be restarted: no such luck$"
    with pytest.raises(LabError, match=sentence):
        watch.check()


def test_what_does_not_last_is_not_restarted_for_ever(start, watch):
    made = mending(watch, start)
    for _ in range(3):
        kill(watch, made[-1])
        watch.check()
    kill(watch, made[-1])
    with pytest.raises(LabError, match=f"^{SWITCH} was ended by SIGKILL$"):
        watch.check()
    assert len(made) == 4


def test_the_controllers_death_is_somebody_elses_business_then(start, watch):
    mending(watch, start)
    controller = start()
    watch.own("the controller", controller)
    kill(watch, controller)
    watch.check()
    assert watch.mended == []
