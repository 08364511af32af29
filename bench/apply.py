"""Apply of a one-rule change to a running lab, against ending it and starting another, on both backends.

Baseline: what somebody does who has no `apply`: the lab down, and up again with the new file, in the same
run.  Ours: `Lab.apply` back and forth, from the call to its return: compiled, pushed, confirmed, in force,
tracked flows asked.  The shipped `overlap`: three hypervisors, two tenants, some 600 entries.  Medians.

    python bench/apply.py [--runs 20] [--backend sim]      (root for mininet)
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice

from sdn_lab.backends import BACKENDS
from sdn_lab.lab import Lab, Options
from sdn_lab.lab.apply import Applied
from sdn_lab.model.intent import Scenario
from sdn_lab.scenario import find, loads

AIM_MS = 300.0
REBUILDS = 3


def pair() -> tuple[Scenario, Scenario]:
    """Return the shipped scenario, and the same with one more port in one rule of each tenant's group."""
    text = find("overlap").read_text()
    other = text.replace("ports: 80, remote: any", "ports: [80, 81], remote: any")
    assert other != text
    return loads(text, "overlap.yaml"), loads(other, "changed.yaml")


def applies(backend: str, runs: int) -> Iterator[Applied]:
    """Change one lab back and forth; the first change is not counted."""
    one, other = pair()
    with Lab(one, Options(backend=backend, methods=("graph",))) as lab:
        lab.apply(other)
        for scenario in islice(cycle((one, other)), runs):
            yield lab.apply(scenario)
        if lab.check().status != "holds":
            raise SystemExit(f"{backend}: what was applied does not hold: nothing was measured")


def rebuild_ms(backend: str) -> float:
    """End one lab and start another; return what it took."""
    one, other = pair()
    options = Options(backend=backend, methods=("graph",))
    lab = Lab(one, options)
    lab.__enter__()
    began = time.perf_counter()
    lab.__exit__(None, None, None)
    with Lab(other, options):
        return (time.perf_counter() - began) * 1000


def measure(backend: str, runs: int) -> bool:
    """Print one backend's figures; say whether the aim was reached."""
    done = list(applies(backend, runs))
    ours = statistics.median(applied.total_ms for applied in done)
    phases = {
        name: statistics.median(applied.timings_ms[name] for applied in done) for name in done[0].timings_ms
    }
    theirs = statistics.median(rebuild_ms(backend) for _ in range(REBUILDS))
    parts = ", ".join(f"{name} {ms:.0f}" for name, ms in phases.items())
    print(f"{backend}: one rule applied in {ours:.0f} ms (median of {runs}; {parts})")
    print(
        f"    baseline, down and up again: {theirs:.0f} ms (median of {REBUILDS}); ratio {ours / theirs:.2f}"
    )
    print(f"    aim: {AIM_MS:.0f} ms: {'reached' if ours <= AIM_MS else 'MISSED'}")
    return ours <= AIM_MS


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--backend", choices=sorted(BACKENDS))
    chosen = parser.parse_args()
    backends = [chosen.backend] if chosen.backend else sorted(BACKENDS, reverse=True)
    reached = [measure(backend, chosen.runs) for backend in backends]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
