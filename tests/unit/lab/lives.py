"""Lives of an identity, and of a flow: scenarios, packets, and what to look for afterwards.

Both backends are asked the same questions (rows LIFE-02 to LIFE-12 of `docs/testing.md`), so the questions
are here.  A backend's tests add what only they can do: kill, stop, attach what should be gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from sdn_lab.compiler import compile_scenario
from sdn_lab.lab import Lab
from sdn_lab.model.assignment import Assignment, Attachment
from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.observation import NONCE_MAGIC, Injection, PointKind, WatchPoint, Window
from sdn_lab.model.succession import succeed
from sdn_lab.openflow import packet
from sdn_lab.openflow.cookie import encode
from sdn_lab.openflow.entry import FlowEntry, Origin, Program
from sdn_lab.openflow.text import format_entry
from sdn_lab.scenario import loads
from tests.unit.lab.probing import ACK, SYN, Kind, Pair

_TEXT = """
version: 1
name: lives
underlay: {{sites: {{here: [hv1, hv2]}}}}
tenants:
  red:
    networks: {{app: {{cidr: 10.0.0.0/24}}}}
    security_groups:
      web:
        - {{direction: ingress, protocol: tcp, ports: 80, remote: any}}
        - {{direction: ingress, protocol: udp, ports: 5000, remote: any}}
    instances:
      vm1: {{network: app, hypervisor: hv1, ip: 10.0.0.11, mac: "02:00:00:00:00:11", groups: [web]}}
      vm3: {{network: app, hypervisor: hv2, ip: 10.0.0.13, mac: "02:00:00:00:00:13", groups: [web]}}
      vm4: {{network: app, hypervisor: hv2, ip: 10.0.0.14, mac: "02:00:00:00:00:14"}}
      vm5: {{network: app, hypervisor: hv1, ip: 10.0.0.15, mac: "02:00:00:00:00:15"}}
{red}
  blue:
    networks: {{app: {{cidr: 10.0.0.0/24}}}}
    security_groups:
      other: [{{direction: ingress, protocol: tcp, ports: 81, remote: any}}]
    instances:
      vm1: {{network: app, hypervisor: hv1, ip: 10.0.0.11, mac: "02:00:00:00:00:11", groups: [other]}}
      vm3: {{network: app, hypervisor: hv2, ip: 10.0.0.13, mac: "02:00:00:00:00:13", groups: [other]}}
{blue}
"""
_VM2 = '      vm2: {{network: app, hypervisor: {}, ip: 10.0.0.12, mac: "02:00:00:00:00:12", groups: [{}]}}'


def _scenario(red: str = "", blue: str = "") -> Scenario:
    return loads(_TEXT.format(red=red, blue=blue), "lives.yaml")


FIRST = _scenario(red=_VM2.format("hv1", "web"))
"""red/vm2 lives."""
NOBODY = _scenario()
"""It is deleted."""
AGAIN = _scenario(blue=_VM2.format("hv1", "other"))
"""Its name, address, MAC and place are blue's."""
MOVED = _scenario(red=_VM2.format("hv2", "web"))
"""It lives elsewhere."""


def crosswise() -> Pair:
    """Each scenario lets go what only the other admits: a lab that is half the one, half the other, opens."""
    text = """
version: 1
name: crosswise
underlay: {sites: {here: [hv1, hv2]}}
tenants:
  red:
    networks: {app: {cidr: 10.0.0.0/24}}
    security_groups:
      out: {egress: deny, rules: [{direction: egress, protocol: tcp, ports: [%d, 443], remote: any}]}
      in: [{direction: ingress, protocol: tcp, ports: [%d, 443], remote: any}]
    instances:
      vm1: {network: app, hypervisor: hv1, ip: 10.0.0.11, mac: "02:00:00:00:00:11", groups: [out]}
      vm2: {network: app, hypervisor: hv2, ip: 10.0.0.12, mac: "02:00:00:00:00:12", groups: [in]}
"""
    ways = {"src": "red/vm1", "dst": "red/vm2"}
    return Pair(
        name="rules at both ends",
        one=loads(text % (80, 22), "one.yaml"),
        other=loads(text % (22, 80), "other.yaml"),
        denied=(Kind(**ways, l4_port=22), Kind(**ways, l4_port=80)),
        allowed=(Kind(**ways, l4_port=443),),
    )


# -- packets

