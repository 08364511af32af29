"""The path of a counterexample: table by table, each entry with its origin in the user's words.

A witness that a probe found is a packet and two places.  Walking it through the dumped tables says
which entries let it through.  The walk is an explanation, never a verdict: where it does not arrive at the
witness's destination (a controller took part, the leak is on the wire), the counterexample stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Counterexample, Step
from sdn_lab.openflow.snapshot import Snapshot
from sdn_lab.openflow.text import format_entry
from sdn_lab.openflow.walk import Hop, Walk
from sdn_lab.verify.origins import Origins


def explain(scenario: Scenario, snapshot: Snapshot, witness: Counterexample) -> Counterexample:
    """Return *witness* with its path, if the dumped tables alone account for it."""
    if witness.path:
        return witness
    tables = {name: state.tables for name, state in snapshot.datapaths.items()}
    try:
        walk = Walk(tables, snapshot.assignment)
        for port, frame in witness.before:
            walk.send(port, bytes.fromhex(frame))
        journey = walk.send(witness.src, bytes.fromhex(witness.packet_hex))
    except (KeyError, LabError):
        return witness
    if witness.dst not in {port for port, _ in journey.arrivals}:
        return witness
    known = Origins(scenario)
    return replace(witness, path=tuple(_step(known, hop) for hop in journey.hops))


def _step(known: Origins, hop: Hop) -> Step:
    if hop.entry is None:
        return Step(datapath=hop.datapath, table=hop.table, entry="no entry matches: dropped")
    return Step(
        datapath=hop.datapath,
        table=hop.table,
        entry=format_entry(hop.entry),
        origin=known.told(hop.entry),
    )
