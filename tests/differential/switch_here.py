"""The interpreter's side of a case: a switch that keeps what frames teach it.

`Pipeline` processes frames; who holds it adds what they learn.  The same happens here as in a datapath of the
simulator, without its clock and its wires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sdn_lab.openflow.bridging import Bridging, PortVlan, VlanMode
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import FlowEntry, Tables
from sdn_lab.openflow.interpret import Pipeline, Result
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meter import Policer

from .switch_case import Case, Sent

Held = dict[tuple[int, int, Match], FlowEntry]

# How the ports treat tags in NORMAL, here and (by `vlan_columns`) there; no other action asks.
VLANS: Mapping[int, PortVlan] = {
    3: PortVlan(mode=VlanMode.ACCESS, tag=5),
    4: PortVlan(mode=VlanMode.NATIVE_UNTAGGED, tag=5, trunks=frozenset({0, 5, 6})),
    5: PortVlan(mode=VlanMode.TRUNK, trunks=frozenset({0, 5})),
    6: PortVlan(mode=VlanMode.NATIVE_TAGGED, tag=6),
}


def vlan_columns(port: PortVlan) -> list[str]:
    """Return a port's VLANs as columns of Open vSwitch's database."""
    words = [f"vlan_mode={port.mode.value}"]
    words += [f"tag={port.tag}"] if port.mode is not VlanMode.TRUNK else []
    words += [f"trunks={','.join(map(str, sorted(port.trunks)))}"] if port.trunks is not None else []
    return words


class Here:
    """The interpreter, set up for a case."""

    def __init__(self, case: Case) -> None:
        self._tracker, self._bridging = Tracker(), Bridging(vlans=VLANS)
        for zone, most in case.limits:
            self._tracker.limits.set(zone, most)
        self._meters = {meter.meter_id: Policer(meter, 0) for meter in case.meters}
        self._ports, self._groups = case.up, case.tables.groups
        self._held = {entry.key: entry for entry in case.tables.entries}
        self._now_ns = 0
        self._make()

    def _make(self) -> None:
        self._pipeline = Pipeline(
            Tables(entries=tuple(self._held.values()), groups=self._groups),
            tracker=self._tracker,
            ports=self._ports,
            meters=self._meters,
            bridging=self._bridging,
        )

    def send(self, sent: Sent) -> Result:
        """Put one frame in."""
        self._now_ns += sent.pause_ms * 1_000_000
        if sent.flushed is not None:
            self._tracker.flush(sent.flushed)
        result = self._pipeline.process(sent.frame, sent.of_port, now_ns=self._now_ns)
        changes = [_add(self._held, entry) for entry in result.learned]
        if any(changes):
            self._make()
        return result


def _add(held: Held, entry: FlowEntry) -> bool:
    """Add an entry, or give the one that is there other actions and another cookie; say if that is new."""
    before = held.get(entry.key)
    if before is not None:
        entry = replace(before, instructions=entry.instructions, cookie=entry.cookie)
    held[entry.key] = entry
    return before != entry


def results(case: Case) -> list[Result]:
    """Return what the interpreter says of each frame of a case."""
    here = Here(case)
    return [here.send(sent) for sent in case.frames]


def held_after(case: Case, said: Iterable[Result]) -> tuple[FlowEntry, ...]:
    """Return what the tables of a case hold when this has happened."""
    held: Held = {entry.key: entry for entry in case.tables.entries}
    for result in said:
        for entry in result.learned:
            _add(held, entry)
    return tuple(held.values())