WAIT_MS, TRIES = 2000, 5
NOWHERE: Mapping[str, Callable[[bytes], None]] = MappingProxyType({})
_serial = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet of *src*, to *dst*'s MAC and address; sent where *at* is, if not by *src*."""

    src: Port
    dst: Port
    sport: int
    dport: int
    flags: int | None = SYN  # None: UDP
    at: str = ""

    def frame(self, nonce: bytes) -> bytes:
        ends = self.src.ips[0], self.dst.ips[0]
        if self.flags is None:
            proto, segment = 17, packet.udp(*ends, self.sport, self.dport, nonce)
        else:
            proto, segment = 6, packet.tcp(*ends, self.sport, self.dport, nonce, flags=self.flags, seq=1)
        return packet.ethernet(self.src.mac, self.dst.mac, 0x0800, packet.ipv4(*ends, proto, segment))


def sent(
    lab: Lab,
    *packets: Packet,
    pilot: tuple[str, str] = ("red/vm1", "red/vm3"),
    outside: Mapping[str, Callable[[bytes], None]] = NOWHERE,
) -> list[list[str]]:
    """Send packets; say for each at which ports it arrived, as often as it did.

    *outside* sends what does not come from an instance.  A *pilot* goes with them from port to port: while it
    does not arrive, or frames are lost, nothing is said, and they are sent again.
    """
    a, b = (lab.scenario.port(path) for path in pilot)
    reply = packet.ethernet(a.mac, b.mac, 0x0806, packet.arp(2, a.mac, a.ips[0], b.mac, b.ips[0]))
    if outside:
        lab.backend.exchange(Window(injections=(), timeout_ms=0))  # from now on all that is seen counts
    for _ in range(TRIES):
        nonces = [NONCE_MAGIC + b"\xaf" + next(_serial).to_bytes(8) for _ in range(len(packets) + 1)]
        frames = [(p.at or p.src.path, p.frame(n)) for p, n in zip(packets, nonces, strict=False)]
        for name, frame in frames:
            if name in outside:
                outside[name](frame)
        frames = [*(f for f in frames if f[0] not in outside), (a.path, reply + nonces[-1])]
        seen = lab.backend.exchange(
            Window(
                injections=tuple(Injection(point=_at(name), frame=frame) for name, frame in frames),
                markers=((_at(b.path), nonces[-1]),),
                timeout_ms=WAIT_MS,
            )
        )
        arrived = [
            [c.point.name for c in seen.captures if c.point.kind is PointKind.PORT and nonce in c.frame]
            for nonce in nonces
        ]
        if b.path in arrived.pop() and not seen.lost:
            return arrived
    raise AssertionError(f"the apparatus does not work: {len(seen.missing)} missing, {seen.lost} lost")


def _at(name: str) -> WatchPoint:
    return WatchPoint(kind=PointKind.PORT, name=name)


class Flow:
    """A connection of *client* to red/vm1, made of frames.  The client admits nothing but answers.

    red/vm4 is on another hypervisor, red/vm5 on the same.
    """

    def __init__(self, lab: Lab, client: str = "red/vm4") -> None:
        self._lab = lab
        server, caller = lab.scenario.port("red/vm1"), lab.scenario.port(client)
        sport = 30000 + next(_serial)
        self._there = Packet(src=caller, dst=server, sport=sport, dport=80)
        self._back = Packet(src=server, dst=caller, sport=80, dport=sport, flags=ACK)
        assert not self.goes_on()
        assert sent(lab, self._there) == [["red/vm1"]]
        assert sent(lab, replace(self._back, flags=SYN | ACK)) == [[client]]
        assert self.goes_on()

    def goes_on(self) -> bool:
        """Say whether its next packets arrive, both ways; the client's passes as established only."""
        arrived = sent(self._lab, self._back, replace(self._there, flags=ACK))
        return arrived == [[self._there.src.path], ["red/vm1"]]


def conversation(lab: Lab) -> Packet:
    """Let red/vm1 and red/vm2 exchange datagrams; return the next one, which their trackers know."""
    asks = Packet(
        src=lab.scenario.port("red/vm1"),
        dst=lab.scenario.port("red/vm2"),
        sport=6000,
        dport=5000,
        flags=None,
    )
    assert sent(lab, asks) == [["red/vm2"]]
    back = replace(asks, src=asks.dst, dst=asks.src, sport=asks.dport, dport=asks.sport)
    assert sent(lab, back) == [["red/vm1"]]
    return asks


