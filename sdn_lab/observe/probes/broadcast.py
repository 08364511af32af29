"""REACH-03 where a network says ``broadcast: true``: a copy to every member whose groups admit it.

Each shot is judged for one member; the others of the network may have copies too, which their own shots
judge.  Nobody of another network may.

What a copy must pass is the sender's egress groups, once, and that member's ingress groups.  A claim speaks
of unicast, so the expectation is taken from the same datagram sent to the member alone; where the sender's
egress groups choose by address, what they say of a broadcast is left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address

from sdn_lab.model.intent import Direction, IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import DHCP_SERVER_PORTS, UDP
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import crossing
from sdn_lab.observe.world import World, address_of

NAME = "REACH-03"
GROUPS = {4: ("224.0.0.1", "224.0.0.251", "239.1.2.3"), 6: ("ff02::1", "ff02::fb", "ff05::1:3")}


def cases(world: World) -> Iterator[Case]:
    """Yield broadcasts and multicasts of every member of such networks, and what only looks like one."""
    for src in world.ports:
        if not world.scenario.network(src.network).broadcast:
            continue
        chooses = _chooses(world, src)
        for dst in world.peers(src):
            for family in (4, 6):
                own, theirs = address_of(src, family), address_of(dst, family)
                if own is None or theirs is None:
                    continue
                for turn, (mac, target) in enumerate(_everybody(world, src, family)):
                    for number in _numbers(world, src, dst, own, theirs, first=turn == 0):
                        alone = world.flow(own, theirs, UDP, number)
                        expected = _expected(world, src, dst, alone.dst_l4, own, theirs, chooses=chooses)
                        if world.due(NAME):
                            yield _copy(world, src, dst, mac, target, own, number, expected)
                to_one = next(_everybody(world, src, family))[1]
                yield _only_looks(world, src, dst, to_one, own)


def group_mac(address: IPAddress) -> str:
    """Return the MAC address of an IP multicast group (RFC 1112, RFC 2464)."""
    low = address.packed[-4:]
    if address.version == 6:
        return "33:33:" + low.hex(":")
    return "01:00:5e:" + bytes((low[1] & 0x7F, *low[2:])).hex(":")


def _everybody(world: World, src: Port, family: int) -> Iterator[tuple[str, IPAddress]]:
    if family == 4:
        yield frames.BROADCAST, IPv4Address(0xFFFFFFFF)
        for cidr in world.scenario.network(src.network).cidrs:
            if cidr.version == 4 and cidr.num_addresses > 2:
                yield frames.BROADCAST, IPv4Address(int(cidr.broadcast_address))
    for text in GROUPS[family]:
        yield group_mac(ip_address(text)), ip_address(text)


def _numbers(
    world: World, src: Port, dst: Port, own: IPAddress, theirs: IPAddress, *, first: bool
) -> list[int]:
    """Return UDP ports to try: one that is admitted and one that is not; at *first* every edge."""
    edges = [n for n in world.boundaries(src, dst, UDP) if n]
    if first:
        return [*edges, DHCP_SERVER_PORTS[own.version]]
    chosen = {world.opens(src, dst, world.flow(own, theirs, UDP, n)): n for n in edges}
    return list(chosen.values())


def _chooses(world: World, src: Port) -> bool:
    """Say whether *src*'s egress is anything but open."""
    groups = [world.scenario.security_group(path) for path in src.groups]
    return any(g.egress_deny or any(r.direction is Direction.EGRESS for r in g.rules) for g in groups)


def _expected(
    world: World, src: Port, dst: Port, number: int, own: IPAddress, theirs: IPAddress, *, chooses: bool
) -> Expected:
    alone = world.flow(own, theirs, UDP, number)
    if number == DHCP_SERVER_PORTS[own.version]:
        return Expected.NOTHING
    if chooses:
        refused_there = world.semantics(src, dst).egress.admits(alone) and not world.opens(src, dst, alone)
        return Expected.NOTHING if refused_there else Expected.EITHER
    return world.expected(src, dst, alone)


def _copy(
    world: World,
    src: Port,
    dst: Port,
    mac: str,
    target: IPAddress,
    own: IPAddress,
    number: int,
    expected: Expected,
) -> Case:
    nonce = world.nonces.draw()
    works = expected is Expected.DELIVERED
    what = f"broadcast ip{own.version}"
    shot = Shot(
        src=src.path,
        dst=dst.path,
        frame=frames.opening(world.flow(own, target, UDP, number), src.mac, mac, nonce),
        nonce=nonce,
        expected=expected,
        bears_on=(*world.claims_on(src, dst), *_strangers(world, src)),
        copies=tuple(p.path for p in world.peers(src) if p.path != dst.path),
        proves=(f"{what} from {src.path}", f"{what} to {dst.path}") if works else (),
        leans_on=() if works else crossing(what, src, dst),
    )
    return Case(probe=NAME, shots=(shot,))


def _only_looks(world: World, src: Port, dst: Port, target: IPAddress, own: IPAddress) -> Case:
    """Return a packet for everybody's address that is sent to one MAC: it is nobody's, and has no copies."""
    nonce = world.nonces.draw()
    number = world.most_open(dst, own.version)[0]
    shot = Shot(
        src=src.path,
        dst=dst.path,
        frame=frames.opening(world.flow(own, target, *number), src.mac, dst.mac, nonce),
        nonce=nonce,
        expected=Expected.NOTHING,
        bears_on=world.claims_on(src, dst),
        leans_on=crossing(f"ip{own.version}", src, dst),
    )
    return Case(probe=NAME, shots=(shot,))


def _strangers(world: World, src: Port) -> list[str]:
    return sorted({claim for p in world.strangers(src) for claim in world.isolation(src, p)})


def _some_broadcast(scenario: Scenario) -> bool:
    return any(network.broadcast for network in scenario.networks)


FAMILIES = (Family(NAME, "broadcast reaches the members of its own network alone", _some_broadcast, cases),)
