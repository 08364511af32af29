"""ID-14, ID-15, ID-16: forged IPv4, IPv6 and MAC source addresses.

A forged packet is chosen so that nothing but port security stands in its way: its flow is one that the
groups would admit from the victim whose address it borrows, and from the forger's own side too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.traffic import UDP, Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.probes.neighbour import forged
from sdn_lab.observe.world import World, address_of

IMPOSSIBLE: dict[int, tuple[str, ...]] = {
    4: ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.1.1.1", "203.0.113.7"),  # noqa: S104
    6: ("::", "::1", "ff02::1", "::ffff:10.0.0.1", "2002:cb00:7107::1", "fe80::dead", "2001:db8::7"),
}
MOST_TARGETS = 3
MOST_FORGED = 24
MOST_IMPERSONATED = 2  # targets that see somebody's whole identity taken


def addresses(family: int, name: str) -> Family:
    """Return the family that forges source addresses of IP version *family*."""

    def cases(world: World) -> Iterator[Case]:
        for src in world.ports:
            own = set(src.ips)
            targets = [p for p in world.peers(src) if address_of(p, family)][:MOST_TARGETS]
            targets += [p for p in world.strangers(src) if address_of(p, family)][:1]
            for turn, dst in enumerate(targets):
                candidates = [a for a in _forgeries(world, src, dst, family) if a not in own]
                for address in candidates if turn == 0 else candidates[:4]:
                    flow = _passing(world, src, dst, address)
                    if flow is None:
                        continue
                    nonce = world.nonces.draw()
                    frame = frames.opening(flow, src.mac, dst.mac, nonce)
                    yield Case(
                        probe=name, shots=(forged(world, src, dst, frame, nonce, *sent(f"ip{family}", src)),)
                    )

    return Family(
        name,
        f"forged IPv{family} source",
        lambda scenario: any(address_of(p, family) for p in scenario.ports) and len(scenario.ports) > 1,
        cases,
    )


def _forgeries(world: World, src: Port, dst: Port, family: int) -> list[IPAddress]:
    """Return addresses that are not *src*'s: its neighbours' first, then nobody's, then impossible ones."""
    neighbours = [ip for p in world.peers(src) if p.path != dst.path for ip in p.ips]
    nobody = world.unowned(src, family)
    name = "ipv4_src" if family == 4 else "ipv6_src"
    planted = [ip_address(n.to_bytes(4 if family == 4 else 16)) for n in world.constants.of(name)]
    found = [
        *neighbours,
        *dst.ips,
        *([nobody] if nobody else []),
        *(ip for p in world.strangers(src) for ip in p.ips),
        *map(ip_address, IMPOSSIBLE[family]),
        *planted,
    ]
    chosen = [ip for ip in dict.fromkeys(found) if ip.version == family]
    return chosen[:MOST_FORGED]


def _passing(world: World, src: Port, dst: Port, address: IPAddress) -> Microflow | None:
    """Return a flow from *address* to *dst* that only port security refuses, as far as there is one."""
    target = address_of(dst, address.version)
    if target is None:
        return None
    owner = next((p for p in world.members(dst.network) if address in p.ips), None)
    for honest in (owner, src):
        if honest is not None and honest.path != dst.path:
            flow = world.sample(honest, dst, address.version)
            if flow is not None:
                return replace(flow, src=address, dst=target)
    return world.flow(address, target, UDP, 9)


def mac(world: World) -> Iterator[Case]:
    """ID-16: a forged MAC address, with addresses of the forger's own, for every EtherType that may pass."""
    planted = [m.to_bytes(6).hex(":") for m in world.constants.of("eth_src")]
    for src in world.ports:
        macs = [
            *(p.mac for p in world.peers(src)[:4]),
            world.stranger_mac(7),
            *(p.mac for p in world.strangers(src)[:4]),
            *planted,
            frames.NOBODY,
            "03:00:00:00:00:01",
        ]
        targets = [*world.peers(src)[:MOST_TARGETS], *world.strangers(src)[:1]]
        for turn, dst in enumerate(targets):
            chosen = [m for m in dict.fromkeys(macs) if m != src.mac][: MOST_FORGED if turn == 0 else 3]
            for place, forged_mac in enumerate(chosen):
                few = turn > 0 or place >= MOST_TARGETS
                for frame, nonce, control in _with_mac(
                    world, src, dst, forged_mac, only=place % 4 if few else None
                ):
                    yield Case(
                        probe="ID-16", shots=(forged(world, src, dst, frame, nonce, *sent(control, src)),)
                    )
            for victim in _impersonated(world, src, dst) if turn < MOST_IMPERSONATED else ():
                for frame, nonce, control in _as(world, victim, dst):
                    yield Case(
                        probe="ID-16", shots=(forged(world, src, dst, frame, nonce, *sent(control, src)),)
                    )


def _impersonated(world: World, src: Port, dst: Port) -> list[Port]:
    """Return whose whole identity *src* takes before *dst*: those on its own hypervisor first."""
    others = [
        p for p in (*world.peers(src), *world.strangers(src)) if p.path != dst.path and p.mac != src.mac
    ]
    return sorted(others, key=lambda p: (not world.same_hypervisor(p, src), p.network != src.network))[:3]


def _as(world: World, victim: Port, dst: Port) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield packets to *dst* that are *victim*'s in every field."""
    for family in (4, 6):
        a, b = address_of(victim, family), address_of(dst, family)
        if a is None or b is None:
            continue
        flow = world.sample(victim, dst, family) or world.flow(a, b, *world.most_open(dst, family)[0])
        nonce = world.nonces.draw()
        yield frames.opening(flow, victim.mac, dst.mac, nonce), nonce, f"ip{family}"
        if family == 6:
            nonce = world.nonces.draw()
            ends = frames.Ends(eth_src=victim.mac, eth_dst=dst.mac, src=a, dst=b)
            yield frames.advertise(ends, a, victim.mac, nonce), nonce, "nd"


def _with_mac(
    world: World, src: Port, dst: Port, mac_: str, *, only: int | None
) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield *src*'s otherwise honest packets to *dst* under another MAC: all kinds, or *only* one."""
    made = list(_masked(world, src, dst, mac_))
    yield from made if only is None or not made else [made[only % len(made)]]


def _masked(world: World, src: Port, dst: Port, mac_: str) -> Iterator[tuple[bytes, bytes, str]]:
    for family in (4, 6):
        a, b = address_of(src, family), address_of(dst, family)
        if a is None or b is None:
            continue
        flow = world.sample(src, dst, family) or world.flow(a, b, UDP, 9)
        nonce = world.nonces.draw()
        yield frames.opening(flow, mac_, dst.mac, nonce), nonce, f"ip{family}"
        nonce = world.nonces.draw()
        if family == 4:
            yield frames.arp(mac_, dst.mac, 2, src.mac, a, dst.mac, b, nonce), nonce, "arp"
        else:
            ends = frames.Ends(eth_src=mac_, eth_dst=dst.mac, src=a, dst=b)
            yield frames.advertise(ends, a, src.mac, nonce), nonce, "nd"


def _several(scenario: Scenario) -> bool:
    return len(scenario.ports) > 1


FAMILIES = (
    addresses(4, "ID-14"),
    addresses(6, "ID-15"),
    Family("ID-16", "forged MAC source", _several, mac),
)
