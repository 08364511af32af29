"""Whether a process has nothing to do, by the state of its threads.

A thread that works, or is ready to and waits for a processor, is not asleep; one that waits for input is.
So this says on a busy machine, too, that a datapath or a controller has come to the end of its work.

Reference: proc(5), /proc/pid/stat, field 3.
"""

from __future__ import annotations

from pathlib import Path

_ASLEEP, _ENDED = "S", "ZX"


def main_thread_sleeps(pid: int) -> bool:
    """Say whether the main thread of *pid* waits for something to do.  A process that is gone does not."""
    return _state(Path(f"/proc/{pid}/stat")) == _ASLEEP


def all_threads_sleep(pid: int) -> bool:
    """Say whether all threads of *pid* wait for something to do, or are gone."""
    states = [_state(task / "stat") for task in Path(f"/proc/{pid}/task").glob("*")]
    return all(state is None or state == _ASLEEP or state in _ENDED for state in states)


def _state(stat: Path) -> str | None:
    try:
        return stat.read_text().rpartition(")")[2].split(maxsplit=1)[0]
    except OSError:
        return None
