"""Scenario to Program: runs the stages over every hypervisor."""

from __future__ import annotations

from sdn_lab.compiler import (
    classify,
    copies,
    forwarding,
    gateways,
    neighbours,
    peerings,
    port_security,
    routing,
    security_groups,
)
from sdn_lab.compiler.writer import Site, Writer
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario
from sdn_lab.openflow.entry import FlowEntry, Program, Tables

_STAGES = (
    classify.write,
    port_security.write,
    neighbours.write,
    gateways.write,
    security_groups.write,
    peerings.write,
    forwarding.write,
    routing.write,
    copies.write,
)


def compile_scenario(scenario: Scenario, assignment: Assignment) -> Program:
    """Return what every integration bridge should hold, by hypervisor.

    Total on checked scenarios; entries are sorted by table, falling priority, and match, so equal
    scenarios give equal programs.
    """
    tables = {}
    for hypervisor, datapath in sorted(assignment.datapaths.items()):
        site = Site(scenario=scenario, assignment=assignment, datapath=datapath)
        out = Writer()
        for stage in _STAGES:
            stage(site, out)
        tables[hypervisor] = Tables(entries=tuple(sorted(out.entries.values(), key=_order)))
    return Program(tables=tables)


def _order(entry: FlowEntry) -> tuple[int, int, tuple[tuple[str, int, int], ...]]:
    return entry.table_id, -entry.priority, entry.match.tests
