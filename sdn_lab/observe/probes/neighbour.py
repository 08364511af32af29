"""ID-03, ID-08: claiming somebody else's address by ARP and by neighbour discovery.

Each forged message goes to the one who would believe it, a third port of the network (or the victim itself
where there is no third), and must not even leave its hypervisor.  The honest message of the same kind is
REACH-07's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_address

from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import sent
from sdn_lab.observe.world import World, address_of

MOST_VICTIMS = 4
ODD_OPERATIONS = (0, 3, 4, 8, 258)  # reverse and inverse ARP, and none; 258 is 2 in its low byte
FEW_FORGERIES = 4  # for every victim after the first
Maker = Callable[[bytes], bytes]  # nonce to frame
ALL_NODES = ip_address("ff02::1")


def forged(world: World, src: Port, dst: Port | None, frame: bytes, nonce: bytes, *controls: str) -> Shot:
    """Return a shot with a forged sender: nobody must see it, and it must not leave its hypervisor."""
    apart = world.isolation(src, dst) if dst is not None and dst.network != src.network else ()
    return Shot(
        src=src.path,
        dst=dst.path if dst is not None and dst.network == src.network else "",
        frame=frame,
        nonce=nonce,
        expected=Expected.NOTHING,
        bears_on=(*world.of_port(Kind.NO_SPOOFING, src), *apart),
        confined=True,
        leans_on=controls,
    )


def victims(
    world: World, src: Port, family: int, most: int = MOST_VICTIMS
) -> list[tuple[Port, IPAddress, Port]]:
    """Return (victim, its address, who is to believe it) in *src*'s network, at most *most*."""
    peers = [p for p in world.peers(src) if address_of(p, family) is not None]
    chosen = []
    for n, victim in enumerate(peers[:most]):
        believer = next((p for p in (*peers[n + 1 :], *peers[:n])), victim)
        address = address_of(victim, family)
        assert address is not None
        chosen.append((victim, address, believer))
    return chosen


def arp(world: World) -> Iterator[Case]:
    """ID-03, and with it ID-04 to ID-07: requests, announcements, contradicting and malformed messages."""
    for src in world.ports:
        own = address_of(src, 4) or ip_address("0.0.0.0")  # noqa: S104 - an address to claim, not to bind
        for victim, address, believer in victims(world, src, 4):
            tpa = address_of(believer, 4) or address
            first = victim is world.peers(src)[0]
            for frame, nonce in _arp_forgeries(
                world, src, victim, believer, own, address, tpa, few=not first
            ):
                yield Case(
                    probe="ID-03", shots=(forged(world, src, believer, frame, nonce, *sent("arp", src)),)
                )
        yield from _arp_nobody(world, src)


def _arp_nobody(world: World, src: Port) -> Iterator[Case]:
    """Yield claims to addresses that are nobody's here, or a stranger's; and operations that nobody needs."""
    listener = _with_address(world, src, 4)
    own = address_of(src, 4)
    for address in _foreign(world, src, 4):
        if listener is not None:
            nonce = world.nonces.draw()
            peer, tpa = listener
            frame = frames.arp(src.mac, peer.mac, 2, src.mac, address, peer.mac, tpa, nonce)
            yield Case(probe="ID-03", shots=(forged(world, src, peer, frame, nonce, *sent("arp", src)),))
    for stranger in world.strangers(src)[:2]:
        theirs = address_of(stranger, 4)
        if theirs is not None and world.owner(src, stranger.mac) is None:
            nonce = world.nonces.draw()
            frame = frames.arp(src.mac, stranger.mac, 2, src.mac, theirs, stranger.mac, theirs, nonce)
            yield Case(probe="ID-03", shots=(forged(world, src, stranger, frame, nonce),))
    far = next((p for p in world.peers(src) if not world.same_hypervisor(p, src)), None)
    there = address_of(far, 4) if far is not None else None
    for operation in ODD_OPERATIONS:
        if own is not None and far is not None and there is not None:
            nonce = world.nonces.draw()
            frame = frames.arp(src.mac, far.mac, operation, src.mac, own, far.mac, there, nonce)
            yield Case(probe="ID-03", shots=(forged(world, src, far, frame, nonce, *sent("arp", src)),))


