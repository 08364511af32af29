"""Change a built lab while it runs: instances go, come and move.

    goes    its port leaves br-int; its wire, its processes and its namespace end
    moves   its port leaves br-int; the hypervisor's end of its wire changes namespace, and joins br-int
            there.  The instance with its processes sees a link that was down for a moment
    comes   as when a lab is built
    stays   its routes may change

Where it sits
-------------
Used by:    the lab daemon.  What is to be done is the difference of two plans: an instance whose node is in
            both stays or moves.
Not here:   tables and tracked flows, which are `sdn_lab.lab.apply`'s business.  They let nothing of
            what changes pass meanwhile.

Invariants
----------
1.  `Built.plan` says what is there, whenever this returns or raises.
2.  When a step fails, every instance that was to go, come or move is taken away altogether, so that another
    change can make it from nothing.  Those that stay are as they were, or have their new routes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sdn_lab.backends.mininet.build import (
    Built,
    finish_instance,
    make_instance,
    route_commands,
    wire_instance,
)
from sdn_lab.backends.mininet.exchange import Exchange
from sdn_lab.backends.mininet.hearing import hear
from sdn_lab.backends.mininet.nodes import Wiring
from sdn_lab.backends.mininet.plan import Plan, PlannedInstance
from sdn_lab.backends.mininet.watch import Watch
from sdn_lab.model.diagnostic import LabError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """Instances as they are (*gone*, *moved_from*) and as they are to be."""

    gone: tuple[PlannedInstance, ...]
    came: tuple[PlannedInstance, ...]
    moved: tuple[tuple[PlannedInstance, PlannedInstance], ...]
    stayed: tuple[tuple[PlannedInstance, PlannedInstance], ...]


def change(built: Built, wanted: Plan, watch: Watch, exchange: Exchange, *, hearing: bool) -> None:
    """Make *built* what *wanted* says.  *hearing*: instances' kernels hear and answer now."""
    todo = _difference(built.plan, wanted)
    try:
        _leave(built, (*todo.gone, *(old for old, _ in todo.moved)))
        for instance in todo.gone:
            _end(built, instance, exchange)
        for old, new in todo.moved:
            _carry_over(built, old, new)
        _make(built, todo.came, watch, hearing=hearing)
        arrived = (*(new for _, new in todo.moved), *todo.came)
        _join(built, wanted, arrived)
        for old, new in todo.moved:
            exchange.detach(old, instance_stays=True)
            exchange.attach(built, new, instance_stays=True)
        for instance in todo.came:
            exchange.attach(built, instance)
        for old, new in (*todo.stayed, *todo.moved):
            _reroute(built, old, new)
    except BaseException:
        _give_up(built, wanted, todo, exchange)
        raise
    built.plan = wanted


def _difference(held: Plan, wanted: Plan) -> _Difference:
    before = {i.node: i for i in held.instances}
    after = {i.node: i for i in wanted.instances}
    both = [(before[node], after[node]) for node in before.keys() & after.keys()]
    return _Difference(
        gone=tuple(i for node, i in before.items() if node not in after),
        came=tuple(i for node, i in after.items() if node not in before),
        moved=tuple((old, new) for old, new in both if _place(old) != _place(new)),
        stayed=tuple((old, new) for old, new in both if _place(old) == _place(new)),
    )


def _place(instance: PlannedInstance) -> tuple[str, tuple[int, ...]]:
    return instance.hypervisor, tuple(port.of_port for port in instance.ports)


def _leave(built: Built, instances: Iterable[PlannedInstance]) -> None:
    for hypervisor, there in _by_hypervisor(instances).items():
        built.switches[hypervisor].remove_ports([p.peer for i in there for p in i.ports])


def _join(built: Built, wanted: Plan, instances: Iterable[PlannedInstance]) -> None:
    planned = {h.name: h for h in wanted.hypervisors}
    for hypervisor, there in _by_hypervisor(instances).items():
        ports = [p for i in there for p in i.ports]
        built.hypervisors[hypervisor].configure(
            [f"link set {p.peer} mtu {wanted.inner_mtu} up" for p in ports]
        )
        built.switches[hypervisor].add_instance_ports(planned[hypervisor], ports)


def _end(built: Built, instance: PlannedInstance, exchange: Exchange) -> None:
    """Take an instance away.  Its wire goes first: the kernel takes its time over a namespace."""
    exchange.detach(instance)
    built.hypervisors[instance.hypervisor].configure([f"link delete {p.peer}" for p in instance.ports])
    built.instances.pop(instance.node).end()


def _carry_over(built: Built, old: PlannedInstance, new: PlannedInstance) -> None:
    there = built.hypervisors[new.hypervisor].pid
    commands = []
    for before, after in zip(old.ports, new.ports, strict=True):
        commands.append(f"link set {before.peer} down")
        commands.append(f"link set {before.peer} name {after.peer} netns {there}")
    built.hypervisors[old.hypervisor].configure(commands)


def _make(built: Built, instances: tuple[PlannedInstance, ...], watch: Watch, *, hearing: bool) -> None:
    wiring = Wiring()
    for instance in instances:
        built.instances[instance.node] = make_instance(instance, watch)
        wire_instance(instance, built, wiring)
    if instances:
        wiring.make()
    for instance in instances:
        finish_instance(instance, built)
        if hearing:
            hear(built.instances[instance.node].pid)


def _reroute(built: Built, old: PlannedInstance, new: PlannedInstance) -> None:
    gone = [c for c in route_commands("delete", old) if c not in route_commands("delete", new)]
    came = [c for c in route_commands("add", new) if c not in route_commands("add", old)]
    if gone or came:
        built.instances[new.node].configure([*gone, *came])


def _give_up(built: Built, wanted: Plan, todo: _Difference, exchange: Exchange) -> None:
    """Take away all that was to change; none of it may be where it should."""
    involved = {i.node for i in (*todo.gone, *todo.came, *(new for _, new in todo.moved))}
    for instance in (*todo.gone, *todo.came, *(i for both in todo.moved for i in both)):
        exchange.detach(instance)
        with contextlib.suppress(LabError):
            built.switches[instance.hypervisor].remove_ports([p.peer for p in instance.ports])
        for port in instance.ports:
            with contextlib.suppress(LabError):
                built.hypervisors[instance.hypervisor].configure([f"link delete {port.peer}"])
    for node in involved:
        ended = built.instances.pop(node, None)
        if ended is not None:
            ended.end()
    built.plan = replace(wanted, instances=tuple(new for _, new in todo.stayed))


def _by_hypervisor(instances: Iterable[PlannedInstance]) -> dict[str, list[PlannedInstance]]:
    grouped: dict[str, list[PlannedInstance]] = {}
    for instance in instances:
        grouped.setdefault(instance.hypervisor, []).append(instance)
    return grouped
