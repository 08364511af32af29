"""The stages in order, and nothing else: what the command, a test and a notebook all call.

    scenario -> compile -> start -> connect -> push -> snapshot -> graph, probes -> replay -> sum up

    with Lab(scenario, Options(backend="sim")) as lab:     # up
        report = lab.check()                               # as often as you like
    report = run(scenario, Options())                      # both in one, and a lab that fails is a report

| module | does |
|---|---|
| `options` | how to run, as a value |
| `living` | `Lab`: builds, holds and ends one lab |
| `judge` | one verdict on a lab: every method, replays, the sum |
| `once` | `run`: up, check, down |
"""

from __future__ import annotations

from sdn_lab.lab.living import Lab
from sdn_lab.lab.once import run
from sdn_lab.lab.options import METHODS, Options, silent

__all__ = ["METHODS", "Lab", "Options", "run", "silent"]
