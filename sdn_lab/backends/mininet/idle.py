"""Whether a process has nothing to do, by the state of its threads.

A thread that works, or is ready to and waits for a processor, is not asleep; one that waits for input is.
So this says on a busy machine, too, that a datapath or a controller has come to the end of its work.

Reference: proc(5), /proc/pid/stat, field 3.
"""

from __future__ import annotations

import os

_ASLEEP, _ENDED = b"S", b"ZX"


def main_thread_sleeps(pid: int) -> bool:
    """Say whether the main thread of *pid* waits for something to do.  A process that is gone does not."""
    return _state(f"/proc/{pid}/stat") == _ASLEEP


def all_threads_sleep(pid: int) -> bool:
    """Say whether all threads of *pid* wait for something to do, or are gone."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 (names, not paths)
    except FileNotFoundError:
        return True
    states = [_state(f"/proc/{pid}/task/{thread}/stat") for thread in threads]
    return all(state is None or state == _ASLEEP or state in _ENDED for state in states)


def _state(path: str) -> bytes | None:
    try:
        stat = os.open(path, os.O_RDONLY)
        try:
            return os.read(stat, 512).rpartition(b")")[2].split(maxsplit=1)[0]
        finally:
            os.close(stat)
    except OSError:
        return None