# -- what is left of an identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a port was: itself, its network's number, and its numbers on its hypervisor."""

    port: Port
    vni: int
    hypervisor: str
    attachment: Attachment

    @classmethod
    def of(cls, lab: Lab, path: str) -> Identity:
        port = lab.scenario.port(path)
        datapath, attachment = lab.assignment.locate(path)
        vni = lab.scenario.network(port.network).vni
        return cls(port=port, vni=vni, hypervisor=datapath.hypervisor, attachment=attachment)

    def mentioned(self, hypervisor: str, entry: FlowEntry) -> bool:
        """Say whether an entry speaks of it: for its sake, of its addresses in its network, or by number."""
        low = encode(Origin(stage="classify", kind="port", path=self.port.path)) & ((1 << 56) - 1)
        return (
            entry.cookie & ((1 << 56) - 1) == low
            or (entry.match.exact("metadata") == self.vni and self._addressed(entry))
            or (hypervisor == self.hypervisor and self.numbered(entry))
        )

    def _addressed(self, entry: FlowEntry) -> bool:
        text = format_entry(entry)
        return any(str(a) in text for a in (self.port.mac, *self.port.ips))

    def numbered(self, entry: FlowEntry) -> bool:
        """Say whether an entry speaks of its OpenFlow port or its zone."""
        number, zone = self.attachment.of_port, self.attachment.zone
        told = {"in_port": number, "reg5": number, "reg6": zone, "reg7": zone}
        text = format_entry(entry)
        return any(entry.match.exact(field) == value for field, value in told.items()) or any(
            words in f"{text},"
            for words in (
                f"output:{number},",
                f"set_field:{number:#x}->reg5,",
                f"set_field:{zone:#x}->reg6,",
                f"set_field:{zone:#x}->reg7,",
            )
        )

    def left(self, lab: Lab) -> list[str]:
        """What the lab still says of it: entries, ports, tracked flows."""
        found = []
        for name, state in lab.backend.snapshot().datapaths.items():
            found += [f"{name}: {e}" for e in state.tables.entries if self.mentioned(name, e)]
            found += [
                f"{name}: port {n}" for n, what in state.ports.items() if what == f"port:{self.port.path}"
            ]
        here = self.hypervisor, self.attachment.zone
        return found + [str(t) for t in lab.backend.tracked() if (t.hypervisor, t.zone) == here]


def locations(lab: Lab, path: str) -> list[tuple[str, int]]:
    """Every place where a port is attached: hypervisor, OpenFlow port."""
    datapaths = lab.backend.snapshot().datapaths
    return [
        (name, n) for name, state in datapaths.items() for n, w in state.ports.items() if w == f"port:{path}"
    ]


# -- faults


def old_numbers(was: Identity, path: str) -> Callable[[Scenario, Assignment, Scenario], Assignment]:
    """Planted in place of `succeed`: *path* gets the numbers that another port had."""

    def given(old: Scenario, held: Assignment, new: Scenario) -> Assignment:
        wanted = succeed(old, held, new)
        datapath, _ = wanted.locate(path)
        again = replace(was.attachment, port=path)
        kept = (again if a.port == path else a for a in datapath.attachments)
        return Assignment(
            datapaths={
                **wanted.datapaths,
                datapath.hypervisor: replace(datapath, attachments=tuple(kept)),
            }
        )

    return given


def entries_kept(was: Identity, held: Program) -> Callable[[Scenario, Assignment], Program]:
    """Planted in place of `compile_scenario`: what the tables said of a port, they go on saying."""
    stale = [e for e in held.tables[was.hypervisor].entries if was.mentioned(was.hypervisor, e)]
    assert stale

    def compiled(scenario: Scenario, assignment: Assignment) -> Program:
        program = compile_scenario(scenario, assignment)
        tables = program.tables[was.hypervisor]
        keys = {e.key for e in tables.entries}
        entries = (*tables.entries, *(e for e in stale if e.key not in keys))
        ordered = tuple(sorted(entries, key=lambda e: (e.table_id, -e.priority, e.match.tests)))
        return Program(tables={**program.tables, was.hypervisor: replace(tables, entries=ordered)})

    return compiled


def spoofs(lab: Lab, at: str) -> Sequence[Packet]:
    """What red/vm2 may send to its neighbours, sent from somewhere else."""
    me = lab.scenario.port("red/vm2")
    return [
        Packet(src=me, dst=lab.scenario.port(peer), sport=40000 + next(_serial), dport=80, at=at)
        for peer in ("red/vm1", "red/vm3")
    ]


def denied(lab: Lab, closed: str = "red/vm4") -> list[Packet]:
    """New traffic that nobody may get: refused by a group, another tenant's, a stranger's, for everybody.

    *closed* is a port that admits nothing.
    """
    one, two, four = (lab.scenario.port(path) for path in ("red/vm1", "red/vm2", closed))
    stranger = replace(one, mac="02:00:00:00:00:99")
    everybody = replace(two, mac="ff:ff:ff:ff:ff:ff")
    return [
        Packet(src=one, dst=two, sport=8000, dport=22),
        Packet(src=one, dst=four, sport=8001, dport=80),
        Packet(src=one, dst=two, sport=8002, dport=80, at="blue/vm1"),
        Packet(src=stranger, dst=two, sport=8003, dport=80),
        Packet(src=one, dst=everybody, sport=8004, dport=80),
    ]
