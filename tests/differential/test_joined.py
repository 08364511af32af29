"""Planted faults where networks are joined on purpose: the differential trials must miss each of them.

The scenario is `tests/unit/compiler/joined.yaml`, whose tables are golden files too.  Sound tables give no
difference, on the interpreter and on real Open vSwitch; each fault gives at least one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from sdn_lab.compiler import compile_scenario
from sdn_lab.compiler.pipeline import (
    COPIES,
    DELIVER,
    DESTINATION,
    EGRESS_GROUP,
    EGRESS_TRACK,
    FORWARD,
    NEIGHBOURS,
    NETWORK,
    OUTPUT,
    PEERING,
    ROUTE,
    Table,
)
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import PeeringRule, PortRange, Protocol, Scenario
from sdn_lab.model.joined import ways
from sdn_lab.model.traffic import UDP, Microflow
from sdn_lab.openflow.action import Action, Ct, DecTtl, Output, Resubmit, SetField, Subfield
from sdn_lab.openflow.entry import FlowEntry, Program
from sdn_lab.openflow.match import Match
from sdn_lab.scenario import load
from tests.differential import conversation as talk
from tests.differential.interpret_lab import InterpretLab
from tests.differential.ovs_oracle import OvsLab
from tests.differential.test_scenarios import found

SCENARIO = Path(__file__).parents[1] / "unit" / "compiler" / "joined.yaml"
DB, LAB, GREEN = 102, 104, 105

Change = Callable[[FlowEntry], Iterator[FlowEntry]]


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load(SCENARIO)


@pytest.mark.ovs
@pytest.mark.usefixtures("ovs")
def test_sound_tables_are_as_claimed(scenario: Scenario) -> None:
    assert found(scenario, compile_scenario(scenario, assign(scenario))) == []


@pytest.mark.ovs
@pytest.mark.parametrize("seed", range(24))
@pytest.mark.usefixtures("ovs")
def test_random_peerings_allow_what_they_say(scenario: Scenario, seed: int) -> None:
    """Three ports whose groups admit everything, or db's few: what differs is what the peering allows."""
    dice = Random(seed)
    peering = scenario.peerings[0]
    allow = tuple(_allowed(dice) for _ in range(dice.choice((0, 1, 1, 2, 3))))
    between = peering.between if dice.randrange(2) else peering.between[::-1]
    few = replace(
        scenario,
        ports=tuple(p for p in scenario.ports if p.path in ("red/web1", "red/shy", "blue/api1")),
        peerings=(replace(peering, allow=allow, between=between),),
    )

    assert found(few, compile_scenario(few, assign(few))) == []


def _allowed(dice: Random) -> PeeringRule:
    protocol = dice.choice(tuple(Protocol))
    if protocol is Protocol.ANY or dice.randrange(4) == 0:
        return PeeringRule(protocol=protocol)
    if protocol is Protocol.ICMP:
        return PeeringRule(protocol=protocol, icmp_types_v4=(0, 8), icmp_types_v6=dice.choice(((), (128,))))
    edges = sorted(dice.sample((1, 22, 53, 79, 80, 81, 1023, 1024, 32768, 65534, 65535), 2))
    ranges = (PortRange(first=edges[0], last=dice.choice(edges)),)
    return PeeringRule(protocol=protocol, l4_ports=ranges)


@pytest.mark.ovs
@pytest.mark.usefixtures("ovs")
def test_what_was_committed_elsewhere_is_no_way_through_a_peering(scenario: Scenario) -> None:
    """Both ends track a refused flow by sending it to a wrong MAC; an error about it must not cross."""
    web, api = scenario.port("red/web1"), scenario.port("blue/api1")
    (way,) = ways(scenario)["red/web", "blue/api"]
    there = Microflow(src=web.ips[0], dst=api.ips[0], protocol=UDP, src_l4=4000, dst_l4=9999)
    back = there.reversed()
    outer, error = talk.error_about(back, talk.l4(back, mark=1))
    sent = [
        (web.path, talk.ethernet(web.mac, scenario.port("red/web2").mac, there, talk.l4(there, mark=1))),
        (web.path, talk.ethernet(web.mac, way.near.mac, there, talk.l4(there, mark=1))),
        (api.path, talk.ethernet(api.mac, web.mac, back, talk.l4(back, mark=1))),
        (api.path, talk.ethernet(api.mac, way.far.mac, back, talk.l4(back, mark=1))),
        (web.path, talk.ethernet(web.mac, way.near.mac, outer, error)),
        (web.path, talk.ethernet(web.mac, way.near.mac, there, talk.l4(there, mark=1))),
    ]
    assignment = assign(scenario)
    program = compile_scenario(scenario, assignment)
    for lab in (InterpretLab(program, assignment), OvsLab(program, assignment)):
        lab.flush_conntrack()
        try:
            assert lab.inject_all(sent) == [[]] * len(sent)
        finally:
            lab.close()


