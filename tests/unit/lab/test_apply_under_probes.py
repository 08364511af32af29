"""Between any two flow-mods of many changes, no packet passes that both scenarios deny: on the simulator.

Rows LIFE-02 and LIFE-04.

Probes are sent after each flow-mod that a switch has done, while it holds what is half-way.  What is allowed
throughout may be lost meanwhile; how much is printed.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from sdn_lab.compiler.pipeline import INGRESS_GROUP, OUTPUT
from sdn_lab.lab import Lab, Options
from sdn_lab.model.observation import Window
from sdn_lab.openflow.entry import FlowEntry, Instructions, Program
from tests.unit.lab.probing import Kind, Pair, Tally, approval, move, rule

CHANGES = int(os.environ.get("SDN_LAB_CHANGES", "10"))  # `make changes` asks for 100
PROBES = 9  # after each flow-mod that is probed


class Between:
    """Sends probes after every *every*-th flow-mod of any integration bridge."""

    def __init__(self, lab: Lab, tally: Tally, every: int) -> None:
        self._lab, self._tally, self._every = lab, tally, every
        self._done = 0
        for switch in lab.backend.network.integration.values():
            self._hook(switch)

    def _hook(self, switch) -> None:
        does = switch.flow_mod

        def flow_mod(mod):
            removed = does(mod)
            self._done += 1
            if self._done % self._every == 0:
                self._probe()
            return removed

        switch.flow_mod = flow_mod

    def _probe(self) -> None:
        """As an exchange does, but now: whoever sent the flow-mod has the lock."""
        network = self._lab.backend.network
        network.begin()
        for injection in self._tally.injections(PROBES):
            network.inject(injection)
        while network.clock.next_ns() is not None:
            network.clock.step()
        self._tally.see(network.captures)
        network.begin()


def delivered(lab: Lab, pair: Pair, kinds: tuple[Kind, ...]) -> int:
    """How many of *kinds*, sent once each, arrive where they should."""
    tally = Tally(pair)
    tally.see(lab.backend.exchange(Window(injections=tally.injections(len(kinds), kinds))).captures)
    assert tally.leaks == []
    return sum(tally.arrived.values())


@pytest.mark.parametrize(
    ("made", "times", "every"),
    [(rule, CHANGES // 2, 1), (move, CHANGES // 5, 7), (approval, CHANGES // 5, 3)],
    ids=["rule", "move", "approval"],
)
def test_between_two_flow_mods_nothing_passes_that_both_deny(made, times, every, capsys):
    pair = made()
    with Lab(pair.one, Options(methods=("graph",))) as lab:
        tally = Tally(pair)
        Between(lab, tally, every)
        for _ in range(times):
            for scenario in (pair.other, pair.one):
                lab.apply(scenario)
                assert tally.leaks == []
                open_ = delivered(lab, pair, pair.only_one)
                assert open_ == (len(pair.only_one) if scenario is pair.one else 0)
        assert delivered(lab, pair, pair.allowed) == len(pair.allowed)
        assert lab.check().status == "holds"
    assert tally.of_denied() > 20 * times
    with capsys.disabled():
        sys.stdout.write(f"\n{pair.name}, {2 * times} times, on the simulator: {tally}\n")


def with_a_hole(held: Program, wanted: Program) -> Program:
    """Planted: half-way, whatever is addressed to a port reaches it."""
    del wanted
    hole = FlowEntry(table_id=INGRESS_GROUP.id, priority=60000, instructions=Instructions(goto=OUTPUT.id))
    return Program(tables={name: replace(t, entries=(*t.entries, hole)) for name, t in held.tables.items()})


def test_a_half_way_state_that_opens_something_is_noticed(monkeypatch):
    pair = move()
    monkeypatch.setattr("sdn_lab.lab.apply.meet", with_a_hole)
    with Lab(pair.one, Options(methods=("graph",))) as lab:
        tally = Tally(pair)
        Between(lab, tally, 1)
        lab.apply(pair.other)
    assert tally.leaks
