"""A real program, pushed entry by entry: at no moment does anything get through that should not.

The program is what the compiler makes of the shipped scenario; what gets through is what `interpret` says.
Frames come from every port and from the tunnel, to every address, right and forged, tagged and not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import frames
from sdn_lab.openflow.action import Output
from sdn_lab.openflow.conntrack import Tracker
from sdn_lab.openflow.delta import Change, Operation, apply, delta
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.interpret import Emission, Pipeline, Tunnel
from sdn_lab.openflow.match import Match
from sdn_lab.scenario.load import load

SCENARIO = load(Path(__file__).parents[3] / "topologies" / "overlap.yaml")
ASSIGNMENT = assign(SCENARIO)
PROGRAM = compile_scenario(SCENARIO, ASSIGNMENT)
Arrival = tuple[bytes, int, Tunnel | None]


def talk(src_mac: str, dst_mac: str, src: object, dst: object) -> Iterator[bytes]:
    """ARP or neighbour solicitation, TCP to an open and a closed port, UDP, echo; one of them tagged."""
    if src.version == 4:
        arp = frames.arp(1, src_mac, src, "00:00:00:00:00:00", dst)
        yield frames.ethernet(src_mac, "ff:ff:ff:ff:ff:ff", 0x0806, arp)
        payloads = {6: frames.tcp(src, dst, 1025, 80, flags=2), 1: frames.icmp_echo()}
        payloads[17] = frames.udp(src, dst, 1025, 53)
        packets = [frames.ipv4(src, dst, proto, body) for proto, body in payloads.items()]
        packets.append(frames.ipv4(src, dst, 6, frames.tcp(src, dst, 1025, 22, flags=2)))
        eth_type = 0x0800
    else:
        packets = [
            frames.ipv6(src, dst, 6, frames.tcp(src, dst, 1025, 80, flags=2)),
            frames.ipv6(src, dst, 58, frames.icmpv6_echo(src, dst)),
        ]
        eth_type = 0x86DD
    yield from (frames.ethernet(src_mac, dst_mac, eth_type, packet) for packet in packets)
    plain = frames.ethernet(src_mac, dst_mac, eth_type, packets[0])
    yield plain[:12] + b"\x81\x00\x00\x05" + plain[12:]


def arrivals(hypervisor: str) -> list[Arrival]:
    """Every frame from every local port, and as it would come through the tunnel."""
    here = ASSIGNMENT.datapaths[hypervisor]
    of_ports = {a.port: a.of_port for a in here.attachments}
    made: list[Arrival] = []
    for src in SCENARIO.ports:
        for dst in SCENARIO.ports:
            pairs = [(a, b) for a in src.ips for b in dst.ips if a.version == b.version and src != dst]
            for a, b in pairs:
                for data in talk(src.mac, dst.mac, a, b):
                    if src.path in of_ports:
                        made.append((data, of_ports[src.path], None))
                    else:
                        peer = ASSIGNMENT.datapaths[src.hypervisor]
                        vni = SCENARIO.network(src.network).vni
                        outer = Tunnel(tun_id=vni, tun_src=int(peer.vtep), tun_dst=int(here.vtep))
                        made.append((data, here.tunnel_of_port, outer))
    return list(dict.fromkeys(made))


def answers(tables: Tables, hypervisor: str, tried: list[Arrival]) -> list[frozenset[Emission]]:
    """What comes out for each arrival, each on a tracker that knows nothing."""
    here = ASSIGNMENT.datapaths[hypervisor]
    of_ports = (here.tunnel_of_port, *(a.of_port for a in here.attachments))
    pipeline = Pipeline(tables, tracker=Tracker(), ports=of_ports)
    found = []
    for data, in_port, outer in tried:
        pipeline.tracker = Tracker()
        found.append(frozenset(pipeline.process(data, in_port, outer).emissions))
    return found


def opened(operations: list[Operation], hypervisor: str, *, every: int) -> list[tuple[int, Arrival]]:
    """The arrivals that some half-way state lets out where the final state does not."""
    tried = arrivals(hypervisor)
    allowed = answers(apply(Tables(), operations), hypervisor, tried)
    assert any(allowed)
    assert not all(allowed)
    return [
        (length, arrival)
        for length in range(0, len(operations), every)
        for arrival, now, final in zip(
            tried, answers(apply(Tables(), operations[:length]), hypervisor, tried), allowed, strict=True
        )
        if not now <= final
    ]


def test_no_prefix_of_the_shipped_scenario_opens_anything() -> None:
    operations = delta(Tables(), PROGRAM.tables["hv1"])

    assert opened(operations, "hv1", every=2) == []


def test_the_check_finds_a_hole_that_is_open_for_a_moment() -> None:
    """Planted: everything of one port goes to another, until the push is almost done."""
    here, there = ASSIGNMENT.datapaths["hv1"].attachments[:2]
    hole = FlowEntry(
        priority=65535,
        match=Match.of(in_port=here.of_port),
        instructions=Instructions(apply=(Output(of_port=there.of_port),)),
    )
    operations = [
        Operation(change=Change.ADD, subject=hole),
        *delta(Tables(), PROGRAM.tables["hv1"]),
        Operation(change=Change.DELETE, subject=hole),
    ]

    assert opened(operations, "hv1", every=len(operations) - 1)
