"""Change a running lab to another scenario, and open nothing on the way.

How
---
1.  Number the new scenario (`model.succession`: what stays keeps its numbers), compile it.
2.  Make every datapath hold what both programs agree on (`openflow.meet`): what both deny stays denied
    whatever each datapath has got to.
3.  Let instances go, come and move.
4.  Ask of every tracked flow whether it may go on (`lab.established`), and forget it if not; forget all
    that is tracked in zones that are nobody's any more.
5.  Make every datapath hold the new program.

Where no instance goes or comes, and no packet can meet two of the entries that differ, step 2 is left out,
and 4 comes after 5.

Invariants
----------
1.  A packet that the old and the new scenario both deny is not delivered at any moment.
2.  When `apply` returns, no flow goes on that the new scenario does not allow: the time that it took is
    the bound, and the result says it.
3.  What cannot be applied to a running lab is refused before anything is touched (InputError).
4.  A failure half-way (LabError) leaves the lab closed: what both scenarios allow may still pass, nothing
    else does, and `Lab.closed` says so.  The next `apply`, of either scenario or a third, goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sdn_lab.compiler import compile_scenario
from sdn_lab.lab.established import outlawed
from sdn_lab.lab.timing import Phases
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.diagnostic import Diagnostic, InputError, LabError
from sdn_lab.model.intent import Link, Port, Scenario
from sdn_lab.model.succession import Name, succeed, succession
from sdn_lab.openflow.entry import Program
from sdn_lab.openflow.meet import meet, met_once

if TYPE_CHECKING:
    from sdn_lab.lab.living import Lab

CONFIRM_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a change came to.

    *came*, *gone*, *moved* are ports.  *sent* counts flow-mods by kind; *direct*: no meet was needed.
    *forgotten* of *tracked* flows may not go on.
    """

    scenario: str
    came: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    sent: Mapping[str, int] = field(default_factory=dict)
    direct: bool = True
    tracked: int = 0
    forgotten: int = 0
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_ms(self) -> float:
        """How long it took: the bound after which no flow went on that may not."""
        return round(sum(self.timings_ms.values()), 1)

    def __str__(self) -> str:
        sent = ", ".join(f"{count} {kind}" for kind, count in self.sent.items() if count)
        lines = [f"{self.scenario} applied in {self.total_ms:.0f} ms"]
        for what, ports in (("came", self.came), ("gone", self.gone), ("moved", self.moved)):
            if ports:
                lines.append(f"  {what}: {', '.join(ports)}")
        lines.append(f"  entries: {sent or 'none changed'}" + ("" if self.direct else ", closed in between"))
        lines.append(f"  established flows: {self.forgotten} of {self.tracked} ended")
        lines.append("  " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in self.timings_ms.items()))
        return "\n".join(lines)


def apply(lab: Lab, scenario: Scenario) -> Applied:
    """Change *lab* to *scenario*.  Raises InputError, with the lab as it was, or LabError, with it closed."""
    refuse(lab, scenario)
    return _Change(lab, scenario).carry_out()


def refuse(lab: Lab, scenario: Scenario) -> None:
    """Raise InputError for what cannot be applied to this lab."""
    here, there = lab.scenario.underlay, scenario.underlay
    found = []
    if not lab.steady or lab.options.flows is not None:
        holder = (
            f"the controller {lab.app}" if lab.options.flows is None else f"the tables of {lab.options.flows}"
        )
        found.append(
            _diagnostic("APP001", f"this lab runs {holder}, which takes no scenario", "only 'overlay' does")
        )
    for code, what, old, new in (
        ("APP002", "hypervisors", ", ".join(here.hypervisors), ", ".join(there.hypervisors)),
        ("APP003", "encapsulation", here.encap, there.encap),
        ("APP004", "underlay MTU", str(here.mtu), str(there.mtu)),
        ("APP005", "sites", _sites(here.sites), _sites(there.sites)),
        ("APP006", "links", _links(here.links), _links(there.links)),
    ):
        if old != new and not (code == "APP005" and here.hypervisors != there.hypervisors):
            why = f"the lab has {old or 'none'}; the file, {new or 'none'}"
            found.append(_diagnostic(code, f"the {what} of a running lab cannot change", why))
    if found:
        raise InputError(tuple(found))


