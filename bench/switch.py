"""Packets per second through the simulator's switch, on one core.

Measured in turns, each the median of several rounds:

    baseline    scapy takes the same frames apart and builds them again, and decides nothing
    cached      one switch, one stateless entry, from the frame's arrival to its leaving
    overlay     the overlay's own pipeline between two instances of one hypervisor: the tracker twice
    across      from one instance's port to another's on the next hypervisor, over VXLAN and the underlay
    ... slow    the same without the cache

Frames are 100 flows of 64 bytes of payload; those of the overlay are segments of open TCP connections.

    python bench/switch.py [--rounds 7] [--packets 20000] [--profile across]
"""

from __future__ import annotations

import argparse
import cProfile
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice

from sdn_lab.backends.sim.clock import Clock
from sdn_lab.backends.sim.network import Network
from sdn_lab.backends.sim.switch import Attached, Switch
from sdn_lab.compiler import compile_scenario
from sdn_lab.model.assignment import assign
from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.action import Output
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.interpret import Pipeline
from sdn_lab.openflow.match import Match
from sdn_lab.openflow.wire.reply import PortState
from sdn_lab.scenario import find, load

BASELINE = "scapy"
FLOWS = 100
PAYLOAD = bytes(64)
AIMS = {"cached": 150_000, "overlay": 60_000, "across": 25_000}
VM1, VM2, VM3 = (("red/vm1", 11), ("red/vm2", 12), ("red/vm3", 13))
SYN, ACK = 2, 0x10


def segment(
    src: int, dst: int, own: int, flags: int, seq: int, ack: int, data: bytes = b"", *, back: bool = False
) -> bytes:
    """Return a TCP segment between two instances; *back* is from the server."""
    a, b = f"10.0.0.{src}", f"10.0.0.{dst}"
    ports = (80, own) if back else (own, 80)
    body = pk.tcp(a, b, *ports, data, flags=flags, seq=seq, ack=ack)
    return pk.ethernet(f"02:00:00:00:00:{src}", f"02:00:00:00:00:{dst}", 0x0800, pk.ipv4(a, b, 6, body))


class Overlay:
    """The shipped scenario's data plane with its compiled tables, and open connections to *there*."""

    def __init__(self, there: tuple[str, int]) -> None:
        scenario = load(find("overlap"))
        assignment = assign(scenario)
        self.clock = Clock()
        self.network = Network(scenario, assignment, self.clock)
        for hypervisor, tables in compile_scenario(scenario, assignment).tables.items():
            self.network.integration[hypervisor].load(tables)
        for instance in self.network.instances.values():
            instance.deaf = True
        ends = {False: (VM1, there), True: (there, VM1)}
        for number in range(FLOWS):
            for back, flags, seq, ack in (
                (False, SYN, 1000, 0),
                (True, SYN | ACK, 5000, 1001),
                (False, ACK, 1001, 5001),
            ):
                (sender, src), (_, dst) = ends[back]
                self.send(sender, segment(src, dst, 2000 + number, flags, seq, ack, back=back))
        self.frames = [segment(VM1[1], there[1], 2000 + n, ACK, 1001, 5001, PAYLOAD) for n in range(FLOWS)]

    def send(self, sender: str, frame: bytes) -> None:
        """Send from an instance's port and let everything happen."""
        self.network.from_instance(sender, frame)
        self.clock.finish_moment()


def scapy_baseline(frames: list[bytes]) -> Callable[[int], None]:
    """Return what takes frames apart and builds them again with scapy."""
    from scapy.layers.l2 import Ether

    def run(packets: int) -> None:
        for frame in islice(cycle(frames), packets):
            parsed = Ether(frame)
            parsed.clear_cache()
            bytes(parsed)

    return run


