"""Open vSwitch's own words: read as it means them, written as it dumps them, refused with a column."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdn_lab.model.diagnostic import InputError
from sdn_lab.openflow import action_ovs as ovs
from sdn_lab.openflow.action import Action, Move, Subfield
from sdn_lab.openflow.entry import FlowEntry, Instructions
from sdn_lab.openflow.text import format_entry, format_groups, parse_flows, parse_groups
from tests.unit.openflow.dialect import ACTIONS, DUMPED, MEANS

WORDS = (
    *("ip", "tcp6", "in_port=1", "in_port=LOCAL", "reg0=0x1/0x1", "xreg0=5", "xxreg3=1/1", "tun_metadata3=7"),
    *("vlan_tci=0x1000/0x1000", "tp_dst=80", "ct_state=+trk-new", "packet_type=(1,0x894f)", "nw_src=10/8"),
    *("actions=", "actions=drop", "NORMAL", "output:1", "clone(", ")", "learn(table=1,", "NXM_OF_IN_PORT[]"),
    *(
        "load:0x1->NXM_NX_REG0[]",
        "move:",
        "push:NXM_NX_XXREG0[]",
        "note:0a",
        "resubmit(,1,ct)",
        "goto_table:9",
    ),
    *(
        "group:1",
        "conjunction(1,1/2)",
        "controller(",
        "userdata=0a",
        "bundle(eth_src,0,hrw,ofport,members:",
        "#",
    ),
    *("set_field:1->", "exit", "multipath(", "0", ",", "->", "[", "]", "check_pkt_larger(9)->NXM_NX_REG0[0]"),
)
SEPARATORS = ("", ",", " ", "(", ")", ":", "=", "/")


def read(text: str) -> FlowEntry:
    [entry] = parse_flows(text)
    return entry


@pytest.mark.parametrize(("written", "meant"), [pair for pair in MEANS if pair[1] is not None])
def test_another_way_of_writing_is_read_as_what_it_means(written: str, meant: str) -> None:
    assert read(written) == read(meant)


@pytest.mark.parametrize("actions", DUMPED)
def test_what_open_vswitch_dumps_is_written_again_to_the_letter(actions: str) -> None:
    text = f"table=3, priority=5 actions={actions}"
    assert format_entry(read(text)).split(" actions=")[1].replace("0x0->", "0->") == actions


def test_a_move_over_wide_registers_is_a_move_for_each_register() -> None:
    entry = read("actions=move:NXM_NX_XXREG0[0..63]->OXM_OF_PKT_REG2[]")
    assert entry.instructions.apply == (
        Move(
            source=Subfield(field="reg2", start=0, bits=32), target=Subfield(field="reg4", start=0, bits=32)
        ),
        Move(
            source=Subfield(field="reg3", start=0, bits=32), target=Subfield(field="reg5", start=0, bits=32)
        ),
    )


def test_a_move_that_would_overwrite_what_it_has_yet_to_read_is_refused() -> None:
    with pytest.raises(InputError, match="overlap"):
        read("actions=move:NXM_NX_XXREG0[32..95]->NXM_NX_XXREG0[0..63]")


def test_learn_over_a_wide_register_is_a_piece_for_each_register() -> None:
    [learn] = read("actions=learn(table=1,load:0x100000002->OXM_OF_PKT_REG1[])").instructions.apply
    assert isinstance(learn, ovs.Learn)
    assert [(spec.target, spec.value) for spec in learn.specs] == [
        (Subfield(field="reg2", start=0, bits=32), 1),
        (Subfield(field="reg3", start=0, bits=32), 2),
    ]


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("actions=clone(output:1,outptu:2)", "FLW005", 24),
        ("actions=learn(table=1,NXM_OF_ETH_DST[]=NXM_OF_IN_PORT[])", "FLW006", 9),
        ("actions=learn(table=300)", "FLW002", 9),
        ("actions=learn(table=1,load:1->NXM_OF_ETH_TYPE[])", "FLW006", 9),
        ("actions=output:1,push:NXM_NX_REG99[]", "FLW006", 18),
        ("actions=pop:NXM_NX_CT_STATE[]", "FLW006", 9),
        ("actions=note:0", "FLW002", 9),
        ("actions=controller(reason=boredom)", "FLW002", 9),
        ("actions=check_pkt_larger(9)->NXM_NX_REG0[]", "FLW006", 9),
        ("actions=bundle(eth_src,0,roulette,ofport,members:1)", "FLW006", 9),
        ("actions=multipath(eth_src,0,hrw,9,0,NXM_NX_REG0[0..2])", "FLW006", 9),
        ("actions=mod_nw_tos:3", "FLW002", 9),
        ("actions=mod_vlan_vid:4096", "FLW002", 9),
        ("actions=resubmit(,1,cd)", "FLW006", 9),
        ("actions=output:1,meter:1", "FLW006", 18),
        ("actions=debug_recirc", "FLW011", 9),
        ("xreg8=1,actions=drop", "FLW001", 1),
        ("packet_type=(1),actions=drop", "FLW002", 1),
        ("actions=encap(gre)", "FLW006", 9),
        ("actions=output:p1", "FLW002", 9),
    ],
)
def test_what_is_wrong_is_named_with_its_column(text: str, code: str, column: int) -> None:
    with pytest.raises(InputError) as caught:
        read(text)
    first = caught.value.diagnostics[0]
    assert first.span is not None
    assert (first.code, first.span.column) == (code, column), first.render()


@given(actions=st.lists(ACTIONS, max_size=3).map(tuple))
@example(actions=(ovs.Note(),))
def test_what_is_written_is_read_back(actions: tuple[Action, ...]) -> None:
    entry = FlowEntry(instructions=Instructions(apply=actions))
    assert read(format_entry(entry)) == entry


@given(pieces=st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SEPARATORS)), max_size=12))
def test_any_row_of_words_is_read_or_refused_with_a_place(pieces: list[tuple[str, str]]) -> None:
    text = "".join(word + separator for word, separator in pieces)
    check(text)


@given(text=st.text(max_size=60))
@example(text="actions=\x0b")
@example(text="actions=learn(table=1,=)")
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    check(text)
    check(f"actions={text}")


def check(text: str) -> None:
    """What can be read is the same when it is written; all else is a diagnostic that lies in its line."""
    for parse, write in (
        (parse_flows, lambda entries: "\n".join(map(format_entry, entries))),
        (parse_groups, format_groups),
    ):
        try:
            found = parse(text)
        except InputError as refused:
            lines = text.splitlines()
            for diagnostic in refused.diagnostics:
                assert diagnostic.span is not None
                assert diagnostic.span.column <= len(lines[diagnostic.span.line - 1]) + 1
                assert diagnostic.render()
            continue
        assert parse(write(found)) == found


def test_a_select_group_keeps_how_it_chooses() -> None:
    text = "group_id=7,type=select,selection_method=hash,fields(ip_src,nw_proto)"
    text += ",bucket=weight:1,actions=output:1\n"
    [group] = parse_groups(text)
    assert group.selection == (("selection_method", "hash"), ("fields", "ip_src,nw_proto"))
    assert format_groups([group]) == text
