"""Counts per claim kind and method, and what the verdicts cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdn_lab.model.verdict import Kind, Status, Verdict

_ORDER = {kind: index for index, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind as one method judged it.  *counts* leaves out zeros; *covers* says so if verdicts differ."""

    kind: str
    method: str
    counts: tuple[tuple[Status, int], ...]
    covers: str


def tally(verdicts: Sequence[Verdict]) -> tuple[Row, ...]:
    """Return the rows, by kind, then method."""
    groups: dict[tuple[Kind, str], list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault((verdict.kind, verdict.method), []).append(verdict)
    rows = []
    for (kind, method), given in sorted(groups.items(), key=lambda item: (_ORDER[item[0][0]], item[0][1])):
        counts = [(status, sum(v.status is status for v in given)) for status in Status]
        rows.append(
            Row(
                kind=kind.value,
                method=method,
                counts=tuple((status, number) for status, number in counts if number),
                covers=_covers([v.covers for v in given if v.covers]),
            )
        )
    return tuple(rows)


def _covers(texts: Sequence[str]) -> str:
    different = list(dict.fromkeys(texts))
    if not different:
        return ""
    return different[0] if len(different) == 1 else f"e.g. {different[0]}"
