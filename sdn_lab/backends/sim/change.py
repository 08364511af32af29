"""Change a simulated network while it runs: instances go, come and move.

No time passes: what is on its way goes on afterwards, and ends where its port is gone.  The controller hears
of every port that goes and comes.
"""

from __future__ import annotations

from functools import partial

from sdn_lab.backends.routes import routes_of
from sdn_lab.backends.sim.instance import Instance
from sdn_lab.backends.sim.network import Network, attached
from sdn_lab.backends.sim.switch import Switch
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.succession import Succession
from sdn_lab.openflow.wire import reply
from sdn_lab.openflow.wire.reply import PortState

Told = tuple[Switch, int, PortState]
"""A switch, why (added or deleted), and the port as a controller sees it."""


def change(
    network: Network, old: Assignment, scenario: Scenario, wanted: Assignment, todo: Succession
) -> list[Told]:
    """Do *todo*.  Return what the controllers must be told, in order."""
    moved = {p.path: network.instances[p.path] for ports in todo.moved.values() for p in ports}
    told = [
        _detach(network, old, port) for ports in (*todo.gone.values(), *todo.moved.values()) for port in ports
    ]
    told += [
        _attach(network, wanted, port, moved.get(port.path) or _instance(network, port))
        for ports in (*todo.moved.values(), *todo.came.values())
        for port in ports
    ]
    network.assignment = wanted
    for port in scenario.ports:
        network.instances[port.path].routes = routes_of(scenario, port)
    return told


def _detach(network: Network, held: Assignment, port: Port) -> Told:
    datapath, attachment = held.locate(port.path)
    switch = network.integration[datapath.hypervisor]
    del network.instances[port.path], network.places[port.path]
    del network.behind[datapath.hypervisor, attachment.of_port]
    return switch, reply.PORT_DELETED, switch.detach(attachment.of_port)


def _attach(network: Network, wanted: Assignment, port: Port, instance: Instance) -> Told:
    datapath, attachment = wanted.locate(port.path)
    switch = network.integration[datapath.hypervisor]
    network.instances[port.path] = instance
    network.places[port.path] = switch, attachment.of_port
    network.behind[datapath.hypervisor, attachment.of_port] = port.path
    new = attached(port, attachment)
    switch.attach(new)
    return switch, reply.PORT_ADDED, new.state


def _instance(network: Network, port: Port) -> Instance:
    deaf = all(instance.deaf for instance in network.instances.values())
    return Instance(port.mac, port.ips, partial(network.from_instance, port.path), deaf=deaf)
