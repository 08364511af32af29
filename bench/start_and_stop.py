"""Start and stop of a lab on Mininet, against plain Mininet's own start() and stop() with as many hosts.

Baseline: Mininet as it is, all hosts on one Open vSwitch in userspace, nothing overlapping, no isolation.
Ours: three hypervisors with an Open vSwitch each, tunnels, port numbers asked for and read back.  Both in one
run, turn by turn, medians; building only: no controller, no probes.  Then a whole lab and one `check`.

    python bench/start_and_stop.py [--instances 64] [--runs 3]      (root)
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from sdn_lab.backends import load_backend
from sdn_lab.lab import Lab, Options, silent
from sdn_lab.model.assignment import assign
from sdn_lab.scenario import find, load

AIM = 1.0
PLAIN = "--plain-in-a-namespace"
UNSHARE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def ours(instances: int) -> tuple[float, float]:
    """Return the seconds that start and stop took."""
    scenario = load(find("leaf_spine"), {"tenants": "2", "hypervisors": "3", "instances": str(instances)})
    assignment = assign(scenario)
    backend = load_backend("mininet")
    began = time.perf_counter()
    lab = backend.start(scenario, assignment, seed=0, progress=silent)
    started = time.perf_counter()
    with lab:
        pass
    return started - began, time.perf_counter() - started


def checked(instances: int) -> None:
    """Print how long a check by every method takes on such a lab."""
    scenario = load(find("leaf_spine"), {"tenants": "2", "hypervisors": "3", "instances": str(instances)})
    with Lab(scenario, Options(backend="mininet")) as lab:
        began = time.perf_counter()
        report = lab.check()
        spent = time.perf_counter() - began
    if report.status != "holds":
        raise SystemExit(f"the check came to {report.status}: nothing was measured")
    phases = ", ".join(f"{name} {ms / 1000:.1f}" for name, ms in report.timings_ms.items() if ms > 100)
    claims = len({verdict.claim for verdict in report.verdicts})
    print(f"check: {claims} claims hold after {spent:.1f} s ({phases})")


def plain(instances: int) -> tuple[float, float]:
    """Return the same of plain Mininet, in namespaces that vanish."""
    done = subprocess.run(
        [*UNSHARE, sys.executable, "-W", "ignore", __file__, PLAIN, str(instances)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    start, stop = done.stdout.split()[-2:]
    return float(start), float(stop)


def plain_here(instances: int) -> tuple[float, float]:
    """Start Open vSwitch where Mininet looks for it, and time Mininet on it."""
    from mininet.net import Mininet
    from mininet.node import OVSSwitch
    from mininet.topo import SingleSwitchTopo

    run = Path("/run/openvswitch")
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    run.mkdir()
    database, socket = f"{run}/conf.db", f"unix:{run}/db.sock"
    subprocess.run(["ovsdb-tool", "create", database], check=True)
    quiet = ("--detach", "--no-chdir", "-vconsole:off", "-vsyslog:off", "--pidfile", "--log-file=/dev/null")
    subprocess.run(["ovsdb-server", database, f"--remote=p{socket}", *quiet], check=True)
    subprocess.run(["ovs-vsctl", "--timeout=10", "--no-wait", "init"], check=True)
    subprocess.run(["ovs-vswitchd", socket, *quiet], check=True)
    began = time.perf_counter()
    net = Mininet(
        SingleSwitchTopo(instances),
        switch=lambda name, **words: OVSSwitch(name, datapath="user", failMode="standalone", **words),
        controller=None,
        autoSetMacs=True,
    )
    net.start()
    started = time.perf_counter()
    net.stop()
    return started - began, time.perf_counter() - started


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--instances", type=int, default=64)
    words.add_argument("--runs", type=int, default=3)
    words.add_argument(PLAIN, dest="plain", type=int, help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.plain:
        print(*plain_here(asked.plain))
        return
    if os.geteuid() != 0:
        raise SystemExit("this bench needs root: Mininet does")
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "plain Mininet": []}
    for _ in range(asked.runs):
        taken["ours"].append(ours(asked.instances))
        taken["plain Mininet"].append(plain(asked.instances))
    both = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in taken.items()
    }
    for name, (start, stop) in both.items():
        print(f"{name}: {asked.instances} instances start in {start:.2f} s and stop in {stop:.2f} s")
    ratio = sum(both["ours"]) / sum(both["plain Mininet"])
    print(f"start and stop take {ratio:.2f} times as long as plain Mininet's (aim: {AIM:g} at most)")
    checked(asked.instances)


if __name__ == "__main__":
    main()
