"""The report for machines: JSON, schema ``sdn-lab/report/1``.

The names of its fields are a contract (the design's section 7; `report-1.schema.json` beside this
module).  Fields may be added, never renamed or given another meaning.  ``error`` is there only when the
run failed.  Keys have a fixed order, numbers are finite, all text is ASCII with escapes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import (
    Counterexample,
    Difference,
    Disagreement,
    Drift,
    Kind,
    Report,
    Status,
    Step,
    Verdict,
)
from sdn_lab.report.format import Format

SCHEMA = "sdn-lab/report/1"


class JsonReporter(Format):
    """Writes `to_json` of a report."""

    name = "json"

    def render(self, report: Report, scenario: Scenario | None) -> str:
        """Return the document; *scenario* adds nothing to it."""
        del scenario
        return json.dumps(to_json(report), indent=1, allow_nan=False) + "\n"


def to_json(report: Report) -> dict[str, Any]:
    """Return the document as plain values."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "scenario": report.scenario,
        "backend": report.backend,
        "status": report.status,
        "exit": report.exit,
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
        "summary": {claim: status.value for claim, status in report.summary.items()},
        "not_judged": list(report.not_judged),
        "disagreements": [
            {"claim": d.claim, "between": list(d.between), "what": d.what} for d in report.disagreements
        ],
        "information": list(report.information),
        "environment": _plain({"versions": {}, **report.environment}),
        "timings_ms": {phase: _finite(ms) for phase, ms in report.timings_ms.items()},
        "seed": report.seed,
    }
    if report.error:
        document["error"] = report.error
    return document


def load(path: Path) -> Report:
    """Read a report that `JsonReporter` wrote.  Raises ValueError for anything else.

    Claims are not in it: `Report.claims` of what is returned is empty.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path} is not a report of schema {SCHEMA}")
    return Report(
        scenario=document["scenario"],
        backend=document["backend"],
        status=document["status"],
        exit=document["exit"],
        verdicts=tuple(_read_verdict(held) for held in document["verdicts"]),
        summary={claim: Status(status) for claim, status in document["summary"].items()},
        disagreements=tuple(
            Disagreement(claim=d["claim"], between=(d["between"][0], d["between"][1]), what=d["what"])
            for d in document["disagreements"]
        ),
        not_judged=tuple(document["not_judged"]),
        information=tuple(document["information"]),
        environment=document["environment"],
        timings_ms=document["timings_ms"],
        seed=document["seed"],
        error=document.get("error", ""),
    )


def _verdict(verdict: Verdict) -> dict[str, Any]:
    witness = verdict.counterexample
    document: dict[str, Any] = {
        "claim": verdict.claim,
        "kind": verdict.kind.value,
        "method": verdict.method,
        "status": verdict.status.value,
        "covers": verdict.covers,
        "reason": verdict.reason,
        "counterexample": None if witness is None else _counterexample(witness),
        "ms": _finite(verdict.ms),
    }
    if verdict.differences:
        document["differences"] = [_difference(found) for found in verdict.differences]
    return document


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "datapath": found.datapath,
        "table": found.table,
        "part": found.part,
        "drift": found.drift.value,
        "expected": found.expected,
        "held": found.held,
        "betrays": found.betrays,
    }


def _counterexample(witness: Counterexample) -> dict[str, Any]:
    return {
        "src": witness.src,
        "dst": witness.dst,
        "packet_hex": witness.packet_hex,
        "packet": witness.packet,
        "path": [
            {"datapath": s.datapath, "table": s.table, "entry": s.entry, "origin": s.origin}
            for s in witness.path
        ],
        "before": [{"port": port, "packet_hex": frame} for port, frame in witness.before],
        "replayed": dict(witness.replayed),
        "arrives": witness.arrives,
    }


def _read_verdict(held: Mapping[str, Any]) -> Verdict:
    shown = held["counterexample"]
    witness = shown and Counterexample(
        src=shown["src"],
        dst=shown["dst"],
        packet_hex=shown["packet_hex"],
        packet=shown["packet"],
        path=tuple(Step(**step) for step in shown["path"]),
        before=tuple((b["port"], b["packet_hex"]) for b in shown["before"]),
        replayed=shown["replayed"],
        arrives=shown["arrives"],
    )
    return Verdict(
        claim=held["claim"],
        kind=Kind(held["kind"]),
        method=held["method"],
        status=Status(held["status"]),
        covers=held["covers"],
        reason=held["reason"],
        counterexample=witness,
        ms=held["ms"],
        differences=tuple(
            Difference(**{**found, "drift": Drift(found["drift"])}) for found in held.get("differences", ())
        ),
    )


def _finite(number: float) -> float:
    """Return the number, to the microsecond; what is not finite was not measured, and is 0."""
    return round(number, 3) if math.isfinite(number) else 0.0


def _plain(value: object) -> Any:
    """Return what JSON can carry of an environment's value."""
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(held) for held in value), key=str)
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float):
        return _finite(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
