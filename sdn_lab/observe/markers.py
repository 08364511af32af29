"""Markers: packets that show that a capture lives and that the probes before it have passed.

What
----
The best marker is a legitimate one: a unicast ARP reply (or neighbour advertisement) from a peer, with a
nonce behind it, passes port security and is delivered whatever the groups say, and a peer on another
hypervisor sends it over the underlay too.  A port that no peer can reach so gets a marker at the
hypervisor's end of its own link (`PointKind.VETH`): that shows only that its capture lives, and the
coverage says so.

Which one a port gets is found out once, before any probe (`Markers.calibrate`).  One that fails twice in a
row is demoted, so that a dead network costs a bounded time; a port whose last marker fails twice is *dead*:
blind for the rest of the run, and whatever leans on it inconclusive.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sdn_lab.model.intent import Port
from sdn_lab.model.observation import Captured, Injection, PointKind, WatchPoint, Window
from sdn_lab.observe import frames
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.nonce import found_in
from sdn_lab.observe.turns import Steps
from sdn_lab.observe.world import World, address_of

WINDOW_FRAMES = 512  # bounds what a lost window costs; a backend counts what it loses
FAILURES = 2
_Asked = tuple[Port, Port | None, Injection, bytes]


class Markers:
    """One marker for each port, the best that works."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._senders: dict[str, list[Port | None]] = {}  # best first; None is the VETH marker
        self._failures: Counter[str] = Counter()
        self._seen_underlays: set[str] = set()
        self.unseen_underlays: set[str] = set()  # a marker crossed them, and their capture did not see it
        for port in world.ports:
            able = [p for p in world.peers(port) if _family(p, port)]
            remote = [p for p in able if not world.same_hypervisor(p, port)]
            local = [p for p in able if world.same_hypervisor(p, port)]
            self._senders[port.path] = [*remote[:1], *local[:1], None]

    @property
    def dead(self) -> set[str]:
        """Ports whose capture never showed life."""
        return {path for path, senders in self._senders.items() if not senders}

    @property
    def weak(self) -> list[str]:
        """Ports that have only the marker on their own link."""
        return sorted(path for path, senders in self._senders.items() if senders[:1] == [None])

    @property
    def watched(self) -> list[Port]:
        """Ports that can be asked for a marker."""
        return [port for port in self._world.ports if self._senders[port.path]]

    def calibrate(self) -> Steps[None]:
        """Try every marker once and keep those that arrive; a second try for those that did not."""
        wanted = [(port, sender) for port in self._world.ports for sender in self._senders[port.path]]
        arrived: set[tuple[str, str]] = set()
        for _ in range(FAILURES):
            for start in range(0, len(wanted), WINDOW_FRAMES):
                batch = [
                    (port, sender, *self._make(port, sender))
                    for port, sender in wanted[start:][:WINDOW_FRAMES]
                ]
                got = yield Window(
                    injections=tuple(injection for _, _, injection, _ in batch),
                    markers=tuple((_at(port), nonce) for port, _, _, nonce in batch),
                )
                missing = {nonce for _, nonce in got.missing}
                arrived |= {(p.path, s.path if s else "") for p, s, _, nonce in batch if nonce not in missing}
                self._look_at_underlays(batch, missing, got)
            if len(arrived) == len(wanted):
                return
        for port in self._world.ports:
            works = [s for s in self._senders[port.path] if (port.path, s.path if s else "") in arrived]
            self._senders[port.path] = works

    def _look_at_underlays(self, batch: Sequence[_Asked], missing: set[bytes], got: Captured) -> None:
        """Require that what crossed between hypervisors was seen on the underlay of both."""
        seen: dict[str, set[bytes]] = defaultdict(set)
        for capture in got.captures:
            if capture.point.kind is PointKind.UNDERLAY:
                seen[capture.point.name].update(found_in(capture.frame))
        for port, sender, _, nonce in batch:
            if sender is not None and nonce not in missing and sender.hypervisor != port.hypervisor:
                for hypervisor in (sender.hypervisor, port.hypervisor):
                    if nonce in seen[hypervisor]:
                        self.unseen_underlays.discard(hypervisor)
                        self._seen_underlays.add(hypervisor)
                    elif hypervisor not in self._seen_underlays:
                        self.unseen_underlays.add(hypervisor)

    def draw(self, ports: Iterable[Port]) -> list[tuple[Injection, WatchPoint, bytes]]:
        """Return a fresh marker for each of *ports*: what to inject, where it must arrive, its nonce."""
        drawn = []
        for port in ports:
            injection, nonce = self._make(port, self._senders[port.path][0])
            drawn.append((injection, _at(port), nonce))
        return drawn

    def report(self, asked: Sequence[str], missing: set[str]) -> None:
        """Learn which markers of *asked* ports did not arrive; demote one that fails twice in a row."""
        for path in asked:
            self._failures[path] = self._failures[path] + 1 if path in missing else 0
            if self._failures[path] >= FAILURES:
                self._failures[path] = 0
                self._senders[path] = self._senders[path][1:]

    def _make(self, port: Port, sender: Port | None) -> tuple[Injection, bytes]:
        nonce = self._world.nonces.draw()
        if sender is None:
            frame = frames.raw(self._world.stranger_mac(), port.mac, 0x88B5, nonce)
            return Injection(point=WatchPoint(kind=PointKind.VETH, name=port.path), frame=frame), nonce
        family = _family(sender, port)
        spa, tpa = address_of(sender, family), address_of(port, family)
        assert spa is not None
        assert tpa is not None
        if family == 4:
            frame = frames.arp(sender.mac, port.mac, 2, sender.mac, spa, port.mac, tpa, nonce)
        else:
            frame = frames.advertise(
                Ends(eth_src=sender.mac, eth_dst=port.mac, src=spa, dst=tpa), spa, sender.mac, nonce
            )
        return Injection(point=_at(sender), frame=frame), nonce


def _at(port: Port) -> WatchPoint:
    return WatchPoint(kind=PointKind.PORT, name=port.path)


def _family(sender: Port, port: Port) -> int:
    """Return the IP version in which *sender* can address *port*, or 0."""
    return next((f for f in (4, 6) if address_of(sender, f) and address_of(port, f)), 0)
