"""The graph over compiled tables: sound ones hold and quickly; broken ones are never called isolated.

The last test is the important one.  It breaks compiled tables at random and sends frames through them with
`openflow.walk`, the project's *other* reading of OpenFlow: where one crosses, the graph must not say holds.
"""

import random
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sdn_lab.model.verdict import Status
from sdn_lab.openflow.action import Output, SetField
from sdn_lab.openflow.entry import FlowEntry, Tables
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.walk import Walk
from sdn_lab.scenario import find, load, loads
from sdn_lab.verify.graph.fabric import Fabric
from sdn_lab.verify.graph.forwarding import ForwardingGraph, Source
from sdn_lab.verify.graph.frame import build, templates
from tests.unit.verify.graph_world import compiled, judge, with_entries

SHIPPED = ("overlap", "micro_segments")


@pytest.mark.parametrize("name", SHIPPED)
def test_compiled_tables_of_shipped_scenarios_hold(name):
    scenario = load(find(name))
    verdicts = judge(compiled(scenario), scenario)
    assert {v.status for v in verdicts.values()} == {Status.HOLDS}
    pairs = len(scenario.networks) * (len(scenario.networks) - 1) // 2
    assert len(verdicts) == pairs + len(scenario.ports) + 1


def test_compiled_routers_peerings_and_copies_hold_and_only_what_is_joined_is():
    scenario = load(Path(__file__).parents[2] / "faults" / "rooms.yaml")
    verdicts = judge(compiled(scenario), scenario)
    assert {claim: v.reason for claim, v in verdicts.items() if v.status is not Status.HOLDS} == {}
    assert len([claim for claim in verdicts if claim.startswith("isolated/")]) == 10 - 3
    assert "3 pairs joined on purpose" in verdicts["segmented"].covers


def test_compiled_routers_are_a_leak_where_the_scenario_has_none():
    scenario = load(Path(__file__).parents[2] / "faults" / "rooms.yaml")
    alone = replace(scenario, routers=(), peerings=())
    verdicts = judge(compiled(scenario), alone)
    leaks = {claim for claim, v in verdicts.items() if v.status is Status.VIOLATED}
    assert leaks == {
        "isolated/red/db/red/web",
        "isolated/red/db/red/ops",
        "isolated/blue/api/red/web",
        "segmented",
    }


