"""Facts: constants of a packet's fields, and what a match and an action make of them."""

import pytest

from sdn_lab.openflow.action import Subfield
from sdn_lab.openflow.match import Match
from sdn_lab.verify.graph.facts import Facts, Fit

MAC = (1 << 48) - 1


def test_a_field_of_which_nothing_is_known_may_match():
    assert Facts().fit(Match.of(eth_type=0x0800)) is Fit.MAY


def test_a_known_field_must_match_or_cannot():
    facts = Facts().enter(7)
    assert facts.fit(Match.of(in_port=7)) is Fit.MUST
    assert facts.fit(Match.of(in_port=8)) is Fit.NO
    assert facts.fit(Match.of(in_port=7, eth_type=0x0800)) is Fit.MAY
    assert facts.fit(Match.of(in_port=8, eth_type=0x0800)) is Fit.NO


def test_registers_are_zero_at_a_port():
    assert Facts().enter(7).fit(Match.of(reg5=0, metadata=0)) is Fit.MUST
    assert Facts().enter(7).fit(Match.of(reg5=(1, 1))) is Fit.NO


def test_half_known_bits_may_match_and_contradict():
    facts = Facts().write("reg4", 0x1, 0x3)
    assert facts.fit(Match.of(reg4=(0x1, 0x1))) is Fit.MUST
    assert facts.fit(Match.of(reg4=(0x5, 0x5))) is Fit.MAY
    assert facts.fit(Match.of(reg4=(0x2, 0x2))) is Fit.NO


def test_whether_no_tunnel_is_tun_id_zero_is_left_open():
    assert Facts().enter(7).fit(Match.of(tun_id=0)) is Fit.MAY
    assert Facts().enter(7).fit(Match.of(tun_id=5)) is Fit.NO


def test_a_complete_frame_does_not_carry_what_is_not_known():
    assert Facts(known={"eth_type": (0x0806, 0xFFFF)}, complete=True).fit(Match.of(tcp_dst=0)) is Fit.NO


def test_assuming_a_match_asks_it_of_the_first_frame():
    facts = Facts().enter(7).assume(Match.of(eth_type=0x0800, ipv4_dst=(0x0A000000, 0xFF000000)))
    assert facts.need == {"eth_type": (0x0800, 0xFFFF), "ipv4_dst": (0x0A000000, 0xFF000000)}
    assert facts.fit(Match.of(ipv4_dst=(0x0B000000, 0xFF000000))) is Fit.NO


def test_what_was_written_is_not_asked_of_the_first_frame():
    facts = Facts().enter(7).write("eth_dst", 5, MAC).assume(Match.of(eth_dst=5))
    assert facts.need == {}


def test_a_moved_field_is_asked_where_it_came_from():
    source, target = Subfield(field="eth_src", start=0, bits=48), Subfield(field="eth_dst", start=0, bits=48)
    facts = Facts().enter(7).move(source, target).assume(Match.of(eth_dst=5))
    assert facts.need == {"eth_src": (5, MAC)}
    assert facts.assume(Match.of(eth_src=6)) is None  # it cannot be both


def test_a_part_that_was_moved_is_only_as_good_as_known():
    part = Subfield(field="eth_src", start=0, bits=16)
    register = Subfield(field="reg5", start=0, bits=16)
    facts = Facts().enter(7).move(part, register)
    assert facts.value(register) is None
    assert facts.fit(Match.of(reg5=(0x10000, 0x10000))) is Fit.NO  # the bits above are as they were
    known = Facts().enter(7).write("eth_src", 0x0102, MAC).move(part, register)
    assert known.value(register) == 0x0102


def test_a_bridge_forgets_the_registers_of_the_one_before():
    facts = Facts().enter(7).write("metadata", 5, (1 << 64) - 1).write("eth_dst", 9, MAC).enter(1)
    assert facts.fit(Match.of(metadata=0)) is Fit.MUST
    assert facts.fit(Match.of(eth_dst=9)) is Fit.MUST


def test_the_tracker_may_say_anything_but_that_it_was_not_asked():
    facts = Facts().enter(7)
    assert facts.fit(Match.of(ct_state=(0, 0x20))) is Fit.MUST
    anything = facts.tracked(new=False)
    assert anything.fit(Match.of(ct_state=(0x22, 0x22))) is Fit.MAY
    assert anything.fit(Match.of(ct_state=(0, 0x20))) is Fit.NO
    assert facts.tracked(new=True).fit(Match.of(ct_state=(0x21, 0x23))) is Fit.MUST


@pytest.mark.parametrize("mask", [0xFF, 0xFFFFFFFF])
def test_forgetting_is_never_knowing_less_elsewhere(mask):
    facts = Facts().enter(7).write("reg5", 0x1234, 0xFFFFFFFF).forget("reg5", mask)
    assert facts.bits("reg5") == (0x1234 & ~mask, 0xFFFFFFFF & ~mask)


def test_a_fragment_comes_back_from_the_tracker_as_another_packet():
    segment = Match.of(eth_type=0x0800, ip_proto=6, tcp_dst=80)
    facts = Facts().enter(7).assume(segment)
    assert facts.tracked(new=False).fit(Match.of(eth_type=0x0800, ip_proto=6, tcp_dst=22)) is Fit.MAY
    whole = facts.assume(Match.of(eth_type=0x0800, ip_frag=0))
    assert whole.tracked(new=False).fit(Match.of(eth_type=0x0800, ip_proto=6, tcp_dst=22)) is Fit.NO