class _Change:
    """One change: worked out when it is made, then carried out."""

    def __init__(self, lab: Lab, scenario: Scenario) -> None:
        self._lab, self._scenario = lab, scenario
        self._phases = Phases(lab.phases.progress)
        self._old, self._held = lab.assignment, lab.program
        self._doubtful = bool(lab.closed)  # after a failure, what the datapaths hold is to be looked at
        self._sent = {"added": 0, "modified": 0, "deleted": 0}
        with self._phases.phase("compile"):
            self._assignment = _numbered(lab, scenario)
            self._program = compile_scenario(scenario, self._assignment)
            self._todo = succession(lab.scenario, self._old, scenario, self._assignment)
            tunnels = {name: d.tunnel_of_port for name, d in self._assignment.datapaths.items()}
            self._direct = (
                not self._todo and not self._doubtful and met_once(self._held, self._program, tunnels)
            )

    def carry_out(self) -> Applied:
        """Do it.  Until it is done the lab counts as closed."""
        lab = self._lab
        lab.closed = "a change is under way"
        lab.controller.move_to(self._scenario, self._assignment)
        if self._direct:
            with self._step("push"):
                self._push(self._program)
        else:
            with self._step("close"):
                self._push(meet(self._held, self._program))
        with self._step("attach"):
            lab.backend.change(self._scenario, self._assignment)
        with self._step("judge flows"):
            tracked, forgotten = self._judge_flows()
        if not self._direct:
            with self._step("open"):
                self._push(self._program)
        lab.closed = ""
        return Applied(
            scenario=self._scenario.name,
            came=_paths(self._todo.came),
            gone=_paths(self._todo.gone),
            moved=_paths(self._todo.moved),
            sent=self._sent,
            direct=self._direct,
            tracked=tracked,
            forgotten=forgotten,
            timings_ms=self._phases.timings_ms,
        )

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        try:
            with self._phases.phase(name):
                yield
        except BaseException as error:
            self._lab.become(self._scenario, self._assignment, meet(self._held, self._program))
            self._lab.closed = f"a change failed ({name}): {error}"
            if isinstance(error, LabError):
                raise LabError(
                    f"the change failed ({name}): {error}; until the next apply the lab is closed to all "
                    "but what the old and the new scenario both allow"
                ) from error
            raise

    def _push(self, program: Program) -> None:
        lab = self._lab
        lab.become(self._scenario, self._assignment, program)
        lab.controller.push(program, least=not self._doubtful)
        done = lab.controller.wait_confirmed(timeout_ms=CONFIRM_MS, progress=self._phases.progress)
        for confirmation in done.values():
            if confirmation.differs:
                raise LabError(confirmation.differs)
            for kind in self._sent:
                self._sent[kind] += getattr(confirmation, kind)
        lab.backend.take_effect()

    def _judge_flows(self) -> tuple[int, int]:
        """Forget what may not go on; return how many flows were tracked, and how many of them forgotten."""
        flows = self._lab.backend.tracked()
        forbidden = tuple(outlawed(self._scenario, self._assignment, flows))
        zones = tuple(sorted(_zones(self._old) - _zones(self._assignment)))
        if forbidden or zones:
            self._lab.backend.forget(forbidden, zones)
        return len(flows), len(forbidden)


def _numbered(lab: Lab, scenario: Scenario) -> Assignment:
    try:
        return succeed(lab.scenario, lab.assignment, scenario)
    except ValueError as error:
        raise InputError(
            (_diagnostic("APP007", "this lab has no numbers for the scenario", str(error)),)
        ) from error


def _diagnostic(code: str, what: str, why: str) -> Diagnostic:
    fix = "end this lab and start another: `sdn-lab down`, `sdn-lab up SCENARIO`"
    return Diagnostic(code=code, what=what, why=why, fix=fix)


def _sites(sites: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{name}: {', '.join(sorted(members))}" for name, members in sorted(sites.items()))


def _links(links: tuple[Link, ...]) -> str:
    return "; ".join(f"{' to '.join(link.between)} ({_shape(link)})" for link in links)


def _shape(link: Link) -> str:
    words = [f"{link.delay_ms:g} ms", f"{link.rate_bps} bit/s", f"loss {link.loss:g}"]
    words += [f"jitter {link.jitter_ms:g} ms"] if link.jitter_ms else []
    return ", ".join(words + ([f"queue {link.queue}"] if link.queue else []))


def _zones(assignment: Assignment) -> set[tuple[str, int]]:
    return {(name, a.zone) for name, d in assignment.datapaths.items() for a in d.attachments}


def _paths(instances: Mapping[Name, tuple[Port, ...]]) -> tuple[str, ...]:
    return tuple(port.path for ports in instances.values() for port in ports)
