"""A program that ran on the simulator: it took no time, so it has ended when its caller hears of it."""

from __future__ import annotations

import os


class Ran:
    """`contracts.Execution`."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._ended, write = os.pipe()
        os.close(write)  # readable from now on: the end of a file

    def fileno(self) -> int:
        return self._ended

    def signal(self, number: int) -> None:
        """Do nothing: it has ended."""

    def finish(self) -> int:
        """Return its exit status."""
        os.close(self._ended)
        return self._status
