"""FW-10: a conversation's next packet, forged in another network that has the same addresses.

If two ports of one hypervisor share a conntrack zone, the forged packet belongs to the other network's
connection and passes groups that never let it.  The forger's own tracker stops what cannot open anything, so
the forgeries that matter are a SYN and a datagram the other way round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import TCP, UDP, Microflow
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.frames import ACK, PSH, SYN
from sdn_lab.observe.probes.state import datagram, find, segment
from sdn_lab.observe.world import World

FORGED = (TCP, UDP)
FEW_PORTS = 4  # with more, a pair gets TCP over one family and UDP over the other


def collisions(world: World) -> Iterator[Case]:
    """FW-10: every conversation's next packets, forged by ports with the same addresses elsewhere."""
    twins: dict[object, list[Port]] = defaultdict(list)
    for port in world.ports:
        for ip in port.ips:
            twins[ip].append(port)
    for turn, (src, dst) in enumerate(world.pairs()):
        for family in (4, 6):
            for protocol in (
                (TCP, UDP) if len(world.ports) <= FEW_PORTS else (FORGED[(turn + family // 6) % 2],)
            ):
                for opens in (True, False):
                    made = find(world, src, dst, family, protocol, opens=opens)
                    if made is None or not (opens or world.semantics(src, dst).egress.admits(made)):
                        continue
                    for a, b in _twin_pairs(twins[made.src], twins[made.dst], src):
                        if not world.due("FW-10"):
                            continue
                        flow = replace(made, src_l4=world.l4_port())
                        yield Case(probe="FW-10", shots=tuple(_forged(world, src, dst, a, b, flow)))
                    break


def _twin_pairs(sources: list[Port], destinations: list[Port], src: Port) -> Iterator[tuple[Port, Port]]:
    for a in sources:
        for b in destinations:
            if a.network == b.network != src.network and a.path != b.path:
                yield a, b


def _forged(world: World, src: Port, dst: Port, a: Port, b: Port, flow: Microflow) -> Iterator[Shot]:
    """Yield *flow* from *src* to *dst*, and its next packets between *a* and *b* with the same addresses."""
    nothing, back = Expected.NOTHING, flow.reversed()
    opened = world.expected(src, dst, flow)
    if flow.protocol == UDP:
        yield datagram(world, src, dst, flow, opened)
        yield _apart(world, datagram(world, b, a, back, world.expected(b, a, back)), src, a)
        return
    reverse = world.expected(b, a, back)
    yield segment(world, src, dst, flow, SYN, opened)
    for shot in (
        segment(world, a, b, flow, SYN | ACK, nothing, answering=True),
        segment(world, a, b, flow, ACK, nothing),
        segment(world, a, b, flow, SYN, reverse, answering=True),  # what the forger's own tracker lets out
    ):
        yield _apart(world, shot, src, a)
    if opened is Expected.DELIVERED and reverse is nothing:
        yield segment(world, src, dst, flow, SYN | ACK, opened, answering=True)
        for shot in (
            segment(world, a, b, flow, PSH | ACK, nothing, data=True),
            segment(world, a, b, flow, PSH | ACK, nothing, answering=True, data=True),
        ):
            yield _apart(world, shot, src, a)


def _apart(world: World, shot: Shot, src: Port, twin: Port) -> Shot:
    """Return *shot* as a test of the isolation of *src*'s and *twin*'s networks too."""
    return replace(shot, bears_on=(*shot.bears_on, *world.isolation(src, twin)))


def _overlapping(scenario: Scenario) -> bool:
    seen: dict[object, str] = {}
    return any(seen.setdefault(ip, p.network) != p.network for p in scenario.ports for ip in p.ips)


FAMILIES = (
    Family("FW-10", "a conversation's next packet, forged in another network", _overlapping, collisions),
)
