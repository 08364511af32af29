"""What gateways and ``broadcast: true`` bring, and what must not come by them.

As in `trials`, expectations come from intent alone: `model.joined` says who is joined through which gateway,
`scenario.semantics` what the groups say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from sdn_lab.model.intent import Direction, IPAddress, Port, RouterInterface, Scenario
from sdn_lab.model.joined import Way, ways
from sdn_lab.model.traffic import UDP, Microflow, Traffic
from sdn_lab.openflow import frames
from sdn_lab.scenario.claims import boundaries
from sdn_lab.scenario.semantics import Semantics, boxes
from tests.differential import conversation as talk
from tests.differential.trials import NOBODY, Trial, discovery, exactly

EVERYBODY = "ff:ff:ff:ff:ff:ff"
GROUPS4, GROUPS6 = ("224.0.0.251", "239.255.1.2"), ("ff02::fb", "ff05::1:3")
LIVES = (0, 1, 2, 255)


def gateways(scenario: Scenario) -> Iterator[Trial]:
    """What is sent to gateways: routed exactly where the scenario joins, with one less to live."""
    semantics = Semantics(scenario)
    for src in scenario.ports:
        for leg in _legs(scenario, src.network):
            yield from _resolution(src, leg)
            yield from _neither(src, leg)
            for dst in scenario.ports:
                for a in src.ips:
                    for b in dst.ips:
                        if a.version == b.version and dst.path != src.path:
                            yield from _through(scenario, semantics, src, leg, a, b)


def _legs(scenario: Scenario, network: str) -> list[RouterInterface]:
    return [leg for router in scenario.routers for leg in router.interfaces if leg.network == network]


def _behind(
    scenario: Scenario, src: Port, leg: RouterInterface, address: IPAddress
) -> tuple[Port, Way] | None:
    """Return who is reached at *address* by way of *leg*."""
    for (near, far), between in ways(scenario).items():
        for way in between:
            if near == src.network and way.near == leg and address.version in way.families:
                for port in scenario.ports:
                    if port.network == far and address in port.ips:
                        return port, way
    return None


def _through(
    scenario: Scenario,
    semantics: Semantics,
    src: Port,
    leg: RouterInterface,
    a: IPAddress,
    b: IPAddress,
) -> Iterator[Trial]:
    """A datagram, with every time to live that matters, and discovery that must not be routed."""
    found = _behind(scenario, src, leg, b)
    flow = Microflow(src=a, dst=b, protocol=UDP, src_l4=1600, dst_l4=80)
    message = talk.l4(flow, mark=1)
    for ttl in LIVES:
        data = talk.ethernet(src.mac, leg.mac, flow, message, ttl=ttl)
        to, seen = NOBODY, b""
        if found is not None and ttl > 1 and semantics.pair(src, found[0]).new.admits(flow):
            to = frozenset({found[0].path})
            seen = talk.ethernet(found[1].far.mac, found[0].mac, flow, message, ttl=ttl - 1)
        yield exactly(src, data, to, f"TTL {ttl} from {src.path} by {leg.mac} to {b}", seen)
    if isinstance(a, IPv6Address) and isinstance(b, IPv6Address):
        advert = discovery(a, b, frames.neighbour_advert(a, b, a, src.mac))
        solicit = discovery(a, b, frames.neighbour_solicit(a, b, src.mac, dst=b))
        for packet, what in ((advert, "advertisement"), (solicit, "solicitation")):
            asked = frames.ethernet(src.mac, leg.mac, 0x86DD, packet)
            # A solicitation is delivered to the owner in one's own network, whatever MAC it was sent to.
            own = {p.path for p in scenario.ports if p.network == src.network and b in p.ips} - {src.path}
            to = frozenset(own) if what == "solicitation" else NOBODY
            yield exactly(src, asked, to, f"{what} from {src.path} by {leg.mac} to {b}")


def _resolution(src: Port, leg: RouterInterface) -> Iterator[Trial]:
    """ARP and discovery for a gateway: answered to who asked, if he is who he says."""
    for gateway in leg.addresses:
        if isinstance(gateway, IPv6Address):
            for a in src.ips:
                if isinstance(a, IPv6Address):
                    yield from _solicited(src, leg.mac, gateway, a)
    for gateway in leg.addresses:
        for a in src.ips:
            if not isinstance(gateway, IPv4Address) or not isinstance(a, IPv4Address):
                continue
            answer = frames.ethernet(leg.mac, src.mac, 0x0806, frames.arp(2, leg.mac, gateway, src.mac, a))
            for mac in (EVERYBODY, leg.mac):
                request = frames.arp(1, src.mac, a, 0, gateway)
                asked = frames.ethernet(src.mac, mac, 0x0806, request)
                what = f"who has {gateway}, from {src.path} to {mac}"
                yield exactly(src, asked, frozenset({src.path}), what, answer)
            for sha, spa in ((leg.mac, a), (src.mac, gateway), (src.mac, a + 100)):
                forged = frames.ethernet(src.mac, EVERYBODY, 0x0806, frames.arp(1, sha, spa, 0, gateway))
                yield exactly(src, forged, NOBODY, f"who has {gateway}, as {sha} {spa}, from {src.path}")
            told = frames.ethernet(src.mac, leg.mac, 0x0806, frames.arp(2, src.mac, a, leg.mac, gateway))
            yield exactly(src, told, NOBODY, f"ARP reply to gateway {gateway} from {src.path}")


def _solicited(src: Port, mac: str, gateway: IPv6Address, a: IPv6Address) -> Iterator[Trial]:
    group = frames.solicited_node(gateway)
    advert = (0x60000000).to_bytes(4) + gateway.packed + b"\x02\x01" + frames.mac_bytes(mac)
    answer = discovery(gateway, a, frames.icmpv6(gateway, a, 136, 0, advert))
    home = frames.ethernet(mac, src.mac, 0x86DD, answer)
    for eth_dst, dst in ((frames_mac(group), group), (mac, gateway)):
        asked = discovery(a, dst, frames.neighbour_solicit(a, gateway, src.mac, dst=dst))
        yield exactly(
            src,
            frames.ethernet(src.mac, eth_dst, 0x86DD, asked),
            frozenset({src.path}),
            f"solicitation for {gateway}, from {src.path} to {eth_dst}",
            home,
        )
    for claimed, sll, what in (
        (a, None, "without an option"),
        (a, mac, "with the gateway's MAC"),
        (gateway, src.mac, "as the gateway"),
        (a + 100, src.mac, "as somebody else"),
    ):
        asked = discovery(claimed, group, frames.neighbour_solicit(claimed, gateway, sll, dst=group))
        frame = frames.ethernet(src.mac, frames_mac(group), 0x86DD, asked)
        yield exactly(src, frame, NOBODY, f"solicitation for {gateway} {what}, from {src.path}")
    told = discovery(a, gateway, frames.neighbour_advert(a, gateway, a, src.mac))
    yield exactly(
        src,
        frames.ethernet(src.mac, mac, 0x86DD, told),
        NOBODY,
        f"advertisement to gateway {gateway} from {src.path}",
    )


def _neither(src: Port, leg: RouterInterface) -> Iterator[Trial]:
    """To a gateway, but for nobody behind it: its own address, groups, link-local, as the gateway itself."""
    for a in src.ips:
        own = [address for address in leg.addresses if address.version == a.version]
        many = (*GROUPS4, "255.255.255.255", "169.254.1.1") if a.version == 4 else (*GROUPS6, "fe80::1")
        for b in (*own, *(ip_address(text) for text in many)):
            flow = Microflow(src=a, dst=b, protocol=UDP, src_l4=1600, dst_l4=80)
            data = talk.ethernet(src.mac, leg.mac, flow, talk.l4(flow, mark=1))
            yield exactly(src, data, NOBODY, f"{b} by {leg.mac} from {src.path}")


def copies(scenario: Scenario) -> Iterator[Trial]:
    """What is for everybody: copies exactly at members whose groups admit, where the network says so."""
    semantics = Semantics(scenario)
    mark = 0
    for src in scenario.ports:
        network = scenario.network(src.network)
        members = [p for p in scenario.ports if p.network == src.network and p.path != src.path]
        numbers = {f.dst_l4 for p in members for f in boundaries(scenario, src, p) if f.protocol == UDP}
        for a in src.ips:
            for mac, target in _targets(scenario, src, a):
                for number in sorted(numbers | {9}):
                    mark += 1
                    flow = Microflow(
                        src=a, dst=target, protocol=UDP, src_l4=1024 + mark % 60000, dst_l4=number
                    )
                    data = talk.ethernet(src.mac, mac, flow, talk.l4(flow, mark=1))
                    to = NOBODY
                    if network.broadcast and _lets_go(semantics, src, flow):
                        to = frozenset(p.path for p in members if _admits(semantics, p, src, flow))
                    yield exactly(src, data, to, f"to everybody from {src.path} {mac} {flow}")
            yield from _not_for_many(src, a, members)


def _targets(scenario: Scenario, src: Port, a: IPAddress) -> Iterator[tuple[str, IPAddress]]:
    if isinstance(a, IPv6Address):
        for text in GROUPS6:
            yield frames_mac(IPv6Address(text)), IPv6Address(text)
        return
    yield EVERYBODY, IPv4Address("255.255.255.255")
    yield EVERYBODY, IPv4Address("224.0.0.251")
    for cidr in scenario.network(src.network).cidrs:
        if cidr.version == 4:
            yield EVERYBODY, IPv4Address(int(cidr.broadcast_address))
    for text in GROUPS4:
        yield frames_mac(IPv4Address(text)), IPv4Address(text)


def frames_mac(group: IPAddress) -> str:
    """Return a group's MAC address."""
    if isinstance(group, IPv6Address):
        return "33:33:" + group.packed[-4:].hex(":")
    return "01:00:5e:" + bytes((group.packed[1] & 0x7F, *group.packed[2:])).hex(":")