def one_switch(frames: list[bytes]) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """Return what sends frames through one switch with a stateless entry, cached and slow."""
    entry = FlowEntry(
        priority=10,
        match=Match.of(eth_type=0x0800, ipv4_dst=(0x0A000000, 0xFFFFFF00)),
        instructions=Instructions(apply=(Output(of_port=2),)),
    )
    ports = [
        Attached(state=PortState(of_port=n, mac=bytes(6), name=f"p{n}"), behind=f"port:{n}") for n in (1, 2)
    ]
    switch = Switch("bench", 1, Clock(), ports)
    switch.load(Tables(entries=(entry,)))
    pipeline = Pipeline(Tables(entries=(entry,)), ports=(1, 2))

    def cached(packets: int) -> None:
        before = switch.sent[2].packets
        for frame in islice(cycle(frames), packets):
            switch.receive(frame, 1)
        assert switch.sent[2].packets - before == packets

    def slow(packets: int) -> None:
        for frame in islice(cycle(frames), packets):
            assert pipeline.process(frame, 1).emissions

    return cached, slow


def overlay() -> tuple[Callable[[int], None], Callable[[int], None]]:
    """Return what sends segments through the overlay's pipeline to the instance next door."""
    lab = Overlay(VM2)
    switch, of_port = lab.network.places[VM1[0]]
    to = lab.network.places[VM2[0]][1]
    switch.on_emit = lambda *_: None
    pipeline = Pipeline(switch.tables(), tracker=switch.tracker, ports=tuple(switch.ports))

    def cached(packets: int) -> None:
        before = switch.sent[to].packets
        for frame in islice(cycle(lab.frames), packets):
            switch.receive(frame, of_port)
        assert switch.sent[to].packets - before == packets

    def slow(packets: int) -> None:
        for frame in islice(cycle(lab.frames), packets):
            assert pipeline.process(frame, of_port).emissions

    return cached, slow


def across() -> Callable[[int], None]:
    """Return what sends segments to the next hypervisor, over the underlay."""
    lab = Overlay(VM3)

    def run(packets: int) -> None:
        lab.network.begin()
        switch, of_port = lab.network.places[VM3[0]]
        before = switch.sent[of_port].packets
        for number, frame in enumerate(islice(cycle(lab.frames), packets)):
            lab.send(VM1[0], frame)
            if number % 1000 == 0:
                lab.network.begin()
        assert switch.sent[of_port].packets - before == packets

    return run


def rates(runs: dict[str, tuple[Callable[[int], None], int]], rounds: int) -> dict[str, list[float]]:
    """Return packets a second of processor time, by round; all take turns, on the same machine."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for run, packets in runs.values():
        run(min(packets, 2 * FLOWS))
    for _ in range(rounds):
        for name, (run, packets) in runs.items():
            began = time.process_time()
            run(packets)
            found[name].append(packets / (time.process_time() - began))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--profile", choices=sorted(AIMS))
    chosen = parser.parse_args()
    frames = [segment(11, 12, 2000 + n, ACK, 1001, 5001, PAYLOAD) for n in range(FLOWS)]
    cached, slow = one_switch(frames)
    overlay_cached, overlay_slow = overlay()
    ours = {"cached": cached, "overlay": overlay_cached, "across": across()}
    if chosen.profile:
        ours[chosen.profile](2 * FLOWS)
        with cProfile.Profile() as profile:
            ours[chosen.profile](chosen.packets)
        profile.print_stats("tottime")
        return 0
    few = chosen.packets // 20
    runs = {
        BASELINE: (scapy_baseline(frames), few),
        **{name: (run, chosen.packets) for name, run in ours.items()},
    }
    runs |= {"cached, slow": (slow, few), "overlay, slow": (overlay_slow, few)}
    found = rates(runs, chosen.rounds)
    baseline = statistics.median(found[BASELINE])
    print(
        f"{len(frames[0])} byte frames, {FLOWS} flows; packets a second of a core, "
        f"median of {chosen.rounds} (least to most)"
    )
    reached = True
    for name, each in found.items():
        middle = statistics.median(each)
        told = f"    {name:<14} {middle:10,.0f}   ({min(each):,.0f} to {max(each):,.0f})"
        told += (
            "; takes apart and builds again"
            if name == BASELINE
            else f"; {middle / baseline:.1f} x {BASELINE}"
        )
        if name in AIMS:
            reached &= middle >= AIMS[name]
            told += f"; aim {AIMS[name]:,}: {'reached' if middle >= AIMS[name] else 'MISSED'}"
        print(told)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
