"""Ways and packets in the scenario's words: steps with the entry's text and the object behind it."""

from __future__ import annotations

from collections.abc import Sequence

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Counterexample, Step
from sdn_lab.openflow import packet
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.text import format_entry
from sdn_lab.verify.graph.fabric import UNDERLAY, End, Sink
from sdn_lab.verify.graph.witness import Witness
from sdn_lab.verify.origins import Origins


class Words:
    """Explains entries of one scenario's dumps."""

    def __init__(self, scenario: Scenario) -> None:
        self._origins = Origins(scenario)

    def steps(self, way: Sequence[tuple[str, FlowEntry]]) -> tuple[Step, ...]:
        """Return a way as the steps of a counterexample."""
        return tuple(
            Step(
                datapath=bridge,
                table=entry.table_id,
                entry=format_entry(entry),
                origin=self._origins.told(entry),
            )
            for bridge, entry in way
        )

    def told(self, way: Sequence[tuple[str, FlowEntry]]) -> str:
        """Return a way in one line."""
        return " > ".join(f"{bridge} table {e.table_id} ({self._origins.told(e)})" for bridge, e in way)

    def counterexample(self, witness: Witness) -> Counterexample:
        """Return a witness as a verdict carries it."""
        return Counterexample(
            src=witness.src,
            dst=point(witness.sink),
            packet_hex=witness.frame.hex(),
            packet=packet.describe(witness.frame),
            path=self.steps(witness.way),
        )


def point(sink: Sink) -> str:
    """Return a sink as a counterexample's *dst*: a port path, or a watch point."""
    hypervisor = sink.name.removesuffix(UNDERLAY)
    match sink.end:
        case End.PORT:
            return sink.name
        case End.LOCAL:
            return f"management:{hypervisor}"
        case End.UPLINK | End.WIRE | End.VTEP:
            return f"underlay:{hypervisor}"
        case End.CONTROLLER:
            return f"packet_in:{hypervisor}"
        case End.UNKNOWN:
            return sink.name
