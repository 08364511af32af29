"""A resident's life: build the lab, serve, end.  All of it in the main thread (see `jobs`).

::

    bound --> coming up --> up --------> ended
      |           |          '- down, SIGTERM, SIGINT
      '-----------'- the command that said `up` went away, or the lab cannot be built

Invariants
----------
1.  The name is taken before anything is built, and kept until nothing is left of the lab.
2.  Until the lab is up, this process ends with the command that started it; from then on it has no tie to it:
    no terminal, no descriptor, no working directory of its own.
3.  However it ends, its lab ends: in order if it can, by the chain of parent-death signals if it is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from types import FrameType
from typing import NoReturn

from sdn_lab.channel import Channel, Closed
from sdn_lab.lab import Lab
from sdn_lab.lab.options import Options
from sdn_lab.model.diagnostic import LabError, SdnLabError
from sdn_lab.model.intent import Scenario
from sdn_lab.resident.address import take
from sdn_lab.resident.server import Server
from sdn_lab.resident.values import loads

_TICK_S = 0.5


class _Ended(BaseException):
    """Somebody wants this lab to end."""


def live(descriptor: int) -> int:
    """Be a resident from birth to death; *descriptor* leads to the command that said ``up``."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.chdir("/")
    parent = Channel(socket.socket(fileno=descriptor))
    try:
        parent.send({"pid": os.getpid()})
        asked, _ = parent.receive()
        scenario, options = (loads(frame) for frame in asked["frames"])
        _serve(asked["name"], scenario, options, parent)
    except (_Ended, Closed):
        return 0
    except SdnLabError as error:
        with contextlib.suppress(Closed):
            parent.send({"error": str(error), "exit": error.exit_code})
        return error.exit_code
    return 0


def _serve(name: str, scenario: Scenario, options: Options, parent: Channel) -> None:
    listener = take(name)
    server = Server(name, listener)
    tie = _Tie(parent)

    def progress(what: str, done: int, total: int) -> None:
        if tie.cut:
            server.jobs.progress(what, done, total)
        else:
            parent.send({"progress": [what, done, total]})

    lab = Lab(scenario, options, progress)
    server.start(lab)
    ended = ""
    try:
        with lab:
            server.came_up()
            tie.let_go(server.status())
            server.jobs.work(_TICK_S, server.tick)
    except _Ended:
        pass
    except LabError as error:
        if not tie.cut:
            raise
        ended = str(error)  # something of it had died before; that it is gone now was wanted
    finally:
        server.close(ended)


class _Tie:
    """Ends this process when the command that started it goes away, until it is let go."""

    def __init__(self, parent: Channel) -> None:
        self.cut = False
        self._parent = parent
        self._gone = select.poll()
        self._gone.register(parent.fileno(), select.POLLRDHUP)
        threading.Thread(target=self._wait, name="tie", daemon=True).start()

    def let_go(self, status: dict[str, object]) -> None:
        """Say that the lab is up, and let go of everything that is the command's.  Raises Closed if it is
        gone.
        """
        self.cut = True
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(nowhere, number)
        os.close(nowhere)
        self._parent.send({"status": status})
        self._parent.close()

    def _wait(self) -> None:
        self._gone.poll()
        if not self.cut:
            os.kill(os.getpid(), signal.SIGTERM)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise _Ended
