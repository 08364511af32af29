"""The matrix: who may talk to whom, what is isolated, what leaked, at a glance.

A row sends, a column receives.  A cell says what the claims about this ordered pair came to:

``tcp/80 icmp``  may talk, by these services, and just that was shown
``0``            one network or joined ones, and the groups admit nothing
``.``            isolated
``LEAK``         a packet of the row's port was seen at, or shown to reach, the column's
``leak``         the two networks are not isolated, shown with other ports of theirs
``OPEN``         more passes than the groups say
``BROKEN``       the groups allow what does not arrive
``?``            unknown: nobody showed it, either way
``~``            not judged: no chosen method can
``-``            the port itself

Beyond `MOST_PORTS` ports the matrix is of networks, and a cell sums up all their pairs: the worst counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sdn_lab.model.intent import Scenario
from sdn_lab.model.traffic import Traffic
from sdn_lab.model.verdict import Kind, Report, Status

MOST_PORTS = 16
SELF, ISOLATED, NOTHING, UNKNOWN, NOT_JUDGED = "-", ".", "0", "?", "~"
LEAK, LEAKY, OPEN, BROKEN = "LEAK", "leak", "OPEN", "BROKEN"
_ALARMS = (LEAK, LEAKY, OPEN, BROKEN, UNKNOWN)  # worst first
_CROSSING = (Kind.ISOLATED, Kind.SEGMENTED, Kind.NO_SNIFFING)
_MEANING = {
    ISOLATED: "isolated",
    NOTHING: "the groups admit nothing",
    SELF: "itself",
    LEAK: "a packet got there",
    LEAKY: "networks not isolated",
    OPEN: "more passes than the groups say",
    BROKEN: "allowed, and does not arrive",
    UNKNOWN: "unknown",
    NOT_JUDGED: "not judged",
}
_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp", 132: "sctp", None: "other"}
_REFUSED = frozenset({67, 547})  # DHCP servers: refused to everybody, so their absence goes without saying


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Names of rows and columns, and a text per cell.  *legend* explains the letters and signs in use."""

    names: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    legend: tuple[str, ...]


def draw(report: Report, scenario: Scenario, width: int) -> Matrix:
    """Return the matrix of a report, narrow enough for *width* columns where letters make it so."""
    pairs = Pairs(report, scenario)
    ports = sorted(port.path for port in scenario.ports)
    if len(ports) <= MOST_PORTS:
        names = tuple(f"{path} @{scenario.port(path).hypervisor}" for path in ports)
        cells = [[pairs.cell(s, d) for d in ports] for s in ports]
    else:
        names = tuple(sorted(network.path for network in scenario.networks))
        members = {n: [p.path for p in scenario.ports if p.network == n] for n in names}
        cells = [
            [_worst(pairs.cell(s, d) for s in members[a] for d in members[b]) for b in names] for a in names
        ]
    letters: dict[str, str] = {}
    room = width - max((len(name) for name in names), default=0) - 6
    if room < len(names) * (max((len(c) for row in cells for c in row), default=0) + 2):
        letters = _letters(cells)
    used = {cell for row in cells for cell in row}
    legend = [f"{letter} {services}" for services, letter in letters.items()]
    legend += [f"{sign} {meaning}" for sign, meaning in _MEANING.items() if sign in used]
    return Matrix(
        names=names,
        cells=tuple(tuple(letters.get(cell, cell) for cell in row) for row in cells),
        legend=tuple(legend),
    )


def is_alarm(cell: str) -> bool:
    """Say whether a cell is bad news."""
    return cell in _ALARMS


def services(traffic: Traffic) -> str:
    """Return a set of microflows in short: ``tcp/22,80 icmp``; `NOTHING` for the empty set."""
    ports: dict[str, set[tuple[int, int]]] = {}
    for allowance in traffic.allowances:
        name = _PROTOCOLS.get(allowance.protocol, str(allowance.protocol))
        ports.setdefault(name, set()).update(allowance.l4_ports)
    short = {name: _ports(ranges) for name, ranges in ports.items()}
    if short.keys() >= set(_PROTOCOLS.values()) and not any(short.values()):
        return "any"
    order = sorted(short, key=lambda name: (name not in ("tcp", "udp"), name))
    return " ".join(f"{name}/{short[name]}" if short[name] else name for name in order) or NOTHING


def _ports(ranges: Iterable[tuple[int, int]]) -> str:
    """Return ranges in short; nothing where they are all there is."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and all(port in _REFUSED for port in range(merged[-1][1] + 1, first)):
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    if not merged or (merged[0][0] <= 1 and merged[0][1] == 65535):
        return ""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in merged)


class Pairs:
    """What is known of each ordered pair of ports."""

    def __init__(self, report: Report, scenario: Scenario) -> None:
        self._summary = report.summary
        self._not_judged = frozenset(report.not_judged)
        self._networks = {port.path: port.network for port in scenario.ports}
        self._exact = {c.objects: c for c in report.claims if c.kind is Kind.EXACT}
        self._isolated: Mapping[tuple[str, ...], str] = {
            c.objects: c.id for c in report.claims if c.kind is Kind.ISOLATED
        }
        self._leaks = {
            (v.counterexample.src, v.counterexample.dst)
            for v in report.verdicts
            if v.status is Status.VIOLATED and v.kind in _CROSSING and v.counterexample is not None
        }
        self._broken = {
            v.claim
            for v in report.verdicts
            if v.status is Status.VIOLATED and v.counterexample is not None and not v.counterexample.arrives
        }

    def cell(self, src: str, dst: str) -> str:
        """Return the text of one cell."""
        if src == dst:
            return SELF
        if (src, dst) in self._leaks:
            return LEAK
        first, second = self._networks[src], self._networks[dst]
        if first == second or (src, dst) in self._exact:  # one network, or two that are joined
            claim = self._exact.get((src, dst))
            status = self._summary.get(claim.id) if claim is not None else None
            if claim is not None and claim.id in self._not_judged:
                return NOT_JUDGED
            if claim is None or claim.semantics is None or status in (None, Status.UNKNOWN):
                return UNKNOWN
            if status is Status.VIOLATED:
                return BROKEN if claim.id in self._broken else OPEN
            return services(claim.semantics.new)
        claim_id = self._isolated.get((min(first, second), max(first, second)), "")
        if claim_id in self._not_judged:
            return NOT_JUDGED
        status = self._summary.get(claim_id)
        return {Status.HOLDS: ISOLATED, Status.VIOLATED: LEAKY}.get(status or Status.UNKNOWN, UNKNOWN)


def _worst(cells: Iterable[str]) -> str:
    """Sum up: the first alarm there is, else what all say, else that it differs."""
    held = set(cells) - {SELF}
    for alarm in _ALARMS:
        if alarm in held:
            return alarm
    return held.pop() if len(held) == 1 else "by port" if held else SELF


def _letters(cells: Sequence[Sequence[str]]) -> dict[str, str]:
    """Name each set of services by a letter, in order of appearance."""
    sets = dict.fromkeys(cell for row in cells for cell in row if cell not in _MEANING)
    return {cell: chr(ord("a") + index) if index < 26 else f"s{index}" for index, cell in enumerate(sets)}
