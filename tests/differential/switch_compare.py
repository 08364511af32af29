"""Run one case on the interpreter and on real Open vSwitch, and compare.

Compared are the frames that each port sends, in order and to the byte, the packet-ins, and where frames make
entries (``learn``), what the tables hold in the end.

All frames of a case go in by one exchange, one behind the other, and what each port sent is compared as one
sequence.  Where the two differ the case is sent again frame by frame, to say which it is.  A frame that is
not compared is not sent; behind it a case ends whose frames change what the next one meets.

A case in which ovs-vswitchd ends, or hangs, is sent again, to a new one: 3.1.0 loses count of its connections
after some dozens of cases that translate in two zones (docs/ovs-facts.md, "Crashes and mistakes", 7).  If the
new one ends as well, that is a disagreement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sdn_lab.openflow.action import NORMAL, Output
from sdn_lab.openflow.entry import FlowEntry
from sdn_lab.openflow.interpret import PacketIn, Result
from sdn_lab.openflow.text import format_entry

from .ovs_process import EndedError
from .switch_actions_ovs import FIRST_LEARNED
from .switch_case import Case, all_of
from .switch_exclusions import excluded
from .switch_here import held_after, results
from .switch_oracle import Frames, Oracle, Seen
from .switch_packet_ins import Heard

TOLD_AT_ONCE = 60  # packet-ins; of more than 100 that nobody has read Open vSwitch drops some
TOGETHER = "not when the frames are sent one by one"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Frame *number* of *case* fared differently."""

    case: Case
    number: int
    here: str
    there: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        path = "\n      ".join(self.path)
        return (
            f"{self.case}\n  frame {self.number} went by\n      {path}\n"
            f"  here\n      {self.here}\n  there\n      {self.there}"
        )


@dataclass(slots=True)
class Tally:
    """How much was compared, and how much was not, by rule; *met*: by frames that met such an action."""

    cases: int = 0
    compared: int = 0
    tracked: int = 0
    refused: int = 0
    ended: int = 0  # of Open vSwitch, which did not end again when the case was sent to a new one
    excluded: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.compared} frames compared in {self.cases} cases, {self.tracked} of them tracked;"
            f" {self.refused} cases refused; Open vSwitch ended {self.ended} times\n"
            f"  not compared: {dict(self.excluded.most_common())}"
            f"\n  met: {dict(self.met.most_common())}"
        )


def compare(
    oracle: Oracle, case: Case, tally: Tally, known: Sequence[Result] | None = None
) -> Disagreement | None:
    """Return the first disagreement on a case.  Raises RefusedError where Open vSwitch does not take it.

    *known* are the results of the interpreter, where they are known already.
    """
    here = results(case) if known is None else known
    tally.cases += 1
    numbers = list(_comparable(case, here, tally))
    try:
        return _on_this_one(oracle, case, here, numbers, tally)
    except EndedError:
        oracle.restart()
        tally.ended += 1
    try:
        return _on_this_one(oracle, case, here, numbers, tally)
    except EndedError as error:
        oracle.restart()
        return _one_by_one(oracle, case, here, numbers, str(error))


def _on_this_one(
    oracle: Oracle, case: Case, here: Sequence[Result], numbers: list[int], tally: Tally
) -> Disagreement | None:
    """Compare on the Open vSwitch that runs.  Raises EndedError where that ends."""
    oracle.load(case)
    found = _together(oracle, case, here, numbers)
    if found is None and case.learns:
        found = _made(oracle, case, here[: numbers[-1] + 1] if numbers else [])
    if found is None:
        tally.compared += len(numbers)
        tally.tracked += len(numbers) * case.tracks
        tally.met.update(_met(here[number] for number in numbers))
    return found


def _comparable(case: Case, here: Sequence[Result], tally: Tally) -> Iterator[int]:
    """Yield the numbers of the frames that are compared."""
    for number, result in enumerate(here):
        rule = excluded(result, case, case.frames[number].frame)
        if not rule:
            yield number
            continue
        tally.excluded[rule] += 1
        if case.remembers:
            return


