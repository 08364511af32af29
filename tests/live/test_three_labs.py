"""Three labs of one scenario side by side, with the same addresses and MACs: none knows of the others."""

import os
import signal
import subprocess
from contextlib import ExitStack

import pytest
import remains
from killing import COMMAND, resident
from ordinary import NOBODY, as_user
from remains import Traces

SCENARIO = "overlap"


def at_once(how, commands):
    """Run these commands at the same time; return exit code and all that was said, of each."""
    with ExitStack() as started:
        running = [
            started.enter_context(
                subprocess.Popen(
                    how(*COMMAND, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
            )
            for words in commands
        ]
        return [(process.communicate(timeout=240)[0], process.returncode) for process in running]


@pytest.mark.parametrize(
    ("user", "how"),
    [(os.geteuid(), lambda *argv: list(argv)), (NOBODY, as_user)],
    ids=["root", "an ordinary user"],
)
def test_three_labs_are_checked_at_once_and_one_that_is_killed_does_not_touch_the_others(user, how):
    before = remains.visible()
    names = [f"{n}-of-three-{os.getpid()}" for n in ("first", "second", "third")]
    try:
        for said, code in at_once(
            how, [("up", SCENARIO, "--backend", "mininet", "--name", name) for name in names]
        ):
            assert code == 0, said
        pids = [resident(name, user) for name in names]
        assert None not in pids
        for said, code in at_once(how, [("check", "--name", name) for name in names]):
            assert code == 0, said

        traces = Traces(pids[0])
        traces.look()
        traces.ended()
        os.kill(pids[0], signal.SIGKILL)

        traces.assert_gone()
        assert [resident(name, user) for name in names] == [None, *pids[1:]]
        for said, code in at_once(how, [("check", "--name", name) for name in names[1:]]):
            assert code == 0, said
    finally:
        for said, code in at_once(
            how, [("down", "--name", name) for name in names if resident(name, user) is not None]
        ):
            assert code == 0, said
    assert remains.visible() <= before
