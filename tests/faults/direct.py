"""A lab without a controller: the simulator's data plane with tables put straight into its switches.

Negative controls change copies of tables, so they need neither OpenFlow sessions nor processes; everything
else (real encapsulation, conntrack, promiscuous capture) is the simulator's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.network import Network
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Captured, Window
from sdn_lab.observe.markers import WINDOW_FRAMES
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.snapshot import DatapathState, Snapshot


class DirectLab:
    """An `Exchange` over the simulator's network."""

    def __init__(self, scenario: Scenario, assignment: Assignment, tables: Mapping[str, Tables]) -> None:
        self.assignment = assignment
        self.clock = Clock()
        self.network = Network(scenario, assignment, self.clock)
        self.frames = 0
        for name, held in tables.items():
            self.network.integration[name].load(held)

    def snapshot(self) -> Snapshot:
        states = {n: DatapathState(name=n, tables=s.tables()) for n, s in self.network.switches.items()}
        return Snapshot(datapaths=states, assignment=self.assignment)

    def exchange(self, window: Window) -> Captured:
        assert len(window.injections) <= WINDOW_FRAMES
        self.network.begin()
        self.frames += len(window.injections)
        for injection in window.injections:
            self.network.inject(injection)
        while self.clock.next_ns() is not None:
            self.clock.step()
        captures = self.network.captures
        missing = tuple(
            (point, nonce)
            for point, nonce in window.markers
            if not any(c.point == point and nonce in c.frame for c in captures)
        )
        return Captured(captures=captures, missing=missing)