def _together(oracle: Oracle, case: Case, here: Sequence[Result], numbers: list[int]) -> Disagreement | None:
    """Send all frames, and compare what each port sent."""
    for some in _in_parts(here, numbers):
        theirs = oracle.send([case.frames[number] for number in some])
        if ours(*(here[number] for number in some)) != theirs:
            return _one_by_one(oracle, case, here, numbers, str(theirs))
    return None


def _in_parts(here: Sequence[Result], numbers: list[int]) -> Iterator[list[int]]:
    """Divide frames so that no part causes too many packet-ins at once."""
    part: list[int] = []
    told = 0
    for number in numbers:
        more = len(here[number].packet_ins)
        if part and told + more > TOLD_AT_ONCE:
            yield part
            part, told = [], 0
        part.append(number)
        told += more
    if part:
        yield part


def _one_by_one(
    oracle: Oracle, case: Case, here: Sequence[Result], numbers: list[int], together: str
) -> Disagreement:
    """Find the frame that fares differently."""
    oracle.load(case)
    for number in numbers:
        mine = ours(here[number])
        try:
            theirs = oracle.send([case.frames[number]])
        except EndedError as error:
            oracle.restart()
            return Disagreement(case, number, str(mine), str(error), _path(here[number]))
        if mine != theirs:
            return Disagreement(case, number, str(mine), str(theirs), _path(here[number]))
    all_of_it = ours(*(here[number] for number in numbers))
    return Disagreement(case, numbers[-1], str(all_of_it), f"{together}\n      {TOGETHER}")


def _made(oracle: Oracle, case: Case, here: Sequence[Result]) -> Disagreement | None:
    """Compare what the tables hold behind these frames."""
    mine, theirs = _learned(held_after(case, here)), _learned(oracle.entries())
    if mine == theirs:
        return None
    return Disagreement(case, max(len(here) - 1, 0), _lines(mine - theirs), _lines(theirs - mine))


def _learned(entries: tuple[FlowEntry, ...]) -> set[str]:
    return {format_entry(entry) for entry in entries if entry.priority > FIRST_LEARNED}


def _lines(entries: set[str]) -> str:
    return "\n      ".join(sorted(entries)) or "nothing else"


def ours(*results: Result) -> Seen:
    """Return what these results are to be seen as."""
    frames: Frames = {}
    for result in results:
        for emission in result.emissions:
            frames.setdefault(f"p{emission.of_port}", []).append(emission.frame)
    return Seen(frames, [_heard(packet_in) for result in results for packet_in in result.packet_ins])


def _heard(packet_in: PacketIn) -> Heard:
    return Heard(
        frame=packet_in.frame,
        table_id=packet_in.table_id,
        reason=int(packet_in.reason),
        cookie=packet_in.cookie,
        pipeline=tuple(sorted(packet_in.pipeline.items())),
    )


def _met(here: Iterator[Result]) -> Iterator[str]:
    """Yield, for each result, the kinds of action on its path."""
    kinds: dict[int, frozenset[str]] = {}
    for result in here:
        met: set[str] = set()
        for taken in result.path:
            entry = taken.entry
            if entry is not None:
                if id(entry) not in kinds:
                    kinds[id(entry)] = frozenset(_kinds(entry))
                met |= kinds[id(entry)]
        yield from met


def _kinds(entry: FlowEntry) -> Iterator[str]:
    todo = entry.instructions
    if todo.meter is not None:
        yield "Meter"
    if entry.match.get("conj_id") is not None:
        yield "Conjunction"
    for action in all_of(todo.apply + todo.write):
        yield "NORMAL" if action == Output(of_port=NORMAL) else type(action).__name__


def _path(result: Result) -> tuple[str, ...]:
    return tuple(
        format_entry(taken.entry) if taken.entry else f"table={taken.table_id} miss" for taken in result.path
    )
