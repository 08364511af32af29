"""The simulator delivers exactly what the interpreter says, tunnels made of real frames in between."""

import pytest

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.model.observation import Injection, PointKind, WatchPoint, Window
from sdn_lab.openflow import packet
from sdn_lab.openflow.walk import Walk
from sdn_lab.scenario import random_scenario

ETH_IP, ETH_IPV6, ETH_ARP = 0x0800, 0x86DD, 0x0806
L4 = (22, 80, 443, 8000)


def datagrams(src, dst, here, there, number):
    """Transport messages from one address to another: what a rule may speak of, and answers to it."""
    own = 40_000 + number
    for to in L4:
        yield 6, packet.tcp(here, there, own, to, seq=1)
        yield 6, packet.tcp(here, there, to, own, seq=1, ack=2, flags=0x12)
        yield 6, packet.tcp(here, there, own, to, seq=2, ack=2, flags=0x10)
        yield 17, packet.udp(here, there, own, to, b"ask")
        yield 17, packet.udp(here, there, to, own, b"answer")
    if here.version == 4:
        yield 1, packet.icmp_echo(number, 1, b"ping")
        yield 1, packet.icmp_echo(number, 1, b"ping", reply=True)
    else:
        yield 58, packet.icmpv6_echo(here, there, number, 1, b"ping")
        yield 58, packet.neighbour_solicit(here, there, src.mac)


def frames(src, dst, number):
    """Everything from one port to another, honest or not."""
    for here in src.ips:
        for there in dst.ips:
            if here.version != there.version:
                continue
            for proto, message in datagrams(src, dst, here, there, number):
                if here.version == 4:
                    yield packet.ethernet(src.mac, dst.mac, ETH_IP, packet.ipv4(here, there, proto, message))
                else:
                    hops = 255 if message[0] == 135 else 64
                    body = packet.ipv6(here, there, proto, message, hop_limit=hops)
                    yield packet.ethernet(src.mac, dst.mac, ETH_IPV6, body)
                    yield packet.ethernet(dst.mac, src.mac, ETH_IPV6, body)
            if here.version == 4:
                for op in (1, 2):
                    body = packet.arp(op, src.mac, here, dst.mac, there)
                    yield packet.ethernet(src.mac, dst.mac, ETH_ARP, body)
                    yield packet.push_vlan(packet.ethernet(src.mac, dst.mac, ETH_ARP, body))
                    yield packet.ethernet(src.mac, b"\xff" * 6, ETH_ARP, body)


def conversation(scenario):
    number = 0
    for src in scenario.ports:
        for dst in scenario.ports:
            number += 1
            if src != dst:
                for frame in frames(src, dst, number):
                    yield src.path, frame


def disagreements(scenario, tables, ours):
    """Compare a lab that holds *ours* with a walk through *tables*; return how many frames, what differs."""
    assignment = assign(scenario)
    walk, different, delivered, tried = Walk(tables, assignment), [], 0, 0
    with SimLab(scenario, assignment) as lab:
        lab.program(ours)
        for port, frame in conversation(scenario):
            point = WatchPoint(kind=PointKind.PORT, name=port)
            told = walk.send(port, frame, now_ns=lab.clock.now_ns)
            got = lab.exchange(Window(injections=(Injection(point=point, frame=frame),)))
            arrived = [(c.point.name, c.frame) for c in got.captures if c.point.kind is PointKind.PORT]
            assert not [c for c in got.captures if c.point.kind is PointKind.MANAGEMENT]
            tried, delivered = tried + 1, delivered + len(arrived)
            if sorted(arrived) != sorted(told.arrivals):
                different.append((port, frame, arrived, told.arrivals))
    return tried, delivered, different


@pytest.mark.parametrize("seed", range(8))
def test_random_scenarios_deliver_the_same_frames_in_both(seed):
    scenario = random_scenario(seed, max_ports=5)
    tables = compile_scenario(scenario, assign(scenario)).tables
    assert disagreements(scenario, tables, tables)[2] == []


def test_some_of_these_frames_arrive_and_some_do_not():
    scenario = random_scenario(1, max_ports=5)
    tables = compile_scenario(scenario, assign(scenario)).tables
    tried, delivered, _ = disagreements(scenario, tables, tables)
    assert 0 < delivered < tried


def test_the_comparison_sees_an_entry_that_is_missing():
    scenario = random_scenario(1, max_ports=5)
    tables = compile_scenario(scenario, assign(scenario)).tables
    kept = {
        name: type(held)(entries=tuple(e for e in held.entries if e.table_id != held.entries[-1].table_id))
        for name, held in tables.items()
    }
    assert disagreements(scenario, tables, kept)[2] != []
