"""What the probes know: ports and what the claims say of every pair, values to try, and fresh numbers.

Where it sits
-------------
Made by:  `campaign`, from the scenario, the claims, the assignment and the snapshot's constants.
Read by:  every family in `probes`.

Meaning comes from the claims (`Claim.semantics`) and never from an entry: the tables only suggest *values*.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from random import Random

from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import IPAddress, Port, Scenario
from sdn_lab.model.observation import Expected
from sdn_lab.model.traffic import (
    DHCP_SERVER_PORTS,
    ICMP,
    ICMP_OF,
    PORTED,
    SCTP,
    TCP,
    UDP,
    Microflow,
    PairSemantics,
    Traffic,
)
from sdn_lab.model.verdict import Claim, Kind
from sdn_lab.observe.constants import L4_FIELDS, Constants
from sdn_lab.observe.edges import ICMP_TYPES, OF_EVERYTHING, UNSPOKEN, edges_of, flow_of
from sdn_lab.observe.gateways import Gateways
from sdn_lab.observe.nonce import Nonces

FEW = 12
PAIRS_IN_FULL = 200  # with more ordered pairs, the families that grow with them skip some packets
FIRST_L4, LAST_L4 = 20000, 60999  # source ports of probes: clear of DHCP's and of what is usually served
_BETWEEN_L4 = 7919  # source ports from one check of a lab to the next: more than most use, and prime
_BETWEEN_SEEDS = 1 << 32
NOTHING_SAID = PairSemantics(new=Traffic(), egress=Traffic(), reverse_new=Traffic(), reverse_egress=Traffic())


class World:
    """A scenario as probes see it.  Deterministic in its arguments; draws are in the order of asking.

    *earlier* counts the times that probes were sent into this lab before: its trackers still know what they
    opened, so other source ports are used, and `fresh` is false.
    """

    def __init__(
        self,
        scenario: Scenario,
        claims: Sequence[Claim],
        assignment: Assignment,
        constants: Constants,
        *,
        seed: int,
        management: Sequence[IPAddress] = (),
        earlier: int = 0,
    ) -> None:
        self.scenario = scenario
        self.assignment = assignment
        self.constants = constants
        self.management = tuple(management)
        self.random = Random(seed)
        self.nonces = Nonces(seed + earlier * _BETWEEN_SEEDS)
        self.fresh = earlier == 0
        self.ports: tuple[Port, ...] = scenario.ports
        self._l4 = FIRST_L4 + earlier * _BETWEEN_L4 % (LAST_L4 - FIRST_L4 + 1) - 1
        self._asked: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()  # packets never built, by probe
        self._members: dict[str, list[Port]] = defaultdict(list)
        for port in self.ports:
            self._members[port.network].append(port)
        self.gateways = Gateways(scenario)
        self.stride = 1 + sum(1 for _ in self.talking_pairs()) // PAIRS_IN_FULL
        self._peers = {p.path: [q for q in self._members[p.network] if q.path != p.path] for p in self.ports}
        self._samples: dict[tuple[str, str, int], tuple[IPAddress, IPAddress, int, int] | None] = {}
        self._most_open: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._boundaries: dict[tuple[str, str, int], tuple[int, ...]] = {}
        self._everybody_else: dict[str, tuple[str, ...]] = {}
        self._admits: dict[tuple[str, int], set[int]] = {}
        self._ids = {(claim.kind, claim.objects): claim.id for claim in claims}
        self._semantics = {
            claim.objects: claim.semantics
            for claim in claims
            if claim.kind is Kind.EXACT and claim.semantics is not None
        }
        self._wishes: dict[tuple[str, ...], list[Claim]] = defaultdict(list)
        for claim in claims:
            if claim.kind in (Kind.REACHABLE, Kind.UNREACHABLE) and claim.traffic is not None:
                self._wishes[claim.objects].append(claim)

    # -- who there is

    def members(self, network: str) -> Sequence[Port]:
        """Return the ports of a network."""
        return self._members[network]

    def peers(self, port: Port) -> list[Port]:
        """Return the other ports of *port*'s network."""
        return self._peers[port.path]

    def strangers(self, port: Port) -> list[Port]:
        """Return the ports of every other network."""
        return [p for p in self.ports if p.network != port.network]

    def pairs(self) -> Iterator[tuple[Port, Port]]:
        """Yield every ordered pair of ports of one network."""
        for members in self._members.values():
            for src in members:
                for dst in members:
                    if src.path != dst.path:
                        yield src, dst

    def talking_pairs(self) -> Iterator[tuple[Port, Port]]:
        """Yield every ordered pair of ports that a claim speaks of: of one network, or of joined ones."""
        yield from self.pairs()
        yield from self.gateways.pairs()

    def neighbours(self, port: Port) -> list[Port]:
        """Return the ports that *port* may be allowed to talk to: its peers, and who is behind a gateway."""
        return [*self._peers[port.path], *self.gateways.joined(port)]

    def owner(self, port: Port, mac: str) -> Port | None:
        """Return the port of *port*'s own network that has *mac*, or None."""
        return next((p for p in self._members[port.network] if p.mac == mac), None)

    def same_hypervisor(self, a: Port, b: Port) -> bool:
        """Say whether both are on one hypervisor."""
        return a.hypervisor == b.hypervisor

    # -- what may be

    def semantics(self, src: Port, dst: Port) -> PairSemantics:
        """Return what the claims say from *src* to *dst*: nothing, where there is no claim on the pair."""
        return self._semantics.get((src.path, dst.path), NOTHING_SAID)

    def may_talk(self, src: Port, dst: Port) -> bool:
        """Say whether any flow may be opened between them, in either direction."""
        said = self.semantics(src, dst)
        return bool(said.new) or bool(said.reverse_new)

    def opens(self, src: Port, dst: Port, flow: Microflow) -> bool:
        """Say whether the first packet of *flow* is to be delivered from *src* to *dst*."""
        return self.semantics(src, dst).new.admits(flow)

    def expected(self, src: Port, dst: Port, flow: Microflow) -> Expected:
        """Return what should become of the first packet of *flow*."""
        return Expected.DELIVERED if self.opens(src, dst, flow) else Expected.NOTHING

    def answer(self, src: Port, dst: Port, flow: Microflow) -> Expected:
        """Return what should become of *dst*'s answer to *flow*, which *src* has tried to open.

        Design decision 1: at least the reverse of what could be opened; at most what *src*'s egress group let
        go, and beyond the former only what *dst* could have sent as a flow of its own.
        """
        said = self.semantics(dst, src)
        if said.must_answer(flow):
            return Expected.DELIVERED
        return Expected.EITHER if said.may_answer(flow) else Expected.NOTHING

    def claims_on(self, src: Port, dst: Port, flow: Microflow | None = None) -> tuple[str, ...]:
        """Return the ids of the claims that speak of a packet from *src* to *dst*, of *flow* if given."""
        exact = self._ids.get((Kind.EXACT, (src.path, dst.path)))
        about = (exact,) if exact else self.isolation(src, dst)
        wishes = self._wishes.get((src.path, dst.path), [])
        named = [
            c.id for c in wishes if flow is not None and c.traffic is not None and c.traffic.admits(flow)
        ]
        return (*about, *named)

    def isolation(self, a: Port, b: Port) -> tuple[str, ...]:
        """Return the id of the claim that keeps the networks of two ports apart, if there is one."""
        first, second = sorted((a.network, b.network))
        found = self._ids.get((Kind.ISOLATED, (first, second)))
        return (found,) if found else ()

    def everybody_else(self, port: Port) -> tuple[str, ...]:
        """Return the ids of the claims that a packet of *port*'s contradicts which anybody else has."""
        known = self._everybody_else.get(port.path)
        if known is None:
            apart = {claim for p in self.strangers(port) for claim in self.isolation(port, p)}
            others = self.of_port(Kind.NO_SNIFFING, *(p for p in self.ports if p.path != port.path))
            known = self._everybody_else[port.path] = (*sorted(apart), *others)
        return known

    def of_port(self, kind: Kind, *ports: Port) -> tuple[str, ...]:
        """Return the ids of the claims of *kind* on each of *ports*."""
        found = (self._ids.get((kind, (port.path,))) for port in ports)
        return tuple(claim for claim in found if claim)

    # -- values to try

    def flows(self, src: Port, dst: Port, family: int) -> Iterator[tuple[IPAddress, IPAddress]]:
        """Yield address pairs of *family* from *src* to *dst*."""
        for a in src.ips:
            for b in dst.ips:
                if a.version == b.version == family:
                    yield a, b

    def boundaries(self, src: Port, dst: Port, protocol: int) -> tuple[int, ...]:
        """Return the ports (or ICMP types) of *protocol* at which some group changes its mind, and beside
        them.

        Also ports that no group speaks of.
        """
        if protocol not in PORTED:
            return ICMP_TYPES[4 if protocol == ICMP else 6]
        known = self._boundaries.get((src.path, dst.path, protocol))
        if known is None:
            said = self.semantics(src, dst)
            edges = {*UNSPOKEN, *edges_of(said.new, protocol), *edges_of(said.reverse_new, protocol)}
            edges |= (
                edges_of(said.egress, protocol) | edges_of(said.reverse_egress, protocol)
            ) - OF_EVERYTHING
            if src.network != dst.network:  # what a router or a peering must not open, the groups might
                edges |= self._admitted(dst, protocol)
            for claim in self._wishes.get((src.path, dst.path), ()):
                edges |= edges_of(claim.traffic or Traffic(), protocol)
            known = tuple(sorted(e for e in edges if 0 <= e <= 65535))
            self._boundaries[src.path, dst.path, protocol] = known
        return known

    def _admitted(self, dst: Port, protocol: int) -> set[int]:
        """Return the edges of what *dst* admits from anybody."""
        key = (dst.path, protocol)
        if key not in self._admits:
            said = (self.semantics(src, dst).new for src in self.neighbours(dst))
            self._admits[key] = {edge for new in said for edge in edges_of(new, protocol)}
        return self._admits[key]

    def planted(self, src: Port, dst: Port) -> tuple[int, ...]:
        """Return L4 ports from the dumped tables to try from *src* to *dst*.

        All of them where there are few; else each destination gets every one from some source.
        """
        servers = set(DHCP_SERVER_PORTS.values())  # every table refuses these; `dhcp` tries them
        ports = [n for n in self.constants.of(*L4_FIELDS) if 1 <= n <= 65535 and n not in servers]
        if len(ports) <= FEW:
            return tuple(ports)
        sources = self.neighbours(dst)
        turn = next(n for n, port in enumerate(sources) if port.path == src.path)
        return tuple(ports[turn :: max(1, len(sources))])

    def sample(self, src: Port, dst: Port, family: int) -> Microflow | None:
        """Return a flow that may be opened from *src* to *dst*, or None: the legitimate packet for a
        control.
        """
        key = (src.path, dst.path, family)
        if key not in self._samples:
            self._samples[key] = next(self._open(src, dst, family), None)
        found = self._samples[key]
        return self.flow(*found) if found else None

    def _open(self, src: Port, dst: Port, family: int) -> Iterator[tuple[IPAddress, IPAddress, int, int]]:
        for a, b in self.flows(src, dst, family):
            for protocol in (UDP, TCP, ICMP_OF[family], SCTP):
                for number in self.boundaries(src, dst, protocol):
                    if self.opens(src, dst, flow_of(a, b, protocol, number, FIRST_L4)):
                        yield a, b, protocol, number

    def most_open(self, dst: Port, family: int) -> list[tuple[int, int]]:
        """Return what *dst* admits, (protocol, L4 port or ICMP type), widest first; never empty."""
        key = (dst.path, family)
        if key not in self._most_open:
            admitted: Counter[tuple[int, int]] = Counter()
            for peer in self.neighbours(dst):
                found = {(protocol, number) for _, _, protocol, number in self._open(peer, dst, family)}
                admitted.update(number for number in found if number[0] != SCTP)
            ranked = sorted(admitted, key=lambda number: (-admitted[number], number))
            self._most_open[key] = ranked or [(UDP, UNSPOKEN[0])]
        return self._most_open[key]

    def wished_pairs(self) -> Iterator[tuple[Port, Port]]:
        """Yield the pairs of ports of networks that nothing joins, and that some wish speaks of."""
        ports = {port.path: port for port in self.ports}
        for source, destination in self._wishes:
            if self.isolation(ports[source], ports[destination]):
                yield ports[source], ports[destination]

    def flow(self, src: IPAddress, dst: IPAddress, protocol: int, number: int = 0) -> Microflow:
        """Return a flow of its own: *number* is the destination port or ICMP type."""
        return flow_of(src, dst, protocol, number, self.l4_port())

    def due(self, probe: str) -> bool:
        """Say whether to build the next packet of *probe*; where there are many pairs, only some are.

        Every pair and every value still has its turn with some other: the stride walks through both.
        """
        self._asked[probe] += 1
        if self._asked[probe] % self.stride:
            self.skipped[probe] += 1
            return False
        return True

    def l4_port(self) -> int:
        """Return a source port (or ICMP identifier) that no other case uses, as long as there are any."""
        self._l4 = self._l4 + 1 if self._l4 < LAST_L4 else FIRST_L4
        return self._l4

    def stranger_mac(self, number: int = 1) -> str:
        """Return a locally administered MAC address that nobody in the scenario has."""
        taken = {port.mac for port in self.ports}
        while True:
            mac = f"02:de:ad:00:{number >> 8 & 255:02x}:{number & 255:02x}"
            if mac not in taken:
                return mac
            number += 1

    def unowned(self, port: Port, family: int) -> IPAddress | None:
        """Return an address of *port*'s network that no port there has, or None."""
        owned = {ip for p in self._members[port.network] for ip in p.ips}
        owned |= self.gateways.addresses(port.network)
        for cidr in self.scenario.network(port.network).cidrs:
            if cidr.version == family:
                low, high = int(cidr.network_address), int(cidr.broadcast_address)
                kind = IPv4Address if family == 4 else IPv6Address
                for number in range(high - 1, max(low, high - 1 - len(owned) - 1), -1):
                    if kind(number) not in owned:
                        return kind(number)
        return None


def families(port: Port) -> tuple[int, ...]:
    """Return the IP versions that *port* has addresses of."""
    return tuple(sorted({ip.version for ip in port.ips}))


def address_of(port: Port, family: int) -> IPAddress | None:
    """Return *port*'s first address of *family*, or None."""
    return next((ip for ip in port.ips if ip.version == family), None)
