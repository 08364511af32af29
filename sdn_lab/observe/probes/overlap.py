"""ID-01, ID-02: networks with the same addresses, and the same MACs, at the same time.

Senders in different networks send to one and the same address at once, each with its own nonce: each must
arrive in its own network.  Then the owners of one MAC address take turns to show it, which is what makes a
shared learning table forget whose it is, and a neighbour's packet must still find its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import TypeVar

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import bystanders, proves, resolution_reply
from sdn_lab.observe.world import World

MOST_PAIRS = 400
_Key = TypeVar("_Key")


def same_address(world: World) -> Iterator[Case]:
    """ID-01."""
    for a, b, address in _sharing(world, lambda port: port.ips):
        for owner, other in ((a, b), (b, a)):
            sender = _sender(world, owner, address.version)
            if sender is not None:
                shot = _own(world, sender, owner, other, address.version)
                yield Case(probe="ID-01", shots=(shot,), phase=1)  # it may be SCTP: see `groups`


def same_mac(world: World) -> Iterator[Case]:
    """ID-02."""
    for a, b, _ in _sharing(world, lambda port: (port.mac,)):
        for owner, other in ((a, b), (b, a)):
            family = next((f for f in (4, 6) if _sender(world, owner, f)), 4)
            sender, rival = _sender(world, owner, family), next(iter(world.peers(other)), None)
            if sender is not None and rival is not None:
                shown = (resolution_reply(world, *pair, family) for pair in ((owner, sender), (other, rival)))
                last = _own(world, sender, owner, other, family)
                shots = (*(shot for shot in shown if shot is not None), last)
                yield Case(probe="ID-02", shots=shots, phase=1)


def _sender(world: World, owner: Port, family: int) -> Port | None:
    """Return a neighbour that may open a flow to *owner*."""
    return next((p for p in world.peers(owner) if world.sample(p, owner, family)), None)


def _own(world: World, sender: Port, owner: Port, other: Port, family: int) -> Shot:
    """Return a legitimate packet to *owner* that *other*, who has the same address, must not see."""
    flow = world.sample(sender, owner, family)
    assert flow is not None
    nonce = world.nonces.draw()
    return Shot(
        src=sender.path,
        dst=owner.path,
        frame=frames.opening(flow, sender.mac, owner.mac, nonce),
        nonce=nonce,
        expected=Expected.DELIVERED,
        bears_on=(
            *world.isolation(sender, other),
            *world.claims_on(sender, owner, flow),
            *bystanders(world, sender, owner),
            *world.of_port(Kind.NO_SNIFFING, other),
        ),
        proves=proves(f"ip{family}", sender, owner),
    )


def _sharing(world: World, keys: Callable[[Port], Iterable[_Key]]) -> Sequence[tuple[Port, Port, _Key]]:
    """Return pairs of ports of different networks that share an address (by *keys*), a bounded number."""
    holders: dict[_Key, list[Port]] = defaultdict(list)
    for port in world.ports:
        for key in keys(port):
            holders[key].append(port)
    found = [
        (a, b, key)
        for key, ports in holders.items()
        for a, b in combinations(ports, 2)
        if a.network != b.network
    ]
    return found if len(found) <= MOST_PAIRS else world.random.sample(found, MOST_PAIRS)


def _share(scenario: Scenario, *, macs: bool) -> bool:
    seen: dict[object, str] = {}
    for port in scenario.ports:
        for key in (port.mac,) if macs else port.ips:
            if seen.setdefault(key, port.network) != port.network:
                return True
    return False


FAMILIES = (
    Family(
        "ID-01", "one IP address in two networks, both in use", lambda s: _share(s, macs=False), same_address
    ),
    Family(
        "ID-02", "one MAC address in two networks, shown in turns", lambda s: _share(s, macs=True), same_mac
    ),
)
