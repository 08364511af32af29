"""REACH-08: senders that a gateway must not believe, and those who would be the gateway.

A forged source that goes through a gateway is chosen so that the groups behind it would admit it.  The other
way round a tenant plays the gateway: with its MAC, with its address in ARP and neighbour discovery, or with
packets that look as if they had been routed already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.intent import IPAddress, Port, RouterInterface, Scenario
from sdn_lab.model.joined import Way
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.probes.gateways import NAME, through
from sdn_lab.observe.probes.neighbour import forged
from sdn_lab.observe.world import World, address_of

MOST_TARGETS = 2
MOST_NEIGHBOURS = 2


def cases(world: World) -> Iterator[Case]:
    """Yield every impostor, from every port of a network with a gateway."""
    for src in world.ports:
        for family in (4, 6):
            behind = [dst for dst in world.gateways.joined(src) if world.gateways.ways(src, dst, family)]
            for dst in _one_each(behind)[:MOST_TARGETS]:
                way = world.gateways.ways(src, dst, family)[0]
                for shot in _through(world, src, dst, way, family):
                    yield Case(probe=NAME, shots=(shot,))
        for leg in world.gateways.of(src.network):
            for shot in _as_gateway(world, src, leg):
                yield Case(probe=NAME, shots=(shot,))


def _one_each(ports: list[Port]) -> list[Port]:
    """Return the first port of each network."""
    return list({port.network: port for port in reversed(ports)}.values())


# -- forged, through a gateway


def _through(world: World, src: Port, dst: Port, way: Way, family: int) -> Iterator[Shot]:
    """Yield packets to *dst* with addresses, then with MACs, that are not *src*'s."""
    controls = (*sent(f"ip{family}", src), *through(src, way.near, family))
    for address in _borrowed(world, src, dst, way, family):
        flow = _passing(world, src, dst, address, family) if world.due(NAME) else None
        if flow is not None:
            nonce = world.nonces.draw()
            frame = frames.opening(flow, src.mac, way.near.mac, nonce)
            yield _to(dst, forged(world, src, dst, frame, nonce, *controls))
    peers = world.peers(src)
    for mac in (*(p.mac for p in peers[:1]), way.near.mac, way.far.mac, world.stranger_mac(9)):
        flow = world.sample(src, dst, family)
        if flow is not None:
            nonce = world.nonces.draw()
            frame = frames.opening(flow, mac, way.near.mac, nonce)
            yield _to(dst, forged(world, src, dst, frame, nonce, *controls))
    for peer in peers[:MOST_NEIGHBOURS]:  # the whole identity of a neighbour
        flow = world.sample(peer, dst, family)
        if flow is not None:
            nonce = world.nonces.draw()
            frame = frames.opening(flow, peer.mac, way.near.mac, nonce)
            yield _to(dst, forged(world, src, dst, frame, nonce, *controls))


def _borrowed(world: World, src: Port, dst: Port, way: Way, family: int) -> list[IPAddress]:
    """Return addresses that are not *src*'s: neighbours' on both sides, gateways', a stranger's, nobody's."""
    unowned = world.unowned(src, family)
    found = [
        *(ip for p in world.peers(src)[:3] for ip in p.ips),
        *(ip for p in world.peers(dst)[:2] for ip in p.ips),
        *dst.ips,
        *way.near.addresses,
        *way.far.addresses,
        *([unowned] if unowned is not None else []),
        *(ip for p in world.strangers(src)[:1] for ip in p.ips),
    ]
    return [ip for ip in dict.fromkeys(found) if ip.version == family and ip not in src.ips]


def _passing(world: World, src: Port, dst: Port, address: IPAddress, family: int) -> Microflow | None:
    """Return a flow from *address* to *dst* that the groups would admit from its owner, or from *src*."""
    owner = next((p for p in world.neighbours(dst) if address in p.ips), None)
    target = address_of(dst, family)
    for honest in (owner, src):
        flow = world.sample(honest, dst, family) if honest is not None else None
        if flow is not None and target is not None:
            return replace(flow, src=address, dst=target)
    if target is None:
        return None
    return world.flow(address, target, *world.most_open(dst, family)[0])


def _to(dst: Port, shot: Shot) -> Shot:
    """Name the addressee behind a gateway: that it receives a forged packet is not sniffing."""
    return replace(shot, dst=dst.path)


# -- a tenant plays the gateway


