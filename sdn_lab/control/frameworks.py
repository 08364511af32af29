"""Which controller framework there is, and how a process that uses it is started.

os-ken is installed beside us.  Ryu 4.34 wants releases of everything that nobody else can use, so it has a
Python environment of its own (``make ryu``, or what ``SDN_LAB_RYU_PYTHON`` names).  The process there finds
what is beside us, too, but last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import sdn_lab
from sdn_lab.doctor import require, ryu_python

FRAMEWORKS = {"os-ken": "os_ken", "ryu": "ryu"}
"""The names that people use, and the packages."""

_CHILD = "sdn_lab.control.child"
_BOOT = (
    f"import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module({_CHILD!r}, run_name='__main__')"
)


def interpreter(package: str) -> Sequence[str]:
    """Return what begins the command line of a controller's process on *package*.

    Raises ApparatusError if there is no Ryu where one is wanted.
    """
    if package != "ryu":
        return (sys.executable, "-m", _CHILD)
    require("ryu")
    return (str(ryu_python()), "-c", _BOOT, str(Path(sdn_lab.__file__).parent.parent))