def many(ports):
    lines = ["version: 1", "name: many", "underlay: {sites: {east: [hv1, hv2, hv3]}}", "tenants:"]
    for tenant in ("red", "blue"):
        lines += [
            f"  {tenant}:",
            "    networks: {app: {cidr: [10.0.0.0/16]}}",
            "    security_groups: {web: [{direction: ingress, protocol: icmp, remote: {group: web}}]}",
            "    instances:",
            *(
                f"      vm{n}: {{network: app, hypervisor: hv{n % 3 + 1}, ip: [10.0.1.{n}],"
                f' mac: "02:00:00:00:00:{n:02x}", groups: [web]}}'
                for n in range(1, ports // 2 + 1)
            ),
        ]
    return loads("\n".join(lines), "many.yaml")


def test_a_hundred_ports_take_seconds_at_most():
    scenario = many(100)
    held = compiled(scenario)
    begun = time.monotonic()
    verdicts = judge(held, scenario)
    assert time.monotonic() - begun < 10  # 0.4 s on the machine it was written on
    assert {v.status for v in verdicts.values()} == {Status.HOLDS}


def test_ports_of_one_network_share_their_states():
    sizes = [len(ForwardingGraph(Fabric(compiled(many(ports)), "vxlan"))) for ports in (20, 40, 80)]
    assert sizes[2] - sizes[1] <= 2 * (sizes[1] - sizes[0]) + 10  # as ports, not as pairs of ports


def test_a_bound_that_was_met_is_unknown():
    graph = ForwardingGraph(Fabric(compiled(many(20)), "vxlan"), max_states=30)
    assert graph.truncated
    assert graph.find(Source("red/vm1")) is not None


def broken(held, rng):
    """Break a few entries of one bridge; those that carry networks more often than the others."""
    bridge = rng.choice(sorted(held.datapaths))
    tables = held.datapaths[bridge].tables
    entries = list(tables.entries)
    ports = sorted(n for n, what in held.datapaths[bridge].ports.items() if what.startswith("port:"))
    carrying = [n for n, e in enumerate(entries) if e.match.get("metadata") or e.table_id == 0]
    for _ in range(rng.randint(1, 4)):
        index = rng.choice(carrying) if rng.random() < 0.8 else rng.randrange(len(entries))
        entries[index] = _broken_entry(entries[index], ports, entries, rng)
    return with_entries(held, bridge, Tables(entries=tuple(entries), groups=tables.groups))


def _broken_entry(entry: FlowEntry, ports, entries, rng) -> FlowEntry:
    instructions = entry.instructions
    match rng.choice(("untest", "retest", "output", "write", "goto", "priority")):
        case "untest" if entry.match.tests:
            gone = rng.choice(entry.match.tests)[0]
            return replace(entry, match=Match(tuple(t for t in entry.match.tests if t[0] != gone)))
        case "retest" if entry.match.tests:
            other = rng.choice(entries).match
            return replace(entry, match=other)
        case "write":
            writes = [a for e in entries for a in e.instructions.apply if isinstance(a, SetField)]
            change = (*instructions.apply, rng.choice(writes))
            return replace(entry, instructions=replace(instructions, apply=change))
        case "goto":
            later = sorted({e.table_id for e in entries if e.table_id > entry.table_id})
            return replace(
                entry, instructions=replace(instructions, goto=rng.choice(later) if later else None)
            )
        case "priority":
            return replace(entry, priority=rng.choice((0, 1, 99, 101, 400)))
        case _:
            change = (*instructions.apply, Output(of_port=rng.choice([1, *ports])))
            return replace(entry, instructions=replace(instructions, apply=change))


def walking(held):
    return Walk({name: state.tables for name, state in held.datapaths.items()}, held.assignment)


def crossing(held, scenario):
    """Return a claim that some ordinary frame breaks, by the other reading of OpenFlow, or None."""
    networks = {port.path: port.network for port in scenario.ports}
    walk = walking(held)
    for src in scenario.ports:
        for dst in scenario.ports:
            if networks[dst.path] == networks[src.path] and dst.hypervisor == src.hypervisor:
                continue
            for fields in templates(src, dst):
                walk.flush_conntrack()
                for arrived, _ in walk.send(src.path, build(fields)).arrivals:
                    if networks[arrived] != networks[src.path]:
                        return "isolated/" + "/".join(sorted((networks[arrived], networks[src.path])))
    return None


SMALL = """
version: 1
name: small
underlay: {sites: {east: [hv1, hv2]}}
tenants:
  red: &tenant
    networks: {app: {cidr: [10.0.0.0/24, "fd00::/64"]}}
    security_groups: {open: [{direction: ingress, protocol: any, remote: any}]}
    instances:
      a: {network: app, hypervisor: hv1, ip: [10.0.0.1, "fd00::1"], mac: "02:00:00:00:00:01", groups: [open]}
      b: {network: app, hypervisor: hv2, ip: [10.0.0.2], mac: "02:00:00:00:00:02", groups: [open]}
  blue: *tenant
"""


def test_where_a_frame_crosses_the_graph_never_says_holds():
    scenario = loads(SMALL, "small.yaml")
    sound = compiled(scenario)
    rng = random.Random(0)
    leaks = 0
    for _ in range(160):
        held = broken(sound, rng)
        verdicts = judge(held, scenario)
        leaked = crossing(held, scenario)
        if leaked is not None:
            leaks += 1
            assert verdicts[leaked].status is not Status.HOLDS, leaked
        for claim, verdict in verdicts.items():
            if verdict.status is Status.VIOLATED and claim.startswith("isolated/"):
                witness = verdict.counterexample
                if witness.dst.startswith("underlay:"):
                    continue  # on the wire under the other's VNI; the walk tells of ports only
                journey = walking(held).send(witness.src, bytes.fromhex(witness.packet_hex))
                assert witness.dst in {port for port, _ in journey.arrivals}, verdict.reason
    assert leaks >= 5, "too few of the breaks leak: they would not show a wrong graph"
