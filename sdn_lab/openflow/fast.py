"""The fast path: a cache in front of a `Pipeline`, for packets that fare as one before them.

What
----
The first packet of its kind takes the slow path, which writes down what it looked at (`fast_record`); the
next ones are recognised by those bits (`fast_program.Node`) and take a short program instead.  The slow path
is the judge: `tests/differential/test_fast.py` sends every packet through both.

Where it sits
-------------
Used by:    the simulator's switch, the benchmarks.
Not here:   when a cache ends.  It belongs to one pipeline, whose tables and ports never change; whoever
            changes those makes a new pipeline, and so a new cache.  Before that he asks for `settle`: what
            cached packets counted.

Invariants
----------
1.  `process` gives the result of `Pipeline.process`, whatever was cached before.
2.  Memory is bounded: at `LIMIT` programs everything is forgotten.

Reference: B. Pfaff et al., "The Design and Implementation of Open vSwitch", NSDI 2015; CVE-2023-1668,
CVE-2023-5366, CVE-2020-35498 for what it means to cache too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdn_lab.openflow.conntrack import PacketState
from sdn_lab.openflow.fast_layout import layout_of
from sdn_lab.openflow.fast_program import Flight, Node, Onwards, Program, Track, outcome
from sdn_lab.openflow.fast_record import RecordingRun
from sdn_lab.openflow.interpret import Pipeline, Result, Tunnel
from sdn_lab.openflow.interpret_packet import Packet

LIMIT = 50_000


class Cache:
    """The cache of one pipeline."""

    def __init__(self, pipeline: Pipeline, limit: int = LIMIT) -> None:
        self.pipeline, self._limit = pipeline, limit
        self._roots: dict[tuple[int, Tunnel | None], Node] = {}
        self._shared: dict[Any, Onwards] = {}
        self._programs: list[Program] = []
        self._forgotten: list[Program] = []
        self.missed = 0  # packets for which the tables were asked

    def __len__(self) -> int:
        return len(self._programs)

    def find(self, frame: bytes, in_port: int, tunnel: Tunnel | None) -> Program | None:
        """Return the program for a frame, or None."""
        node = self._roots.get((in_port, tunnel))
        return node.find(frame) if node is not None else None

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
        program = self.find(frame, in_port, tunnel)
        if program is None:
            return self.slowly(frame, in_port, tunnel, now_ns)
        return self.fly(program, frame, now_ns, traced=traced).result()

    def fly(self, program: Program, frame: bytes, now_ns: int, *, traced: bool = False) -> Flight:
        """Do a program; return all that came of it."""
        flight = Flight(self.pipeline.tracker, now_ns, len(frame), self, traced=traced)
        program.follow(flight, frame)
        return flight

    def settle(self) -> Iterator[Program]:
        """Give the programs that were used since the last time; their counters start again behind each."""
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
            self._forgotten += self._programs
            self._programs = []
            self._roots.clear()
            self._shared.clear()
            return
        self._programs += run.keep()
