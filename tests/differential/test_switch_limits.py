"""Limits of zones, and lives of connections by a clock that is warped, are those of Open vSwitch."""

from __future__ import annotations

import re

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.conntrack_time import Timeouts
from sdn_lab.openflow.entry import Tables
from sdn_lab.openflow.packet_parse import dissect
from sdn_lab.openflow.text import parse_flows

from .switch_case import Case, Sent
from .switch_compare import Tally, compare
from .switch_oracle import Oracle

pytestmark = pytest.mark.ovs
COMMIT = Tables(
    entries=parse_flows(
        "table=0,ip,actions=move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG0[0..15],ct(commit,zone=reg0[0..15])"
    )
)
SHOWN = Tables(
    entries=parse_flows(
        "table=0,ip,actions=ct(commit,zone=1,table=1)\n"
        "table=1,actions=move:NXM_NX_CT_STATE[]->NXM_OF_ETH_DST[0..31],output:3"
    )
)
A, B = "10.0.0.1", "10.0.0.2"


def frame(zone: int, message: bytes, *, proto: int = 17, back: bool = False) -> bytes:
    src, dst = (B, A) if back else (A, B)
    packet = pk.ipv4(src, dst, proto, message)
    return pk.ethernet(zone, "02:00:00:00:00:02", 0x0800, packet)


@pytest.mark.parametrize(
    "settings", ["default=2", "zone=1,limit=1", "default=3 zone=1,limit=1", "zone=2,limit=0"]
)
def test_as_many_connections_are_committed_in_each_zone(oracle: Oracle, settings: str) -> None:
    oracle.load(Case(seed=0, tables=COMMIT, frames=()))
    tracker = Tracker()
    control = oracle.vswitch.control
    words = settings.split()
    try:
        control.call("dpctl/ct-set-limits", *words)
        for word in words:
            numbers = [int(number) for number in re.findall(r"=(\d+)", word)]
            tracker.limits.set(numbers[0] if len(numbers) == 2 else None, numbers[-1])
        for number, zone in enumerate((1, 2, 1, 3, 2, 1, 3)):
            sent = frame(zone, pk.udp(A, B, 1000 + number, 53))
            oracle.send([Sent(of_port=1, frame=sent)])
            tracker.track(sent, dissect(sent), PacketState(), zone, commit=True)
        dumped = control.call("dpctl/dump-conntrack")
        theirs = sorted((int(z), int(p)) for p, z in re.findall(r"sport=(1\d+),.*?zone=(\d)", dumped))
    finally:
        control.call("dpctl/ct-del-limits", "zone=1,2,3")
        control.call("dpctl/ct-set-limits", "default=0")
        oracle.restart()  # a default limit cannot be taken away again
    assert theirs == sorted((c.key.zone, c.key.src[1]) for c in tracker.connections())


def udp(back: bool = False) -> bytes:
    ports = (53, 1000) if back else (1000, 53)
    return frame(1, pk.udp(*((B, A) if back else (A, B)), *ports), back=back)


def tcp(flags: int, seq: int, ack: int, back: bool = False) -> bytes:
    ports = (80, 1000) if back else (1000, 80)
    ends = (B, A) if back else (A, B)
    return frame(1, pk.tcp(*ends, *ports, flags=flags, seq=seq, ack=ack), proto=6, back=back)


def echo(kind: int) -> bytes:
    return frame(1, pk.icmp(kind, 0, b"\0\7\0\1" + bytes(8)), proto=1, back=kind == 0)


OPEN = [tcp(2, 100, 0), tcp(0x12, 500, 101, True), tcp(0x10, 101, 501)]
LIVES = {
    "udp, first": ([udp()], udp(), 60),
    "udp, answered": ([udp(), udp(True)], udp(), 30),
    "udp, again": ([udp(), udp()], udp(), 60),
    "icmp, first": ([echo(8)], echo(8), 60),
    "icmp, answered": ([echo(8), echo(0)], echo(0), 30),
    "tcp, opening": (OPEN[:1], OPEN[1], 30),
    "tcp, opened": (OPEN[:2], OPEN[1], 30),
    "tcp, established": (OPEN, tcp(0x10, 501, 101, True), 86_400),
    "tcp, one end finished": ([*OPEN, tcp(0x11, 101, 501)], tcp(0x10, 501, 102, True), 900),
    "tcp, reset": ([*OPEN, tcp(0x04, 101, 0)], tcp(0x10, 501, 101, True), 30),
}


@pytest.mark.parametrize("past", [-1, 1], ids=["before its end", "after its end"])
@pytest.mark.parametrize("life", LIVES)
def test_a_connection_lives_as_long(oracle: Oracle, life: str, past: int) -> None:
    before, last, seconds = LIVES[life]
    frames = [Sent(of_port=1, frame=each) for each in before]
    pause_ms = seconds * 1000 + past * 500
    frames.append(Sent(of_port=1, frame=last, pause_ms=pause_ms))
    case = Case(seed=0, tables=SHOWN, frames=tuple(frames))
    tally = Tally()
    found = compare(oracle, case, tally)
    assert found is None, f"{found}"
    assert tally.compared == len(frames)


def test_the_comparison_sees_a_connection_that_lives_too_long(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Timeouts, "ns", lambda timeouts, stage: 10**15)
    before, last, seconds = LIVES["udp, answered"]
    frames = [Sent(of_port=1, frame=each) for each in before]
    frames.append(Sent(of_port=1, frame=last, pause_ms=seconds * 1000 + 500))
    assert compare(oracle, Case(seed=0, tables=SHOWN, frames=tuple(frames)), Tally()) is not None