def _with_address(world: World, src: Port, family: int) -> tuple[Port, IPAddress] | None:
    """Return the first neighbour of *src* that has an address of *family*, and the address."""
    for peer in world.peers(src):
        address = address_of(peer, family)
        if address is not None:
            return peer, address
    return None


def _arp_forgeries(
    world: World,
    src: Port,
    victim: Port,
    believer: Port,
    own: IPAddress,
    spa: IPAddress,
    tpa: IPAddress,
    *,
    few: bool,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield forged ARP messages that claim *spa*, *victim*'s address; the sender is *src*, who owns *own*."""
    rows = (
        # eth_src, eth_dst, op, sha, spa, tha, tpa
        (src.mac, believer.mac, 2, src.mac, spa, believer.mac, tpa),
        (src.mac, frames.BROADCAST, 1, src.mac, spa, frames.NOBODY, tpa),
        (victim.mac, believer.mac, 2, victim.mac, spa, believer.mac, tpa),  # the whole identity
        (victim.mac, frames.BROADCAST, 1, victim.mac, spa, frames.NOBODY, tpa),
        (src.mac, believer.mac, 2, victim.mac, own, believer.mac, tpa),
        (src.mac, believer.mac, 1, src.mac, spa, frames.NOBODY, tpa),
        (src.mac, believer.mac, 2, victim.mac, spa, believer.mac, tpa),  # inside and outside contradict
        (victim.mac, believer.mac, 2, src.mac, own, believer.mac, tpa),
        (src.mac, frames.BROADCAST, 1, victim.mac, own, frames.NOBODY, tpa),
        (victim.mac, frames.BROADCAST, 1, src.mac, own, frames.NOBODY, tpa),
        (src.mac, frames.BROADCAST, 1, src.mac, spa, frames.NOBODY, spa),  # announcements
        (src.mac, frames.BROADCAST, 2, src.mac, spa, frames.BROADCAST, spa),
        (src.mac, believer.mac, 3, src.mac, own, believer.mac, tpa),  # reverse ARP's operations
        (src.mac, believer.mac, 8, src.mac, own, believer.mac, tpa),
    )
    for row in rows[:FEW_FORGERIES] if few else rows:
        nonce = world.nonces.draw()
        yield frames.arp(*row, nonce), nonce


def nd(world: World) -> Iterator[Case]:
    """ID-08, and with it ID-09 to ID-13: solicitations, hop limits, DAD denial, router messages."""
    for src in world.ports:
        own = address_of(src, 6) or frames.link_local(src.mac)
        for victim, address, believer in victims(world, src, 6):
            dst = address_of(believer, 6) or address
            first = victim is world.peers(src)[0]
            for frame, nonce in _nd_forgeries(world, src, victim, believer, own, address, dst, few=not first):
                yield Case(
                    probe="ID-08", shots=(forged(world, src, believer, frame, nonce, *sent("nd", src)),)
                )
        listener = _with_address(world, src, 6)
        if listener is None:
            continue
        believer, dst = listener
        for address in _foreign(world, src, 6):
            nonce = world.nonces.draw()
            ends = Ends(eth_src=src.mac, eth_dst=believer.mac, src=own, dst=dst)
            frame = frames.advertise(ends, address, src.mac, nonce)
            yield Case(probe="ID-08", shots=(forged(world, src, believer, frame, nonce, *sent("nd", src)),))
        for kind, body in ((134, bytes(12)), (137, bytes(4) + own.packed + dst.packed), (133, bytes(4))):
            for mac, to in ((believer.mac, dst), ("33:33:00:00:00:01", ALL_NODES)):
                nonce = world.nonces.draw()
                ends = Ends(eth_src=src.mac, eth_dst=mac, src=own, dst=to)
                frame = frames.icmp(ends, kind, 0, body, nonce, ttl=255)
                yield Case(
                    probe="ID-08", shots=(forged(world, src, believer, frame, nonce, *sent("nd", src)),)
                )


def _nd_forgeries(
    world: World,
    src: Port,
    victim: Port,
    believer: Port,
    own: IPAddress,
    target: IPAddress,
    dst: IPAddress,
    *,
    few: bool,
) -> Iterator[tuple[bytes, bytes]]:
    """Yield forged neighbour messages that claim *target*, *victim*'s address, before *believer*."""
    makers = (
        _adverts(src, victim, believer, own, target, dst),
        _solicitations(src, victim, own, target, dst),
    )
    for made in makers:
        for make in made[:FEW_FORGERIES] if few else made:
            nonce = world.nonces.draw()
            yield make(nonce), nonce


def _adverts(
    src: Port, victim: Port, believer: Port, own: IPAddress, target: IPAddress, dst: IPAddress
) -> tuple[Maker, ...]:
    honest = Ends(eth_src=src.mac, eth_dst=believer.mac, src=own, dst=dst)
    lying = replace(honest, src=target)
    masked = replace(honest, eth_src=victim.mac)
    whole = replace(lying, eth_src=victim.mac)
    everybody = Ends(eth_src=src.mac, eth_dst="33:33:00:00:00:01", src=own, dst=ALL_NODES)
    their_local = frames.link_local(victim.mac)
    local = replace(honest, src=their_local)
    return (
        lambda n: frames.advertise(honest, target, src.mac, n),
        lambda n: frames.advertise(lying, target, src.mac, n),
        lambda n: frames.advertise(whole, target, victim.mac, n),
        lambda n: frames.advertise(honest, own, victim.mac, n),
        lambda n: frames.advertise(masked, own, src.mac, n),
        lambda n: frames.advertise(lying, target, None, n),
        lambda n: frames.advertise(whole, target, None, n),
        lambda n: frames.advertise(honest, target, None, n),
        lambda n: frames.advertise(masked, own, None, n),
        lambda n: frames.advertise(lying, own, src.mac, n),
        lambda n: frames.advertise(lying, own, None, n),
        lambda n: frames.advertise(everybody, target, src.mac, n, flags=0x20),
        lambda n: frames.advertise(local, target, src.mac, n),
        lambda n: frames.advertise(local, their_local, src.mac, n),
        lambda n: frames.advertise(honest, own, src.mac, n, ttl=254),  # off-link
    )


def _solicitations(
    src: Port, victim: Port, own: IPAddress, target: IPAddress, dst: IPAddress
) -> tuple[Maker, ...]:
    mac, group = frames.solicited_node(dst)
    honest = Ends(eth_src=src.mac, eth_dst=mac, src=own, dst=group)
    lying = replace(honest, src=target)
    masked = replace(honest, eth_src=victim.mac)
    whole = replace(lying, eth_src=victim.mac)
    nobody = replace(honest, src=ip_address("::"))
    return (
        lambda n: frames.solicit(lying, dst, src.mac, n),
        lambda n: frames.solicit(whole, dst, victim.mac, n),
        lambda n: frames.solicit(honest, dst, victim.mac, n),
        lambda n: frames.solicit(masked, dst, src.mac, n),
        lambda n: frames.solicit(lying, dst, None, n),
        lambda n: frames.solicit(whole, dst, None, n),
        lambda n: frames.solicit(masked, dst, None, n),
        lambda n: frames.solicit(honest, dst, src.mac, n, ttl=64),
        lambda n: frames.solicit(honest, dst, src.mac, n, code=1),
        lambda n: frames.solicit(nobody, dst, None, n),  # blocks the believer's address
    )


def _foreign(world: World, src: Port, family: int) -> list[IPAddress]:
    """Return addresses that are nobody's in *src*'s network: free, planted in tables, strangers'."""
    own = {ip for p in world.members(src.network) for ip in p.ips}
    nobody = world.unowned(src, family)
    names = ("ipv4_src", "arp_spa") if family == 4 else ("ipv6_src", "nd_target")
    planted = [ip_address(n.to_bytes(4 if family == 4 else 16)) for n in world.constants.of(*names)]
    local = [frames.link_local(p.mac) for p in world.members(src.network)] if family == 6 else []
    found = [*([nobody] if nobody else []), *planted, *(ip for p in world.strangers(src) for ip in p.ips)]
    return [ip for ip in dict.fromkeys(found) if ip.version == family and ip not in own and ip not in local][
        :8
    ]


def _family(scenario: Scenario, family: int) -> bool:
    networks = [p.network for p in scenario.ports if address_of(p, family)]
    return len(networks) > len(set(networks))


FAMILIES = (
    Family("ID-03", "ARP with somebody else's address", lambda s: _family(s, 4), arp),
    Family("ID-08", "neighbour discovery with somebody else's address", lambda s: _family(s, 6), nd),
)