def _without(table: Table, **tests: int) -> Change:
    """Leave out entries of a table whose match has these values."""

    def change(entry: FlowEntry) -> Iterator[FlowEntry]:
        if entry.table_id != table.id or any(_value(entry, name) != value for name, value in tests.items()):
            yield entry

    return change


def _value(entry: FlowEntry, name: str) -> int | None:
    return next((value for field, value, _ in entry.match.tests if field == name), None)


def _acting(table: Table, act: Callable[[tuple[Action, ...]], tuple[Action, ...]]) -> Change:
    """Change the actions of a table's entries."""

    def change(entry: FlowEntry) -> Iterator[FlowEntry]:
        if entry.table_id != table.id:
            yield entry
        else:
            done = replace(entry.instructions, apply=act(entry.instructions.apply))
            yield replace(entry, instructions=done)

    return change


def _keeps(*fields: str, ttl: bool = False) -> Change:
    """Do not write these fields (or the TTL) when routing."""

    def act(actions: tuple[Action, ...]) -> tuple[Action, ...]:
        return tuple(
            a
            for a in actions
            if not (isinstance(a, SetField) and a.field in fields) and not (ttl and isinstance(a, DecTtl))
        )

    return _acting(ROUTE, act)


def _also(table: Table, priority: int, like: FlowEntry, **tests: int | tuple[int, int]) -> FlowEntry:
    return replace(like, table_id=table.id, priority=priority, match=Match.of(**tests))


def _elsewhere(entry: FlowEntry) -> Iterator[FlowEntry]:
    """A routed packet is one of another network than its addressee's."""
    written = tuple(
        replace(a, value=GREEN) if isinstance(a, SetField) and a.field in (NETWORK, "tun_id") else a
        for a in entry.instructions.apply
    )
    yield (
        entry
        if entry.table_id != ROUTE.id
        else replace(entry, instructions=replace(entry.instructions, apply=written))
    )


def _known_to_a_stranger(entry: FlowEntry) -> Iterator[FlowEntry]:
    """What leads from red/web leads from blue/lab too, through its own gateway."""
    yield entry
    if entry.table_id in (ROUTE.id, FORWARD.id) and _value(entry, NETWORK) == DB:
        tests = {name: (value, mask) for name, value, mask in entry.match.tests}
        if ROUTE.id in (entry.table_id, entry.instructions.goto):
            tests[NETWORK] = (LAB, (1 << 64) - 1)
            tests["eth_dst"] = (_gateway("blue/r2", "blue/lab"), (1 << 48) - 1)
            yield _also(ROUTE if entry.table_id == ROUTE.id else FORWARD, 100, entry, **tests)


def _gateway(router: str, network: str) -> int:
    (leg,) = (
        leg
        for r in load(SCENARIO).routers
        for leg in r.interfaces
        if (r.path, leg.network) == (router, network)
    )
    return int(leg.mac.replace(":", ""), 16)


def _opens_from(network: int) -> Change:
    """Let everything of *network* pass the peering table."""

    def change(entry: FlowEntry) -> Iterator[FlowEntry]:
        yield entry
        if entry.table_id == PEERING.id and _value(entry, NETWORK) == network:
            tests = {n: (v, m) for n, v, m in entry.match.tests if n in (NETWORK, "eth_type")}
            let = replace(entry.instructions, goto=EGRESS_GROUP.id)
            yield replace(_also(PEERING, 1000, entry, **tests), instructions=let)

    return change


