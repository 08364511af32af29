"""The isolation matrix as a picture: a row sends, a column receives, a cell is what was shown of the pair.

Every port has a row and a column, in the order of tenants and networks, whatever their number; beyond
`MOST_WITH_TEXT` the cells have no text but alarms and unknowns, and beyond `MOST_WITH_NAMES` the axes name
networks and no longer ports.

No meaning is in a colour alone: an alarm has a cross, an unknown a question mark, what is not judged a wave;
that two ports may talk and that they are isolated differ in lightness.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.model.verdict import Report
from sdn_lab.report.format import clean
from sdn_lab.report.matrix import (
    BROKEN,
    ISOLATED,
    LEAK,
    LEAKY,
    NOT_JUDGED,
    NOTHING,
    OPEN,
    SELF,
    UNKNOWN,
    Pairs,
)
from sdn_lab.report.plots.drawing import (
    BLUE,
    FAINT,
    INK,
    LINE,
    PAPER,
    VERMILION,
    YELLOW,
    Look,
    box,
    canvas,
    fitted,
    looks,
    marks,
    mosaic,
    write,
)

MOST_WITH_TEXT = 16
MOST_WITH_NAMES = 80
_MARGIN, _HEAD, _STRIP = 0.3, 0.75, 0.14
_TALKS = "talks"
_MOST_LINES = 5  # of text in a cell
_FILL = {
    SELF: "#d9d9d9",
    ISOLATED: "#f7f7f7",
    NOTHING: "#cfe3f2",
    _TALKS: BLUE,
    LEAK: VERMILION,
    LEAKY: "#efa66d",
    OPEN: VERMILION,
    BROKEN: "#f7d9c4",
    UNKNOWN: YELLOW,
    NOT_JUDGED: PAPER,
}
_SIGN = {LEAK: "X", LEAKY: "x", OPEN: "P", BROKEN: "$/$", UNKNOWN: "$?$", NOT_JUDGED: r"$\sim$"}
_MEANING = {
    _TALKS: "may talk, as the groups say",
    NOTHING: "joined, but the groups admit nothing",
    ISOLATED: "isolated",
    LEAK: "a packet got there",
    LEAKY: "networks not isolated",
    OPEN: "more passes than the groups say",
    BROKEN: "allowed, and does not arrive",
    UNKNOWN: "unknown",
    NOT_JUDGED: "not judged",
}


def figure(report: Report, scenario: Scenario) -> Any:
    """Draw it.  Its size follows from the number of ports."""
    ports = sorted(scenario.ports, key=lambda port: (port.tenant, port.network, port.path))
    pairs = Pairs(report, scenario)
    cells = [[pairs.cell(s.path, d.path) for d in ports] for s in ports]
    number = len(ports)
    side = 0.72 if number <= MOST_WITH_TEXT else max(0.04, min(0.2, 13 / max(1, number)))
    names = number <= MOST_WITH_NAMES
    longest = max((len(port.path if names else port.network) for port in ports), default=4)
    label = min(2.6, 0.3 + longest * (0.085 if number <= MOST_WITH_TEXT else 0.065))
    left, top = _MARGIN + label + 0.1, _HEAD + label
    used = {_sort(cell) for row in cells for cell in row}
    legend = [sort for sort in _MEANING if sort in used]
    width = max(left + number * side + _MARGIN, 6.5)
    bottom = top + number * side + 0.25
    drawn, plane = canvas(width, bottom + 0.26 * len(legend) + 0.25)
    title = f"{clean(report.scenario)} on {clean(report.backend)}: {report.status}"
    write(plane, _MARGIN, 0.3, title, 12, ha="left", weight="bold")
    write(plane, _MARGIN, 0.55, "a row sends, a column receives", 8, ha="left", color=FAINT)
    _cells(plane, cells, (left, top), side)
    if number <= MOST_WITH_TEXT:
        for r, row in enumerate(cells):
            for c, cell in enumerate(row):
                _text(plane, left + c * side, top + r * side, side, cell)
    painted = looks(scenario.tenants)
    _frame(plane, ports, painted, (left, top), side)
    _names(plane, ports, (left, top), side, names=names, room=label - 0.15)
    for n, sort in enumerate(legend):
        y = bottom + 0.1 + n * 0.26
        box(plane, _MARGIN, y, 0.2, 0.2, facecolor=_FILL[sort], linewidth=0.5)
        if sort in _SIGN:
            marks(plane, [(_MARGIN + 0.1, y + 0.1)], _SIGN[sort], 0.11)
        write(plane, _MARGIN + 0.3, y + 0.1, _MEANING[sort], 8, ha="left")
    return drawn


def _sort(cell: str) -> str:
    """Return what kind of cell it is: services are all of one kind."""
    return cell if cell in _FILL else _TALKS


def _cells(plane: Any, cells: Sequence[Sequence[str]], at: tuple[float, float], side: float) -> None:
    """Fill all cells, put the signs on them, draw the grid."""
    left, top = at
    mosaic(plane, left, top, side, [[_FILL[_sort(cell)] for cell in row] for row in cells])
    texts = len(cells) <= MOST_WITH_TEXT
    for sort, sign in _SIGN.items():
        spots = [
            (left + (c + 0.5) * side, top + (r + (0.36 if texts else 0.5)) * side)
            for r, row in enumerate(cells)
            for c, cell in enumerate(row)
            if cell == sort
        ]
        marks(plane, spots, sign, min(0.22, side * 0.55))
    if side > 0.08:
        lines = [n * side for n in range(len(cells) + 1)]
        far = len(cells) * side
        style = {"colors": LINE, "linewidth": 0.3, "zorder": 2}
        plane.hlines([top + line for line in lines], left, left + far, **style)
        plane.vlines([left + line for line in lines], top, top + far, **style)


def _text(plane: Any, x: float, y: float, side: float, cell: str) -> None:
    """Write what may be said in a wide cell: the services, or the alarm's word."""
    sort = _sort(cell)
    if sort == _TALKS:
        words = [line for word in cell.split(" ") for line in _wrapped(word, side)]
        if len(words) > _MOST_LINES:
            words = [*words[: _MOST_LINES - 1], "…"]
        for n, word in enumerate(words):
            at = y + side / 2 + (n - (len(words) - 1) / 2) * 0.125
            write(plane, x + side / 2, at, fitted(word, side, 6.5), 6.5, color=PAPER)
    elif sort in (LEAK, LEAKY, OPEN, BROKEN):
        write(plane, x + side / 2, y + side * 0.78, cell, 6.5)


