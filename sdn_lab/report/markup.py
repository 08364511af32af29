"""Values as pieces of HTML, for a notebook: a scenario, a report, entries of a table, a path.

Everything that comes from a file or a dump is escaped.  A picture is part of the HTML; where matplotlib is
missing the words are all there is.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from sdn_lab.model.diagnostic import ApparatusError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report, Status, Step, Verdict
from sdn_lab.report import plots
from sdn_lab.report.format import clean
from sdn_lab.report.tally import tally

MOST_SHOWN = 8
_COLOURS = {"holds": "#0b6e4f", "violated": "#b3261e", "unknown": "#8a6d00", "disagreement": "#b3261e"}
_SIGNS = {"holds": "✓", "violated": "✕", "unknown": "?", "disagreement": "≠"}


def of_scenario(scenario: Scenario) -> str:
    """Return a scenario: its picture, or its numbers."""
    try:
        return picture(plots.topology(scenario), f"topology of {scenario.name}")
    except ApparatusError:
        rows = [
            ("tenants", ", ".join(scenario.tenants)),
            ("networks", ", ".join(network.path for network in scenario.networks)),
            ("ports", ", ".join(f"{port.path} on {port.hypervisor}" for port in scenario.ports)),
        ]
        return f"<p><b>{_safe(scenario.name)}</b></p>" + table(("", ""), rows)


def of_report(report: Report) -> str:
    """Return a report: what it came to, what is violated and how, what was checked."""
    count = {status: sum(held is status for held in report.summary.values()) for status in Status}
    told = ", ".join(f"{number} {status.value}" for status, number in count.items() if number)
    where = f"<b>{_safe(report.scenario)}</b> on {_safe(report.backend)}"
    claims = f"{len(report.summary)} claims, {told or 'none judged'}"
    parts = [f"<p>{status(report.status)} {where}: {claims}</p>"]
    if report.error:
        parts.append(f"<p>{_safe(report.error)}</p>")
    parts += [
        f"<p>{status('disagreement')} {_safe(d.claim)}: {_safe(d.what)}</p>" for d in report.disagreements
    ]
    bad = [verdict for verdict in report.verdicts if verdict.status is not Status.HOLDS]
    parts += [_told(verdict) for verdict in bad[:MOST_SHOWN]]
    if len(bad) > MOST_SHOWN:
        parts.append(f"<p>... and {len(bad) - MOST_SHOWN} more</p>")
    rows = [
        (row.kind, row.method, ", ".join(f"{number} {held.value}" for held, number in row.counts), row.covers)
        for row in tally(report.verdicts)
    ]
    return "".join(parts) + table(("kind", "method", "verdicts", "covers"), rows)


def status(word: str) -> str:
    """Return a status in its colour, with a sign for those who do not see it."""
    colour = _COLOURS.get(word, "inherit")
    return f'<b style="color:{colour}">{_SIGNS.get(word, "")} {_safe(word)}</b>'


def of_path(steps: Sequence[Step]) -> str:
    """Return a packet's way, table by table."""
    rows = [(f"{step.datapath}, table {step.table}", step.origin, step.entry) for step in steps]
    return table(("where", "why the entry is there", "entry"), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of texts."""
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{_safe(cell)}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    head = "".join(f'<th style="text-align:left">{_safe(head)}</th>' for head in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture(figure: Any, about: str) -> str:
    """Return a figure as an image that needs no file; *about* is for those who do not see it."""
    memory = io.BytesIO()
    plots.save_to(figure, memory)
    data = base64.b64encode(memory.getvalue()).decode()
    return f'<img alt="{_safe(about)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def _told(verdict: Verdict) -> str:
    parts = [f"<p>{status(verdict.status.value)} <b>{_safe(verdict.claim)}</b> by {_safe(verdict.method)}"]
    if verdict.reason:
        parts.append(f"<br>{_safe(verdict.reason)}")
    parts.append("</p>")
    if verdict.differences:
        rows = [(str(found), found.betrays) for found in verdict.differences[:MOST_SHOWN]]
        parts.append(table(("difference", "betrays"), rows))
    witness = verdict.counterexample
    if witness is not None:
        parts.append(
            f"<p>{_safe(witness.src)} → {_safe(witness.dst)}: <code>{_safe(witness.packet)}</code></p>"
        )
        if witness.path:
            parts.append(of_path(witness.path))
    return "".join(parts)


def _safe(text: str) -> str:
    return escape(clean(text))
