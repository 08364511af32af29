"""The keeper: makes a lab's namespaces, waits for the daemon in them, and says how it ended.

A new pid namespace begins with the next child of the process that made it, so a process between the command
and the lab daemon is needed; `daemon` has the whole chain.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from sdn_lab.backends.mininet.namespaces import unshare_lab
from sdn_lab.channel import Channel
from sdn_lab.process import die_with_parent, ending


def keep(descriptor: int, first_process: Callable[[Channel, int], NoReturn]) -> int:
    """Be the keeper.  *descriptor* is the daemon's end of the channel; *first_process* never returns."""
    channel = Channel(socket.socket(fileno=descriptor))
    parent = os.getppid()
    try:
        unshare_lab()
    except OSError as error:
        channel.send(
            {"error": f"this machine does not let a lab have namespaces: {error}", "kind": "apparatus"}
        )
        return 5
    die_with_parent(parent)  # again: a change of credentials may clear what was asked for
    keeper_lives, keep_open = os.pipe2(os.O_CLOEXEC)
    daemon = os.fork()
    if daemon == 0:
        os.close(keep_open)
        first_process(channel, keeper_lives)
    channel.send({"daemon": daemon})
    channel.close()
    status = os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1])
    if status < 0:  # else it has spoken for itself
        say(f"the lab daemon {ending(status)}")
    return 0 if status == 0 else 6


def say(sentence: str) -> None:
    """Say it to the command, which keeps our last words."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()
