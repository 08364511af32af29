"""``kill -9`` of the resident of a lab at a random moment, by root or by an ordinary user.

A third of the labs are killed while they come up, a third while they are checked, the rest while a program
runs in them.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from remains import Traces, until

from sdn_lab.model.diagnostic import InputError, LabError
from sdn_lab.resident.address import peer

COMMAND = sys.executable, "-m", "sdn_lab"
BUSY = {
    "it came up": (),
    "it was checked": ("check",),
    "a program ran": ("exec", "red/vm1", "--", "ping", "10.0.0.13"),
}
LATEST_S = 2.0  # an `up` takes about so long, a check longer
TOO_EARLY_S = 0.3  # no check is done so soon
FAILED = {LabError.exit_code, InputError.exit_code}  # the second: it was gone before it was asked


@dataclass(frozen=True, kw_only=True)
class Killed:
    """*gone_ms*: how long it took until nothing was left."""

    busy: str
    after_s: float
    gone_ms: float


def resident(name, user=0):
    """Return the pid of the resident of that name and *user*, or None.  Nobody else's is mistaken for it."""
    with socket.socket(socket.AF_UNIX) as asked, contextlib.suppress(ConnectionRefusedError):
        asked.connect(f"\0sdn-lab/{user}/{name}".encode())
        pid, uid = peer(asked)
        return pid if uid == user else None
    return None


def kill_at_random(name, seed, *, user=0, as_user=lambda *argv: list(argv)):
    """Start a lab, kill its resident, wait until all is gone.  Raises AssertionError for what is left."""
    dice, (what, words) = random.Random(seed), list(BUSY.items())[seed % len(BUSY)]
    with contextlib.ExitStack() as started:
        said = started.enter_context(tempfile.TemporaryFile("w+"))

        def start(verb, *words):
            argv = as_user(*COMMAND, verb, "--name", name, *words)
            process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=said)
            started.callback(process.wait)
            started.callback(process.kill)
            return process

        busy = start("up", "overlap", "--backend", "mininet")
        pid = until(lambda: busy.poll() is not None or resident(name, user), "the lab did not begin", 30)
        said.seek(0)
        assert pid is not True, f"up ended with status {busy.returncode}: {said.read()}"
        traces = Traces(pid)
        if words:
            assert busy.wait(60) == 0, "up failed"
            busy = start(*words)
        began, after_s = time.monotonic(), dice.uniform(0, LATEST_S)
        while time.monotonic() < began + after_s:
            traces.look()
        traces.look()
        idle = busy.poll() is not None
        traces.ended()
        os.kill(pid, signal.SIGKILL)
        gone_ms = traces.assert_gone()
        # What runs is told of the death; an `up` or a `check` may have had its answer an instant before.
        may_be_done = what != "a program ran" and (after_s > TOO_EARLY_S or not words)
        assert busy.wait(20) in (FAILED | {0} if may_be_done else FAILED)
        assert resident(name, user) is None
    return Killed(busy="nothing was asked of it" if idle else what, after_s=after_s, gone_ms=gone_ms)


def tell(user, killed):
    """Say in one line when labs were killed, and in how much time nothing was left."""
    times, moments = [k.gone_ms for k in killed], [k.busy for k in killed]
    when = ", ".join(f"while {what}: {moments.count(what)}" for what in dict.fromkeys(moments))
    sys.stdout.write(
        f"\n{user}: {len(killed)} labs killed ({when}); "
        f"all was gone after {sorted(times)[len(times) // 2]:.0f} ms (median), {max(times):.0f} ms (most)\n"
    )
