"""How much memory something takes for good, and how much meanwhile."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def taken(work: Callable[[], None]) -> tuple[int, int]:
    """Return the bytes that a second round of *work* keeps, and the most that it needs meanwhile.

    The first round fills caches.
    """
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        work()
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before, peak - before
