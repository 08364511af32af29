"""The report for people: text, with colour on a terminal and without it the same.

Order: the verdict in one line - the matrix - disagreements - who leaked what to whom - what is unknown - what
was checked, and how far that goes - remarks - the verdict again with the exit code's meaning.  The most
important is first and last, where eyes are.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Counterexample, Report, Status, Verdict
from sdn_lab.openflow.packet import describe
from sdn_lab.report.format import Format, clean
from sdn_lab.report.matrix import draw, is_alarm
from sdn_lab.report.tally import tally

PLAIN_WIDTH = 110
MOST_SHOWN = 20  # violated or unknown claims told in full; the json report has all
EXITS = {
    0: "every claim holds",
    1: "some claim is violated",
    2: "bad usage, or a bad scenario",
    3: "something is unknown, or nothing was checked",
    4: "two methods disagree: a bug of sdn-lab, please report it",
    5: "something that the run needs is missing on this machine",
    6: "the lab failed while it ran",
}
_STYLES = {Status.HOLDS: "green", Status.VIOLATED: "bold red", Status.UNKNOWN: "yellow"}


class TextReporter(Format):
    """Writes for people."""

    name = "text"

    def render(self, report: Report, scenario: Scenario | None) -> str:
        """Return the report without colour, at a fixed width."""
        stream = io.StringIO()
        for line in _lines(report, scenario, PLAIN_WIDTH):
            stream.write(line.plain.rstrip() + "\n")
        return stream.getvalue()

    def print(self, report: Report, scenario: Scenario | None, stream: TextIO) -> None:
        """Print to a stream; with colour, and as wide as it is, if it is a terminal."""
        if not stream.isatty():
            stream.write(self.render(report, scenario))
            return
        console = Console(file=stream)
        for line in _lines(report, scenario, console.width):
            console.print(line, soft_wrap=True, highlight=False)


def _lines(report: Report, scenario: Scenario | None, width: int) -> Iterator[Text]:
    yield _verdict_line(report)
    if report.error:
        yield Text(f"  {clean(report.error)}", "bold red")
    if scenario is not None and report.verdicts:
        yield from _matrix(report, scenario, width)
    yield from _disagreements(report)
    yield from _claims(report, scenario, Status.VIOLATED, "Violated")
    if report.verdicts or not report.error:
        yield from _claims(report, scenario, Status.UNKNOWN, "Unknown")
    yield from _tally(report)
    if report.not_judged:
        yield from _heading(f"Not judged: no chosen method can ({len(report.not_judged)})")
        kinds = Counter(claim.partition("/")[0] for claim in report.not_judged)
        yield Text("  " + ", ".join(f"{number} {clean(kind)}" for kind, number in kinds.items()))
    if report.information:
        yield from _heading("For information")
        yield from (Text(f"  {clean(line)}") for line in report.information)
    yield Text("")
    meaning = EXITS.get(report.exit, "")
    yield Text(f"{clean(report.scenario)}: {report.status}, exit {report.exit}: {meaning}", _style(report))


def _verdict_line(report: Report) -> Text:
    count = {status: sum(held is status for held in report.summary.values()) for status in Status}
    told = ", ".join(f"{number} {status.value}" for status, number in count.items() if number)
    counted = f"{len(report.summary)} claims: {told}" if report.summary else "no claim was judged"
    return Text(f"{clean(report.scenario)} on {clean(report.backend)}: {counted}", _style(report))


def _style(report: Report) -> str:
    return "bold green" if report.exit == 0 else "bold yellow" if report.exit == 3 else "bold red"


def _heading(title: str) -> Iterator[Text]:
    yield Text("")
    yield Text(title, "bold")


def _matrix(report: Report, scenario: Scenario, width: int) -> Iterator[Text]:
    matrix = draw(report, scenario, width)
    if not matrix.names:
        return
    yield from _heading("Who may talk to whom (a row sends, a column receives)")
    names = [clean(name) for name in matrix.names]
    label = max(map(len, names)) + 5
    column = max(len(str(len(names))), *(len(cell) for row in matrix.cells for cell in row)) + 2
    yield Text(" " * label + "".join(str(n + 1).rjust(column) for n in range(len(names))), "dim")
    for number, (name, row) in enumerate(zip(names, matrix.cells, strict=True), start=1):
        line = Text(f"{number:>3}  {name}".ljust(label))
        for cell in row:
            line.append(cell.rjust(column), "bold red" if is_alarm(cell) else "")
        yield line
    yield from (Text(f"  {signs}", "dim") for signs in _wrapped(matrix.legend, width))


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    """Join parts to lines that fit, never breaking a part."""
    line = ""
    for part in parts:
        if line and len(line) + len(part) + 5 > width:
            yield line
            line = ""
        line += ("   " if line else "") + part
    yield line


def _disagreements(report: Report) -> Iterator[Text]:
    if not report.disagreements:
        return
    yield from _heading(f"METHODS DISAGREE ({len(report.disagreements)}): nothing above may be relied on")
    for found in report.disagreements:
        between = " against ".join(map(clean, found.between))
        yield Text(f"  {clean(found.claim)}: {between}", "bold red")
        yield Text(f"    {clean(found.what)}")


def _claims(report: Report, scenario: Scenario | None, status: Status, title: str) -> Iterator[Text]:
    claims = [claim for claim, held in report.summary.items() if held is status]
    if not claims:
        return
    yield from _heading(f"{title} ({len(claims)})")
    told: dict[str, str] = {}
    for claim in claims[:MOST_SHOWN]:
        given = [v for v in report.verdicts if v.claim == claim and v.status is status]
        methods = ", ".join(v.method for v in given) or _silence(report)
        yield Text(f"  {clean(claim)} ", _STYLES[status]).append(f"({clean(methods)})", "dim")
        for verdict in given:
            yield from _told(verdict, scenario, told)
    yield from _more(len(claims))


def _silence(report: Report) -> str:
    return "the run ended before" if report.error else "every method abstained"


def _told(verdict: Verdict, scenario: Scenario | None, told: dict[str, str]) -> Iterator[Text]:
    """Tell one verdict; what was told already, for another method or claim, is only named again."""
    witness = verdict.counterexample
    what = "".join((verdict.reason, *map(str, verdict.differences)))
    if witness is not None:
        what = f"{witness.src}>{witness.dst}:{witness.packet_hex}"
    if not what:
        return
    if what in told:
        if told[what] != verdict.claim:
            yield Text(f"    as under {clean(told[what])}")
        return
    told[what] = verdict.claim
    if witness is None:
        yield Text(f"    {clean(verdict.reason)}")
        yield from _differences(verdict)
    else:
        yield Text(f"    {_place(witness.src, scenario)} -> {_place(witness.dst, scenario)}")
        if verdict.reason:
            yield Text(f"      {clean(verdict.reason)}")
        yield Text(f"      packet: {clean(witness.packet)}")
        yield from _path(witness)


def _differences(verdict: Verdict) -> Iterator[Text]:
    for found in verdict.differences[:MOST_SHOWN]:
        table = "" if found.table is None else f"table {found.table}, "
        what = f"{table}{found.part} {found.drift.value}: {clean(found.betrays)}"
        yield Text(f"      {what.removesuffix(': ')}")
        if found.held:
            yield Text(f"        + {clean(found.held)}", "dim")
        if found.expected:
            yield Text(f"        - {clean(found.expected)}", "dim")
    if len(verdict.differences) > MOST_SHOWN:
        yield Text(f"      ... and {len(verdict.differences) - MOST_SHOWN} more; --report json=FILE has all")


def _path(witness: Counterexample) -> Iterator[Text]:
    for port, frame in witness.before:
        yield Text(f"      before: {clean(port)} sends {clean(describe(bytes.fromhex(frame)))}")
    for step in witness.path:
        where = f"{clean(step.datapath)} table {step.table}"
        yield Text(f"      {where}: {clean(step.origin) or 'no origin'}")
        yield Text(f"        {clean(step.entry)}", "dim")
    for backend, arrived in witness.replayed.items():
        yield Text(
            f"      sent again on {clean(backend)}: {'it arrived' if arrived else 'it did NOT arrive'}"
        )


def _place(name: str, scenario: Scenario | None) -> str:
    """Name a port or watch point, with the line that wrote it and its network."""
    if scenario is None:
        return clean(name)
    about = []
    port = next((p for p in scenario.ports if p.path == name), None)
    if port is not None:
        about.append(f"network {port.network}, {port.hypervisor}")
    source = scenario.sources.get(name)
    if source is not None:
        about.append(f"{source.file}:{source.line}")
    return clean(f"{name} ({', '.join(about)})" if about else name)


def _tally(report: Report) -> Iterator[Text]:
    rows = tally(report.verdicts)
    if not rows:
        return
    yield from _heading("What was checked")
    for row in rows:
        line = Text(f"  {row.kind:<13}{clean(row.method):<8}")
        for status, number in row.counts:
            line.append(f"{number:>5} {status.value}", _STYLES[status])
        yield line.append(f"   {clean(row.covers)}", "dim") if row.covers else line


def _more(number: int) -> Iterator[Text]:
    if number > MOST_SHOWN:
        yield Text(f"  ... and {number - MOST_SHOWN} more; --report json=FILE has all")
