"""`sdn_lab.process`: programs end in time, speak in sentences, and never outlive us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdn_lab.model.diagnostic import ApparatusError, LabError
from sdn_lab.process import die_with_parent, run, spawn

PYTHON = sys.executable


def until(condition, what, limit_s=5.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_run_returns_what_the_program_printed():
    done = run(
        [PYTHON, "-c", "import sys; print(input()); print('aside', file=sys.stderr)"], 20, stdin="word\n"
    )
    assert (done.status, done.stdout, done.stderr) == (0, "word\n", "aside\n")


def test_run_passes_arguments_through_no_shell():
    done = run([PYTHON, "-c", "import sys; print(sys.argv[1])", "$HOME; `id`"], 20)
    assert done.stdout == "$HOME; `id`\n"


def test_run_names_the_program_and_its_last_words_when_it_fails():
    script = "import sys; print('1', file=sys.stderr); print('no such table', file=sys.stderr); sys.exit(3)"
    with pytest.raises(LabError, match=r"^python\S* ended with status 3: no such table$"):
        run([PYTHON, "-c", script], 20)


def test_run_leaves_the_status_to_the_caller_when_asked():
    assert run([PYTHON, "-c", "raise SystemExit(7)"], 20, check=False).status == 7


def test_run_ends_a_program_that_takes_too_long():
    script = "import os, signal; os.fork(); signal.pause()"  # a grandchild holds the pipes, too
    with pytest.raises(LabError, match=r"did not end within 0\.2 s"):
        run([PYTHON, "-c", script], 0.2)


def test_run_and_spawn_name_a_missing_program():
    for start in (lambda: run(["no-such-program"], 5), lambda: spawn(["no-such-program"])):
        with pytest.raises(ApparatusError, match="no-such-program"):
            start()


def test_spawn_speaks_by_lines_and_replaces_the_environment():
    child = spawn([PYTHON, "-uc", "import os; print(os.environ['WORD'], input())"], {"WORD": "hello"})
    try:
        child.stdin.write("you\n")
        assert child.stdout.readline() == "hello you\n"
        until(lambda: child.poll() == 0, "the child did not end")
    finally:
        child.kill()


def test_spawn_keeps_the_last_words_for_the_obituary():
    child = spawn([PYTHON, "-c", "import sys; sys.exit('the port is busy')"])
    until(lambda: child.poll() is not None, "the child did not end")
    assert child.obituary().endswith("ended with status 1: the port is busy")
    child.kill()


def test_kill_ends_the_whole_group_and_may_be_repeated():
    script = "import os,signal; p=os.fork(); (print(p, flush=True) if p else None); signal.pause()"
    child = spawn([PYTHON, "-c", script])
    grandchild = int(child.stdout.readline())
    child.kill()
    child.kill()
    assert child.poll() == -signal.SIGKILL
    until(lambda: not alive(grandchild), "the grandchild lives")


def test_a_spawned_program_dies_with_its_parent_by_kill_9_too():
    script = (
        "import signal, sys; from sdn_lab.process import spawn\n"
        "c = spawn([sys.executable, '-c', 'import signal; signal.pause()'])\n"
        "print(c.pid, flush=True); signal.pause()"
    )
    parent = subprocess.Popen([PYTHON, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not alive(child), "the child outlived its parent")


def test_a_child_whose_parent_died_before_it_asked_ends_itself():
    pid = os.fork()
    if pid == 0:
        die_with_parent(os.getppid() + 1)  # as seen when the parent changed in between
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
