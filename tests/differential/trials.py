"""What to send through a scenario, and what intent alone says must become of it.

A `Trial` is one frame from one port with two sets: ports that *must* receive it and ports that *may*.
Steps of a conversation are consecutive rounds; all frames of a round may be sent in any order.
Nothing here knows a flow entry: expectations come from `scenario.claims` and from the scenario.

Conversations between joined networks go through a gateway and are part of this; what else gateways and
``broadcast: true`` bring is in `joined_trials`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.joined import Way, Ways, ways
from sdn_lab.model.traffic import SCTP, TCP, UDP, Microflow, PairSemantics
from sdn_lab.openflow import frames
from sdn_lab.scenario.claims import boundaries, pair
from sdn_lab.scenario.semantics import Semantics
from tests.differential import conversation as talk

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One frame.  *label* says in words what it is.

    *seen* is the whole frame as it must arrive; without it, it arrives as it was sent, to whatever MAC.
    """

    src: str
    frame: bytes
    must: frozenset[str]
    may: frozenset[str]
    label: str
    seen: bytes = b""


def exactly(src: Port, data: bytes, to: frozenset[str], label: str, seen: bytes = b"") -> Trial:
    """Return a trial of what must arrive there and nowhere else."""
    return Trial(src=src.path, frame=data, must=to, may=to, label=label, seen=seen)


def pairs(scenario: Scenario) -> Iterator[tuple[Port, Port]]:
    """Ordered pairs of distinct ports in one network."""
    for src in scenario.ports:
        for dst in scenario.ports:
            if src.path != dst.path and src.network == dst.network:
                yield src, dst


def joined_pairs(scenario: Scenario) -> Iterator[tuple[Port, Port]]:
    """Ordered pairs of ports in two networks that are joined on purpose."""
    for near, far in ways(scenario):
        for src in scenario.ports:
            for dst in scenario.ports:
                if (src.network, dst.network) == (near, far):
                    yield src, dst


@dataclass(frozen=True, slots=True)
class Line:
    """How packets get from one port to another: directly, or through a gateway.

    *way* is None within a network.
    """

    src: Port
    dst: Port
    way: Way | None

    def frames(self, flow: Microflow, message: bytes, *, ttl: int = 64) -> tuple[bytes, bytes]:
        """Return a packet as it is sent, and as it must arrive (empty: unchanged)."""
        if self.way is None:
            return talk.ethernet(self.src.mac, self.dst.mac, flow, message, ttl=ttl), b""
        sent = talk.ethernet(self.src.mac, self.way.near.mac, flow, message, ttl=ttl)
        return sent, talk.ethernet(self.way.far.mac, self.dst.mac, flow, message, ttl=ttl - 1)

    def reversed(self) -> Line:
        way = self.way and Way(through=self.way.through, near=self.way.far, far=self.way.near)
        return Line(self.dst, self.src, way)


def line(scenario_ways: Ways, src: Port, dst: Port, family: int) -> Line | None:
    """Return the first way between two ports that carries a family, or None."""
    if src.network == dst.network:
        return Line(src, dst, None)
    for way in scenario_ways.get((src.network, dst.network), ()):
        if family in way.families:
            return Line(src, dst, way)
    return None


@dataclass(slots=True)
class Talk:
    """One conversation: who opened it, the flow with its mark, what the claims say."""

    src: Port
    dst: Port
    flow: Microflow
    mark: int
    semantics: PairSemantics
    semantics_back: PairSemantics
    opened: bool
    line: Line

    @property
    def back(self) -> Line:
        """The same way, from the addressee."""
        return self.line.reversed()


def conversations(scenario: Scenario) -> list[Talk]:
    """Every boundary microflow of every pair that can meet, each with a mark of its own."""
    found: list[Talk] = []
    semantics_of = Semantics(scenario)
    known = ways(scenario)
    for src, dst in (*pairs(scenario), *joined_pairs(scenario)):
        semantics = semantics_of.pair(src, dst)
        for flow in boundaries(scenario, src, dst):
            by = line(known, src, dst, flow.family)
            if by is None:
                assert not semantics.new.admits(flow), "allowed over a family that nothing joins"
                continue
            mark = talk.FIRST_MARK + len(found) % 40000
            own = talk.marked(flow, mark)
            found.append(
                Talk(
                    src=src,
                    dst=dst,
                    flow=own,
                    mark=mark,
                    semantics=semantics,
                    semantics_back=semantics_of.pair(dst, src),
                    opened=semantics.new.admits(own),
                    line=by,
                )
            )
    return found


