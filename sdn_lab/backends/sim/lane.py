"""One direction of an underlay link: when a frame arrives at its other end, if it does.

What
----
A `Lane` has what `model.intent.Link` says, on the virtual clock:

    loss    dice say which frames never arrive
    queue   who finds so many waiting is dropped; 0: the queue has no end
    rate    frames follow one another, each for as long as its bytes take
    delay   every frame arrives so much later, give or take the jitter: dice say how much

Invariants
----------
1.  No frame overtakes another: one that has less delay arrives together with the one before it.
2.  The dice are a lane's own, so what happens on one link changes nothing on another.

Reference: what a shaped interface does, tc-netem(8) and tc-tbf(8); but netem lets frames overtake.
"""

from __future__ import annotations

import random
from collections import deque

from sdn_lab.model.intent import Link

_MS_NS = 1_000_000
_SECOND_NS = 1_000_000_000


class Lane:
    """One direction of *link*; *seed* is for its dice."""

    def __init__(self, link: Link, seed: str) -> None:
        self._link = link
        self._dice = random.Random(seed)
        self._begins: deque[int] = deque()  # when those that wait, and the one being sent, begin to be sent
        self._free_ns = self._last_ns = 0

    def cross(self, octets: int, now_ns: int) -> int | None:
        """Return when a frame that comes now arrives, or None where it never does."""
        link = self._link
        if link.loss and self._dice.random() < link.loss:
            return None
        sent_ns = now_ns
        if link.rate_bps:
            begins_ns = max(now_ns, self._free_ns)
            while self._begins and self._begins[0] <= now_ns:
                self._begins.popleft()
            if link.queue and len(self._begins) >= link.queue:
                return None
            self._begins.append(begins_ns)
            sent_ns = self._free_ns = begins_ns + octets * 8 * _SECOND_NS // link.rate_bps
        delay_ms = link.delay_ms
        if link.jitter_ms:
            delay_ms += self._dice.uniform(-link.jitter_ms, link.jitter_ms)
        self._last_ns = max(self._last_ns, sent_ns + round(delay_ms * _MS_NS))
        return self._last_ns
