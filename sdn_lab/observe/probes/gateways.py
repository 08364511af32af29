"""REACH-08: through a gateway, and around it.

What a router or an approved peering joins is reached through every gateway that leads there, with one less
to live and the gateway's MAC on it; what is allowed then is the groups' business (FW-01 to FW-08 send between
joined networks too).  Nothing else goes through: not to a network that only another router, or a peering
that is not approved, would lead to; not back into the sender's own; not a packet that is spent, link-local,
or for many.  And nothing goes around: neither the far gateway's MAC nor the addressee's own is known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress, Port, RouterInterface, Scenario
from sdn_lab.model.joined import Way
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import ICMP_OF, SCTP, UDP, Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import bystanders, crossing, proves
from sdn_lab.observe.probes.reach import strangers_to_try, to_nobody
from sdn_lab.observe.world import World, address_of, families
from sdn_lab.openflow.packet_rewrite import rewrite

NAME = "REACH-08"
MOST_STRANGERS = 24
SPENT = (1, 0)
FOR_MANY = {
    4: ("255.255.255.255", "224.0.0.5", "239.1.2.3", "169.254.169.254"),
    6: ("ff02::1", "ff02::5", "ff05::1:3", "fe80::1"),
}
ECHO = {4: 8, 6: 128}


def through(src: Port, leg: RouterInterface, family: int) -> tuple[str, ...]:
    """Return the control that says that packets of *src* get through this gateway at all."""
    gateway = next((str(a) for a in leg.addresses if a.version == family), leg.mac)
    return (f"ip{family} from {src.path} through {gateway}",)


def cases(world: World) -> Iterator[Case]:
    """Yield what must go through each gateway, and what must not."""
    for src, dst in world.gateways.pairs():
        for family in (4, 6):
            ways = world.gateways.ways(src, dst, family)
            for way in ways:
                if way is not ways[0] or world.due(NAME):  # the first way is REACH-07's too
                    yield from _arriving(world, src, dst, way, family)
            if ways and world.due(NAME):
                yield from _around(world, src, dst, ways[0], family)
                yield from _spent(world, src, dst, ways[0], family)
                yield from _discovery(world, src, dst, ways[0], family)
    for src in world.ports:
        for leg in world.gateways.of(src.network):
            yield from _resolution(world, src, leg)
            yield from _elsewhere(world, src, leg)
            yield from _for_many(world, src, leg)


def _case(*shots: Shot) -> Case:
    return Case(probe=NAME, shots=shots)


# -- what must arrive


def _arriving(world: World, src: Port, dst: Port, way: Way, family: int) -> Iterator[Case]:
    """Yield a legitimate packet by this way."""
    flow = world.sample(src, dst, family)
    if flow is None:
        return
    nonce = world.nonces.draw()
    sent, arriving = world.gateways.along(src, dst, frames.opening(flow, src.mac, dst.mac, nonce), way)
    shot = Shot(
        src=src.path,
        dst=dst.path,
        frame=sent,
        arriving=arriving,
        nonce=nonce,
        expected=Expected.DELIVERED,
        bears_on=(
            *world.claims_on(src, dst, flow),
            *bystanders(world, src, dst),
            *world.of_port(Kind.CLEAN, dst),
        ),
        proves=(*proves(f"ip{family}", src, dst), *through(src, way.near, family)),
    )
    yield Case(probe=NAME, shots=(shot,), phase=1 if flow.protocol == SCTP else 0)  # see `groups`


def _resolution(world: World, src: Port, leg: RouterInterface) -> Iterator[Case]:
    """Yield questions for the gateway's MAC, which the asker's own hypervisor answers."""
    for address in leg.addresses:
        own = address_of(src, address.version)
        if own is None:
            continue
        needed = [
            dst
            for dst in world.gateways.joined(src)
            if any(way.near.mac == leg.mac for way in world.gateways.ways(src, dst, address.version))
            and world.may_talk(src, dst)
        ]
        for question, answer, nonce in _questions(world, src, leg, own, address):
            yield _case(
                Shot(
                    src=src.path,
                    dst=src.path,
                    frame=question,
                    arriving=answer,
                    nonce=nonce,
                    expected=Expected.DELIVERED if needed else Expected.EITHER,
                    bears_on=(
                        *(claim for dst in needed[:1] for claim in world.claims_on(src, dst)),
                        *bystanders(world, src),
                        *world.of_port(Kind.CLEAN, src),
                    ),
                    confined=True,
                )
            )


def _questions(
    world: World, src: Port, leg: RouterInterface, own: IPAddress, address: IPAddress
) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield (question, answer, nonce), to everybody and to the gateway alone."""
    for alone in (False, True):
        nonce = world.nonces.draw()
        if address.version == 4:
            mac = leg.mac if alone else frames.BROADCAST
            asked = frames.arp(src.mac, mac, 1, src.mac, own, frames.NOBODY, address, nonce)
            told = frames.arp(leg.mac, src.mac, 2, leg.mac, address, src.mac, own, nonce)
        else:
            mac, group = (leg.mac, address) if alone else frames.solicited_node(address)
            ends = Ends(eth_src=src.mac, eth_dst=mac, src=own, dst=group)
            asked = frames.solicit(ends, address, src.mac, nonce)
            back = Ends(eth_src=leg.mac, eth_dst=src.mac, src=address, dst=own)
            told = frames.advertise(back, address, leg.mac, nonce)
        yield asked, told, nonce


