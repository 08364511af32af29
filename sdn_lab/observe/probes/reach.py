"""REACH: may a packet get to where the scenario does not let it?

REACH-01 sends to the MAC and address of every stranger, and EtherTypes that nobody may send; REACH-03 to
everybody at once; REACH-05 to nobody; REACH-07 sends what is allowed and looks who else sees it, which
makes it the positive control of all the others.

Overlapping networks: a packet for a stranger's MAC and address may just as well be for the sender's own
neighbour with the same ones.  `aimed` says who it is for, in the sender's own network.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import SCTP, UDP, Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.gateways import some_may_talk
from sdn_lab.observe.probes.controls import (
    bystanders,
    crossing,
    proves,
    resolution_reply,
    resolution_request,
    sent,
)
from sdn_lab.observe.world import World, address_of, families

# Local experimental, MPLS, LLDP, PPPoE, EAPOL, RARP, a provider's service tag, an 802.3 length.
ODD_ETHER_TYPES = (0x88B5, 0x8847, 0x88CC, 0x8863, 0x888E, 0x8035, 0x22F3, 0x0100)
MOST_NUMBERS = 3
KNOWN_ETHER_TYPES = {0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8}
ALL_HOSTS_V6, ALL_HOSTS_V4, LIMITED = (
    ip_address("ff02::1"),
    ip_address("224.0.0.1"),
    ip_address("255.255.255.255"),
)


def strangers_to_try(world: World, src: Port, most: int = 64) -> list[Port]:
    """Return the strangers of *src*, at most *most*: then some of every other network, drawn by the seed."""
    strangers = world.strangers(src)
    if len(strangers) <= most:
        return strangers
    by_network: dict[str, list[Port]] = {}
    for port in strangers:
        by_network.setdefault(port.network, []).append(port)
    each = max(1, most // len(by_network))
    return [
        port
        for members in by_network.values()
        for port in world.random.sample(members, min(each, len(members)))
    ]


def aimed(world: World, src: Port, mac: str, flow: Microflow) -> tuple[Port | None, Expected]:
    """Return the port of *src*'s own network that a packet to *mac* is for, and what should become of it."""
    owner = world.owner(src, mac)
    if owner is None or owner.path == src.path or flow.dst not in owner.ips:
        return None, Expected.NOTHING
    return owner, world.expected(src, owner, flow)


def open_number(world: World, dst: Port, family: int) -> tuple[int, int]:
    """Return the (protocol, L4 port or ICMP type) that *dst* admits from most: what is likeliest to pass."""
    return world.most_open(dst, family)[0]


def unicast(world: World) -> Iterator[Case]:
    """REACH-01."""
    for src in world.ports:
        for dst in strangers_to_try(world, src):
            for family in families(dst):
                a, b = address_of(src, family), address_of(dst, family)
                if a is None or b is None:
                    continue
                for number in world.most_open(dst, family)[:MOST_NUMBERS]:
                    if not world.due("REACH-01"):
                        continue
                    shot = _to_stranger(world, src, dst, world.flow(a, b, *number))
                    yield Case(probe="REACH-01", shots=(shot,))
    yield from _odd_ether_types(world)


def _to_stranger(world: World, src: Port, dst: Port, flow: Microflow) -> Shot:
    """Return the opening of *flow* to the stranger *dst*, who may have a neighbour's MAC and address."""
    twin, expected = aimed(world, src, dst.mac, flow)
    nonce = world.nonces.draw()
    what, works = f"ip{flow.family}", expected is Expected.DELIVERED
    own = world.claims_on(src, twin, flow) if twin else ()
    return Shot(
        src=src.path,
        dst=twin.path if twin else "",
        frame=frames.opening(flow, src.mac, dst.mac, nonce),
        nonce=nonce,
        expected=expected,
        bears_on=(*world.claims_on(src, dst), *own),
        proves=proves(what, src, twin) if twin and works else (),
        leans_on=() if works else crossing(what, src, dst),
    )


def _odd_ether_types(world: World) -> Iterator[Case]:
    planted = [t for t in world.constants.of("eth_type") if t not in KNOWN_ETHER_TYPES]
    kinds = dict.fromkeys((*ODD_ETHER_TYPES, *planted))
    for turn, src in enumerate(world.ports):
        targets = [*world.peers(src)[:2], *strangers_to_try(world, src, 2)]
        for n, kind in enumerate(kinds):
            if not targets:
                break
            dst = targets[(turn + n) % len(targets)]
            nonce = world.nonces.draw()
            own = dst.network == src.network
            yield Case(
                probe="REACH-01",
                shots=(
                    Shot(
                        src=src.path,
                        dst=dst.path if own else "",
                        frame=frames.raw(src.mac, dst.mac, kind, nonce),
                        nonce=nonce,
                        expected=Expected.NOTHING,
                        bears_on=world.claims_on(src, dst),
                    ),
                ),
            )


