"""Which controller framework there is, and how a process that uses it is started.

os-ken is installed beside us.  Ryu 4.34 wants releases of everything that nobody else can use, so it has a
Python environment of its own (``make ryu``, or what ``SDN_LAB_RYU_PYTHON`` names).  The process there finds
what is beside us, too, but last.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import sdn_lab
from sdn_lab.doctor import require, ryu_python

FRAMEWORKS = {"os-ken": "os_ken", "ryu": "ryu"}
"""The names that people use, and the packages."""

_RYU = "SDN_LAB_RYU"  # `control.ryu.ENVIRONMENT`, which cannot be imported without the framework
_CHILD = "sdn_lab.control.child"
_BOOT = (
    f"import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module({_CHILD!r}, run_name='__main__')"
)


def command(app: Path, package: str, host: str, l4_port: int) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the process that runs *app* on *package*.

    Raises ApparatusError if there is no Ryu where one is wanted.
    """
    return [*interpreter(package), str(app), host, str(l4_port)], {**os.environ, _RYU: package}


def interpreter(package: str) -> Sequence[str]:
    """Return what begins the command line of a controller's process on *package*.

    Raises ApparatusError if there is no Ryu where one is wanted.
    """
    if package != "ryu":
        return (sys.executable, "-m", _CHILD)
    require("ryu")
    return (str(ryu_python()), "-c", _BOOT, str(Path(sdn_lab.__file__).parent.parent))
