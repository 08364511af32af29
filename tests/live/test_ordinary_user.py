"""Without root: a lab in a user namespace of its own, and what is said where that cannot be."""

import subprocess
import sys

import pytest
import remains
from ordinary import as_user

RUN = [sys.executable, "-m", "sdn_lab", "run", "overlap", "--backend", "mininet"]


def run(argv):
    before = remains.visible()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert remains.visible() <= before
    return done


def test_an_ordinary_user_gets_the_same_verdict_from_real_open_vswitch():
    done = run(as_user(*RUN))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "overlap: holds, exit 0" in done.stdout
    assert "probes on Open vSwitch" in done.stdout


def test_an_ordinary_user_finds_a_leak_too():
    done = run(as_user(*RUN, "--controller", "learning_switch"))

    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("forbid", "said"),
    [
        ("mount -n --bind /dev/null /usr/bin/unshare", "needs root or unprivileged user namespaces"),
        ("chmod 600 /dev/net/tun", "/dev/net/tun is missing or not accessible"),
    ],
    ids=["no user namespaces", "no tun"],
)
def test_what_an_ordinary_user_lacks_is_named(forbid, said):
    argv = as_user(*RUN)
    script = argv.index("-ec") + 1
    argv[script] = argv[script].replace("exec setpriv", f"{forbid}\nexec setpriv")

    done = run(argv)

    assert done.returncode == 5
    assert said in done.stderr.splitlines()[-1]
