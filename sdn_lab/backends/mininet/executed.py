"""A program that runs in the lab on the caller's own descriptors: the command's side.

The lab daemon hands over a pidfd; it tells the program's end without asking, so nobody polls.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from typing import Any

from sdn_lab.model.diagnostic import ApparatusError, LabError


class Executed:
    """`contracts.Execution`."""

    def __init__(self, number: int, ended: int, ask: Callable[..., tuple[dict[str, Any], list[int]]]) -> None:
        self._number = number
        self._ended = ended
        self._ask = ask

    def fileno(self) -> int:
        return self._ended

    def signal(self, number: int) -> None:
        """Send a signal to the program and what it started."""
        self._ask("signal", {"child": self._number, "number": number})

    def finish(self) -> int:
        """Return how it ended, as a shell says it: 128 and more for a signal.  It ends now if it has not."""
        try:
            status: int = self._ask("kill", {"child": self._number})[0]["status"]
        except LabError:
            status = -signal.SIGKILL  # with its lab
        os.close(self._ended)
        return status if status >= 0 else 128 - status


def find(program: str, env: Mapping[str, str]) -> str:
    """Return the program's path, by the caller's PATH.  Raises ApparatusError."""
    found = shutil.which(program, path=env.get("PATH", os.defpath))
    if found is None:
        raise ApparatusError(f"there is no program {program} on PATH")
    return found