def answered(talks: Iterable[Talk]) -> list[Talk]:
    """Conversations to go on with: per pair, family and protocol, two that opened and two refused."""
    taken: Counter[object] = Counter()
    chosen = []
    for one in talks:
        key = (one.src.path, one.dst.path, one.flow.family, one.flow.protocol, one.opened)
        taken[key] += 1
        if taken[key] <= 2:
            chosen.append(one)
    return chosen


def opening(one: Talk) -> Trial:
    """The first packet of a conversation: must arrive exactly if NEW says so."""
    data, seen = one.line.frames(one.flow, talk.l4(one.flow, mark=one.mark))
    to = frozenset({one.dst.path}) if one.opened else NOBODY
    return exactly(one.src, data, to, f"opening {one.src.path} -> {one.dst.path} {one.flow}", seen)


def answering(one: Talk) -> Trial:
    """The answer: must arrive if the opening did; beyond that within decision 1's upper bound."""
    back = talk.answer(one.flow)
    message = talk.l4(back, mark=one.mark, flags=talk.SYN | talk.ACK, seq=5000, ack=1001)
    data, seen = one.back.frames(back, message)
    home = frozenset({one.src.path})
    if one.opened:
        must, may = home, home
    else:
        # d never heard of the flow: only what d may open towards s by its own egress groups, and s asked for.
        asked = one.semantics.egress.admits(one.flow)
        own = one.semantics.reverse_egress.admits(back) or back.protocol == TCP
        must, may = NOBODY, home if asked and own and back.protocol != TCP else NOBODY
        if one.semantics.reverse_new.admits(back) and back.protocol != TCP:
            must = may = home
    return Trial(
        src=one.dst.path,
        frame=data,
        must=must,
        may=may,
        label=f"answer {one.dst.path} -> {one.src.path} to {one.flow} (opened: {one.opened})",
        seen=seen,
    )


def following(one: Talk) -> Trial | None:
    """Data of an opened TCP conversation, from its opener."""
    if one.flow.protocol != TCP or not one.opened:
        return None
    message = talk.l4(one.flow, mark=one.mark, flags=talk.ACK | talk.PSH, seq=1001, ack=5001, data=b"data")
    data, seen = one.line.frames(one.flow, message)
    to = frozenset({one.dst.path})
    return exactly(one.src, data, to, f"data {one.src.path} -> {one.dst.path} {one.flow}", seen)


def complaints(one: Talk) -> Iterator[Trial]:
    """ICMP errors about a UDP datagram: from its addressee, and from its sender about the answer.

    About what was delivered they must arrive; about what was not, at most where an answer might, or where the
    "answer" was the opening of a flow of its own (`answering` sent it).
    """
    if one.flow.protocol != UDP:
        return
    there = talk.l4(one.flow, mark=one.mark)
    answer = talk.l4(talk.answer(one.flow), mark=one.mark)
    may_answer = one.semantics_back.may_answer(one.flow)
    may_answer |= one.semantics_back.new.admits(talk.answer(one.flow))
    for by, quoted, flow, may in (
        (one.back, there, one.flow, may_answer),
        (one.line, answer, one.flow.reversed(), may_answer),
    ):
        outer, message = talk.error_about(flow, quoted)
        data, seen = by.frames(outer, message)
        to = frozenset({by.dst.path})
        yield Trial(
            src=by.src.path,
            frame=data,
            must=to if one.opened else NOBODY,
            may=to if one.opened or may else NOBODY,
            label=f"error {by.src.path} -> {by.dst.path} about {flow} (opened: {one.opened})",
            seen=seen,
        )


def scans(scenario: Scenario, mark: int) -> Iterator[Trial]:
    """TCP without a pure SYN, on ports open or closed: opens nothing (FW-08)."""
    for src, dst in pairs(scenario):
        for flow in boundaries(scenario, src, dst):
            if flow.protocol != TCP:
                continue
            for flags in (talk.ACK, talk.RST, talk.SYN | talk.ACK, talk.FIN, 0, talk.SYN | talk.FIN, 0x29):
                mark += 1
                own = talk.marked(flow, 1024 + mark % 15000)
                data = talk.frame(src, dst, own, mark=mark, flags=flags)
                yield exactly(src, data, NOBODY, f"TCP flags {flags:#x} {src.path} -> {dst.path} {own}")
            break  # one port is enough: flags are what is tested


