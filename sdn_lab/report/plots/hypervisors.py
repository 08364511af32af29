"""The topology: tenants in colours over the hypervisors that carry them, and what joins them on purpose.

Upper part: underlay switches, sites with their hypervisors, links between them; in each hypervisor a cell for
every port.  Where a hypervisor has more than `MOST_CELLS`, a bar for each tenant says how many.
Lower part: every network; routers and peerings as lines between those that they join.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sdn_lab.model.intent import Port, Scenario
from sdn_lab.report.format import clean
from sdn_lab.report.plots import networks
from sdn_lab.report.plots.drawing import (
    FAINT,
    HYPERVISOR,
    INK,
    LINE,
    PAPER,
    SITE,
    Look,
    box,
    canvas,
    fitted,
    inches,
    looks,
    write,
)
from sdn_lab.report.plots.wires import switches, told, wires

MOST_CELLS = 40
_MARGIN, _GAP = 0.3, 0.25
_CELL_H = 0.24
_NARROW, _WIDE = 0.7, 1.7  # a cell is as wide as the longest name wants, within these inches
_NAME_SIZE = 6.5
_HEAD = 0.3
_MOST_WIDE = 15.0  # inches of hypervisors beside one another, before a site goes into another row

Spot = tuple[float, float]


def figure(scenario: Scenario) -> Any:
    """Draw it.  Its size follows from what there is to show."""
    plan = _Plan(scenario)
    wide, below = networks.size(scenario, plan.width - 2 * _MARGIN)
    plan.widen(wide + 2 * _MARGIN)
    drawn, plane = canvas(plan.width, plan.height + below + _MARGIN)
    title = (
        f"{clean(scenario.name)}: {_number(scenario.tenants, 'tenant')}, "
        f"{_number(scenario.ports, 'port')}, {_number(scenario.underlay.hypervisors, 'hypervisor')}"
    )
    write(plane, _MARGIN, 0.3, title, 12, ha="left", weight="bold")
    painted = looks(scenario.tenants)
    plan.draw(plane, painted)
    networks.draw(plane, scenario, painted, (_MARGIN, plan.height), wide)
    return drawn


class _Plan:
    """Where everything of the upper part is."""

    def __init__(self, scenario: Scenario) -> None:
        underlay = scenario.underlay
        self._scenario = scenario
        self._ports: dict[str, list[Port]] = {name: [] for name in underlay.hypervisors}
        for port in scenario.ports:
            self._ports[port.hypervisor].append(port)
        busiest = max((len(ports) for ports in self._ports.values()), default=0)
        self._columns = min(4, max(1, math.ceil(math.sqrt(busiest / 3))))
        self._counted = busiest > MOST_CELLS
        rows = len(scenario.tenants) if self._counted else math.ceil(busiest / self._columns)
        longest = max((len(clean(port.path)) for port in scenario.ports), default=0)
        self._cell = min(_WIDE, max(_NARROW, inches(longest, _NAME_SIZE) + 0.08))
        self._wide = max(1.5, (2.2 if self._counted else self._columns * self._cell) + 0.2)
        self._high = _HEAD + max(1, rows) * _CELL_H + 0.12
        self._switches = switches(underlay)
        self._sites = self._rows_of_sites()
        self._top = 1.95 if self._switches else 1.25 if len(underlay.sites) > 1 else 0.7
        widest = max(
            sum(self._site_width(site) for site in row) + _GAP * (len(row) - 1) for row in self._sites
        )
        self.width = max(7.5, widest + 2 * _MARGIN, 1.6 * len(self._switches) + 2 * _MARGIN)
        self.spots: dict[str, Spot] = {}
        self._boxes: dict[str, tuple[float, float]] = {}
        self.height = self._place()

    def widen(self, width: float) -> None:
        """Make room for what is wider; everything stays in the middle."""
        if width > self.width:
            self.width = width
            self.height = self._place()

    def _rows_of_sites(self) -> list[list[str]]:
        rows: list[list[str]] = [[]]
        used = 0.0
        for site in self._scenario.underlay.sites:
            wide = self._site_width(site)
            if rows[-1] and used + wide > _MOST_WIDE:
                rows.append([])
                used = 0.0
            rows[-1].append(site)
            used += wide + _GAP
        return rows

    def _across(self, site: str) -> int:
        members = len(self._scenario.underlay.sites[site])
        return max(1, min(members, int(_MOST_WIDE // (self._wide + 0.15))))

    def _site_width(self, site: str) -> float:
        return self._across(site) * (self._wide + 0.15) + 0.15

    def _site_height(self, site: str) -> float:
        rows = math.ceil(len(self._scenario.underlay.sites[site]) / self._across(site))
        return _HEAD + max(1, rows) * (self._high + 0.15) + 0.05

    def _place(self) -> float:
        for index, name in enumerate(self._switches):
            self.spots[name] = (self.width * (index + 0.5) / len(self._switches), 1.0)
        y = self._top
        for row in self._sites:
            total = sum(self._site_width(site) for site in row) + _GAP * (len(row) - 1)
            x = (self.width - total) / 2
            for site in row:
                self._boxes[site] = (x, y)
                self.spots[site] = (x + self._site_width(site) / 2, y)
                across = self._across(site)
                for n, name in enumerate(self._scenario.underlay.sites[site]):
                    left = x + 0.15 + n % across * (self._wide + 0.15)
                    top = y + _HEAD + n // across * (self._high + 0.15)
                    self._boxes[name] = (left, top)
                    self.spots[name] = (left + self._wide / 2, top)
                x += self._site_width(site) + _GAP
            y += max(self._site_height(site) for site in row) + 0.55
        return y - 0.2

    def draw(self, plane: Any, painted: Mapping[str, Look]) -> None:
        """Lines first, so that boxes lie over them."""
        self._draw_wires(plane)
        for site, members in self._scenario.underlay.sites.items():
            x, y = self._boxes[site]
            wide = self._site_width(site)
            box(plane, x, y, wide, self._site_height(site), round_=0.08, facecolor=SITE, zorder=2)
            write(plane, x + 0.15, y + 0.16, clean(f"site {site}"), 9, ha="left", color=FAINT, zorder=3)
            for name in members:
                self._draw_hypervisor(plane, name, painted)
        for name in self._switches:
            x, y = self.spots[name]
            box(
                plane, x - 0.6, y - 0.16, 1.2, 0.32, round_=0.06, facecolor="#e4e4e4", edgecolor=INK, zorder=3
            )
            write(plane, x, y, fitted(clean(name), 1.1, 9), 9, zorder=4)

    def _draw_wires(self, plane: Any) -> None:
        flat = {spot[1] for name, spot in self.spots.items() if name in self._scenario.underlay.sites}
        for number, link in enumerate(wires(self._scenario.underlay)):
            (ax, ay), (bx, by) = (self.spots[name] for name in link.between)
            sites = all(name in self._scenario.underlay.sites for name in link.between)
            if sites and ay == by and ay in flat:  # beside each other: an arc over the boxes
                lift = 0.3 + 0.08 * (number % 4)
                xs, ys = [ax, ax, bx, bx], [ay, ay - lift, by - lift, by]
                label = ((ax + bx) / 2, ay - lift)
            else:
                xs, ys = [ax, bx], [ay, by]
                label = ((ax + bx) / 2, (ay + by) / 2)
            plane.plot(xs, ys, color=LINE, linewidth=1.4, solid_joinstyle="round", zorder=1)
            if told(link):
                style = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                write(plane, *label, told(link), 7, color=FAINT, zorder=5, bbox=style)

    def _draw_hypervisor(self, plane: Any, name: str, painted: Mapping[str, Look]) -> None:
        x, y = self._boxes[name]
        box(plane, x, y, self._wide, self._high, round_=0.05, facecolor=HYPERVISOR, edgecolor=INK, zorder=3)
        write(plane, x + 0.1, y + 0.15, fitted(clean(name), self._wide - 0.6, 9), 9, ha="left", zorder=5)
        owner = next((d.tenant for d in self._scenario.dedicated if name in d.hypervisors), None)
        ports = sorted(self._ports[name], key=lambda port: port.path)
        note = (
            f"dedicated to {owner}" if owner is not None else _number(ports, "port") if self._counted else ""
        )
        if note:
            write(plane, x + self._wide - 0.1, y + 0.15, clean(note), 7, ha="right", color=FAINT, zorder=5)
        if self._counted:
            self._draw_bars(plane, x, y, ports, painted)
            return
        for n, port in enumerate(ports):
            left = x + 0.1 + n % self._columns * self._cell
            top = y + _HEAD + n // self._columns * _CELL_H
            look = painted[port.tenant]
            box(
                plane, left, top, self._cell - 0.04, _CELL_H - 0.04,
                facecolor=look.colour, hatch=look.hatch, edgecolor=INK, linewidth=0.4, zorder=4,
            )  # fmt: skip
            text = fitted(clean(port.path), self._cell - 0.06, _NAME_SIZE)
            paper = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.0} if look.hatch else None
            middle = (left + self._cell / 2 - 0.02, top + _CELL_H / 2 - 0.02)
            write(plane, *middle, text, _NAME_SIZE, color=INK if paper else look.ink, zorder=5, bbox=paper)

    def _draw_bars(
        self, plane: Any, x: float, y: float, ports: Sequence[Port], painted: Mapping[str, Look]
    ) -> None:
        counts = Counter(port.tenant for port in ports)
        most = max(max(Counter(p.tenant for p in held).values(), default=1) for held in self._ports.values())
        for n, tenant in enumerate(self._scenario.tenants):
            top, look = y + _HEAD + n * _CELL_H, painted[tenant]
            if counts[tenant]:
                box(
                    plane, x + 0.1, top, counts[tenant] / most * 1.0, _CELL_H - 0.06,
                    facecolor=look.colour, hatch=look.hatch, edgecolor=INK, linewidth=0.4, zorder=4,
                )  # fmt: skip
            label = fitted(f"{clean(tenant)} {counts[tenant]}", 1.1, 7)
            write(plane, x + 1.15, top + _CELL_H / 2 - 0.03, label, 7, ha="left", zorder=5)


def _number(things: Sequence[object], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"
