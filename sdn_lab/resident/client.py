"""The command's side: ask a resident, and hear its answer, its progress and its errors.

Invariant: whatever happens to the resident, the caller gets an `SdnLabError` with one sentence and the exit
code that the same failure has in `sdn-lab run`.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from sdn_lab import __version__
from sdn_lab.channel import Channel, Closed
from sdn_lab.contracts import Progress
from sdn_lab.model.diagnostic import LabError, SdnLabError
from sdn_lab.resident.address import names, nobody, peer, reach


class ToldError(SdnLabError):
    """An error that a resident told: its text and its exit code."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Conversation:
    """One request to one resident.  A context: leaving it ends what was asked for, if it still goes on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket: socket.socket = reach(name)
        self.pid, _ = peer(self._socket)
        self._channel = Channel(self._socket)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def fileno(self) -> int:
        return self._channel.fileno()

    def say(self, descriptors: Sequence[int] = (), **message: Any) -> None:
        """Send a message.  Raises LabError if the resident is gone."""
        try:
            self._channel.send({"version": __version__, **message}, descriptors)
        except Closed as error:
            raise self._gone() from error

    def hear(self) -> dict[str, Any]:
        """Return the next message.  Raises ToldError for an error, LabError if the resident is gone."""
        try:
            message, _ = self._channel.receive()
        except Closed as error:
            raise self._gone() from error
        if "error" in message:
            raise ToldError(message["error"], message["exit"])
        return message

    def answer(
        self, progress: Progress | None = None, notice: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """Return the answer; progress and notices come before it."""
        while True:
            message = self.hear()
            if "progress" in message:
                if progress is not None:
                    progress(*message["progress"])
            elif "notice" in message:
                if notice is not None:
                    notice(message["notice"])
            else:
                return message

    def _gone(self) -> LabError:
        return LabError(f"the lab '{self.name}' ended while it was asked: its process was killed, or died")


def ask(name: str, op: str, progress: Progress | None = None, **arguments: Any) -> dict[str, Any]:
    """Ask one thing and return the answer."""
    with Conversation(name) as asked:
        asked.say(op=op, **arguments)
        return asked.answer(progress)


def choose(name: str | None) -> str:
    """Return the lab that is meant: the named one, or the only one there is.  Raises InputError."""
    if name is not None:
        return name
    up = names()
    if len(up) == 1:
        return up[0]
    raise nobody("no lab is up" if not up else f"{len(up)} labs are up: say which with --name")
