"""The lower part of the topology: every network, and the routers and peerings that join some on purpose.

Networks that something joins stand below one another; each router and each peering is an upright line with a
mark at every network that it joins.  A peering's mark is an arrow at the network to which connections may be
opened; a closed one's line is broken.  Networks that nothing joins are listed after them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdn_lab.model.intent import Network, Peering, Scenario
from sdn_lab.report.format import clean
from sdn_lab.report.plots.drawing import FAINT, INK, PAPER, Look, box, fitted, write

_SMALL = 5.6  # a VNI and two prefixes fit
_PILL_W, _PILL_H, _ROW, _BESIDE = 2.1, 0.42, 0.52, 0.2
_HEAD, _LEGEND, _LABELS, _LINE_W = 0.4, 0.35, 0.5, 1.15

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join:
    """A router or a peering: two words about it, the networks that it joins, how its line looks."""

    name: str
    about: str
    networks: Sequence[str]
    into: str = ""  # the network to which connections may be opened; a router: all
    closed: bool = False


def size(scenario: Scenario, width: float) -> tuple[float, float]:
    """Return how wide and how high it will be, in inches, if *width* is there anyway."""
    joins = _joins(scenario)
    needs = max(width, _PILL_W + 0.3 + len(joins) * _LINE_W)
    stacked, alone = _split(scenario)
    high = _HEAD + _LEGEND + math.ceil(len(alone) / _across(needs)) * _ROW
    if stacked:
        high += _LABELS + len(stacked) * _ROW + 0.15
    return needs, high


def draw(plane: Any, scenario: Scenario, painted: Mapping[str, Look], at: Spot, width: float) -> None:
    """Draw it from the upper left corner *at*."""
    x, y = at
    write(plane, x, y + 0.1, "Networks, and what joins them on purpose", 10, ha="left", weight="bold")
    stacked, alone = _split(scenario)
    y += _HEAD
    if stacked:
        y += _LABELS
        spots = {network.path: (x, y + n * _ROW) for n, network in enumerate(stacked)}
        joins = _joins(scenario)
        lines = [x + _PILL_W + 0.3 + (n + 0.5) * _LINE_W for n in range(len(joins))]
        _draw_wires(plane, scenario, painted, spots, lines)
        for join, line in zip(joins, lines, strict=True):
            _draw_join(plane, join, line, spots, y)
        for network in stacked:
            _pill(plane, network, painted[network.tenant], spots[network.path])
        y += len(stacked) * _ROW + 0.15
    for n, network in enumerate(alone):
        across = _across(width)
        spot = (x + n % across * (_PILL_W + _BESIDE), y + n // across * _ROW)
        _pill(plane, network, painted[network.tenant], spot)
    y += math.ceil(len(alone) / _across(width)) * _ROW + 0.1
    text = "No router and no peering: every two networks are isolated from each other."
    if stacked:
        text = "An unbroken upright line joins the networks where it has a mark; other pairs are isolated."
    elif len(scenario.networks) < 2:
        text = "One network: the security groups of its ports say who may talk to whom."
    write(plane, x, y, text, 8, ha="left", color=FAINT)


def _joins(scenario: Scenario) -> list[_Join]:
    routers = [
        _Join(name=f"router {r.path}", about="", networks=[i.network for i in r.interfaces])
        for r in scenario.routers
    ]
    peerings = [
        _Join(
            name="peering" if p.approved else "closed peering",
            about=_allowed(p),
            networks=p.between,
            into=p.between[1],
            closed=not p.approved,
        )
        for p in scenario.peerings
    ]
    return routers + peerings


def _split(scenario: Scenario) -> tuple[list[Network], list[Network]]:
    """Return the networks that something joins, and the others."""
    joined = {path for join in _joins(scenario) for path in join.networks}
    return (
        [network for network in scenario.networks if network.path in joined],
        [network for network in scenario.networks if network.path not in joined],
    )


def _allowed(peering: Peering) -> str:
    """Return what a peering lets through, in short."""
    words = []
    for rule in peering.allow:
        ports = [str(r.first) if r.first == r.last else f"{r.first}-{r.last}" for r in rule.l4_ports or ()]
        words.append(rule.protocol.value + (f"/{','.join(ports)}" if ports else ""))
    return " ".join(words) or "allows nothing"


def _across(width: float) -> int:
    return max(1, int((width + _BESIDE) // (_PILL_W + _BESIDE)))


def _draw_wires(
    plane: Any,
    scenario: Scenario,
    painted: Mapping[str, Look],
    spots: Mapping[str, Spot],
    lines: Sequence[float],
) -> None:
    """Draw each network on from its pill to the last line that ends at it."""
    joins = _joins(scenario)
    for path, (left, above) in spots.items():
        last = max(x for join, x in zip(joins, lines, strict=True) if path in join.networks)
        colour = painted[scenario.network(path).tenant].colour
        y = above + _PILL_H / 2
        plane.plot([left + _PILL_W, last], [y, y], color=colour, linewidth=4, zorder=2, solid_capstyle="butt")


def _draw_join(plane: Any, join: _Join, x: float, spots: Mapping[str, Spot], top: float) -> None:
    ends = {path: spots[path][1] + _PILL_H / 2 for path in join.networks}
    low, colour = max(ends.values()), FAINT if join.closed else INK
    dashes = (0, (3, 2)) if join.closed else "-"
    plane.plot([x, x], [top - 0.12, low], color=colour, linewidth=1.6, linestyle=dashes, zorder=3)
    for path, y in ends.items():
        marker = "o"
        if path == join.into:  # points away from where connections come from
            marker = "^" if y < low else "v"
        plane.plot([x], [y], marker=marker, markersize=7 if path == join.into else 5, color=colour, zorder=4)
    words = [join.name, *([join.about] if join.about else [])]
    for n, word in enumerate(reversed(words)):
        weight = "bold" if word == join.name else "normal"
        text = fitted(clean(word), _LINE_W - 0.05, 7)
        write(plane, x, top - 0.2 - n * 0.14, text, 7, color=colour, weight=weight)


def _pill(plane: Any, network: Network, look: Look, spot: Spot) -> None:
    left, above = spot
    box(
        plane, left, above, _PILL_W, _PILL_H, round_=0.1,
        facecolor=look.colour, hatch=look.hatch, edgecolor=INK, linewidth=0.6, zorder=5,
    )  # fmt: skip
    name = fitted(clean(network.path), _PILL_W - 0.1, 8)
    cidrs = fitted(" ".join([f"VNI {network.vni}", *map(str, network.cidrs)]), _PILL_W - 0.1, _SMALL)
    if look.hatch:
        box(
            plane,
            left + 0.12,
            above + 0.05,
            _PILL_W - 0.24,
            _PILL_H - 0.1,
            facecolor=PAPER,
            linewidth=0,
            zorder=5,
        )
    ink = INK if look.hatch else look.ink
    write(plane, left + _PILL_W / 2, above + 0.14, name, 8, color=ink, zorder=6)
    write(plane, left + _PILL_W / 2, above + 0.31, cidrs, _SMALL, color=ink, zorder=6)
