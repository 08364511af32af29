"""Wall time of ``sdn-lab run overlap`` by phase, on every backend that this machine can run.

Median of several runs of the real command, interpreter start included.  The ratio at the end is against
the simulator, the named baseline of this bench.

    python bench/run_overlap.py [--runs 5] [--scenario overlap]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AIM_S = {"sim": 4.0, "mininet": 20.0}


def one_run(scenario: str, backend: str, report: Path) -> tuple[float, dict[str, float]] | str:
    """Return (wall seconds, milliseconds by phase), or why there is nothing to measure."""
    command = [sys.executable, "-m", "sdn_lab", "run", scenario, "--backend", backend]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--report", f"json={report}"], capture_output=True, text=True, timeout=300, check=False
    )
    wall = time.perf_counter() - began
    if done.returncode == 5:
        return done.stderr.strip()
    if done.returncode != 0:
        raise SystemExit(f"{scenario} on {backend} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return wall, json.loads(report.read_text())["timings_ms"]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=int, default=5)
    words.add_argument("--scenario", default="overlap")
    asked = words.parse_args()

    medians: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for backend, aim in AIM_S.items():
            results = []
            for _ in range(asked.runs):
                result = one_run(asked.scenario, backend, Path(folder) / "report.json")
                if isinstance(result, str):
                    print(f"{backend}: not measured: {result}")
                    break
                results.append(result)
            if not results:
                continue
            medians[backend] = statistics.median(wall for wall, _ in results)
            measured = f"{medians[backend]:.2f} s, median of {len(results)} (aim: under {aim:g} s)"
            print(f"{asked.scenario} on {backend}: {measured}")
            for phase in results[0][1]:
                print(f"    {phase:<12} {statistics.median(r[1].get(phase, 0.0) for r in results):8.0f} ms")
    for backend, wall in medians.items():
        if backend != "sim" and "sim" in medians:
            print(f"{backend} takes {wall / medians['sim']:.1f} times as long as sim")


if __name__ == "__main__":
    main()
