"""The simulator needs nothing that Linux alone has: students have other machines.

Not a Mac, but a Python from which the system calls of Linux that this project uses have been taken.
"""

import os
import subprocess
import sys

WITHOUT = """
import ctypes, os

class Library(ctypes.CDLL):
    def __getattr__(self, name):
        if name == "prctl":
            raise AttributeError(name)
        return super().__getattr__(name)

ctypes.CDLL = Library
del os.memfd_create, os.pipe2, os.eventfd, os.pidfd_open
"""
SHOW = """
import ctypes, os
assert not hasattr(os, "memfd_create") and not hasattr(ctypes.CDLL(None), "prctl")
from sdn_lab.notebook import at, up
lab = up("overlap")
print(at(lab, "red/vm1", "ping 10.0.0.13"))
lab.down()
"""


def elsewhere(folder, *argv):
    (folder / "sitecustomize.py").write_text(WITHOUT)
    env = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_the_main_job_runs_with_what_every_unix_has(tmp_path):
    done = elsewhere(tmp_path, sys.executable, "-m", "sdn_lab", "run", "overlap")
    assert "exit 0: every claim holds" in done.stdout, done.stdout + done.stderr


def test_a_notebook_too(tmp_path):
    done = elsewhere(tmp_path, sys.executable, "-c", SHOW)
    assert done.returncode == 0, done.stderr
    assert "from 10.0.0.13" in done.stdout, done.stdout
