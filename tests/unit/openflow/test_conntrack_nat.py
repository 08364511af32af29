"""Translation, limits and lives of connections; `tests/differential` holds them to Open vSwitch."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.action import Ct
from sdn_lab.openflow.action_nat import Nat, NatKind
from sdn_lab.openflow.conntrack import CHOSEN, DNAT, EST, NEW, RPL, SNAT, TRK, PacketState, Tracker
from sdn_lab.openflow.conntrack_time import Timeouts
from sdn_lab.openflow.packet_parse import dissect
from sdn_lab.openflow.text import parse_flows
from sdn_lab.openflow.text_action_write import write_action
from sdn_lab.openflow.text_values import Complaint
from sdn_lab.openflow.wire.action import read_actions
from sdn_lab.openflow.wire.action_write import write_actions
from sdn_lab.openflow.wire.error import WireError

A, B, OUTSIDE = "10.0.0.1", "10.0.0.2", "192.0.2.9"
SECOND = 1_000_000_000


def udp(src: str, dst: str, sport: int = 4000, dport: int = 53) -> bytes:
    packet = pk.ipv4(src, dst, 17, pk.udp(src, dst, sport, dport, b"hello"))
    return pk.ethernet("02:00:00:00:00:01", "02:00:00:00:00:02", 0x0800, packet)


def nat(kind: NatKind, first: str, last: str | None = None, ports: tuple[int, int] | None = None) -> Nat:
    return Nat(kind=kind, addresses=(ip_address(first), ip_address(last or first)), ports=ports)


def track(tracker: Tracker, frame: bytes, *, now_ns: int = 0, zone: int = 1, **how: object) -> PacketState:
    return tracker.track(frame, dissect(frame), PacketState(), zone, now_ns=now_ns, **how)  # type: ignore[arg-type]


def test_an_answer_to_a_translated_source_comes_back_to_the_source() -> None:
    tracker = Tracker()
    out = track(tracker, udp(A, B), commit=True, nat=nat(NatKind.SRC, OUTSIDE))
    assert out.state == NEW | TRK | SNAT
    assert out.frame == udp(OUTSIDE, B)
    back = track(tracker, udp(B, OUTSIDE, 53, 4000), nat=Nat())
    assert back.state == EST | RPL | TRK | DNAT
    assert back.frame == udp(B, A, 53, 4000)


def test_a_translated_destination_answers_from_where_it_was_asked() -> None:
    tracker = Tracker()
    out = track(tracker, udp(A, OUTSIDE), commit=True, nat=nat(NatKind.DST, B, ports=(5353, 5353)))
    assert (out.frame, out.state & DNAT) == (udp(A, B, 4000, 5353), DNAT)
    assert track(tracker, udp(B, A, 5353, 4000), nat=Nat()).frame == udp(OUTSIDE, A, 53, 4000)


def test_without_nat_a_translated_connection_is_known_and_left_alone() -> None:
    tracker = Tracker()
    track(tracker, udp(A, B), commit=True, nat=nat(NatKind.SRC, OUTSIDE))
    back = track(tracker, udp(B, OUTSIDE, 53, 4000))
    assert (back.frame, back.state) == (None, EST | RPL | TRK)


def test_a_port_that_is_taken_becomes_the_next() -> None:
    tracker = Tracker()
    to_outside = nat(NatKind.SRC, OUTSIDE)
    track(tracker, udp(A, B), commit=True, nat=to_outside)
    assert track(tracker, udp("10.0.0.7", B), commit=True, nat=to_outside).frame == udp(OUTSIDE, B, 4001)


def test_where_every_port_is_taken_nothing_is_committed_or_translated() -> None:
    tracker = Tracker()
    only = nat(NatKind.SRC, OUTSIDE, ports=(7777, 7777))
    track(tracker, udp(A, B), commit=True, nat=only)
    second = track(tracker, udp(A, B, 4001), commit=True, nat=only)
    assert (second.state, second.frame, len(tracker)) == (NEW | TRK, None, 1)


def test_a_choice_from_a_range_lies_in_it_and_is_noted() -> None:
    wide = nat(NatKind.SRC, "192.0.2.4", "192.0.2.7", (100, 103))
    for sport in range(4000, 4010):
        after = track(Tracker(), udp(A, B, sport), commit=True, nat=wide)
        fields = pk.parse(after.frame or b"")
        assert 4 <= fields["ipv4_src"] & 0xFF <= 7
        assert 100 <= fields["udp_src"] <= 103
        assert after.note == CHOSEN


def test_an_error_about_a_translated_packet_quotes_what_the_sender_sent() -> None:
    tracker = Tracker()
    sent = track(tracker, udp(A, B), commit=True, nat=nat(NatKind.SRC, OUTSIDE)).frame or b""
    error = pk.ipv4(B, OUTSIDE, 1, pk.icmp(3, 3, bytes(4) + sent[14:]))
    back = track(tracker, pk.ethernet("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800, error), nat=Nat())
    wanted = pk.ipv4(B, A, 1, pk.icmp(3, 3, bytes(4) + udp(A, B)[14:]))
    assert back.frame == pk.ethernet("02:00:00:00:00:02", "02:00:00:00:00:01", 0x0800, wanted)


def test_a_zone_at_its_limit_commits_nothing_until_one_is_gone() -> None:
    tracker = Tracker()
    tracker.limits.set(1, 2)
    for sport in (1, 2, 3):
        assert track(tracker, udp(A, B, sport), commit=True).state == NEW | TRK
    assert (len(tracker), tracker.limits.counts()) == (2, {1: 2})
    track(tracker, udp(A, B, 3), zone=2, commit=True)
    assert len(tracker) == 3
    tracker.flush(1)
    track(tracker, udp(A, B, 3), commit=True)
    assert tracker.limits.counts() == {1: 1}


def test_expired_connections_do_not_count_against_a_limit() -> None:
    tracker = Tracker()
    tracker.limits.set(None, 1)
    track(tracker, udp(A, B, 1), commit=True)
    track(tracker, udp(A, B, 2), commit=True, now_ns=61 * SECOND)
    assert [c.key.src[1] for c in tracker.connections(61 * SECOND)] == [2]


def test_a_zone_may_have_its_own_timeouts() -> None:
    tracker = Tracker()
    tracker.timeouts[1] = Timeouts(udp_first=5)
    for zone in (1, 2):
        track(tracker, udp(A, B), zone=zone, commit=True)
    assert [c.key.zone for c in tracker.connections(6 * SECOND)] == [2]
    assert not tracker.connections(60 * SECOND)


SPELLINGS = (
    "ct(nat)",
    "ct(commit,table=3,zone=5,nat(src))",
    "ct(commit,nat(dst=10.0.0.9))",
    "ct(commit,nat(src=10.0.0.1-10.0.0.9))",
    "ct(commit,nat(src=10.0.0.1-10.0.0.9:80-90,persistent,random))",
    "ct(commit,nat(dst=fd00::1-fd00::9,hash))",
    "ct(commit,nat(dst=[fd00::1]:80),exec(set_field:0x1->ct_mark))",
)


def read(text: str) -> Ct:
    (entry,) = parse_flows(f"table=0,ip,actions={text}")
    (action,) = entry.instructions.apply
    assert isinstance(action, Ct)
    return action


@pytest.mark.parametrize("text", SPELLINGS)
def test_text_and_bytes_of_a_translation_read_back(text: str) -> None:
    action = read(text)
    assert action.nat is not None
    assert write_action(action) == text
    body = write_actions([action])
    assert read_actions(body, 0, len(body)) == (action,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ct(nat(src=10.0.0.1))", "without commit"),
        ("ct(commit,nat(src=10.0.0.9-10.0.0.1))", "no range"),
        ("ct(commit,nat(src=10.0.0.1:90-80))", "no range"),
        ("ct(commit,nat(src,random,hash))", "not both"),
        ("ct(commit,nat(src,dst))", "twice"),
        ("ct(commit,nat(hash))", "no flags"),
        ("ct(commit,nat(src=10.0.0.1.2))", "no address"),
        ("ct(commit,alg=ftp)", "alg=ftp"),
        ("ct(alg=tftp)", "alg=tftp"),
        ("ct(force)", "force"),
    ],
)
def test_what_is_no_translation_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(Exception, match=why) as refused:
        read(text)
    assert not isinstance(refused.value, (Complaint, AssertionError))


def test_a_translation_of_new_connections_needs_commit_on_the_wire_too() -> None:
    body = bytearray(write_actions([Ct(commit=True, nat=Nat(kind=NatKind.SRC))]))
    body[11] = 0  # the flags of ct
    with pytest.raises(WireError, match="when it commits"):
        read_actions(bytes(body), 0, len(body))
