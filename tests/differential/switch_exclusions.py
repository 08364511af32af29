"""What the switch suite does not compare: one row for each rule, with its reason.

The interpreter says in `Result.notes` where its answer is not the only one possible or not modelled.  Each
note has its row here; a note without a row is a failure of the suite.  After an excluded frame, a case that
tracks connections ends: from there on the two trackers may hold different things.  Every exclusion is
counted, and the count is printed and bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdn_lab.openflow.conntrack import CHOSEN, FORCED, REOPENED
from sdn_lab.openflow.interpret_result import OVERLAP, Result
from sdn_lab.openflow.interpret_run import TOO_MUCH, VOID, VOID_TRACKED, WRITTEN_BEHIND_NAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """*words* stand in the note; *kills*: the frame must not even be sent, for ovs-vswitchd would end."""

    rule: str
    words: str
    reason: str
    kills: bool = False


EXCLUSIONS = (
    Exclusion(
        rule="overlap",
        words=OVERLAP,
        reason="entries of one priority that both match: OpenFlow 1.3.5 section 5.3 leaves the choice open",
    ),
    Exclusion(
        rule="select",
        words="selects a bucket by a hash of its own",
        reason="which bucket of a select group is taken depends on Open vSwitch's own hash",
    ),
    Exclusion(
        rule="action set and ct",
        words="ovs-vswitchd 3.1.0 aborts",
        reason="docs/ovs-facts.md, crash 1: an action set together with ct(table=) ends ovs-vswitchd",
        kills=True,
    ),
    Exclusion(
        rule="third tag",
        words="Open vSwitch loses count of them",
        reason="docs/ovs-facts.md, actions: a third VLAN tag loses the innermost",
    ),
    Exclusion(
        rule="reassembly",
        words="reassembly is not modelled",
        reason="docs/ovs-facts.md, connection tracking: fragments that reach ct are not modelled",
    ),
    Exclusion(
        rule="nat's choice",
        words=CHOSEN,
        reason="Open vSwitch chooses from a range of addresses or ports by a hash with a basis of the day",
    ),
    Exclusion(
        rule="translated connection reopened",
        words=REOPENED,
        reason="docs/ovs-facts.md, translation: half of a finished connection stays until it is swept",
    ),
    Exclusion(
        rule="forced after nat",
        words=FORCED,
        reason="docs/ovs-facts.md, crash 5: ct(nat) and then ct(commit,force) on an answer ends ovs-vswitchd",
        kills=True,
    ),
    Exclusion(
        rule="written behind nat",
        words=WRITTEN_BEHIND_NAT,
        reason="docs/ovs-facts.md, translation: what is written behind ct(nat) without table= puts back",
    ),
    Exclusion(
        rule="void after ct",
        words=VOID_TRACKED,
        reason="Open vSwitch finds out that there are too many resubmits before it tracks, we afterwards",
    ),
    Exclusion(
        rule="endless recirculation",
        words=TOO_MUCH,
        reason="ct(table=) back to where it came from, several times over: Open vSwitch is busy for seconds",
        kills=True,
    ),
)
COMPARED_ALL_THE_SAME = (VOID,)


def _two_tags_and_told(result: Result) -> bool:
    tags = (b"\x81\0", b"\x88\xa8")
    frames = [sent.frame for sent in (*result.emissions, *result.packet_ins)]
    return bool(result.packet_ins) and any(f[12:14] in tags and f[16:18] in tags for f in frames)


BY_RESULT: tuple[tuple[Exclusion, Callable[[Result], bool]], ...] = (
    (
        Exclusion(
            rule="two tags and a packet-in",
            words="",
            reason="docs/ovs-facts.md, crash 6: behind a second tag and a packet-in IP is written early",
        ),
        _two_tags_and_told,
    ),
)


class UnknownNoteError(AssertionError):
    """The interpreter says something that no row of `EXCLUSIONS` knows."""


def excluded(result: Result) -> Exclusion | None:
    """Return the rule by which a result is not compared, or None."""
    by_note = _by_note(result.notes)
    return by_note or next((row for row, applies in BY_RESULT if applies(result)), None)


def _by_note(notes: Sequence[str]) -> Exclusion | None:
    found: Exclusion | None = None
    for note in notes:
        if note in COMPARED_ALL_THE_SAME:
            continue
        row = next((row for row in EXCLUSIONS if row.words in note), None)
        if row is None:
            raise UnknownNoteError(f"no exclusion names the note '{note}'")
        if found is None or row.kills:
            found = row
    return found