def _as_gateway(world: World, src: Port, leg: RouterInterface) -> Iterator[Shot]:
    for address in leg.addresses:
        family = address.version
        own = address_of(src, family)
        for peer in sorted(world.peers(src), key=lambda p: not world.same_hypervisor(p, src))[:1]:
            theirs = address_of(peer, family)
            if own is None or theirs is None:
                continue
            yield from _routed_already(world, src, peer, leg, own, address)
            control = sent("arp" if family == 4 else "nd", src)
            made = _arp if family == 4 else _nd
            for frame, nonce in made(world, src, peer, leg.mac, own, address, theirs):
                yield forged(world, src, peer, frame, nonce, *control)
            yield _asking_as(world, src, address, theirs)


def _routed_already(
    world: World, src: Port, peer: Port, leg: RouterInterface, own: IPAddress, address: IPAddress
) -> Iterator[Shot]:
    """Yield packets to *peer* that look as if the gateway had sent them, or passed them on."""
    family = address.version
    senders = [own, address]
    senders += [ip for far in world.gateways.joined(src)[:2] for ip in far.ips if ip.version == family]
    for sender in dict.fromkeys(senders):
        flow = _passing(world, src, peer, sender, family)
        for mac in (leg.mac, src.mac) if sender != own else (leg.mac,):
            if flow is not None:
                nonce = world.nonces.draw()
                flow = replace(flow, src_l4=world.l4_port() if flow.src_l4 else 0)
                frame = frames.opening(flow, mac, peer.mac, nonce)
                yield forged(world, src, peer, frame, nonce, *sent(f"ip{family}", src))


def _arp(
    world: World, src: Port, peer: Port, gateway: str, own: IPAddress, spa: IPAddress, tpa: IPAddress
) -> Iterator[tuple[bytes, bytes]]:
    """Yield ARP messages that claim the gateway's address *spa*, or its MAC."""
    rows = (
        # eth_src, eth_dst, op, sha, spa, tha, tpa
        (src.mac, peer.mac, 2, src.mac, spa, peer.mac, tpa),
        (src.mac, frames.BROADCAST, 1, src.mac, spa, frames.NOBODY, tpa),
        (gateway, peer.mac, 2, gateway, spa, peer.mac, tpa),
        (src.mac, peer.mac, 2, gateway, spa, peer.mac, tpa),
        (src.mac, peer.mac, 2, gateway, own, peer.mac, tpa),
        (src.mac, frames.BROADCAST, 1, src.mac, spa, frames.NOBODY, spa),
        (src.mac, frames.BROADCAST, 2, src.mac, spa, frames.BROADCAST, spa),
    )
    for row in rows:
        nonce = world.nonces.draw()
        yield frames.arp(*row, nonce), nonce


def _nd(
    world: World,
    src: Port,
    peer: Port,
    gateway: str,
    own: IPAddress,
    target: IPAddress,
    dst: IPAddress,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield advertisements and solicitations that claim the gateway's address *target*, or its MAC."""
    honest = Ends(eth_src=src.mac, eth_dst=peer.mac, src=own, dst=dst)
    lying = replace(honest, src=target)
    whole = replace(lying, eth_src=gateway)
    mac, group = frames.solicited_node(dst)
    asking = Ends(eth_src=src.mac, eth_dst=mac, src=target, dst=group)
    for ends, about, option in (
        (honest, target, src.mac),
        (lying, target, src.mac),
        (whole, target, gateway),
        (honest, target, None),
        (honest, own, gateway),
    ):
        nonce = world.nonces.draw()
        yield frames.advertise(ends, about, option, nonce, flags=0xE0), nonce
    for ends, option in ((asking, src.mac), (replace(asking, eth_src=gateway), gateway)):
        nonce = world.nonces.draw()
        yield frames.solicit(ends, dst, option, nonce), nonce


def _asking_as(world: World, src: Port, address: IPAddress, theirs: IPAddress) -> Shot:
    """Return a question for a gateway in a neighbour's name: it must not be answered, not to *src* either."""
    nonce = world.nonces.draw()
    if address.version == 4:
        frame = frames.arp(src.mac, frames.BROADCAST, 1, src.mac, theirs, frames.NOBODY, address, nonce)
    else:
        mac, group = frames.solicited_node(address)
        ends = Ends(eth_src=src.mac, eth_dst=mac, src=theirs, dst=group)
        frame = frames.solicit(ends, address, src.mac, nonce)
    asked = forged(world, src, None, frame, nonce)
    return replace(asked, dst=src.path, expected=Expected.NOTHING)


def _routers(scenario: Scenario) -> bool:
    return bool(scenario.routers)


FAMILIES = (Family(NAME, "forged through a gateway, and in the gateway's name", _routers, cases),)
