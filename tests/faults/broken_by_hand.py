"""Ten ways to break the compiled tables of ``overlap`` by hand, each of which a run must find.

Each takes the program and gives a broken one, and names a claim that it breaks.  They are used on the
simulator (`test_broken_by_hand.py`) and on real Open vSwitch (`tests/live`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sdn_lab.compiler.pipeline import (
    CLASSIFY,
    DELIVER,
    FORWARD,
    INGRESS_GROUP,
    OUTPUT,
    SOURCE_IP,
    SOURCE_NEIGHBOUR,
    Table,
)
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.action import Action, Output, SetField
from sdn_lab.openflow.entry import FlowEntry, Instructions, Program, Tables
from sdn_lab.openflow.match import Match

Edit = Callable[[FlowEntry], Iterable[FlowEntry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a break needs to know."""

    scenario: Scenario
    assignment: Assignment
    program: Program

    def of_port(self, port: str) -> int:
        return self.assignment.locate(port)[1].of_port

    def zone(self, port: str) -> int:
        return self.assignment.locate(port)[1].zone

    def vni(self, network: str) -> int:
        return self.scenario.network(network).vni

    def edited(self, hypervisor: str, table: Table, port: str, edit: Edit) -> Program:
        """Apply *edit* to the entries of *table* whose origin is *port* (or any, if empty); must hit one."""
        entries: list[FlowEntry] = []
        hit = 0
        for entry in self.program.tables[hypervisor].entries:
            mine = entry.table_id == table.id and (
                not port or (entry.origin is not None and entry.origin.path == port)
            )
            edited = list(edit(entry)) if mine else [entry]
            hit += edited != [entry]
            entries += edited
        assert hit, f"nothing to break in {table.name} of {hypervisor}"
        return Program(tables={**self.program.tables, hypervisor: Tables(entries=tuple(entries))})


def without(entry: FlowEntry, *fields: str) -> FlowEntry:
    """Return *entry* with the tests on *fields* removed."""
    kept = {name: test for name, test in entry.match.as_mapping().items() if name not in fields}
    return replace(entry, match=Match.from_tests(kept))


def acting(entry: FlowEntry, *actions: Action) -> FlowEntry:
    """Return *entry* with other applied actions."""
    return replace(entry, instructions=replace(entry.instructions, apply=actions))


def rewritten(entry: FlowEntry, field: str, value: int) -> FlowEntry:
    """Return *entry* with its set_field of *field* writing *value*."""
    return acting(
        entry,
        *(
            replace(a, value=value) if isinstance(a, SetField) and a.field == field else a
            for a in entry.instructions.apply
        ),
    )


def shows_again(witness: dict) -> bool:
    """Say whether a report's counterexample was sent again and showed the same: it came, or was missing."""
    replayed = witness["replayed"].values()
    return bool(replayed) and all(arrived is witness["arrives"] for arrived in replayed)


def source_address_not_tested(w: World) -> Program:
    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield without(e, "ipv4_src") if e.match.exact("eth_type") == 0x0800 else e

    return w.edited("hv1", SOURCE_IP, "red/vm1", edit)


def source_mac_not_tested(w: World) -> Program:
    return w.edited("hv1", SOURCE_IP, "blue/vm1", lambda e: [without(e, "eth_src")])


def arp_sender_not_tested(w: World) -> Program:
    def edit(e: FlowEntry) -> Iterable[FlowEntry]:
        yield without(e, "arp_spa", "arp_sha")

    return w.edited("hv1", SOURCE_NEIGHBOUR, "red/vm2", edit)


def port_security_entry_dropped(w: World) -> Program:
    return w.edited("hv2", SOURCE_IP, "red/vm3", lambda e: [] if e.match.exact("eth_type") == 0x86DD else [e])


def vni_swapped(w: World) -> Program:
    blue = w.vni("blue/app")
    return w.edited("hv1", FORWARD, "red/vm3", lambda e: [rewritten(e, "tun_id", blue)])


def tags_not_refused(w: World) -> Program:
    return w.edited("hv1", CLASSIFY, "red/vm1", lambda e: [without(e, "vlan_vid")])


def conntrack_zone_shared(w: World) -> Program:
    """Blue's vm4 tracks in red's vm4's zone, both ways."""
    red = w.zone("red/vm4")
    first = w.edited("hv3", CLASSIFY, "blue/vm4", lambda e: [rewritten(e, "reg6", red)])
    again = replace(w, program=first)
    return again.edited("hv3", DELIVER, "blue/vm4", lambda e: [rewritten(e, "reg7", red)])


def miss_opened(w: World) -> Program:
    open_miss = FlowEntry(
        table_id=INGRESS_GROUP.id, priority=0, instructions=Instructions(goto=OUTPUT.id), cookie=0
    )
    tables = w.program.tables["hv2"]
    return Program(tables={**w.program.tables, "hv2": replace(tables, entries=(*tables.entries, open_miss))})


def output_added(w: World) -> Program:
    red, blue = w.of_port("red/vm1"), w.of_port("blue/vm1")
    return w.edited(
        "hv1", OUTPUT, "red/vm1", lambda e: [acting(e, Output(of_port=red), Output(of_port=blue))]
    )


def l4_port_not_tested(w: World) -> Program:
    return w.edited("hv1", INGRESS_GROUP, "red/web/rules/0", lambda e: [without(e, "tcp_dst")])


BREAKS: dict[str, tuple[Callable[[World], Program], str]] = {
    # name: (how, the id of a claim that must not hold any more)
    "source address not tested": (source_address_not_tested, "no_spoofing/red/vm1"),
    "source MAC not tested": (source_mac_not_tested, "no_spoofing/blue/vm1"),
    "ARP sender not tested": (arp_sender_not_tested, "no_spoofing/red/vm2"),
    "port security entry dropped": (port_security_entry_dropped, "exact/red/vm3/red/vm1"),
    "VNI swapped": (vni_swapped, "isolated/blue/app/red/app"),
    "tags not refused": (tags_not_refused, "clean/red/vm2"),
    "conntrack zone shared": (conntrack_zone_shared, "exact/blue/vm1/blue/vm4"),
    "table miss opened": (miss_opened, "exact/red/vm1/red/vm3"),
    "output added": (output_added, "isolated/blue/app/red/app"),
    "L4 port not tested": (l4_port_not_tested, "exact/red/vm4/red/vm1"),
}
