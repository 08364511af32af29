"""The simulator's wires: a frame's way from one hypervisor's NIC to another's.

Switches know every tunnel end's MAC and the way to it (`sdn_lab.backends.fabric`); what is addressed to
anybody else ends at the first one.  Nothing is flooded and nothing learned.

A link's properties, each on the virtual clock and in each direction by itself:

    delay   every frame arrives so much later
    rate    frames follow one another, each for as long as its bytes take; the queue before it has no end
    loss    the seed's dice say which frames; they are counted, because their absence proves nothing
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from functools import partial

from sdn_lab.backends.fabric import Ends, fabric, next_hops, way
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.model.intent import Link, Underlay

_MS_NS = 1_000_000
_SECOND_NS = 1_000_000_000

Step = Callable[[], None]


class Wires:
    """All links of a lab, up or cut.  *lost* counts the frames that met loss; the reader empties it."""

    def __init__(
        self,
        underlay: Underlay,
        by_mac: Mapping[bytes, str],
        clock: Clock,
        seed: int,
        then: Callable[[Step, int], None],
        arrive: Callable[[str, bytes], None],
    ) -> None:
        """*then* plans a step after so many ns; *arrive* gets a hypervisor and a frame at its NIC."""
        self.lost = 0
        self.down: frozenset[Ends] = frozenset()
        self.fabric = fabric(underlay)
        self._links = {link.between: link for link in self.fabric.links}
        self._by_mac, self._clock = by_mac, clock
        self._dice = random.Random(f"loss:{seed}")
        self._then, self._arrive = then, arrive
        self._free_ns: dict[tuple[Ends, bool], int] = {}  # when a link's direction has sent what it has
        self._learn_ways()

    def cut(self, link: Collection[str]) -> None:
        """Let nothing pass a link any more.  Raises LabError if there is none."""
        self.down |= {self.fabric.ends(link)}
        self._learn_ways()

    def mend(self, link: Collection[str]) -> None:
        """Let a link carry again.  Raises LabError if there is none."""
        self.down -= {self.fabric.ends(link)}
        self._learn_ways()

    def send(self, sender: str, frame: bytes) -> None:
        """Let a frame leave *sender*'s NIC."""
        to = self._by_mac.get(frame[:6])
        if to is None or to == sender:
            return
        if (sender, to) not in self._ways:
            links = way(self._hops, sender, to)
            self._ways[sender, to] = None if links is None else self._slow_ones(sender, links)
        slow = self._ways[sender, to]
        if slow is not None:
            self._onward(slow, to, frame)

    def _onward(self, slow: tuple[tuple[Link, bool], ...], to: str, frame: bytes) -> None:
        """Cross the next link that takes time or loses, or arrive."""
        if not slow:
            self._arrive(to, frame)
            return
        link, forward = slow[0]
        if link.loss and self._dice.random() < link.loss:
            self.lost += 1
            return
        now = self._clock.now_ns
        sent = max(now, self._free_ns.get((link.between, forward), 0))
        if link.rate_bps:
            sent += len(frame) * 8 * _SECOND_NS // link.rate_bps
            self._free_ns[link.between, forward] = sent
        delay_ns = sent - now + round(link.delay_ms * _MS_NS)
        self._then(partial(self._onward, slow[1:], to, frame), delay_ns)

    def _slow_ones(self, sender: str, links: tuple[Ends, ...]) -> tuple[tuple[Link, bool], ...]:
        """Return the links of a way that do anything to a frame, each with its direction."""
        found, here = [], sender
        for ends in links:
            link, forward = self._links[ends], ends[0] == here
            here = ends[1] if forward else ends[0]
            if link.delay_ms or link.rate_bps or link.loss:
                found.append((link, forward))
        return tuple(found)

    def _learn_ways(self) -> None:
        self._hops = next_hops(self.fabric, self.down)
        self._ways: dict[tuple[str, str], tuple[tuple[Link, bool], ...] | None] = {}
