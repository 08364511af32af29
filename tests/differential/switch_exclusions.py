"""What the switch suite does not compare: one row for each rule, with its reason.

The interpreter says in `Result.notes` where its answer is not the only one possible or not modelled.  Each
note has its row here; a note without a row is a failure of the suite.  What is told by the frames that came
of it has its row in `switch_exclusions_seen`.  An excluded frame is not sent, and a
case whose frames change what the next one meets ends there.  Every exclusion is counted, and the count is
printed and bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sdn_lab.openflow.conntrack import CHOSEN, FORCED, REOPENED
from sdn_lab.openflow.interpret_labels import BEHIND_TAGS, NO_ETHERTYPE, NO_LABEL, RELABELLED, VOID_LABELS
from sdn_lab.openflow.interpret_ovs import ASKED
from sdn_lab.openflow.interpret_result import OVERLAP, Result
from sdn_lab.openflow.interpret_run import CUT, RETAGGED, TOO_MUCH, VOID, VOID_TRACKED, WRITTEN_BEHIND_NAT

from .switch_case import Case
from .switch_exclusions_seen import SEEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """*words* stand in the note."""

    rule: str
    words: str
    reason: str


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
        rule="action set and recirculation",
        words="ovs-vswitchd 3.1.0 aborts",
        reason="docs/ovs-facts.md, crash 1: an action set with ct(table=) or pop_mpls ends ovs-vswitchd",
    ),
    Exclusion(
        rule="third tag",
        words="Open vSwitch loses count of them",
        reason="docs/ovs-facts.md, actions: a third VLAN tag loses the innermost",
    ),
    Exclusion(
        rule="label behind two tags",
        words=BEHIND_TAGS,
        reason="docs/ovs-facts.md, actions: Open vSwitch puts it behind one of the two",
    ),
    Exclusion(
        rule="popped to another EtherType",
        words=RELABELLED,
        reason="docs/ovs-facts.md, actions: a push that nothing has sent since is undone without a trace",
    ),
    Exclusion(
        rule="length asked in a called table",
        words=ASKED,
        reason="docs/ovs-facts.md, own actions: what stands behind check_pkt_larger is undone for the caller",
    ),
    Exclusion(
        rule="label on an 802.3 frame",
        words=NO_ETHERTYPE,
        reason="docs/ovs-facts.md, actions: it stands behind the LLC header, its EtherType before it",
    ),
    Exclusion(
        rule="label of zeroes",
        words=NO_LABEL,
        reason="docs/ovs-facts.md, actions: an entry of zeroes, or one that is not whole, is not counted",
    ),
    Exclusion(
        rule="counted behind a push or pop",
        words=CUT,
        reason="docs/ovs-facts.md, actions: max_len and meters count bytes before the push is done",
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
    ),
    Exclusion(
        rule="written behind nat",
        words=WRITTEN_BEHIND_NAT,
        reason="docs/ovs-facts.md, translation: a field that is written as it was is not written",
    ),
    Exclusion(
        rule="void after ct",
        words=VOID_TRACKED,
        reason="Open vSwitch finds out that there are too many resubmits before it tracks, we afterwards",
    ),
    Exclusion(
        rule="tag off and on",
        words=RETAGGED,
        reason="docs/ovs-facts.md, own actions: a write to vlan_tci only hides the tags that were below",
    ),
    Exclusion(
        rule="endless recirculation",
        words=TOO_MUCH,
        reason="ct(table=) back to where it came from, several times over: Open vSwitch is busy for seconds",
    ),
)
COMPARED_ALL_THE_SAME = (VOID, VOID_LABELS)


class UnknownNoteError(AssertionError):
    """The interpreter says something that no row of `EXCLUSIONS` knows."""


def excluded(result: Result, case: Case, frame: bytes) -> str:
    """Return the rule by which the result of a frame is not compared, or nothing."""
    by_note = _by_note(result.notes)
    return by_note or next((row.rule for row in SEEN if row.applies(result, case, frame)), "")


def _by_note(notes: Sequence[str]) -> str:
    found = ""
    for note in notes:
        if note in COMPARED_ALL_THE_SAME:
            continue
        row = next((row for row in EXCLUSIONS if row.words in note), None)
        if row is None:
            raise UnknownNoteError(f"no exclusion names the note '{note}'")
        found = found or row.rule
    return found
