"""The fast path: a cache in front of a `Pipeline`, for packets that fare as one before them.

What
----
The first packet of its kind takes the slow path, which writes down what it looked at (`fast_record`); the
next ones are recognised by those bits (`fast_program.Node`) and take a short program instead; those of an
open connection that goes through the tracker find all of their way at once (`fast_trail`).  The slow path is
the judge: `tests/differential/test_fast.py` sends every packet through both.

Where it sits
-------------
Used by:    the simulator's switch, the benchmarks.
Not here:   when a cache ends.  It belongs to one pipeline, whose tables and ports never change; whoever
            changes those makes a new pipeline, and so a new cache.  Before that he asks for `settle`: what
            cached packets counted.

Invariants
----------
1.  `process` gives the result of `Pipeline.process`, whatever was cached before.
2.  Memory is bounded: at `LIMIT` programs everything is forgotten, at `LIMIT` trails all trails are.

Reference: B. Pfaff et al., "The Design and Implementation of Open vSwitch", NSDI 2015; CVE-2023-1668,
CVE-2023-5366, CVE-2020-35498 for what it means to cache too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.fast_layout import HEAD, layout_of
from sdn_lab.openflow.fast_program import Flight, Node, Onwards, Program, Sends, Track, outcome
from sdn_lab.openflow.fast_record import RecordingRun
from sdn_lab.openflow.fast_trail import Trail, Trails
from sdn_lab.openflow.interpret import Emission, Pipeline, Result, Tunnel
from sdn_lab.openflow.interpret_packet import Packet

LIMIT = 50_000


class Cache:
    """The cache of one pipeline."""

    def __init__(self, pipeline: Pipeline, limit: int = LIMIT) -> None:
        self.pipeline, self._limit = pipeline, limit
        self._roots: dict[tuple[int, Tunnel | None], Node] = {}
        self._same: dict[Any, Node] = {}  # roots, by the tunnel's identity
        self._tunnels: list[Tunnel | None] = []
        self._shared: dict[Any, Onwards] = {}
        self._programs: list[Program] = []
        self._forgotten: list[Program] = []
        self._trails = 0  # at most so many
        self.missed = 0  # packets for which the tables were asked

    def __len__(self) -> int:
        return len(self._programs)

    def process(
        self,
        frame: bytes,
        in_port: int,
        tunnel: Tunnel | None = None,
        *,
        now_ns: int = 0,
        traced: bool = False,
    ) -> Result:
        """Process a frame.

        The result's *path* has the look-ups that `settle` will not give: all of them where it is *traced*
        (then `settle` counts some of them again), else those of the slow path.
        """
        done = self.quickly(frame, in_port, tunnel, now_ns, traced=traced)
        if done is None:
            return self.slowly(frame, in_port, tunnel, now_ns)
        if isinstance(done, Flight):
            return done.result()
        return Result(emissions=tuple(Emission(of_port=p, frame=frame, tunnel=out) for p, out in done))

    def quickly(
        self, frame: bytes, in_port: int, tunnel: Tunnel | None, now_ns: int, *, traced: bool = False
    ) -> Sends | Flight | None:
        """Process a frame if it is known how: the hottest path of the simulator.

        Return where to send it as it came, if that is all; else all that came of it; or None: ask `slowly`.
        """
        key: Any = in_port if tunnel is None else (in_port, id(tunnel))
        node = self._same.get(key) or self._root(in_port, tunnel)
        if node is None:
            return None
        head = int.from_bytes(frame[:HEAD], "little")
        trails = node.trails
        trail = trails.by_key.get(head & trails.mask) if trails.by_key else None
        if trail is not None and trail.first.fits(frame):
            return self._along(trail, trails, frame, head, now_ns, traced=traced)
        program = node.find(frame, head)
        if program is None:
            return None
        if program.sends is not None and not traced:
            program.packets += 1
            program.octets += len(frame)
            program.used_ns = now_ns
            return program.sends
        flight = Flight(self.pipeline.tracker, now_ns, len(frame), self, traced=traced)
        gone = program.follow(flight, frame, head)
        if gone is not None and gone[0] and trails.learn(head, *gone):
            self._trails += 1
            if self._trails >= self._limit:
                self._forget_trails()
        return flight

    def _root(self, in_port: int, tunnel: Tunnel | None) -> Node | None:
        """Return where packets enter the tables; from now on this tunnel is known by its identity."""
        node = self._roots.get((in_port, tunnel))
        if node is not None and len(self._same) < self._limit:
            self._same[in_port if tunnel is None else (in_port, id(tunnel))] = node
            self._tunnels.append(tunnel)  # which keeps its identity its own
        return node

    def _along(
        self, trail: Trail, trails: Trails, frame: bytes, head: int, now_ns: int, *, traced: bool
    ) -> Sends | Flight:
        """Go along a trail as far as it holds, and from there as any packet."""
        octets, programs = len(frame), trail.programs
        done = trail.walk(frame, now_ns)
        whole = done == len(trail.mets)
        sends = programs[-1].sends
        if whole and sends is not None and not traced:
            trail.packets += 1
            trail.octets += octets
            trail.used_ns = now_ns
            return sends
        flight = Flight(self.pipeline.tracker, now_ns, octets, self, traced=traced)
        for program in programs[:done]:
            program.packets += 1
            program.octets += octets
            program.used_ns = now_ns
            if flight.path is not None:
                flight.path += program.taken
        state = trail.mets[done - 1].answer() if done else PacketState()
        if whole:
            programs[-1].run(flight, frame, state)
        else:
            trails.forget(head)
            programs[done].follow(flight, frame, head, state)
        return flight

    def settle(self) -> Iterator[Program]:
        """Give the programs that were used since the last time; their counters start again behind each."""
        for node in self._roots.values():
            node.trails.settle()
        for program in (*self._forgotten, *self._programs):
            if program.packets:
                yield program
                program.packets = program.octets = 0
        self._forgotten.clear()

    def recirculate(self, flight: Flight, track: Track, frame: bytes, state: PacketState) -> None:
        """Go on by the tables behind the tracker: its answer, or this packet, is new there."""
        onwards = track.onwards
        assert onwards is not None
        run = self.pipeline.run(flight.now_ns, RecordingRun)
        run.resume(onwards.level)
        packet = Packet(frame, dict(onwards.fields), PacketState()).recirculated(state.copy())
        watched = run.begin(packet, (onwards, outcome(state)), self._shared)
        run.recirculate(watched, onwards.table_id, list(onwards.action_set))
        result = run.result()
        self._keep(run)
        flight.emissions += result.emissions
        flight.packet_ins += result.packet_ins
        flight.notes += result.notes
        flight.taken += result.path
        flight.buckets += result.buckets
        flight.learned += result.learned
        flight.shortened += result.shortened
        if flight.path is not None:
            flight.path += result.path

    def slowly(self, frame: bytes, in_port: int, tunnel: Tunnel | None, now_ns: int) -> Result:
        """Process a frame by the tables, and learn from it."""
        if layout_of(frame) is None:
            return self.pipeline.process(frame, in_port, tunnel, now_ns=now_ns)
        run = self.pipeline.run(now_ns, RecordingRun)
        node = self._roots.setdefault((in_port, tunnel), Node())
        result = run.pipeline(run.begin(Packet.received(frame, in_port, tunnel), node, self._shared))
        self._keep(run)
        return result

    def _keep(self, run: RecordingRun) -> None:
        self.missed += 1
        if len(self._programs) + len(self._roots) >= self._limit:
            self._forget_trails()
            self._forgotten += self._programs
            self._programs = []
            self._roots.clear()
            self._same.clear()
            self._tunnels.clear()
            self._shared.clear()
            return
        self._programs += run.keep()

    def _forget_trails(self) -> None:
        for node in self._roots.values():
            node.trails.forget_all()
        self._trails = 0