def _around_the_peering(entry: FlowEntry) -> Iterator[FlowEntry]:
    """Connections are tracked, and committed, without a look at what the peering allows."""
    zone = Subfield(field="reg6", start=0, bits=16)
    past = replace(entry.instructions, apply=(Ct(table=EGRESS_GROUP.id, zone=zone),))
    yield replace(entry, instructions=past) if entry.table_id == EGRESS_TRACK.id else entry


def _without_state(entry: FlowEntry) -> Iterator[FlowEntry]:
    """Replies need not be replies."""
    if entry.table_id == PEERING.id:
        tests = {n: (v, m) for n, v, m in entry.match.tests if n != "ct_state"}
        yield replace(entry, match=Match.of(**tests))
    else:
        yield entry


def _straight_to(of_port: int) -> Change:
    """Copies also leave at an OpenFlow port, whatever is behind it."""
    return _acting(COPIES, lambda actions: (*actions, Output(of_port=of_port)))


def _past_the_groups(entry: FlowEntry) -> Iterator[FlowEntry]:
    """A copy goes out without having been through its member's groups."""
    done = tuple(
        Resubmit(table=OUTPUT.id) if isinstance(a, Resubmit) else a for a in entry.instructions.apply
    )
    yield replace(entry, instructions=replace(entry.instructions, apply=done))


def _one_copy(actions: tuple[Action, ...]) -> tuple[Action, ...]:
    return actions[:3]


def _copies_of_everybody(entry: FlowEntry) -> Iterator[FlowEntry]:
    """What a network copies is found under every network: a copy to another network's member."""
    if entry.table_id in (COPIES.id, OUTPUT.id):
        tests = {n: (v, m) for n, v, m in entry.match.tests if n != NETWORK}
        at_red = entry.table_id == COPIES.id
        stranger = (SetField(field=DESTINATION, value=STRANGER, mask=0xFFFFFFFF), Resubmit(table=OUTPUT.id))
        more = (*entry.instructions.apply, *stranger) if at_red else entry.instructions.apply
        done = replace(entry.instructions, apply=more)
        yield replace(entry, match=Match.of(**tests), instructions=done)
    else:
        yield entry


def _stranger() -> int:
    return assign(load(SCENARIO)).locate("green/vm1")[1].of_port


STRANGER = _stranger()
ND = 136


def _flagless(entry: FlowEntry) -> Iterator[FlowEntry]:
    """An advertisement keeps the solicitation's option type."""
    kept = tuple(
        a for a in entry.instructions.apply if not (isinstance(a, SetField) and a.field == "nd_options_type")
    )
    yield replace(entry, instructions=replace(entry.instructions, apply=kept))


FAULTS: dict[str, Change] = {
    "TTL not decremented": _keeps(ttl=True),
    "source MAC not rewritten": _keeps("eth_src"),
    "destination MAC not rewritten": _keeps("eth_dst"),
    "network not rewritten": _keeps(NETWORK, "tun_id"),
    "routed into another network": _elsewhere,
    "route entry in a stranger's network": _known_to_a_stranger,
    "routed neighbour discovery": _without(ROUTE, icmpv6_type=ND),
    "no way to the gateway": _without(ROUTE),
    "peering opens everything from its first network": _opens_from(101),
    "peering opens from its second network": _opens_from(103),
    "peering's replies without state": _without_state,
    "around the peering": _around_the_peering,
    "peering lets no reply pass": _without(PEERING, metadata=103),
    "gateway unanswered": _without(NEIGHBOURS, arp_op=1, arp_tpa=0x0A010001),
    "gateway's advertisement unfinished": _flagless,
    "copy to another network's port": _straight_to(STRANGER),
    "copy under another network": _copies_of_everybody,
    "copies past the groups": _past_the_groups,
    "copies for one member alone": _acting(COPIES, _one_copy),
    "no copies from the tunnel": _without(DELIVER, eth_dst=(1 << 48) - 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(scenario: Scenario, fault: str) -> None:
    program = compile_scenario(scenario, assign(scenario))
    broken = {
        name: replace(
            tables, entries=tuple(made for entry in tables.entries for made in FAULTS[fault](entry))
        )
        for name, tables in program.tables.items()
    }
    assert broken != program.tables, "nothing was planted"

    assert found(scenario, Program(tables=broken), with_ovs=False)
