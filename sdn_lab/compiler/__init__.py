"""Stage 2: a scenario becomes flow entries.

Reads:    `model.intent.Scenario`, `model.assignment.Assignment`.
Writes:   `openflow.entry.Program`: what every integration bridge should hold.
Imports:  `model` and `openflow` values only.  Pure, total, deterministic: no clock, no randomness,
          no input or output.

`pipeline` declares the tables, once, in order; one module a stage fills them.  The claims
(`scenario.claims`) read the same scenario on their own: neither imports the other, and
`tests/differential` holds them against each other and against real Open vSwitch.
"""

from sdn_lab.compiler.program import compile_scenario

__all__ = ["compile_scenario"]
