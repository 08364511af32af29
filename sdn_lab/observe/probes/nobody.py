"""REACH-05: unicast that is for nobody.

To a MAC address that nobody in the network has, which a learning switch would flood; and to one neighbour's
MAC with another neighbour's address, which must reach neither: an address is only good with its own MAC.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.intent import IPAddress, Port
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import SCTP, UDP
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import Ends
from sdn_lab.observe.probes.controls import bystanders, sent
from sdn_lab.observe.probes.reach import open_number, several, to_nobody
from sdn_lab.observe.world import World, address_of, families


def cases(world: World) -> Iterator[Case]:
    """Yield both kinds."""
    yield from _unknown(world)
    yield from _misdirected(world)


def _unknown(world: World) -> Iterator[Case]:
    """Yield packets to MACs that nobody in the sender's network has: made up, strangers', planted."""
    planted = [m.to_bytes(6).hex(":") for m in world.constants.of("eth_dst", "eth_src")]
    for src in world.ports:
        own = {port.mac for port in world.members(src.network)}
        foreign = dict.fromkeys(
            mac
            for mac in (*planted, *(p.mac for p in world.strangers(src)))
            if mac not in own and not _is_group(mac)
        )
        peer = next(iter(world.peers(src)), None)
        for mac in (world.stranger_mac(), *list(foreign)[:16]):
            for family in families(src):
                a = address_of(src, family)
                b = (address_of(peer, family) if peer else None) or world.unowned(src, family)
                if a is None or b is None:
                    continue
                nonce = world.nonces.draw()
                number = open_number(world, peer, family) if peer else (UDP, 9)
                frame = frames.opening(world.flow(a, b, *number), src.mac, mac, nonce)
                yield Case(probe="REACH-05", shots=(to_nobody(world, src, frame, nonce, f"ip{family}"),))
        if address_of(src, 4) is not None:
            nonce = world.nonces.draw()
            a = address_of(src, 4)
            b = (address_of(peer, 4) if peer else None) or world.unowned(src, 4) or a
            assert a is not None
            assert b is not None
            mac = world.stranger_mac()
            frame = frames.arp(src.mac, mac, 2, src.mac, a, mac, world.unowned(src, 4) or b, nonce)
            yield Case(probe="REACH-05", shots=(to_nobody(world, src, frame, nonce, "arp"),))


def _misdirected(world: World) -> Iterator[Case]:
    """Yield packets to one neighbour's MAC with the next one's address."""
    for src in world.ports:
        peers = world.peers(src)
        for n, at in enumerate(peers if len(peers) > 1 else ()):
            named = peers[(n + 1) % len(peers)]
            for family in (4, 6):
                own, address = address_of(src, family), address_of(named, family)
                if own is not None and address is not None and world.due("REACH-05"):
                    for frame, nonce, what in _crossed(world, src, at, named, own, address):
                        yield Case(
                            probe="REACH-05", shots=(_for_neither(world, src, at, frame, nonce, what),)
                        )


def _crossed(
    world: World, src: Port, at: Port, named: Port, own: IPAddress, address: IPAddress
) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield *src*'s packets to *at*'s MAC and *named*'s *address*: flows that either admits, and replies."""
    family = address.version
    for judge in (at, named):
        flow = world.sample(src, judge, family)
        if flow is not None and flow.protocol != SCTP:  # it would open an association: see `groups`
            nonce = world.nonces.draw()
            yield frames.opening(replace(flow, dst=address), src.mac, at.mac, nonce), nonce, f"ip{family}"
    nonce = world.nonces.draw()
    if family == 4:
        yield frames.arp(src.mac, at.mac, 2, src.mac, own, at.mac, address, nonce), nonce, "arp"
    else:
        ends = Ends(eth_src=src.mac, eth_dst=at.mac, src=own, dst=address)
        yield frames.advertise(ends, own, src.mac, nonce), nonce, "nd"


def _for_neither(world: World, src: Port, at: Port, frame: bytes, nonce: bytes, what: str) -> Shot:
    return Shot(
        src=src.path,
        dst=at.path,
        frame=frame,
        nonce=nonce,
        expected=Expected.NOTHING,
        bears_on=(*world.claims_on(src, at), *bystanders(world, src, at)),
        leans_on=sent(what, src),
    )


def _is_group(mac: str) -> bool:
    return bool(int(mac[:2], 16) & 1)


FAMILIES = (
    Family("REACH-05", "unicast to a MAC that nobody has, or with another's address", several, cases),
)