def _wrapped(word: str, side: float) -> list[str]:
    """Break ``tcp/80,8000-8080`` behind its signs, where it is wider than a cell."""
    lines = [""]
    for part in re.findall(r"[^,/-]+[,/-]?", word):
        if lines[-1] and fitted(lines[-1] + part, side, 6.5) != lines[-1] + part:
            lines.append("")
        lines[-1] += part
    return lines


def _frame(
    plane: Any,
    ports: Sequence[Port],
    painted: dict[str, Look],
    at: tuple[float, float],
    side: float,
) -> None:
    """A strip in the tenant's look along both axes, and lines between networks."""
    left, top = at
    whole, first = len(ports) * side, 0
    for _, members in groupby(ports, key=lambda port: port.network):
        held = list(members)
        look, from_, long_ = painted[held[0].tenant], first * side, len(held) * side
        style: dict[str, Any] = {
            "facecolor": look.colour,
            "hatch": look.hatch,
            "edgecolor": INK,
            "linewidth": 0.4,
        }
        box(plane, left - _STRIP, top + from_, _STRIP - 0.03, long_, **style)
        box(plane, left + from_, top - _STRIP, long_, _STRIP - 0.03, **style)
        for line in (from_, from_ + long_):
            plane.plot([left, left + whole], [top + line, top + line], color=INK, linewidth=0.7)
            plane.plot([left + line, left + line], [top, top + whole], color=INK, linewidth=0.7)
        first += len(held)


def _names(
    plane: Any, ports: Sequence[Port], at: tuple[float, float], side: float, *, names: bool, room: float
) -> None:
    left, top = at
    size = 8.0 if side > 0.4 else max(4.0, min(7.0, side * 55))
    if names:
        places = [(port.path, n + 0.5) for n, port in enumerate(ports)]
    else:
        size, places, first = 7.0, [], 0
        for network, members in groupby(ports, key=lambda port: port.network):
            long_ = len(list(members))
            places.append((network, first + long_ / 2))
            first += long_
    for text, middle in places:
        shown = fitted(clean(text), room, size)
        where = middle * side
        write(plane, left - _STRIP - 0.05, top + where, shown, size, ha="right")
        write(plane, left + where, top - _STRIP - 0.05, shown, size, va="bottom", rotation=90)