def _lets_go(semantics: Semantics, src: Port, flow: Microflow) -> bool:
    """Say whether *src*'s egress groups let *flow* go, which is addressed to no port."""
    nobody = replace(src, path="-", network="-", groups=())
    granted = semantics._granted(src, Direction.EGRESS, nobody, flow.dst)
    return Traffic(allowances=tuple(boxes(granted, flow.src, flow.dst))).admits(flow)


def _admits(semantics: Semantics, port: Port, src: Port, flow: Microflow) -> bool:
    """Say whether *port*'s ingress groups admit *flow* from *src*."""
    if flow.family not in {ip.version for ip in port.ips}:
        return False
    granted = semantics._granted(port, Direction.INGRESS, src, flow.src)
    return Traffic(allowances=tuple(boxes(granted, flow.src, flow.dst))).admits(flow)


def _not_for_many(src: Port, a: IPAddress, members: list[Port]) -> Iterator[Trial]:
    """One address under a group MAC, a group under one MAC; ARP and discovery for everybody."""
    for port in members:
        for b in (ip for ip in port.ips if ip.version == a.version):
            for mac, target in (
                (EVERYBODY, b),
                (port.mac, ip_address(GROUPS4[0] if a.version == 4 else GROUPS6[0])),
            ):
                flow = Microflow(src=a, dst=target, protocol=UDP, src_l4=1700, dst_l4=80)
                data = talk.ethernet(src.mac, mac, flow, talk.l4(flow, mark=1))
                yield exactly(src, data, NOBODY, f"{target} under {mac} from {src.path}")
    if isinstance(a, IPv4Address):
        told = frames.arp(2, src.mac, a, 0, a)
        data = frames.ethernet(src.mac, EVERYBODY, 0x0806, told)
        yield exactly(src, data, NOBODY, f"ARP reply to everybody from {src.path}")
    else:
        everybody = IPv6Address("ff02::1")
        message = frames.neighbour_advert(a, everybody, a, src.mac)
        data = frames.ethernet(src.mac, "33:33:00:00:00:01", 0x86DD, discovery(a, everybody, message))
        yield exactly(src, data, NOBODY, f"advertisement to everybody from {src.path}")
        message = frames.neighbour_solicit(a, a + 99, src.mac, dst=everybody)
        data = frames.ethernet(src.mac, "33:33:00:00:00:01", 0x86DD, discovery(a, everybody, message))
        yield exactly(src, data, NOBODY, f"solicitation of nobody's address by {src.path}")
