"""What the kernel itself dropped between two ends of a link: full per-processor queues.

A veth hands its frames to its processor's queue (``net.core.netdev_max_backlog``, 1,000 by default); what
does not fit is dropped without anybody's socket knowing.  The count is the machine's, not the lab's: somebody
else's drop makes a window inconclusive, which errs on the right side.

Reference: Documentation/networking/scaling.rst; /proc/net/softnet_stat, second column.
"""

from __future__ import annotations

from pathlib import Path

_STAT = Path("/proc/net/softnet_stat")


class Backlog:
    """Counts drops since it was last asked."""

    def __init__(self) -> None:
        self._before = _drops()

    def lost(self) -> int:
        """Return how many frames the kernel's queues dropped since the last call."""
        now = _drops()
        since, self._before = now - self._before, now
        return since


def _drops() -> int:
    return sum(int(line.split()[1], 16) for line in _STAT.read_text().splitlines())
