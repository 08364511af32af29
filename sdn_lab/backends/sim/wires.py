"""The simulator's wires: a frame's way from one hypervisor's NIC to another's.

Switches know every tunnel end's MAC and the way to it (`sdn_lab.backends.fabric`); what is addressed to
anybody else ends at the first one.  Nothing is flooded and nothing learned.

A link's delay, jitter, rate, queue and loss are each direction's own (`lane`).  What a link loses is counted,
because its absence proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

from sdn_lab.backends.fabric import Ends, fabric, next_hops, way
from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.lane import Lane
from sdn_lab.model.intent import Underlay

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
        self._then, self._arrive = then, arrive
        self._seed = seed
        self._lanes: dict[Ends, Lane] = {}  # by where it begins and where it ends
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

    def _onward(self, lanes: tuple[Lane, ...], to: str, frame: bytes) -> None:
        """Cross the next link that takes time or loses, or arrive."""
        if not lanes:
            self._arrive(to, frame)
            return
        now_ns = self._clock.now_ns
        arrives_ns = lanes[0].cross(len(frame), now_ns)
        if arrives_ns is None:
            self.lost += 1
            return
        self._then(partial(self._onward, lanes[1:], to, frame), arrives_ns - now_ns)

    def _slow_ones(self, sender: str, links: tuple[Ends, ...]) -> tuple[Lane, ...]:
        """Return the links of a way that do anything to a frame, each in its direction."""
        found, here = [], sender
        for ends in links:
            link, there = self._links[ends], ends[1] if ends[0] == here else ends[0]
            if link.delay_ms or link.rate_bps or link.loss:
                lane = self._lanes.get((here, there))
                if lane is None:
                    lane = self._lanes[here, there] = Lane(link, f"{self._seed}:{here}:{there}")
                found.append(lane)
            here = there
        return tuple(found)

    def _learn_ways(self) -> None:
        self._hops = next_hops(self.fabric, self.down)
        self._ways: dict[tuple[str, str], tuple[Lane, ...] | None] = {}
