"""Frames to send while a lab is changed, and what to think of those that arrive.

Three kinds of change: one rule, an instance that moves, an approval.  Each is a pair of scenarios, with
packets that both deny, packets that both allow whatever happens in between, and, where there are such,
packets that only the first allows.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from sdn_lab.model.intent import Scenario
from sdn_lab.model.joined import ways
from sdn_lab.model.observation import NONCE_MAGIC, Capture, Injection, PointKind, WatchPoint
from sdn_lab.openflow import packet
from sdn_lab.scenario import find, load, loads

SYN, ACK = 0x02, 0x10
SOURCE_PORTS = 64  # few, so that trackers do not fill up

PEERED = """
version: 1
name: peered
underlay: {sites: {here: [hv1, hv2]}}
tenants:
  red:
    networks: {web: {cidr: 10.1.0.0/24}}
    security_groups: {open: [{direction: ingress, protocol: any, remote: any}]}
    routers: {r: {interfaces: {web: 10.1.0.1}}}
    instances:
      vm1: {network: web, hypervisor: hv1, ip: 10.1.0.11, mac: "02:00:00:00:01:11", groups: [open]}
      vm2: {network: web, hypervisor: hv2, ip: 10.1.0.12, mac: "02:00:00:00:01:12", groups: [open]}
  blue:
    networks: {api: {cidr: 10.2.0.0/24}}
    security_groups: {open: [{direction: ingress, protocol: any, remote: any}]}
    routers: {r: {interfaces: {api: 10.2.0.1}}}
    instances:
      vm1: {network: api, hypervisor: hv2, ip: 10.2.0.11, mac: "02:00:00:00:02:11", groups: [open]}
      vm2: {network: api, hypervisor: hv1, ip: 10.2.0.12, mac: "02:00:00:00:02:12", groups: [open]}
peerings:
  - {between: [red/web, blue/api], approved_by: [red, blue], allow: [{protocol: tcp, ports: 5432}]}
"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """TCP from one port to another; *flags* SYN opens, ACK goes on."""

    src: str
    dst: str
    l4_port: int
    flags: int = SYN


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two scenarios to go back and forth between."""

    name: str
    one: Scenario
    other: Scenario
    denied: tuple[Kind, ...]
    allowed: tuple[Kind, ...]
    only_one: tuple[Kind, ...] = ()  # what the first allows and the second does not


def _overlap(*changes: tuple[str, str]) -> Scenario:
    text = find("overlap").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return loads(text, "overlap.yaml")


def rule() -> Pair:
    """Port 81 is opened and closed, for both tenants."""
    return Pair(
        name="a rule",
        one=_overlap(("ports: 80, remote: any", "ports: [80, 81], remote: any")),
        other=load(find("overlap")),
        denied=(
            Kind(src="red/vm1", dst="red/vm2", l4_port=22),
            Kind(src="red/vm1", dst="red/vm3", l4_port=82),
            Kind(src="red/vm1", dst="red/vm4", l4_port=81),
            Kind(src="red/vm1", dst="blue/vm3", l4_port=22),
            Kind(src="blue/vm2", dst="red/vm4", l4_port=80),
        ),
        allowed=(
            Kind(src="red/vm1", dst="red/vm2", l4_port=80),
            Kind(src="blue/vm2", dst="blue/vm3", l4_port=80),
        ),
        only_one=(Kind(src="red/vm1", dst="red/vm3", l4_port=81),),
    )


def move() -> Pair:
    """red/vm2 moves from hv1 to hv3 and back; its twin in blue stays."""
    line = 'vm2: {network: app, hypervisor: hv1, ip: [10.0.0.12, "fd00:a::12"], '
    blue = "  blue: *tenant"
    text = find("overlap").read_text()
    tenant = text[text.index("  red: &tenant") : text.index(blue)]
    own = tenant.replace("red: &tenant", "blue:")
    base = text.replace(blue + text[text.index(blue) :].splitlines()[0][len(blue) :], own)
    there = base.replace(line, line.replace("hv1", "hv3"), 1)
    assert there != base
    return Pair(
        name="an instance that moves",
        one=loads(base, "base.yaml"),
        other=loads(there, "there.yaml"),
        denied=(
            Kind(src="red/vm1", dst="red/vm2", l4_port=22),
            Kind(src="red/vm3", dst="red/vm2", l4_port=443),
            Kind(src="red/vm2", dst="red/vm4", l4_port=80),
            Kind(src="red/vm2", dst="blue/vm4", l4_port=80),
            Kind(src="blue/vm1", dst="red/vm4", l4_port=80),
        ),
        allowed=(
            Kind(src="red/vm1", dst="red/vm3", l4_port=80),
            Kind(src="blue/vm1", dst="blue/vm2", l4_port=80),
            Kind(src="red/vm1", dst="red/vm2", l4_port=80),
        ),
    )


