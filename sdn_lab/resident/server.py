"""Connections to a resident: each in a thread of its own, one request each.

What goes over a connection, in messages of the `channel`: the request, ``{"op": ...}``; ``progress`` and
``notice`` before the answer; then the answer, or ``{"error": text, "exit": code}``.  When the asker goes
away, what it asked for goes on to its end if it moves the lab, and ends if it does not.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import traceback
from typing import Any

from sdn_lab import __version__
from sdn_lab.channel import Channel, Closed
from sdn_lab.lab import Lab
from sdn_lab.model.diagnostic import LabError, SdnLabError
from sdn_lab.resident import status
from sdn_lab.resident.address import peer
from sdn_lab.resident.asked import Asked
from sdn_lab.resident.jobs import Jobs
from sdn_lab.resident.requests import VERBS

_ROOT = 0
_LAST_WORDS_S = 2.0
_ANY_VERSION = {"status", "down"}


class Server:
    """Answers for one lab."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self.name = name
        self.since = time.time()
        self.up = False
        self.jobs = Jobs()
        self.ended = threading.Event()
        self.note = ""
        """What is to be said of the lab's end."""
        self.failed: set[str] = set()
        """The nodes of the underlay that somebody had fail; see `links.node`."""
        self._listener = listener
        self._lab: Lab | None = None
        self._down: list[threading.Thread] = []

    @property
    def lab(self) -> Lab:
        """The lab.  Raises LabError while it is not up."""
        if self._lab is None or not self.up:
            raise LabError("the lab is still coming up")
        return self._lab

    def start(self, lab: Lab) -> None:
        """Begin to answer."""
        self._lab = lab
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def came_up(self) -> None:
        """From now on everything may be asked."""
        self.up = True

    def tick(self) -> None:
        """Do what is to be done from time to time, in the main thread."""

    def status(self) -> dict[str, Any]:
        """Return what can be said of the lab now."""
        assert self._lab is not None
        return status.of(self._lab, name=self.name, since=self.since, up=self.up, busy=self.jobs.busy)

    def close(self, note: str) -> None:
        """Answer nobody any more, but tell who waits for the end."""
        self.note = note
        self.jobs.close()
        self._listener.close()
        self.ended.set()
        for thread in self._down:
            thread.join(_LAST_WORDS_S)

    def wait_for_end(self) -> str:
        """Wait until the lab has ended; return what is to be said of it."""
        self._down.append(threading.current_thread())
        self.ended.wait()
        return self.note

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # closed under us: the end
            threading.Thread(target=self._serve, args=(sock,), name="asked", daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        channel = Channel(sock)
        with contextlib.closing(channel), contextlib.suppress(Closed, OSError):  # nobody is left to be told
            if peer(sock)[1] not in {os.geteuid(), _ROOT}:
                channel.send({"error": "this lab is another user's", "exit": 2})
                return
            request, descriptors = channel.receive()
            asked = Asked(self, channel, request, descriptors)
            try:
                channel.send(self._answer(asked))
            except SdnLabError as error:
                channel.send({"error": str(error), "exit": error.exit_code})
            finally:
                asked.close()

    def _answer(self, asked: Asked) -> dict[str, Any]:
        op, version = asked.request["op"], asked.request["version"]
        if version != __version__ and op not in _ANY_VERSION:
            raise LabError(f"this lab runs under sdn_lab {__version__}, and the command is {version}")
        try:
            return VERBS[op](asked)
        except (SdnLabError, Closed):
            raise
        except OSError as error:  # the asker's disk is full, say: a broken channel is Closed
            raise LabError(f"{op} failed: {error.strerror or error}") from error
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}, line {where.lineno}"  # noqa: PTH119 (a text)
            raise LabError(f"{op} failed: {type(error).__name__}: {error} ({place})") from error
