"""Start a resident and wait until its lab is up: the command's side of ``sdn-lab up``.

The resident is a program of its own, in a session of its own, whose parent ends at once; but until its lab is
up it talks to the command over a socket pair, and takes the command's end for its own.  So errors and
progress reach whoever typed ``up``, an interrupted ``up`` leaves nothing, and a finished one cannot end the
lab any more.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import sdn_lab
from sdn_lab.channel import Channel, Closed
from sdn_lab.contracts import Progress
from sdn_lab.lab.options import Options, silent
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.process import detach
from sdn_lab.resident.address import check_name
from sdn_lab.resident.client import ToldError
from sdn_lab.resident.gone import Family
from sdn_lab.resident.values import dumps

_MODULE = "sdn_lab.resident"
_END_S = 30.0


def bring_up(
    name: str, scenario: Scenario, options: Options | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Start a lab that stays, and return its status once it is up.

    Raises InputError for a name that cannot be used; LabError if the resident died; `ToldError`, with its
    exit code, for whatever else went wrong.  Nothing is left behind then.
    """
    check_name(name)
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            package = str(Path(sdn_lab.__file__).parent.parent)
            detach(
                [sys.executable, "-P", "-W", "ignore", "-m", _MODULE, str(theirs.fileno())],
                {**os.environ, "PYTHONPATH": package},
                pass_fds=[theirs.fileno()],
            )
        channel = Channel(ours)
        try:
            pid = channel.receive()[0]["pid"]
        except Closed as error:
            raise LabError("the lab's process could not be started") from error
        try:
            channel.send({"name": name, "frames": [dumps(scenario), dumps(options or Options())]})
            return _until_up(channel, progress)
        except BaseException as error:
            with Family(pid) as family:
                channel.close()
                left = not family.wait(_END_S)
            if left:
                raise LabError(f"the lab that did not come up has not ended within {_END_S:g} s") from error
            if isinstance(error, Closed):
                raise LabError("the lab's process was killed before its lab was up") from error
            raise


def _until_up(channel: Channel, progress: Progress) -> dict[str, Any]:
    while True:
        message, _ = channel.receive()
        if "error" in message:
            raise ToldError(message["error"], message["exit"])
        if "status" in message:
            status: dict[str, Any] = message["status"]
            return status
        progress(*message["progress"])
