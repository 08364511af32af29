"""Choose what to send when the families plan more than time allows.

Fair to claims, not to families: cases are dealt out in rounds, each round at most one case a claim and
family, so that every claim keeps some probes of every family that tests it.  What is left out is counted
and the verdicts say so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sdn_lab.observe.case import Case

FLOOR = 8000  # packets that any run may send: two or three seconds
PER_CLAIM = 12


def allowance(claims: int) -> int:
    """Return how many packets a run with so many claims may send."""
    return max(FLOOR, PER_CLAIM * claims)


def choose(cases: Sequence[Case], packets: int) -> tuple[list[Case], Mapping[str, int]]:
    """Return the cases to send, in their order, and the packets left out by family."""
    if sum(len(case.shots) for case in cases) <= packets:
        return list(cases), {}
    rounds: Counter[tuple[str, tuple[str, ...]]] = Counter()
    ranked = []
    for index, case in enumerate(cases):
        key = (case.probe, case.shots[-1].bears_on[:1])
        ranked.append((rounds[key], index))
        rounds[key] += 1
    chosen: set[int] = set()
    spent = 0
    for _, index in sorted(ranked):
        if spent + len(cases[index].shots) > packets:
            break
        spent += len(cases[index].shots)
        chosen.add(index)
    left_out: Counter[str] = Counter()
    for index, case in enumerate(cases):
        if index not in chosen:
            left_out[case.probe] += len(case.shots)
    return [case for index, case in enumerate(cases) if index in chosen], dict(left_out)
