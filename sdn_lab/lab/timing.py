"""Wall time by phase, and the progress that announces it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdn_lab.contracts import Progress


class Phases:
    """Milliseconds by phase, in the order in which they began."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall time of the block to the timings, and show that it began."""
        self.progress(name, 0, 1)
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = (time.perf_counter() - began) * 1000
            self.timings_ms[name] = round(self.timings_ms.get(name, 0.0) + spent, 1)