def resolution(scenario: Scenario) -> Iterator[Trial]:
    """ARP and neighbour discovery between the ports of a network: to the owner, and to nobody else."""
    for src, dst in pairs(scenario):
        to = frozenset({dst.path})
        for a in src.ips:
            for b in dst.ips:
                if a.version != b.version:
                    continue
                if a.version == 4:
                    request = frames.arp(1, src.mac, a, 0, b)
                    reply = frames.arp(2, src.mac, a, dst.mac, b)
                    asked = frames.ethernet(src.mac, "ff:ff:ff:ff:ff:ff", 0x0806, request)
                    yield exactly(src, asked, to, f"who has {b}, from {src.path}")
                    told = frames.ethernet(src.mac, dst.mac, 0x0806, reply)
                    yield exactly(src, told, to, f"{a} is at {src.path}, to {dst.path}")
                else:
                    group = frames.solicited_node(b)
                    group_mac = 0x333300000000 | int(group) & 0xFFFFFFFF
                    message = frames.neighbour_solicit(a, b, src.mac)
                    asked = frames.ethernet(src.mac, group_mac, 0x86DD, discovery(a, group, message))
                    yield exactly(src, asked, to, f"solicitation for {b}, from {src.path}")
                    message = frames.neighbour_advert(a, b, a, src.mac)
                    told = frames.ethernet(src.mac, dst.mac, 0x86DD, discovery(a, b, message))
                    yield exactly(src, told, to, f"advertisement of {a} to {dst.path}")


def discovery(src: IPv6Address, dst: IPv6Address, message: bytes) -> bytes:
    """Wrap a neighbour discovery message as RFC 4861 wants it: hop limit 255."""
    return frames.ipv6(src, dst, 58, message, hop_limit=255)


def lies(scenario: Scenario) -> Iterator[Trial]:
    """What nobody may send: other identities, tags, fragments, floods, server roles.  Reaches nobody.

    To at most one neighbour on the sender's hypervisor and one elsewhere.
    """
    aimed: set[tuple[str, bool]] = set()
    for src, dst in pairs(scenario):
        where = (src.path, src.hypervisor == dst.hypervisor)
        if where in aimed:
            continue
        aimed.add(where)
        for label, data in _lies_between(src, dst):
            yield exactly(src, data, NOBODY, f"{label}: {src.path} -> {dst.path}")


def _lies_between(src: Port, dst: Port) -> Iterator[tuple[str, bytes]]:
    for a in src.ips:
        peers = [ip for ip in dst.ips if ip.version == a.version]
        if not peers:
            continue
        b = peers[0]
        flow = Microflow(src=a, dst=b, protocol=UDP, src_l4=7777, dst_l4=8888)
        good = talk.frame(src, dst, flow, mark=1)
        yield "wrong source MAC", talk.ethernet("02:de:ad:00:00:01", dst.mac, flow, talk.l4(flow, mark=1))
        yield "the peer's source MAC", talk.ethernet(dst.mac, dst.mac, flow, talk.l4(flow, mark=1))
        for lie in {b, b + 1, type(a)(0), _multicast(a)} - set(src.ips):
            forged = replace(flow, src=lie)
            yield f"source address {lie}", talk.ethernet(src.mac, dst.mac, forged, talk.l4(forged, mark=1))
        elsewhere = replace(flow, dst=b + 64)
        yield (
            "another's address at this MAC",
            talk.ethernet(src.mac, dst.mac, elsewhere, talk.l4(elsewhere, mark=1)),
        )
        for mac in ("ff:ff:ff:ff:ff:ff", "02:de:ad:00:00:02", "01:00:5e:00:00:01", "33:33:00:00:00:01"):
            yield f"to {mac}", talk.ethernet(src.mac, mac, flow, talk.l4(flow, mark=1))
        for tag in (b"\x81\x00\x00\x00", b"\x81\x00\x00\x05", b"\x88\xa8\x00\x05", b"\x81\x00\xe0\x00" * 2):
            yield f"tag {tag.hex()}", good[:12] + tag + good[12:]
        yield "EtherType 0x88b5", good[:12] + b"\x88\xb5" + good[14:]
        for protocol in (TCP, UDP, SCTP):
            for end in ("src_l4", "dst_l4"):
                nowhere = replace(flow, protocol=protocol, **{end: 0})
                yield f"protocol {protocol}, {end} 0", talk.frame(src, dst, nowhere, mark=1)
        if a.version == 4:
            yield from _lies_v4(src, dst, flow)
        else:
            yield from _lies_v6(src, dst, flow)


