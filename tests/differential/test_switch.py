"""Random tables over the whole dialect do to every frame what real Open vSwitch does.

``SDN_LAB_COMPARISONS`` says how many frames are compared (20,000 unless told); they are drawn from
consecutive seeds, and those of every worker of a parallel run from seeds of its own.  A disagreement is
printed as the smallest case that still shows it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.interpret_packet import Packet
from sdn_lab.openflow.interpret_result import Result

from .ovs_process import RefusedError
from .switch_compare import Disagreement, Tally, compare
from .switch_draw import drawn
from .switch_exclusions import EXCLUSIONS, UnknownNoteError, excluded
from .switch_exclusions_seen import SEEN
from .switch_oracle import Oracle
from .switch_shrink import shrink

pytestmark = pytest.mark.ovs
COMPARISONS = int(os.environ.get("SDN_LAB_COMPARISONS", "20000"))
FIRST_SEED = int(os.environ.get("SDN_LAB_SEED", "0"))
SHARES = 4
PROGRESS = 20_000
ENOUGH = 5_000  # frames: nearly all that is drawn was met by then
DRAWN = {
    *("Output", "OutputField", "SetField", "Move", "PushVlan", "DecTtl", "GroupAction", "Resubmit", "Ct"),
    *("PushMpls", "NORMAL", "Learn", "Conjunction", "Meter", "Clone", "StackPush", "StackPop"),
    *("OutputTruncated", "Controller", "Bundle", "Exit", "Note", "SetQueue"),
}


def compared(oracle: Oracle, seeds: Iterator[int], wanted: int) -> tuple[Tally, Disagreement | None]:
    """Compare until *wanted* frames were compared or the first disagreement."""
    tally, began = Tally(), time.monotonic()
    said = 0
    while tally.compared < wanted:
        made = drawn(next(seeds))
        try:
            found = compare(oracle, made.case, tally, made.results)
        except RefusedError:
            tally.refused += 1
            continue
        if found is not None:
            return tally, found
        if tally.compared - said >= PROGRESS:
            said = tally.compared
            rate = said / (time.monotonic() - began)
            sys.stderr.write(f"\n{said} of {wanted} compared, {rate:.0f} a second; seed {made.case.seed}\n")
    return tally, None


@pytest.mark.parametrize("share", range(SHARES))
def test_every_frame_fares_as_in_open_vswitch(
    oracle: Oracle, share: int, record_property: pytest.RecordProperty
) -> None:
    first = FIRST_SEED + share * 10_000_000
    tally, found = compared(oracle, iter(range(first, first + 10_000_000)), COMPARISONS // SHARES)
    sys.stderr.write(f"\n{tally}\n")
    record_property("tally", str(tally))
    assert found is None, f"{shrink(oracle, found)}"
    assert tally.tracked > tally.compared // 10
    assert tally.refused <= tally.cases // 5 + 1
    assert tally.excluded.total() <= tally.compared // 6 + 10
    assert tally.compared < ENOUGH or len(DRAWN - tally.met.keys()) <= 2, DRAWN - tally.met.keys()


def test_a_fault_in_the_interpreter_is_found_and_made_small(
    oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Packet, "dec_ttl", lambda packet: True)
    _, found = compared(oracle, iter(range(0, 1000, 2)), 5000)
    assert found is not None
    small = shrink(oracle, found)
    assert len(small.case.frames) == 1
    assert len(small.case.tables.entries) <= 3
    assert "dec_ttl" in small.case.flows


def test_a_tracker_that_forgets_is_found(oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    track = Tracker.track

    def forgetful(tracker: Tracker, *arguments: object, **options: object) -> PacketState:
        tracker.flush(1)
        return track(tracker, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Tracker, "track", forgetful)
    _, found = compared(oracle, iter(range(1, 1001, 2)), 10_000)
    assert found is not None
    assert len(shrink(oracle, found).case.frames) == 2  # one that opens a connection, one that belongs to it


def test_a_note_that_no_exclusion_names_is_a_failure() -> None:
    with pytest.raises(UnknownNoteError, match="something new"):
        excluded(Result(notes=("something new",)), drawn(1).case, b"")


def test_every_exclusion_gives_its_reason() -> None:
    reasons = [(row.rule, row.reason) for row in (*EXCLUSIONS, *SEEN)]
    assert len(dict(reasons)) == len(reasons)
    assert all(len(reason) > 20 for _, reason in reasons)


def test_a_seed_always_draws_the_same_case() -> None:
    first = drawn(7)
    assert first == drawn(7)
    assert first != drawn(9)
