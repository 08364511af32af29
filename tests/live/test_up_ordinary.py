"""A lab that stays, of an ordinary user: found by him alone, and gone without a trace after `kill -9`."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import remains
from ordinary import NOBODY, as_user
from remains import until

from sdn_lab.resident.gone import Family

COMMAND = [sys.executable, "-m", "sdn_lab"]


def say(*words, user=True):
    argv = [*COMMAND, *words]
    ran = subprocess.run(
        as_user(*argv) if user else argv, capture_output=True, text=True, timeout=150, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr


def resident():
    """Return the pid of the user's resident: not of what it forks, nor of the one who forked it."""
    for pid in remains.living():
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if Path(f"/proc/{pid}").stat().st_uid != NOBODY:
                continue
            own, above = remains.command_line(pid), remains.command_line(parent)
            leads = os.getsid(pid) == pid
            if "sdn_lab.resident" in own and "sdn_lab.resident" not in above and not leads:
                return pid
    return None


def test_an_ordinary_user_keeps_a_lab_of_his_own():
    before = remains.visible()
    name = f"user-{os.getpid()}"
    code, _, err = say("up", "overlap", "--backend", "mininet", "--name", name)
    assert code == 0, err
    try:
        assert say("exec", "--name", name, "red/vm1", "--", "ping", "-c", "1", "10.0.0.13")[0] == 0
        code, out, err = say("check", "--name", name)
        assert code == 0, out + err
        code, _, err = say("status", "--name", name, user=False)  # root's labs are others
        assert (code, "there is no lab" in err) == (2, True)
        assert say("up", "overlap", "--name", name, user=False)[0] == 0  # and its names are its own
        assert say("down", "--name", name, user=False)[0] == 0
    finally:
        assert say("down", "--name", name)[0] == 0
    assert remains.visible() <= before


def test_kill_9_of_an_ordinary_users_resident_leaves_nothing():
    before, dice = remains.visible(), random.Random(1)
    name = f"user-{os.getpid()}"
    for _ in range(int(os.environ.get("SDN_LAB_KILLS", "3"))):
        argv = as_user(*COMMAND, "up", "overlap", "--backend", "mininet", "--name", name)
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
            pid = until(resident, "the lab did not begin", 30)
            with contextlib.suppress(subprocess.TimeoutExpired):
                up.wait(dice.uniform(0.2, 6))
            with Family(pid) as family:
                seen = set().union(*(remains.namespaces_of(p) for p in remains.below(pid)))
                seen -= remains.namespaces_of(pid)
                killed_at = time.clock_gettime(time.CLOCK_BOOTTIME)
                os.kill(pid, signal.SIGKILL)
                assert family.wait(20)
        until(
            lambda seen=seen, at=killed_at: not remains.survivors(seen, at),
            "a process lives in a namespace of the lab",
        )
    assert remains.visible() <= before