def approval() -> Pair:
    """Blue approves of a peering with red, and withdraws it."""
    return Pair(
        name="an approval",
        one=loads(PEERED, "peered.yaml"),
        other=loads(PEERED.replace("[red, blue], allow", "[red], allow"), "withdrawn.yaml"),
        denied=(
            Kind(src="red/vm1", dst="blue/vm1", l4_port=22),
            Kind(src="red/vm2", dst="blue/vm2", l4_port=5433),
            Kind(src="blue/vm1", dst="red/vm1", l4_port=5432),
            Kind(src="blue/vm2", dst="red/vm2", l4_port=80),
        ),
        allowed=(
            Kind(src="red/vm1", dst="red/vm2", l4_port=80),
            Kind(src="blue/vm1", dst="blue/vm2", l4_port=5432),
        ),
        only_one=(
            Kind(src="red/vm1", dst="blue/vm1", l4_port=5432),
            Kind(src="red/vm1", dst="blue/vm2", l4_port=5432),
        ),
    )


def frame(scenario: Scenario, kind: Kind, source_port: int, payload: bytes) -> bytes:
    """Return the frame as the sender would send it: to a gateway, where a router is between the two."""
    src, dst = scenario.port(kind.src), scenario.port(kind.dst)
    between = ways(scenario).get((src.network, dst.network), ())
    mac = dst.mac if src.network == dst.network or not between else between[0].near.mac
    segment = packet.tcp(
        src.ips[0],
        dst.ips[0],
        source_port,
        kind.l4_port,
        payload,
        flags=kind.flags,
        seq=1000 if kind.flags == SYN else 1001,
        ack=0 if kind.flags == SYN else 1,
    )
    assert ip_address(str(src.ips[0])).version == 4
    return packet.ethernet(src.mac, mac, 0x0800, packet.ipv4(src.ips[0], dst.ips[0], 6, segment))


@dataclass
class Tally:
    """Sends the packets of a pair in turn; counts what was sent and what arrived, and where."""

    pair: Pair
    sent: Counter[Kind] = field(default_factory=Counter)
    arrived: Counter[Kind] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def injections(self, number: int, kinds: Sequence[Kind] | None = None) -> tuple[Injection, ...]:
        """The next *number* packets, of all that both deny or allow unless *kinds* are given.

        Addressed as in the first scenario, where all that is joined at all is joined.
        """
        chosen = kinds or (*self.pair.denied, *self.pair.allowed)
        made = []
        for _ in range(number):
            n = next(self._count)
            kind = chosen[n % len(chosen)]
            data = frame(self.pair.one, kind, 20000 + n % SOURCE_PORTS, self._mark(kind))
            made.append(Injection(point=WatchPoint(kind=PointKind.PORT, name=kind.src), frame=data))
            self.sent[kind] += 1
        return tuple(made)

    def see(self, captures: Sequence[Capture]) -> None:
        """Count what arrived at tenants' ports."""
        for capture in captures:
            if capture.point.kind is not PointKind.PORT or NONCE_MAGIC not in capture.frame:
                continue
            kind = self._kind(capture.frame)
            if kind is None:
                continue
            if kind in self.pair.denied or capture.point.name != kind.dst:
                self.leaks.append(f"{kind} arrived at {capture.point}")
            else:
                self.arrived[kind] += 1

    def of_denied(self) -> int:
        return sum(self.sent[kind] for kind in self.pair.denied)

    def __str__(self) -> str:
        lost = [
            f"{k.src} to {k.dst} port {k.l4_port}: {self.sent[k] - self.arrived[k]} of {self.sent[k]} lost"
            for k in self.pair.allowed
        ]
        return f"{self.of_denied()} denied packets sent, {len(self.leaks)} arrived; {', '.join(lost)}"

    def _all(self) -> tuple[Kind, ...]:
        return (*self.pair.denied, *self.pair.allowed, *self.pair.only_one)

    def _mark(self, kind: Kind) -> bytes:
        return NONCE_MAGIC + b"\xa9" + self._all().index(kind).to_bytes(8)

    def _kind(self, data: bytes) -> Kind | None:
        at = data.index(NONCE_MAGIC) + len(NONCE_MAGIC)
        if data[at : at + 1] != b"\xa9":
            return None
        return self._all()[int.from_bytes(data[at + 1 : at + 9])]
