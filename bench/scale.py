"""A large lab on the simulator: built, pushed over OpenFlow, and answering pings of every tenant.

`leaf_spine` with 100 hypervisors, 1,000 tenants and 5,000 instances, all by the ways of `sdn-lab run`: the
default controller in a process of its own, TLS, flow-mods, barriers, dumps that confirm.  One ping in each
tenant, between its first and its last instance that let pings in.  Prints entries, the time of each phase,
and the peak of memory: of this process and of its largest child, added.

    python bench/scale.py [--hypervisors 100] [--tenants 1000] [--instances 5000]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sdn_lab.backends.sim.lab import SimLab
from sdn_lab.lab import Lab, Options
from sdn_lab.model.intent import Scenario
from sdn_lab.scenario import find, load

AIM_S, AIM_GIB = 300.0, 4.0


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long something took."""
    began = time.perf_counter()
    yield
    print(f"    {what:<12} {time.perf_counter() - began:8.1f} s", flush=True)


def peak_gib() -> float:
    """Return the peak memory of this process and of the largest of its children, added."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(kind).ru_maxrss for kind in kinds) / (1 << 20)


def pings(lab: Lab, scenario: Scenario) -> tuple[int, int]:
    """Ping once in every tenant; return how many were answered, and how many were asked."""
    backend = lab.backend
    assert isinstance(backend, SimLab)
    by_tenant: dict[str, list[str]] = {}
    for port in scenario.ports:
        if "web" in {group.rpartition("/")[2] for group in port.groups}:
            by_tenant.setdefault(port.path.split("/")[0], []).append(port.path)
    pairs = [(ports[0], ports[-1]) for ports in by_tenant.values() if len(ports) > 1]
    return sum(backend.ping(src, dst) for src, dst in pairs), len(pairs)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, number in (("hypervisors", 100), ("tenants", 1000), ("instances", 5000)):
        parser.add_argument(f"--{name}", type=int, default=number)
    chosen = parser.parse_args()
    began = time.perf_counter()
    print(", ".join(f"{number} {name}" for name, number in vars(chosen).items()))
    with timed("scenario"):
        scenario = load(find("leaf_spine"), {name: str(number) for name, number in vars(chosen).items()})
    with timed("compile"):
        lab = Lab(scenario, Options(backend="sim", methods=("graph",)))
    entries = sum(len(tables.entries) for tables in lab.program.tables.values())
    with lab:
        for phase, ms in lab.phases.timings_ms.items():
            print(f"    {phase:<12} {ms / 1000:8.1f} s")
        with timed("pings"):
            answered, asked = pings(lab, scenario)
        total = time.perf_counter() - began
    memory = peak_gib()
    print(f"{entries} entries; {answered} of {asked} pings answered; {total:.0f} s, {memory:.2f} GiB")
    reached = answered == asked > 0 and total <= AIM_S and memory <= AIM_GIB
    print(f"    aim: {AIM_S:.0f} s and {AIM_GIB:.0f} GiB: {'reached' if reached else 'MISSED'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
