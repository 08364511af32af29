"""FW-01, FW-02, FW-03: are the security groups exactly as written?

FW-01 tries protocols that few allow, FW-02 the same refused flow from the same hypervisor and from another, FW-03 every
place where some rule changes its mind: the port below a range, its ends, the port above.  What is allowed must
arrive as surely as what is not must not.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import ICMP, ICMP_OF, ICMPV6, IPV6_EXTENSIONS, SCTP, TCP, UDP, Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import crossing, proves
from sdn_lab.observe.world import World

# GRE, ESP, EIGRP, OSPF, IP in IP, VRRP, UDP-Lite, experimental, none, reserved; IGMP and the other family's ICMP
FEW_PROTOCOLS = {
    4: (47, 50, 88, 89, 4, 112, 136, 253, 0, 255, 2, 58),
    6: (47, 50, 88, 89, 41, 112, 136, 253, 255, 2, 1),
}
NOT_CARRIED = IPV6_EXTENSIONS | {59, 135, 139, 140}  # in IPv6 these end or extend the chain of headers
OWN_TESTS = {ICMP, TCP, UDP, ICMPV6, SCTP}


def shot(world: World, src: Port, dst: Port, flow: Microflow, expected: Expected | None = None) -> Shot:
    """Return the opening packet of *flow*, to be judged by the claims on the pair."""
    nonce = world.nonces.draw()
    expected = expected or world.expected(src, dst, flow)
    what = f"ip{flow.family}"
    works = expected is Expected.DELIVERED
    return Shot(
        src=src.path,
        dst=dst.path,
        frame=frames.opening(flow, src.mac, dst.mac, nonce),
        nonce=nonce,
        expected=expected,
        bears_on=world.claims_on(src, dst, flow),
        proves=proves(what, src, dst) if works else (),
        leans_on=() if works else crossing(what, src, dst),
    )


def protocols(world: World) -> Iterator[Case]:
    """FW-01: IP protocols without ports; all 256 for one pair a family, a dozen for every other."""
    swept: set[int] = set()
    for n, (src, dst) in enumerate(world.pairs()):
        for family in (4, 6):
            addresses = next(world.flows(src, dst, family), None)
            if addresses is None:
                continue
            planted = [p for p in world.constants.of("ip_proto") if p not in OWN_TESTS]
            chosen = list(dict.fromkeys((*FEW_PROTOCOLS[family], *planted)))
            if src.path < dst.path and family not in swept:
                swept.add(family)
                chosen = [p for p in range(256) if p not in OWN_TESTS or p in FEW_PROTOCOLS[family]]
            else:
                chosen = chosen[n % 3 :: 3] + [p for p in FEW_PROTOCOLS[family][-2:]]
            for protocol in dict.fromkeys(chosen):
                if family == 6 and protocol in NOT_CARRIED:
                    continue
                yield _portless(world, src, dst, world.flow(*addresses, protocol), "FW-01")


def _portless(world: World, src: Port, dst: Port, flow: Microflow, probe: str) -> Case:
    """Return a case for a protocol whose packets all share one connection per address pair.

    What both sides may send as an answer may pass once the other has sent anything, so only what neither the
    groups nor an answer could let through is surely refused.  Refusals go first.
    """
    expected = world.expected(src, dst, flow)
    if expected is Expected.NOTHING:
        expected = world.answer(dst, src, flow.reversed())
        if expected is Expected.DELIVERED:
            expected = Expected.EITHER  # an answer to what was perhaps never asked
    return Case(
        probe=probe,
        shots=(shot(world, src, dst, flow, expected),),
        phase=0 if expected is Expected.NOTHING else 1,
    )


def same_hypervisor(world: World) -> Iterator[Case]:
    """FW-02: one refused flow to every port, from a source on its own hypervisor and from one elsewhere."""
    for dst in world.ports:
        peers = world.peers(dst)
        near = next((p for p in peers if world.same_hypervisor(p, dst)), None)
        far = next((p for p in peers if not world.same_hypervisor(p, dst)), None)
        for src in (near, far):
            if src is None:
                continue
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
    for src, dst in world.pairs():
        planted = world.planted(src, dst)
        for family in (4, 6):
            for addresses in world.flows(src, dst, family):
                icmp = ICMP_OF[family]
                for protocol in (TCP, UDP, icmp):
                    extra = planted if protocol in (TCP, UDP) else ()
                    for number in dict.fromkeys((*world.boundaries(src, dst, protocol), *extra)):
                        flow = world.flow(*addresses, protocol, number)
                        yield Case(probe="FW-03", shots=(shot(world, src, dst, flow),))
                for number in world.boundaries(src, dst, SCTP):
                    yield _portless(world, src, dst, world.flow(*addresses, SCTP, number), "FW-03")


def _peers(scenario: Scenario) -> bool:
    return len({port.network for port in scenario.ports}) < len(scenario.ports)


FAMILIES = (
    Family("FW-03", "both sides of every boundary of every rule", _peers, boundaries),
    Family("FW-01", "IP protocols that no rule speaks of", _peers, protocols),
    Family("FW-02", "a refused flow from the same hypervisor and from another", _peers, same_hypervisor),
)
