"""Pairs of instances probed per second on Mininet, against Mininet's own pingAll on as many hosts.

Baseline: Mininet's pingAll as it is, on one kernel bridge (its best case: no Open vSwitch in userspace, no
tunnels, no isolation).  Ours: one nonce per ordered pair, every instance listening promiscuously, over Open
vSwitch and VXLAN on two hypervisors, judged.  Both in one run, several times, medians; imports not counted.

    python bench/probes_against_pingall.py [--instances 32] [--runs 3]      (root)
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import permutations

from sdn_lab.backends import load_backend
from sdn_lab.compiler import compile_scenario
from sdn_lab.control.controller import Controller
from sdn_lab.lab import silent
from sdn_lab.model.assignment import assign
from sdn_lab.model.intent import Scenario
from sdn_lab.model.observation import Expected, Observation, Outcome
from sdn_lab.model.traffic import UDP
from sdn_lab.observe import frames
from sdn_lab.observe.campaign import run_probes
from sdn_lab.observe.case import Case, Family, Shot
from sdn_lab.observe.probes.reach import aimed
from sdn_lab.observe.world import World
from sdn_lab.scenario import loads
from sdn_lab.scenario.claims import claims

AIM = 20
PINGALL = "--pingall-in-a-namespace"
SWITCH = "bench0"
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def scenario_of(instances: int) -> Scenario:
    """Return two overlapping tenants with *instances* in all, spread over two hypervisors."""
    lines = ["version: 1", "name: bench", "underlay: {sites: {here: [hv1, hv2]}}", "tenants:"]
    for tenant in ("red", "blue"):
        lines += [f"  {tenant}:", "    networks: {app: {cidr: 10.0.0.0/16}}"]
        lines += ["    security_groups:", "      open: [{direction: ingress, protocol: any, remote: any}]"]
        lines += ["    instances:"]
        for n in range(instances // 2):
            place, ip = f"hv{n % 2 + 1}", IPv4Address("10.0.1.0") + n
            lines.append(
                f"      vm{n}: {{network: app, hypervisor: {place}, ip: {ip}, "
                f'mac: "02:00:00:00:00:{n:02x}", groups: [open]}}'
            )
    return loads("\n".join(lines), "bench.yaml")


def every_pair(world: World) -> Iterator[Case]:
    """One datagram from every port to the MAC and address of every other, of its own tenant or not."""
    for src, dst in permutations(world.ports, 2):
        flow = world.flow(src.ips[0], dst.ips[0], UDP, 4000)
        addressee, expected = aimed(world, src, dst.mac, flow)
        nonce = world.nonces.draw()
        shot = Shot(
            src=src.path,
            dst=dst.path if addressee is None else addressee.path,
            frame=frames.opening(flow, src.mac, dst.mac, nonce),
            nonce=nonce,
            expected=expected,
            bears_on=(),
        )
        yield Case(probe="pair", shots=(shot,))


EVERY_PAIR = Family("pair", "one datagram per ordered pair", lambda _: True, every_pair)


def ours(instances: int, runs: int) -> list[float]:
    """Return ordered pairs probed per second, by run, on one lab."""
    scenario = scenario_of(instances)
    assignment = assign(scenario)
    program = compile_scenario(scenario, assignment)
    wanted = claims(scenario)
    rates = []
    with load_backend("mininet").start(scenario, assignment, seed=0, progress=silent) as lab:
        controller = Controller(
            lab.spawn,
            app="overlay",
            host=lab.controller_host,
            l4_port=0,
            scenario=scenario,
            assignment=assignment,
            program=program,
        )
        controller.start()
        lab.connect(controller.host, controller.l4_port, controller.settle)
        controller.wait_confirmed(timeout_ms=60_000, progress=silent)
        snapshot = lab.snapshot()
        for seed in range(runs + 1):  # the first run imports scapy, and is not counted
            began = time.perf_counter()
            seen = run_probes(
                lab, scenario, wanted, snapshot, assignment, seed=seed, progress=silent, probes=(EVERY_PAIR,)
            ).seen
            spent = time.perf_counter() - began
            lost = [o for o in seen if o.outcome is Outcome.INCONCLUSIVE]
            if lost:
                raise SystemExit(f"{len(lost)} of {len(seen)} probes were inconclusive: nothing was measured")
            wrong = [o for o in seen if o.sightings or (o.outcome is Outcome.DELIVERED) is not _wanted(o)]
            if wrong:
                raise SystemExit(f"{len(wrong)} of {len(seen)} probes came out wrong, e.g. {wrong[0]}")
            if seed:
                rates.append(len(seen) / spent)
                print(f"    ours: {len(seen)} pairs in {spent:.2f} s, all as the claims say")
        controller.stop()
    return rates


def _wanted(observation: Observation) -> bool:
    return observation.expected is Expected.DELIVERED


def pingall(instances: int) -> float:
    """Return pairs per second of Mininet's pingAll, measured in namespaces that vanish."""
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-W", "ignore", __file__, PINGALL, str(instances)],
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    return float(done.stdout.split()[-1])


def pingall_here(instances: int) -> float:
    """Build a plain Mininet on a kernel bridge and time its pingAll."""
    from mininet.net import Mininet
    from mininet.node import Switch
    from mininet.topo import SingleSwitchTopo

    class KernelBridge(Switch):
        """One Linux bridge: nothing that could slow pings down."""

        def start(self, _controllers: object) -> None:
            self.cmd("ip link add", SWITCH, "type bridge && ip link set", SWITCH, "up")
            for interface in self.intfList():
                if interface.name != "lo":
                    self.cmd("ip link set", interface, "master", SWITCH, "up")

        def stop(self, deleteIntfs: bool = True) -> None:  # noqa: N803 (Mininet's name)
            self.cmd("ip link del", SWITCH)
            super().stop(deleteIntfs)

    net = Mininet(topo=SingleSwitchTopo(k=instances), switch=KernelBridge, controller=None)
    net.start()
    try:
        began = time.perf_counter()
        dropped = net.pingAll()
        spent = time.perf_counter() - began
    finally:
        net.stop()
    if dropped:
        raise SystemExit(f"pingAll dropped {dropped} %: nothing was measured")
    return instances * (instances - 1) / spent


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == PINGALL:
        print(pingall_here(int(sys.argv[2])))
        return
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--instances", type=int, default=32)
    words.add_argument("--runs", type=int, default=3)
    asked = words.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("this bench builds network namespaces: run it as root")

    baseline = []
    for _ in range(asked.runs):
        baseline.append(pingall(asked.instances))
        print(f"    pingAll: {asked.instances} hosts, {baseline[-1]:.0f} pairs/s")
    rates = ours(asked.instances, asked.runs)
    mine, theirs = statistics.median(rates), statistics.median(baseline)
    print(f"sdn_lab {mine:.0f} pairs/s, pingAll {theirs:.0f} pairs/s, medians of {asked.runs}")
    print(f"ratio: {mine / theirs:.1f} (aim: {AIM})")


if __name__ == "__main__":
    main()
