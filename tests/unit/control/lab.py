"""Small scenarios and controllers for the tests of `sdn_lab.control`."""

from __future__ import annotations

import contextlib
import sys  # noqa: F401
from collections.abc import Iterator, Mapping
from typing import Any

from sdn_lab import process
from sdn_lab.control.controller import Controller
from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.intent import Network, Port, Scenario, Underlay
from sdn_lab.openflow.entry import Program, Tables

QUIET = lambda *_: None  # noqa: E731 (progress that nobody looks at)


def scenario(hypervisors: Mapping[str, Mapping[str, str]]) -> Scenario:
    """``{"hv1": {"red/vm1": "red/app"}}``: hypervisors, their ports, the ports' networks."""
    networks = sorted({network for ports in hypervisors.values() for network in ports.values()})
    return Scenario(
        name="small",
        tenants=tuple(sorted({network.split("/")[0] for network in networks})),
        underlay=Underlay(sites={"here": tuple(sorted(hypervisors))}),
        networks=tuple(
            Network(path=path, tenant=path.split("/")[0], cidrs=(), vni=100 + n)
            for n, path in enumerate(networks)
        ),
        ports=tuple(
            Port(
                path=path,
                tenant=path.split("/")[0],
                instance=path.split("/")[1],
                network=network,
                hypervisor=hypervisor,
                mac="02:00:00:00:00:01",
                ips=(),
            )
            for hypervisor, ports in hypervisors.items()
            for path, network in sorted(ports.items())
        ),
    )


def one(hypervisor: str) -> tuple[Scenario, Assignment]:
    """One hypervisor with one port."""
    made = scenario({hypervisor: {"red/vm1": "red/app"}})
    return made, assign(made)


def program(hypervisor: str, *entries: Any, groups: tuple[Any, ...] = ()) -> Program:
    order = sorted(entries, key=lambda e: (e.table_id, -e.priority, e.match.tests))
    return Program(tables={hypervisor: Tables(entries=tuple(order), groups=groups)})


@contextlib.contextmanager
def started(
    made: Scenario,
    assignment: Assignment,
    *,
    app: str = "overlay",
    wanted: Program | None = None,
    **more: Any,
) -> Iterator[Controller]:
    """A controller that listens on loopback; ended on leaving."""
    options = {"host": "127.0.0.1", "l4_port": 0, "spawn": process.spawn} | more
    controller = Controller(
        options.pop("spawn"),
        app=app,
        scenario=made,
        assignment=assignment,
        program=wanted,
        **options,
    )
    try:
        controller.start()
        yield controller
    finally:
        controller.stop()
