"""FW-01, FW-02, FW-03: are the security groups exactly as written?

FW-01 tries protocols that few allow, FW-02 the same refused flow from the same hypervisor and from another,
FW-03 every place where some rule changes its mind: the port below a range, its ends, the port above.  What
is allowed must arrive as surely as what is not must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.intent import Port
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import (
    DHCP_SERVER_PORTS,
    ICMP,
    ICMP_OF,
    ICMPV6,
    IPV6_EXTENSIONS,
    SCTP,
    TCP,
    UDP,
    Microflow,
)
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.gateways import some_may_talk as may_talk
from sdn_lab.observe.probes.controls import could_be_an_answer, crossing, proves
from sdn_lab.observe.probes.reach import aimed
from sdn_lab.observe.world import World

# GRE, ESP, OSPF, IP in IP, UDP-Lite, none; IGMP, the other family's ICMP, and 0 (in IPv6 an extension header)
FEW_PROTOCOLS = {4: (47, 50, 89, 4, 136, 255, 2, 58, 0), 6: (47, 50, 89, 41, 136, 255, 2, 1)}
NEVER = {4: (2, 58, 0), 6: (1, 2)}
NOT_CARRIED = IPV6_EXTENSIONS | {59, 135, 139, 140}  # in IPv6 these end or extend the chain of headers
OWN_TESTS = {ICMP, TCP, UDP, ICMPV6, SCTP}


def shot(world: World, src: Port, dst: Port, flow: Microflow, expected: Expected | None = None) -> Shot:
    """Return the opening packet of *flow*, to be judged by the claims on the pair."""
    nonce = world.nonces.draw()
    expected = expected or world.expected(src, dst, flow)
    what = f"ip{flow.family}"
    works = expected is Expected.DELIVERED
    frame, arriving = world.gateways.along(src, dst, frames.opening(flow, src.mac, dst.mac, nonce))
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frame,
        arriving=arriving,
        nonce=nonce,
        expected=expected,
        bears_on=world.claims_on(src, dst, flow),
        proves=proves(what, src, dst) if works else (),
        leans_on=() if works else crossing(what, src, dst),
    )


def protocols(world: World) -> Iterator[Case]:
    """FW-01: IP protocols without ports: for one pair all 256, half over each family, for others a few.

    All packets of such a protocol between two addresses are one connection, and what answers it may pass; so
    each protocol is sent in one direction only.
    """
    swept: set[int] = set()
    for src, dst in world.talking_pairs():
        for family in (4, 6):
            addresses = next(world.flows(src, dst, family), None)
            if addresses is None:
                continue
            planted = [p for p in world.constants.of("ip_proto") if p not in OWN_TESTS]
            forward = src.path < dst.path
            chosen = [*FEW_PROTOCOLS[family], *planted]
            if forward and family not in swept:
                swept.add(family)
                chosen += range(family // 6, 256, 2)
            for protocol in dict.fromkeys(chosen):
                never = protocol in NEVER[family]  # opens nothing, so it may go both ways
                ours = never or protocol % 2 == (family // 6 if forward else 1 - family // 6)
                known = OWN_TESTS - {ICMP_OF[10 - family]}
                sent = ours and protocol not in known and not (family == 6 and protocol in NOT_CARRIED)
                if sent and world.due("FW-01"):
                    flow = world.flow(*addresses, protocol)
                    yield Case(probe="FW-01", shots=(shot(world, src, dst, flow),))


def _sctp(world: World, src: Port, dst: Port, flow: Microflow) -> Case:
    """Return a case for SCTP, whose packets between two addresses are all one connection to OVS's tracker.

    Over IPv4 the port with the lesser name sends first, over IPv6 the other: then nothing can be an answer.
    What is sent the other way after that may pass as one, where the groups let answers pass; and so may
    everything in a lab whose trackers already know some.
    """
    first = world.fresh and (src.path < dst.path) is (flow.family == 4)
    expected = world.expected(src, dst, flow)
    answers = world.answer(dst, src, flow.reversed()) is not expected or could_be_an_answer(world, src, flow)
    if expected is Expected.NOTHING and not first and answers:
        expected = Expected.EITHER
    refused = expected is Expected.NOTHING and first
    return Case(probe="FW-03", shots=(shot(world, src, dst, flow, expected),), phase=0 if refused else 1)


def same_hypervisor(world: World) -> Iterator[Case]:
    """FW-02: one refused flow to every port, from a source on its own hypervisor and from one elsewhere."""
    for dst in world.ports:
        chosen: dict[tuple[str, bool], Port] = {}
        for p in world.neighbours(dst):
            chosen.setdefault((p.network, world.same_hypervisor(p, dst)), p)
        for src in chosen.values():
            for family in (4, 6):
                for protocol in (TCP, UDP):
                    flow = _refused(world, src, dst, family, protocol)
                    if flow is not None:
                        yield Case(probe="FW-02", shots=(shot(world, src, dst, flow),))


def _refused(world: World, src: Port, dst: Port, family: int, protocol: int) -> Microflow | None:
    for a, b in world.flows(src, dst, family):
        for number in world.boundaries(src, dst, protocol):
            flow = world.flow(a, b, protocol, number)
            if not world.opens(src, dst, flow):
                return flow
    return None


def boundaries(world: World) -> Iterator[Case]:
    """FW-03: both sides of every boundary, for every pair of ports, addresses and protocol."""
    for src, dst in world.talking_pairs():
        planted = world.planted(src, dst)
        for family in (4, 6):
            for addresses in world.flows(src, dst, family):
                icmp = ICMP_OF[family]
                for protocol in (TCP, UDP, icmp):
                    extra = planted if protocol in (TCP, UDP) else ()
                    for number in dict.fromkeys((*world.boundaries(src, dst, protocol), *extra)):
                        if world.due("FW-03"):
                            flow = world.flow(*addresses, protocol, number)
                            yield Case(probe="FW-03", shots=(shot(world, src, dst, flow),))
                for number in filter(lambda _: world.due("FW-03"), world.boundaries(src, dst, SCTP)):
                    yield _sctp(world, src, dst, world.flow(*addresses, SCTP, number))
    for src in world.ports:
        yield from _dhcp(world, src)
    yield from _wishes(world)


def _dhcp(world: World, src: Port) -> Iterator[Case]:
    """Yield DHCP server's and client's datagrams to a neighbour: they stop at the port."""
    for dst in world.peers(src)[:1]:
        for family in (4, 6):
            server = DHCP_SERVER_PORTS[family]
            for a, b in world.flows(src, dst, family):
                for sport, dport in ((server, server + 1), (server, 80), (server + 1, server)):
                    flow = replace(world.flow(a, b, UDP, dport), src_l4=sport)
                    yield Case(probe="FW-03", shots=(shot(world, src, dst, flow),))


def _wishes(world: World) -> Iterator[Case]:
    """Yield what the scenario's intents say of ports of different networks."""
    for src, dst in world.wished_pairs():
        for family in (4, 6):
            for addresses in world.flows(src, dst, family):
                for protocol in (TCP, UDP, ICMP_OF[family]):
                    for number in world.boundaries(src, dst, protocol):
                        flow = world.flow(*addresses, protocol, number)
                        to, _ = aimed(world, src, dst.mac, flow)
                        about = world.claims_on(src, dst, flow)
                        made = shot(world, src, to or dst, flow)
                        yield Case(probe="FW-03", shots=(replace(made, bears_on=(*about, *made.bears_on)),))


FAMILIES = (
    Family("FW-03", "both sides of every boundary of every rule", may_talk, boundaries),
    Family("FW-01", "IP protocols that no rule speaks of", may_talk, protocols),
    Family("FW-02", "a refused flow from the same hypervisor and from another", may_talk, same_hypervisor),
)
