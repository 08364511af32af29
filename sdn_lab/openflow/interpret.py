"""Concrete OpenFlow semantics: what a datapath with these tables does with this frame.

What
----
`Pipeline` holds one datapath's tables and processes frames one at a time: OpenFlow 1.3.5 section 5, and
Open vSwitch 3.1.0's extensions as in ovs-actions(7).  A miss drops.

Where it sits
-------------
Reads:      `entry`, `match`, `action` (the tables), `packet_parse` (frames), `conntrack` (the tracker).
Used by:    the simulator (every datapath is one of these), the probes' replay, the differential tests.
Never by:   `verify.symbolic`, which is an independent reading of the same specification.

Invariants
----------
1.  Deterministic: tables, tracker state, frame and time decide the result.
2.  What is not modelled is refused when the pipeline is made (`unsupported`), or noted in the result; it is
    never silently something else.
3.  Equal to real Open vSwitch on everything that `tests/differential` draws: `docs/ovs-facts.md` lists what
    was measured and where the two differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeVar

from sdn_lab.model.diagnostic import LabError
from sdn_lab.openflow import fields_ovs
from sdn_lab.openflow.action import Action, Ct, Move, Resubmit, SetField
from sdn_lab.openflow.action_ovs import Clone, Controller, StackPop, StackPush
from sdn_lab.openflow.bridging import Bridging
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.entry import FlowEntry, Tables
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6
from sdn_lab.openflow.interpret_actions import HANDLERS
from sdn_lab.openflow.interpret_lookup import TableIndex
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_result import Emission, PacketIn, Reason, Result, Taken, Tunnel
from sdn_lab.openflow.interpret_run import Run
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.meter import Policer
from sdn_lab.openflow.reading import Reading

__all__ = [
    "Emission",
    "PacketIn",
    "Pipeline",
    "Reason",
    "Result",
    "Taken",
    "Tunnel",
    "refused",
    "unseen",
    "unsupported",
]

# Fields of headers that are not parsed, and of connections whose first packet is not kept.
_NOT_SEEN = frozenset(
    row.name
    for row in (*fields_ovs.PACKET_ROWS, *fields_ovs.TRACKED_ROWS)
    if row.name.startswith(("nsh_", "ct_"))
) | {"dp_hash"}
_NOT_PARSED = frozenset(name for name in _NOT_SEEN if name.startswith("nsh_"))
AnyRun = TypeVar("AnyRun", bound=Run)


class Pipeline:
    """One datapath's tables, ready to process frames.

    *ports* are the OpenFlow ports that exist and are up, `action.LOCAL` among them if it should be: what is
    sent elsewhere goes nowhere, and FLOOD and ALL mean these.  *tracker* is the hypervisor's;
    without one, ``ct()`` stops the packet.  *bridging* is what NORMAL knows and learns.  *meters* may change
    while the pipeline lives.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        tracker: Tracker | None = None,
        ports: Collection[int],
        meters: Mapping[int, Policer] = MappingProxyType({}),
        reading: Reading = Reading.OPEN_VSWITCH,
        bridging: Bridging | None = None,
    ) -> None:
        unknown = unsupported(tables)
        if unknown:
            raise LabError(unknown[0])
        by_table: defaultdict[int, list[FlowEntry]] = defaultdict(list)
        for entry in tables.entries:
            by_table[entry.table_id].append(entry)
        self._tables = {table_id: TableIndex(entries) for table_id, entries in by_table.items()}
        self._held = by_table
        self._groups = {group.group_id: group for group in tables.groups}
        self._ports = tuple(sorted(ports))
        self.tracker = tracker
        self.meters, self.reading = meters, reading
        self.bridging = Bridging() if bridging is None else bridging

    def process(self, frame: bytes, in_port: int, tunnel: Tunnel | None = None, *, now_ns: int = 0) -> Result:
        """Process a frame that arrived at *in_port*; *tunnel* is what its outer header said."""
        return self.run(now_ns, Run).pipeline(self._packet(frame, in_port, tunnel))

    def execute(self, actions: Iterable[Action], frame: bytes, in_port: int, *, now_ns: int = 0) -> Result:
        """Execute the actions of a packet-out; output to ``TABLE`` submits to table 0."""
        return self.run(now_ns, Run).actions(self._packet(frame, in_port, None), actions)

    def run(self, now_ns: int, kind: type[AnyRun]) -> AnyRun:
        """Return the run for one packet, of a *kind* that may take notes."""
        made = kind(self._tables, self._groups, self._ports, self.tracker, now_ns)
        made.meters, made.reading, made.bridging = self.meters, self.reading, self.bridging
        made.held = self._held
        return made

    def _packet(self, frame: bytes, in_port: int, tunnel: Tunnel | None) -> Packet:
        return Packet.received(frame, in_port, tunnel, self.reading)


def unsupported(tables: Tables) -> tuple[str, ...]:
    """Say, one sentence each, what in *tables* this interpreter cannot run."""
    found: list[str] = []
    for entry in tables.entries:
        goto = entry.instructions.goto
        said = refused((*entry.instructions.apply, *entry.instructions.write))
        found.extend(f"table {entry.table_id}: {what} is not supported" for what in said)
        found.extend(
            f"table {entry.table_id}: a match on {name} is not supported" for name in unseen(entry.match)
        )
        found.extend(f"table {entry.table_id}: {what}" for what in _of_the_other_family(entry))
        if goto is not None and goto <= entry.table_id:
            found.append(f"table {entry.table_id}: goto_table:{goto} does not lead forward")
    found.extend(
        f"group {group.group_id}: {what} is not supported"
        for group in tables.groups
        for bucket in group.buckets
        for what in refused(bucket.actions)
    )
    return tuple(found)


def _of_the_other_family(entry: FlowEntry) -> Iterator[str]:
    """Give the translations to addresses that no packet of this entry can have; Open vSwitch refuses them."""
    tested = entry.match.get("eth_type")
    for action in entry.instructions.apply:
        if isinstance(action, Ct) and action.nat is not None and action.nat.addresses:
            address = action.nat.addresses[0]
            if tested is None or tested[0] != (ETH_IP if address.version == 4 else ETH_IPV6):
                yield f"nat to {address} needs a match on its family"


def unseen(match: Match) -> Iterator[str]:
    """Give the fields of *match* that this interpreter does not read from a packet."""
    return (name for name, value, _ in match if name in _NOT_SEEN or (name == "packet_type" and value))


def refused(actions: Iterable[Action]) -> Iterator[str]:
    """Give what of *actions* cannot be run, by name."""
    for action in actions:
        if isinstance(action, Resubmit) and action.ct:
            yield "resubmit with ct"
        elif type(action) not in HANDLERS:
            yield f"action {type(action).__name__}"
        elif isinstance(action, Clone):
            yield from refused(action.actions)
        elif isinstance(action, Controller) and action.pause:
            yield "controller(pause)"
        else:
            yield from (f"a use of {name}" for name in _named(action) if name in _NOT_PARSED)


def _named(action: Action) -> Iterator[str]:
    """Give the fields that *action* reads or writes in the packet."""
    match action:
        case SetField(field=name):
            yield name
        case Move(source=source, target=target):
            yield from (source.field, target.field)
        case StackPush(parts=parts) | StackPop(parts=parts):
            yield from (part.field for part in parts)