def broadcast(world: World) -> Iterator[Case]:
    """REACH-03: everything that is for everybody reaches nobody; a request reaches the owner alone."""
    for src, dst in world.pairs():
        for family in (4, 6):
            for unicast in (False, True):
                shot = resolution_request(world, src, dst, family, unicast=unicast)
                if shot is not None:
                    yield Case(probe="REACH-03", shots=(shot,))
    for src in world.ports:
        for frame, nonce in _to_everybody(world, src):
            yield Case(probe="REACH-03", shots=(to_nobody(world, src, frame, nonce),))


def _to_everybody(world: World, src: Port) -> Iterator[tuple[bytes, bytes]]:
    own4, own6 = address_of(src, 4), address_of(src, 6)
    for_members = world.scenario.network(src.network).broadcast  # `broadcast` tries those
    own = {ip for p in world.members(src.network) for ip in p.ips}
    theirs = dict.fromkeys(ip for p in world.strangers(src) for ip in p.ips)
    foreign = [ip for ip in theirs if ip not in own]
    asked4 = [ip for ip in foreign if ip.version == 4][:4]
    nonce = world.nonces.draw()
    yield frames.raw(src.mac, frames.BROADCAST, 0x88B5, nonce), nonce
    if own4 is not None:
        nobody = world.unowned(src, 4)
        for target in [*asked4, *([nobody] if nobody else [])]:
            nonce = world.nonces.draw()
            yield frames.arp(src.mac, frames.BROADCAST, 1, src.mac, own4, frames.NOBODY, target, nonce), nonce
        subnet = next(c for c in world.scenario.network(src.network).cidrs if c.version == 4)
        last = IPv4Address(int(subnet.broadcast_address))
        to_all = ((frames.BROADCAST, LIMITED), (frames.BROADCAST, last), ("01:00:5e:00:00:01", ALL_HOSTS_V4))
        for mac, target in (
            *(() if for_members else to_all),
            *((frames.BROADCAST, ip) for p in world.peers(src)[:1] if (ip := address_of(p, 4))),
        ):
            nonce = world.nonces.draw()
            flow = world.flow(own4, target, UDP, 9)
            yield frames.opening(flow, src.mac, mac, nonce), nonce
    if own6 is not None:
        if not for_members:
            nonce = world.nonces.draw()
            flow = world.flow(own6, ALL_HOSTS_V6, UDP, 9)
            yield frames.opening(flow, src.mac, "33:33:00:00:00:01", nonce), nonce
        nobody = world.unowned(src, 6)
        asked6 = [ip for ip in foreign if ip.version == 6][:4]
        for target in [*asked6, *([nobody] if nobody else [])]:
            mac, group = frames.solicited_node(target)
            nonce = world.nonces.draw()
            who = frames.Ends(eth_src=src.mac, eth_dst=mac, src=own6, dst=IPv6Address(int(group)))
            yield frames.solicit(who, target, src.mac, nonce), nonce


def sniff(world: World) -> Iterator[Case]:
    """REACH-07: what is allowed arrives, as it was sent, at its addressee alone."""
    for src, dst in world.talking_pairs():
        for family in (4, 6):
            flow = world.sample(src, dst, family)
            if flow is not None:
                nonce = world.nonces.draw()
                frame = frames.opening(flow, src.mac, dst.mac, nonce)
                sent, arriving = world.gateways.along(src, dst, frame)
                yield Case(
                    probe="REACH-07",
                    phase=1 if flow.protocol == SCTP else 0,  # see `groups`: SCTP's refusals go first
                    shots=(
                        Shot(
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
                            proves=proves(f"ip{family}", src, dst),
                        ),
                    ),
                )
            reply = resolution_reply(world, src, dst, family) if src.network == dst.network else None
            if reply is not None:
                yield Case(probe="REACH-07", shots=(reply,))


def to_nobody(world: World, src: Port, frame: bytes, nonce: bytes, what: str = "") -> Shot:
    """Return a shot that must reach no port: it tests who is apart from *src*, and who may listen."""
    return Shot(
        src=src.path,
        dst="",
        frame=frame,
        nonce=nonce,
        expected=Expected.NOTHING,
        bears_on=world.everybody_else(src),
        leans_on=sent(what, src) if what else (),
    )


def several(scenario: Scenario) -> bool:
    """Say whether there is more than one port."""
    return len(scenario.ports) > 1


def _several_networks(scenario: Scenario) -> bool:
    return len({port.network for port in scenario.ports}) > 1


FAMILIES = (
    Family("REACH-07", "what is allowed is seen by its addressee alone", some_may_talk, sniff),
    Family("REACH-01", "unicast to a stranger's address; EtherTypes off the allow-list", several, unicast),
    Family("REACH-03", "broadcast and multicast reach nobody; requests their one owner", several, broadcast),
)
