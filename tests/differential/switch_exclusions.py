"""What the switch suite does not compare: one row for each rule, with its reason.

The interpreter says in `Result.notes` where its answer is not the only one possible or not modelled.  Each
note has its row here; a note without a row is a failure of the suite.  An excluded frame is not sent, and a
case whose frames change what the next one meets ends there.  Every exclusion is counted, and the count is
printed and bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sdn_lab.openflow.action import NORMAL, Action, GroupAction, Output
from sdn_lab.openflow.action_ovs import CheckPktLarger, Clone, OutputTruncated
from sdn_lab.openflow.conntrack import CHOSEN, FORCED, REOPENED
from sdn_lab.openflow.interpret_labels import BEHIND_TAGS, NO_ETHERTYPE, NO_LABEL, RELABELLED, VOID_LABELS
from sdn_lab.openflow.interpret_ovs import ASKED
from sdn_lab.openflow.interpret_result import OVERLAP, Result
from sdn_lab.openflow.interpret_run import CUT, TOO_MUCH, VOID, VOID_TRACKED, WRITTEN_BEHIND_NAT

from .switch_case import Case, all_of


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
    ),
)
COMPARED_ALL_THE_SAME = (VOID, VOID_LABELS)


def _two_tags_and_told(result: Result, _case: Case) -> bool:
    tags = (b"\x81\0", b"\x88\xa8")
    frames = [sent.frame for sent in (*result.emissions, *result.packet_ins)]
    return bool(result.packet_ins) and any(f[12:14] in tags and f[16:18] in tags for f in frames)


def _met(result: Result) -> list[Action]:
    met = [taken.entry.instructions for taken in result.path if taken.entry]
    return [action for todo in met for action in all_of(todo.apply + todo.write)]


def _follows_both(result: Result, _case: Case) -> bool:
    met = _met(result)
    asked = sum(isinstance(action, CheckPktLarger) for action in met)
    return asked > 3 or (asked > 0 and any(t.entry.instructions.write for t in result.path if t.entry))


def _cut_beside_copies(result: Result, _case: Case) -> bool:
    met = _met(result)
    return any(isinstance(action, OutputTruncated) for action in met) and any(
        isinstance(action, (Clone, GroupAction)) or action == Output(of_port=NORMAL) for action in met
    )


def _both_kinds(result: Result, _case: Case) -> bool:
    frames = [sent.frame for sent in result.emissions]
    return any(b"\x88\x47" in f[12:18] for f in frames) and any(b"\x88\x48" in f[12:18] for f in frames)


def _drop_eligible(result: Result, case: Case) -> bool:
    frames = [sent.frame for sent in (*result.emissions, *result.packet_ins)]
    tags = (b"\x81\0", b"\x88\xa8")
    return case.bridges and any(
        f[at : at + 2] in tags and f[at + 2] & 0x10 for f in frames for at in (12, 16, 20) if len(f) > at + 2
    )


def _void_but_taught(result: Result, case: Case) -> bool:
    return not {VOID, VOID_LABELS}.isdisjoint(result.notes) and (case.learns or case.bridges)


Applies = Callable[[Result, Case], bool]
BY_RESULT: tuple[tuple[Exclusion, Applies], ...] = (
    (
        Exclusion(
            rule="cut beside copies",
            words="",
            reason="as behind a push or pop: what a bucket, a clone or NORMAL pushed is not yet taken off",
        ),
        _cut_beside_copies,
    ),
    (
        Exclusion(
            rule="two tags and a packet-in",
            words="",
            reason="docs/ovs-facts.md, crash 6: behind a second tag and a packet-in IP is written early",
        ),
        _two_tags_and_told,
    ),
    (
        Exclusion(
            rule="many lengths asked",
            words="",
            reason="Open vSwitch follows both answers, counts the resubmits and does the action set of both",
        ),
        _follows_both,
    ),
    (
        Exclusion(
            rule="void, but taught",
            words="",
            reason="a packet with too many resubmits is dropped; what NORMAL and learn took from it may stay",
        ),
        _void_but_taught,
    ),
    (
        Exclusion(
            rule="labels of both EtherTypes",
            words="",
            reason="where one copy was sent with an equal label under the other EtherType, that one stays",
        ),
        _both_kinds,
    ),
    (
        Exclusion(
            rule="drop-eligible bit and NORMAL",
            words="",
            reason="a tag that is taken off for one port has lost the bit for the ports behind it",
        ),
        _drop_eligible,
    ),
)


class UnknownNoteError(AssertionError):
    """The interpreter says something that no row of `EXCLUSIONS` knows."""


def excluded(result: Result, case: Case) -> Exclusion | None:
    """Return the rule by which a result is not compared, or None."""
    by_note = _by_note(result.notes)
    return by_note or next((row for row, applies in BY_RESULT if applies(result, case)), None)


def _by_note(notes: Sequence[str]) -> Exclusion | None:
    found: Exclusion | None = None
    for note in notes:
        if note in COMPARED_ALL_THE_SAME:
            continue
        row = next((row for row in EXCLUSIONS if row.words in note), None)
        if row is None:
            raise UnknownNoteError(f"no exclusion names the note '{note}'")
        found = found or row
    return found
