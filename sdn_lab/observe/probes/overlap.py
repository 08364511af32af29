"""ID-01, ID-02: networks with the same addresses, and the same MACs, at the same time.

Two senders in different networks send to one and the same address at once, each with its own nonce: each must
arrive in its own network.  Then the owners of one MAC address take turns to show it, which is what makes a
shared learning table forget whose it is, and a neighbour's packet must still find its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import bystanders, proves, resolution_reply
from sdn_lab.observe.world import World

MOST_PAIRS = 400


def same_address(world: World) -> Iterator[Case]:
    """ID-01."""
    for a, b, address in _sharing(world, lambda port: port.ips):
        assert not isinstance(address, str)
        for owner in (a, b):
            sender = next((p for p in world.peers(owner) if world.sample(p, owner, address.version)), None)
            if sender is None:
                continue
            flow = world.sample(sender, owner, address.version)
            assert flow is not None
            other = b if owner is a else a
            yield Case(probe="ID-01", shots=(_own(world, sender, owner, other),))


def same_mac(world: World) -> Iterator[Case]:
    """ID-02."""
    for a, b, _ in _sharing(world, lambda port: (port.mac,)):
        for owner, other in ((a, b), (b, a)):
            sender = next((p for p in world.peers(owner) if _common_family(world, p, owner)), None)
            rival = next(iter(world.peers(other)), None)
            if sender is None or rival is None:
                continue
            claims = [resolution_reply(world, owner, sender, 4), resolution_reply(world, other, rival, 4)] * 1
            shown = [shot for shot in claims if shot is not None]
            yield Case(probe="ID-02", shots=(*shown, _own(world, sender, owner, other)))


def _own(world: World, sender: Port, owner: Port, other: Port) -> Shot:
    """Return a legitimate packet to *owner* that *other*, who has the same address, must not see."""
    family = _common_family(world, sender, owner)
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


def _common_family(world: World, sender: Port, owner: Port) -> int:
    return next((family for family in (4, 6) if world.sample(sender, owner, family)), 0)


def _sharing(world: World, keys: object) -> Iterator[tuple[Port, Port, IPAddress | str]]:
    """Yield pairs of ports of different networks that share an address (by *keys*), a bounded number."""
    holders: dict[IPAddress | str, list[Port]] = defaultdict(list)
    for port in world.ports:
        for key in keys(port):  # type: ignore[operator]
            holders[key].append(port)
    found = [
        (a, b, key)
        for key, ports in holders.items()
        for a, b in combinations(ports, 2)
        if a.network != b.network
    ]
    yield from found if len(found) <= MOST_PAIRS else world.random.sample(found, MOST_PAIRS)


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
