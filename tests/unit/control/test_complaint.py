from __future__ import annotations

from sdn_lab.control.complaint import _FIX, differs, rejected
from sdn_lab.control.lines import pack_tables
from sdn_lab.openflow.action import Output
from sdn_lab.openflow.entry import Bucket, FlowEntry, Group, GroupType, Instructions, Tables
from sdn_lab.openflow.match import Match

ENTRY = FlowEntry(table_id=3, priority=9, match=Match.of(in_port=4), instructions=Instructions(goto=5))
GROUP = Group(group_id=7, type=GroupType.ALL, buckets=(Bucket(actions=(Output(of_port=2),)),))


def test_what_differs_is_shown_as_a_diff_and_the_rest_counted() -> None:
    text = differs("hv1", Tables(entries=(ENTRY,)), Tables(groups=(GROUP,)), differing=12)

    assert text.splitlines() == [
        "error[CTL005]: hv1 holds something else than what was pushed and confirmed",
        "  why: (- pushed, not held; + held, not pushed)",
        "       - table=3, priority=9,in_port=4 actions=goto_table:5",
        "       + group_id=7,type=all,bucket=actions=output:2",
        "       ... and 10 more",
        f"  fix: if nothing else writes to this datapath, {_FIX}",
    ]


def test_many_refusals_are_counted_and_groups_are_named_too() -> None:
    error = {"change": "add", "subject": pack_tables(Tables(groups=(GROUP,))), "names": "A / B"}

    text = rejected("00aa", "hv1", Tables(), {}, sent=40, refused=9, errors=[error] * 9)

    lines = text.splitlines()
    assert lines[0] == "error[CTL004]: datapath 00aa (hv1) rejected 9 of 40 operations"
    assert lines[1] == "  why: A / B: add group_id=7,type=all,bucket=actions=output:2"
    assert lines[6] == "       ... and 4 more"
