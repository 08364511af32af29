"""REACH-03 where a network says ``broadcast: true``: a copy to every member whose groups admit it.

Each shot is judged for one member; the others of the network may have copies too, which their own shots
judge.  Nobody of another network may, and the sender has none of his own.  What a unicast's addressee is
alone to have (REACH-07), and what only looks like a broadcast, is not copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.boundaries import worth_copying
from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import DHCP_SERVER_PORTS, ICMP_OF, PORTED, Microflow
from sdn_lab.model.verdict import Kind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import crossing
from sdn_lab.observe.world import World, address_of, families

NAME = "REACH-03"


def cases(world: World) -> Iterator[Case]:
    """Yield what members of such networks send to all, and what only looks like it."""
    in_full: set[tuple[str, int]] = set()  # every edge is tried once for each member and family
    for src in world.ports:
        if not world.scenario.network(src.network).broadcast:
            continue
        for dst in world.peers(src):
            for family in families(src):
                full = (dst.path, family) not in in_full
                in_full.add((dst.path, family))
                for flow in _flows(world, src, dst, family, full=full):
                    if world.due(NAME):
                        yield Case(probe=NAME, shots=(_copy(world, src, dst, flow),))
                yield from _only_looks(world, src, dst, family)
        yield from _own(world, src)


def group_mac(world: World, network: str, address: IPAddress) -> str:
    """Return the MAC address that belongs to a group address (RFC 919, RFC 1112, RFC 2464)."""
    low = address.packed[-4:]
    if address.version == 6:
        return "33:33:" + low.hex(":")
    subnets = {c.broadcast_address for c in world.scenario.network(network).cidrs}
    if address in subnets or low == b"\xff\xff\xff\xff":
        return frames.BROADCAST
    return "01:00:5e:" + bytes((low[1] & 0x7F, *low[2:])).hex(":")


def _flows(world: World, src: Port, dst: Port, family: int, *, full: bool) -> Iterator[Microflow]:
    """Yield flows to group addresses: to each one that *dst* is to have and one that it is not.

    *full*: to the first group address, everything at the edges of what *dst* is to have.
    """
    said = world.semantics(src, dst)
    first: IPAddress | None = None
    tried: set[tuple[IPAddress, bool]] = set()
    for flow in worth_copying(said, src, world.scenario.network(src.network)):
        if flow.family != family:
            continue
        first = first or flow.dst
        key = (flow.dst, said.copies.admits(flow))
        if key not in tried or (full and flow.dst == first):
            tried.add(key)
            yield _fresh(world, flow)


def _fresh(world: World, flow: Microflow) -> Microflow:
    """Return *flow* from a source port of its own (a DHCP server's stays), or with its own identifier."""
    server = flow.src_l4 == DHCP_SERVER_PORTS[flow.family]
    numbered = flow.protocol in PORTED or flow.protocol == ICMP_OF[flow.family]
    return flow if server or not numbered else replace(flow, src_l4=world.l4_port())


def _copy(world: World, src: Port, dst: Port, flow: Microflow) -> Shot:
    nonce = world.nonces.draw()
    works = world.semantics(src, dst).copies.admits(flow)
    what = f"broadcast ip{flow.family}"
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frames.opening(flow, src.mac, group_mac(world, src.network, flow.dst), nonce),
        nonce=nonce,
        expected=Expected.DELIVERED if works else Expected.NOTHING,
        bears_on=(*world.claims_on(src, dst), *_strangers(world, src)),
        copies=tuple(p.path for p in world.peers(src) if p.path != dst.path),
        proves=(f"{what} from {src.path}", f"{what} to {dst.path}") if works else (),
        leans_on=() if works else crossing(what, src, dst),
    )


def _only_looks(world: World, src: Port, dst: Port, family: int) -> Iterator[Case]:
    """Yield a group address under one MAC, and one address under everybody's: neither has copies."""
    own, theirs = address_of(src, family), address_of(dst, family)
    group = next((f.dst for f in _flows(world, src, dst, family, full=False)), None)
    if own is None or theirs is None or group is None:
        return
    number = world.most_open(dst, family)[0]
    for target, mac in ((group, dst.mac), (theirs, group_mac(world, src.network, group))):
        nonce = world.nonces.draw()
        shot = Shot(
            src=src.path,
            dst=dst.path,
            frame=frames.opening(world.flow(own, target, *number), src.mac, mac, nonce),
            nonce=nonce,
            expected=Expected.NOTHING,
            bears_on=world.claims_on(src, dst),
            leans_on=crossing(f"ip{family}", src, dst),
        )
        yield Case(probe=NAME, shots=(shot,))


def _own(world: World, src: Port) -> Iterator[Case]:
    """Yield broadcasts of which the sender himself must not have a copy."""
    for dst in world.peers(src)[:1]:
        for family in families(src):
            for flow in list(_flows(world, src, dst, family, full=False))[:2]:
                shot = replace(
                    _copy(world, src, dst, flow),
                    dst=src.path,
                    expected=Expected.NOTHING,
                    bears_on=world.of_port(Kind.CLEAN, src),
                    copies=tuple(p.path for p in world.peers(src)),
                    proves=(),
                    leans_on=(),
                )
                yield Case(probe=NAME, shots=(shot,))


def _strangers(world: World, src: Port) -> list[str]:
    return sorted({claim for p in world.strangers(src) for claim in world.isolation(src, p)})


def _some_broadcast(scenario: Scenario) -> bool:
    return any(network.broadcast for network in scenario.networks)


FAMILIES = (Family(NAME, "broadcast reaches the members of its own network alone", _some_broadcast, cases),)