# -- what must not


def _around(world: World, src: Port, dst: Port, way: Way, family: int) -> Iterator[Case]:
    """Yield allowed flows to MACs that are not known in *src*'s network: the far gateway's, *dst*'s own."""
    for mac in (way.far.mac, dst.mac):
        flow = world.sample(src, dst, family)
        if flow is not None:
            nonce = world.nonces.draw()
            frame = frames.opening(flow, src.mac, mac, nonce)
            yield _case(_refused(world, src, dst, way.near, frame, nonce, flow))


def _spent(world: World, src: Port, dst: Port, way: Way, family: int) -> Iterator[Case]:
    """Yield allowed flows that have nothing left to live once routed."""
    for ttl in SPENT:
        flow = world.sample(src, dst, family)
        if flow is not None:
            nonce = world.nonces.draw()
            frame = rewrite(frames.opening(flow, src.mac, way.near.mac, nonce), {"nw_ttl": ttl})
            yield _case(_refused(world, src, dst, way.near, frame, nonce, flow))


def _discovery(world: World, src: Port, dst: Port, way: Way, family: int) -> Iterator[Case]:
    """Yield honest address resolution to *dst* through the gateway, where no group would be asked."""
    own, theirs = address_of(src, family), address_of(dst, family)
    if own is None or theirs is None:
        return
    for asks in (True, False):
        nonce = world.nonces.draw()
        if family == 4:
            tha = frames.NOBODY if asks else way.near.mac
            frame = frames.arp(src.mac, way.near.mac, 1 if asks else 2, src.mac, own, tha, theirs, nonce)
        else:
            ends = Ends(eth_src=src.mac, eth_dst=way.near.mac, src=own, dst=theirs)
            make = frames.solicit if asks else frames.advertise
            frame = make(ends, theirs if asks else own, src.mac, nonce)
        shot = Shot(
            src=src.path,
            dst=dst.path,
            frame=frame,
            nonce=nonce,
            expected=Expected.NOTHING,
            bears_on=world.claims_on(src, dst),
            confined=True,
        )
        yield _case(shot)


def _elsewhere(world: World, src: Port, leg: RouterInterface) -> Iterator[Case]:
    """Yield packets through a gateway to where it does not lead: strangers', and *src*'s own network."""
    targets = [*strangers_to_try(world, src, MOST_STRANGERS), *world.peers(src)[:2]]
    for dst in targets:
        for family in families(dst):
            own, address = address_of(src, family), address_of(dst, family)
            if own is None or address is None or world.gateways.behind(src, leg.mac, address) is not None:
                continue
            if world.due(NAME):
                flow = world.flow(own, address, *world.most_open(dst, family)[0])
                nonce = world.nonces.draw()
                frame = frames.opening(flow, src.mac, leg.mac, nonce)
                yield _case(_refused(world, src, dst, leg, frame, nonce, flow))


def _refused(
    world: World, src: Port, dst: Port, leg: RouterInterface, frame: bytes, nonce: bytes, flow: Microflow
) -> Shot:
    """Return a shot towards *dst* that must reach nobody."""
    return Shot(
        src=src.path,
        dst="" if world.isolation(src, dst) else dst.path,
        frame=frame,
        nonce=nonce,
        expected=Expected.NOTHING,  # so it is no packet that an intent speaks of
        bears_on=(*world.claims_on(src, dst), *bystanders(world, src, dst)),
        leans_on=(*crossing(f"ip{flow.family}", src, dst), *through(src, leg, flow.family)),
    )


def _for_many(world: World, src: Port, leg: RouterInterface) -> Iterator[Case]:
    """Yield packets through a gateway to groups, to link-local addresses, and to gateways themselves."""
    for family in families(src):
        own = address_of(src, family)
        assert own is not None
        behind = [dst for dst in world.gateways.joined(src) if address_of(dst, family)]
        targets = dict.fromkeys(map(ip_address, FOR_MANY[family]))
        targets |= dict.fromkeys(a for a in leg.addresses if a.version == family)
        for network in dict.fromkeys(dst.network for dst in behind):
            targets |= dict.fromkeys(a for a in world.gateways.addresses(network) if a.version == family)
            cidrs = [c for c in world.scenario.network(network).cidrs if c.version == family]
            targets |= dict.fromkeys(end for c in cidrs for end in (c.broadcast_address, c.network_address))
        if family == 6:
            targets |= dict.fromkeys(frames.link_local(dst.mac) for dst in behind[:2])
        for turn, address in enumerate(targets):
            if world.due(NAME):
                number = ((UDP, 9), (ICMP_OF[family], ECHO[family]))[turn % 2]
                nonce = world.nonces.draw()
                frame = frames.opening(world.flow(own, address, *number), src.mac, leg.mac, nonce)
                yield _case(to_nobody(world, src, frame, nonce, f"ip{family}"))
        for dst in behind[:2] if family == 6 else ():
            for a in (a for a in dst.ips if a.version == 6):
                flow = world.flow(frames.link_local(src.mac), a, *world.most_open(dst, 6)[0])
                nonce = world.nonces.draw()
                frame = frames.opening(flow, src.mac, leg.mac, nonce)
                yield _case(to_nobody(world, src, frame, nonce, "ip6"))


def _routers(scenario: Scenario) -> bool:
    return bool(scenario.routers)


FAMILIES = (Family(NAME, "through a gateway, and around it", _routers, cases),)