def _lies_v4(src: Port, dst: Port, flow: Microflow) -> Iterator[tuple[str, bytes]]:
    message = talk.l4(flow, mark=1, data=bytes(64))
    for word in (0x2000, 0x2001, 0x0001):
        packet = frames.ipv4(flow.src, flow.dst, UDP, message, flags_offset=word)
        yield f"fragment {word:#x}", frames.ethernet(src.mac, dst.mac, 0x0800, packet)
    server = replace(flow, src_l4=67, dst_l4=68)
    yield "DHCP server", talk.frame(src, dst, server, mark=1)
    for op, sha, spa, label in (
        (2, src.mac, flow.dst, "ARP reply for the peer"),
        (1, src.mac, flow.dst, "ARP request as the peer"),
        (2, dst.mac, flow.src, "ARP reply with another sender MAC"),
        (3, src.mac, flow.src, "RARP operation"),
    ):
        message = frames.arp(op, sha, spa, dst.mac, flow.dst)
        yield label, frames.ethernet(src.mac, dst.mac, 0x0806, message)
    gratuitous = frames.arp(1, src.mac, flow.src, 0, flow.src)
    yield "gratuitous ARP", frames.ethernet(src.mac, "ff:ff:ff:ff:ff:ff", 0x0806, gratuitous)
    yield (
        "redirect",
        frames.ethernet(
            src.mac, dst.mac, 0x0800, frames.ipv4(flow.src, flow.dst, 1, frames.icmp(5, 1, bytes(28)))
        ),
    )


def _lies_v6(src: Port, dst: Port, flow: Microflow) -> Iterator[tuple[str, bytes]]:
    def to_peer(packet: bytes) -> bytes:
        return frames.ethernet(src.mac, dst.mac, 0x86DD, packet)

    a, b = IPv6Address(int(flow.src)), IPv6Address(int(flow.dst))
    advert, solicit = frames.neighbour_advert, frames.neighbour_solicit
    yield "advertisement of the peer's address", to_peer(discovery(a, b, advert(a, b, b, src.mac)))
    yield "advertisement with another MAC", to_peer(discovery(a, b, advert(a, b, a, dst.mac)))
    yield "advertisement as the peer", to_peer(discovery(b, b, advert(b, b, b, src.mac)))
    yield "solicitation with another MAC", to_peer(discovery(a, b, solicit(a, b, dst.mac, dst=b)))
    yield "solicitation as the peer", to_peer(discovery(b, b, solicit(b, b, src.mac, dst=b)))
    yield (
        "solicitation of nobody's address",
        to_peer(discovery(a, b + 77, solicit(a, b + 77, src.mac, dst=b + 77))),
    )
    late = frames.ipv6(a, b, 58, solicit(a, b, src.mac, dst=b), hop_limit=64)
    yield "solicitation with hop limit 64", to_peer(late)
    for kind, label in ((133, "RS"), (134, "RA"), (137, "redirect"), (131, "MLD"), (143, "MLDv2")):
        body = frames.icmpv6(a, b, kind, 0, bytes(20))
        yield label, to_peer(frames.ipv6(a, b, 58, body, hop_limit=255))
    header = bytes([17, 0, 0, 1]) + bytes(4)  # first fragment, more to come
    yield "fragment", to_peer(frames.ipv6(a, b, 44, header + talk.l4(flow, mark=1, data=bytes(64))))
    later = bytes([17, 0, 0, 8]) + bytes(4)
    yield "later fragment", to_peer(frames.ipv6(a, b, 44, later + bytes(32)))


def crossings(scenario: Scenario) -> Iterator[Trial]:
    """From every port to every port of every other network, with the addressee's own MAC and address.

    Where the sender's own network has a port with just these addresses, that port may receive it, if its
    groups admit it: that is the point of overlapping networks.
    """
    for src in scenario.ports:
        for dst in scenario.ports:
            if src.network == dst.network:
                continue
            twin = _twin(scenario, src, dst)
            for a in src.ips:
                for b in dst.ips:
                    if a.version != b.version:
                        continue
                    flow = Microflow(src=a, dst=b, protocol=UDP, src_l4=1500, dst_l4=80)
                    to = _admitting(scenario, src, twin, flow)
                    data = talk.frame(src, dst, flow, mark=1)
                    yield exactly(src, data, to, f"crossing {src.path} -> {dst.path} {flow}")


def _twin(scenario: Scenario, src: Port, dst: Port) -> Port | None:
    for port in scenario.ports:
        if port.network == src.network and port.path != src.path and port.mac == dst.mac:
            return port
    return None


def _admitting(scenario: Scenario, src: Port, twin: Port | None, flow: Microflow) -> frozenset[str]:
    if twin is None or flow.dst not in twin.ips:
        return NOBODY
    return frozenset({twin.path}) if pair(scenario, src, twin).new.admits(flow) else NOBODY


def _multicast(like: object) -> object:
    return IPv6Address("ff02::1") if isinstance(like, IPv6Address) else type(like)(0xE0000001)
