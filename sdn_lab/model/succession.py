"""From one scenario of a running lab to the next: which instances stay, go, come and move.

What
----
`succeed` numbers the next scenario, and `Succession` says what a backend has to do for it.  An instance whose
legs (ports by path, network, MAC and addresses) are as they were stays, or moves if its hypervisor is
another.  Any other is not the same instance: it goes, and one comes.

Where it sits
-------------
Used by:    `sdn_lab.lab.apply` and every backend's ``change``.

Invariants
----------
1.  A port that is not attached in exactly the same way before and after has numbers that were never
    used on its hypervisor.
2.  All ports of an instance share its fate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sdn_lab.model.assignment import Assignment, assign
from sdn_lab.model.intent import IPAddress, Port, Scenario

Name = tuple[str, str]  # tenant, instance
Leg = tuple[str, str, str, tuple[IPAddress, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """What becomes of the instances: their ports, by name; *moved* and *came* as they will be."""

    stayed: Mapping[Name, tuple[Port, ...]]
    gone: Mapping[Name, tuple[Port, ...]]
    came: Mapping[Name, tuple[Port, ...]]
    moved: Mapping[Name, tuple[Port, ...]]

    def __bool__(self) -> bool:
        """Say whether any instance is attached otherwise than before."""
        return bool(self.gone or self.came or self.moved)


def succeed(old: Scenario, assignment: Assignment, new: Scenario) -> Assignment:
    """Number *new* in a lab that holds *old*.  Raises ValueError as `assign` does."""
    before, after = instances(old), instances(new)
    others = {
        port.path
        for name, ports in before.items()
        for port in ports
        if name not in after or _legs(ports) != _legs(after[name])
    }
    return assign(new, assignment.without(others))


def succession(old: Scenario, held: Assignment, new: Scenario, wanted: Assignment) -> Succession:
    """Compare what is held with what is wanted.  *wanted* need not come from `succeed` at once: a
    change that failed half-way leaves numbers behind.
    """
    before, after = instances(old), instances(new)
    same = {name for name in before.keys() & after.keys() if _legs(before[name]) == _legs(after[name])}
    stayed = {
        name for name in same if all(_place(held, p.path) == _place(wanted, p.path) for p in after[name])
    }
    return Succession(
        stayed={name: after[name] for name in sorted(stayed)},
        gone={name: before[name] for name in sorted(before.keys() - same)},
        came={name: after[name] for name in sorted(after.keys() - same)},
        moved={name: after[name] for name in sorted(same - stayed)},
    )


def instances(scenario: Scenario) -> dict[Name, tuple[Port, ...]]:
    """Return the ports of every instance."""
    grouped: dict[Name, list[Port]] = {}
    for port in scenario.ports:
        grouped.setdefault((port.tenant, port.instance), []).append(port)
    return {name: tuple(ports) for name, ports in grouped.items()}


def _legs(ports: tuple[Port, ...]) -> tuple[Leg, ...]:
    return tuple((p.path, p.network, p.mac, p.ips) for p in ports)


def _place(assignment: Assignment, port: str) -> tuple[str, int, int]:
    datapath, attachment = assignment.locate(port)
    return datapath.hypervisor, attachment.of_port, attachment.zone
