"""FW-17: packets made to measure for entries that look at what no claim speaks of.

An entry that tests DSCP, a TTL, a flow label or a source port may be a way around everything else.  So for
each such entry in the dumped tables a packet that satisfies those tests is sent where it must not arrive:
as a flow that the groups refuse, and to a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import ICMP, ICMPV6, PORTED, TCP, UDP, Microflow
from sdn_lab.observe import frames
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.controls import crossing
from sdn_lab.observe.probes.reach import aimed, open_number
from sdn_lab.observe.world import World
from sdn_lab.openflow.fields import ETH_IP, ETH_IPV6
from sdn_lab.openflow.packet_rewrite import rewrite

_PORTS = {"tcp_src", "tcp_dst", "udp_src", "udp_dst"}
_TYPES = {"icmpv4_type", "icmpv6_type"}


def cases(world: World) -> Iterator[Case]:
    """Yield each decorated packet from every port to one neighbour and one stranger."""
    for tests in world.constants.decorated:
        wanted = dict(tests)
        for src in world.ports:
            for dst in (*world.peers(src)[:1], *world.strangers(src)[:1]):
                for family in _families(wanted):
                    shot = _shot(world, src, dst, family, wanted)
                    if shot is not None:
                        yield Case(probe="FW-17", shots=(shot,))


def _families(wanted: dict[str, int]) -> tuple[int, ...]:
    return {ETH_IP: (4,), ETH_IPV6: (6,)}.get(wanted.get("eth_type", 0), (4, 6))


def _shot(world: World, src: Port, dst: Port, family: int, wanted: dict[str, int]) -> Shot | None:
    flow = _flow(world, src, dst, family, wanted)
    if flow is None:
        return None
    own = src.network == dst.network
    to, expected = (dst, Expected.NOTHING) if own else aimed(world, src, dst.mac, flow)
    if expected is not Expected.NOTHING:
        return None
    nonce = world.nonces.draw()
    frame = frames.opening(flow, src.mac, dst.mac, nonce)
    rest = {n: v for n, v in wanted.items() if n not in _PORTS | _TYPES | {"eth_type", "ip_proto"}}
    try:
        frame = rewrite(frame, rest)
    except ValueError:
        return None  # a field of another family or protocol: no packet satisfies this entry
    return Shot(
        src=src.path,
        dst=to.path if to else "",
        frame=frame,
        nonce=nonce,
        expected=expected,
        bears_on=world.claims_on(src, dst, flow),
        leans_on=crossing(f"ip{family}", src, dst),
    )


def _flow(world: World, src: Port, dst: Port, family: int, wanted: dict[str, int]) -> Microflow | None:
    """Return a flow with the protocol and ports that the entry wants, that is to be refused."""
    addresses = next(world.flows(src, dst, family), None)
    if addresses is None:
        return None
    protocol = wanted.get("ip_proto")
    if protocol is None or (protocol, family) == (0, 6):  # in IPv6 an extension header
        protocol = open_number(world, dst, family)[0]
    own = world.l4_port()
    names = {TCP: "tcp", UDP: "udp"}.get(protocol)
    sport = wanted.get(f"{names}_src", own) if names else own
    exact = wanted.get(f"{names}_dst") if names else None
    kind = next((wanted[name] for name in _TYPES if name in wanted), 8 if family == 4 else 128)
    numbers = (
        (exact,)
        if exact is not None
        else world.boundaries(src, dst, protocol)
        if protocol in PORTED
        else (0,)
    )
    for number in numbers:
        flow = Microflow(
            src=addresses[0],
            dst=addresses[1],
            protocol=protocol,
            src_l4=sport if protocol in PORTED or protocol in (ICMP, ICMPV6) else 0,
            dst_l4=number if protocol in PORTED else 0,
            icmp_type=kind if protocol in (ICMP, ICMPV6) else 0,
        )
        if src.network != dst.network or not world.opens(src, dst, flow):
            return flow
    return None


def _several(scenario: Scenario) -> bool:
    return len(scenario.ports) > 1


FAMILIES = (Family("FW-17", "packets made to measure for odd entries of the tables", _several, cases),)
