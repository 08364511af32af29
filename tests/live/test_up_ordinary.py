"""A lab that stays, of an ordinary user: found by him alone, and gone without a trace after `kill -9`."""

import os
import subprocess

import pytest
import remains
from killing import COMMAND, kill_at_random, tell
from ordinary import NOBODY, as_user


def say(*words, user=True):
    argv = [*COMMAND, *words]
    ran = subprocess.run(
        as_user(*argv) if user else argv, capture_output=True, text=True, timeout=150, check=False
    )
    return ran.returncode, ran.stdout, ran.stderr


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


@pytest.fixture(scope="module")
def killed():
    killed = []
    yield killed
    if killed:
        tell("an ordinary user", killed)


@pytest.mark.parametrize("seed", range(int(os.environ.get("SDN_LAB_KILLS", "3"))))
def test_kill_9_of_an_ordinary_users_resident_leaves_nothing(seed, killed):
    before = remains.visible()
    killed.append(kill_at_random(f"user-{os.getpid()}", seed, user=NOBODY, as_user=as_user))
    assert remains.visible() <= before
