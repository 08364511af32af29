"""What is cached is no wider than the tables say: field by field, and conversation by conversation."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from sdn_lab.openflow import fast_record, fast_track
from sdn_lab.openflow import packet as pk
from sdn_lab.openflow.action import Action, Ct, DecTtl, Output, SetField
from sdn_lab.openflow.conntrack import PacketState, Tracker
from sdn_lab.openflow.entry import FlowEntry, Instructions, Tables
from sdn_lab.openflow.fast import Cache
from sdn_lab.openflow.fast_layout import layout_of
from sdn_lab.openflow.fast_program import Flight, Program, Track
from sdn_lab.openflow.fast_trail import Leg, Trail, Trails
from sdn_lab.openflow.fast_watch import Recording
from sdn_lab.openflow.fields import FIELDS
from sdn_lab.openflow.interpret import Pipeline, Result
from sdn_lab.openflow.match import Match

A, B = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP = {4: ("10.0.0.1", "10.0.0.2"), 6: ("fd00:a::1", "fd00:a::2")}
PORTS = (1, 2, 3, 4)


def framed(version: int, proto: int, payload: bytes, *, back: bool = False) -> bytes:
    a, b = reversed(IP[version]) if back else IP[version]
    macs = (B, A) if back else (A, B)
    if version == 4:
        return pk.ethernet(*macs, 0x0800, pk.ipv4(a, b, proto, payload))
    return pk.ethernet(*macs, 0x86DD, pk.ipv6(a, b, proto, payload))


def plain_frames() -> dict[str, bytes]:
    frames = {}
    for version in (4, 6):
        a, b = IP[version]
        frames[f"tcp{version}"] = framed(version, 6, pk.tcp(a, b, 1234, 80, b"data", flags=0x10))
        frames[f"udp{version}"] = framed(version, 17, pk.udp(a, b, 1234, 53, b"data"))
        frames[f"sctp{version}"] = framed(version, 132, pk.sctp(7, 9, b"\x01\0\0\x14" + bytes(16)))
    frames["icmp4"] = framed(4, 1, pk.icmp_echo(7, 1, b"ping"))
    frames["icmp6"] = framed(6, 58, pk.icmpv6_echo(*IP[6], 7, 1, b"ping"))
    frames["other4"] = framed(4, 47, bytes(20))
    frames["arp"] = pk.ethernet(A, B, 0x0806, pk.arp(1, A, "10.0.0.1", 0, "10.0.0.2"), pad=True)
    frames["experiment"] = pk.ethernet(A, B, 0x88B5, bytes(46))
    frames["tagged"] = pk.push_vlan(frames["tcp4"], 0x8100, 5)
    return frames


PLAIN = plain_frames()
STRUCTURE = {"eth_type", "ip_proto", "ip_frag", "vlan_vid", "vlan_pcp"}  # pinned in any case
STRUCTURE |= {"icmpv6_type", "ipv6_exthdr"}
FIELDS_OF = [(name, field) for name, frame in PLAIN.items() for field in sorted(pk.parse(frame))]


def test_every_plain_frame_has_a_layout() -> None:
    assert [name for name, frame in PLAIN.items() if layout_of(frame) is None] == []


@pytest.mark.parametrize(
    "odd",
    [
        PLAIN["tcp4"][:50],
        PLAIN["udp6"][:60],
        pk.ethernet(A, B, 0x0800, pk.ipv4(*IP[4], 17, bytes(16), flags_offset=0x2000)),
        pk.ethernet(A, B, 0x86DD, pk.ipv6(*IP[6], 0, b"\x11\0\0\0\0\0\0\0" + bytes(8))),
        pk.ethernet(A, B, 0x86DD, pk.ipv6(*IP[6], 58, pk.neighbour_solicit(*IP[6], A))),
        pk.ethernet(A, B, 0x0806, b"\x00\x01\x08\x00\x06\x10" + bytes(40)),
        bytes.fromhex("ffffffffffff020000000001 0026 424203") + bytes(40),
    ],
    ids=["truncated", "short", "fragment", "extension", "nd", "odd arp", "llc"],
)
def test_what_has_no_plain_structure_is_never_cached(odd: bytes) -> None:
    assert layout_of(odd) is None
    cache = Cache(Pipeline(one_test(Match()), ports=PORTS))
    cache.process(odd, 1)
    assert len(cache) == 0


def send(of_port: int) -> Instructions:
    return Instructions(apply=(Output(of_port=of_port),))


def one_test(match: Match) -> Tables:
    return Tables(
        entries=(
            FlowEntry(priority=2, match=match, instructions=send(2)),
            FlowEntry(priority=1, instructions=send(3)),
        )
    )


def neighbours(frame: bytes) -> Iterator[bytes]:
    """The frame with each bit of its headers turned over, one at a time."""
    for bit in range(8 * min(len(frame), 78)):
        data = bytearray(frame)
        data[bit // 8] ^= 1 << bit % 8
        yield bytes(data)


def differing(tables: Tables, frames: Iterator[bytes] | list[bytes]) -> list[str]:
    """Send frames both ways; say which fared differently."""
    slow, cache = Pipeline(tables, ports=PORTS), Cache(Pipeline(tables, ports=PORTS))
    return [frame.hex() for frame in frames if cache.process(frame, 1, traced=True) != slow.process(frame, 1)]


def established(frame: bytes, name: str) -> Match:
    """A match on one field of a frame, with what it needs."""
    held = pk.parse(frame)
    tests = {needed: (held[needed], FIELDS[needed].full_mask) for needed, _ in FIELDS[name].needs}
    return Match.from_tests({**tests, name: (held[name], FIELDS[name].full_mask)})


@pytest.mark.parametrize(("frame", "name"), FIELDS_OF)
def test_one_bit_more_or_less_in_any_header_takes_its_own_way(frame: str, name: str) -> None:
    tables = one_test(established(PLAIN[frame], name))
    assert differing(tables, [PLAIN[frame], *neighbours(PLAIN[frame])]) == []


@pytest.mark.parametrize(
    ("frame", "name"),
    [(f, n) for f, n in FIELDS_OF if n not in STRUCTURE],
)
def test_a_recorder_that_forgets_a_field_is_found(
    monkeypatch: pytest.MonkeyPatch, frame: str, name: str
) -> None:
    sound = Recording.bits_of
    monkeypatch.setattr(
        Recording, "bits_of", lambda self, read, mask: 0 if read == name else sound(self, read, mask)
    )
    tables = one_test(established(PLAIN[frame], name))
    assert differing(tables, [PLAIN[frame], *neighbours(PLAIN[frame])])


@pytest.mark.parametrize("frame", ["tcp4", "udp4", "tcp6", "icmp4", "tagged"])
def test_what_is_rewritten_is_the_packet_that_came(frame: str) -> None:
    actions: tuple[Action, ...] = (
        SetField(field="eth_dst", value=0x0200000000FF, mask=(1 << 48) - 1),
        DecTtl(),
        Output(of_port=2),
    )
    tables = Tables(entries=(FlowEntry(instructions=Instructions(apply=actions)),))
    assert differing(tables, [PLAIN[frame], *neighbours(PLAIN[frame])]) == []


def test_packets_of_one_kind_need_the_tables_once() -> None:
    tables = one_test(Match.of(eth_type=0x0800, ipv4_dst=(0x0A000000, 0xFF000000)))
    cache = Cache(Pipeline(tables, ports=PORTS))
    for port in range(1, 500):
        cache.process(framed(4, 17, pk.udp(*IP[4], port, 1000 + port, bytes(port % 40))), 1)
    assert (cache.missed, len(cache)) == (1, 1)


def test_a_refusal_of_one_port_takes_one_bit_of_the_others() -> None:
    tables = one_test(Match.of(eth_type=0x0800, ip_proto=17, udp_src=67))
    cache = Cache(Pipeline(tables, ports=PORTS))
    for port in range(1000, 1500):
        cache.process(framed(4, 17, pk.udp(*IP[4], port, 53)), 1)
    assert len(cache) <= 16


def test_memory_is_bounded() -> None:
    cache = Cache(Pipeline(one_test(established(PLAIN["udp4"], "udp_dst")), ports=PORTS), limit=10)
    for tunnel_port in range(1, 500):
        cache.process(framed(4, 17, pk.udp(*IP[4], 1, tunnel_port)), tunnel_port)
        assert len(cache) <= 12


STATEFUL = Tables(
    entries=tuple(
        FlowEntry(
            table_id=table,
            priority=priority,
            match=Match.from_tests({"eth_type": (kind, 0xFFFF), **tests}),
            instructions=Instructions(apply=actions),
        )
        for kind in (0x0800, 0x86DD)
        for table, priority, tests, actions in (
            (0, 1, {}, (Ct(table=1, zone=7),)),
            (1, 4, {"ct_state": (0x21, 0x21)}, (Ct(commit=True, zone=7), Output(of_port=1))),
            (1, 3, {"ct_state": (0x2A, 0x2A)}, (Output(of_port=2),)),
            (1, 2, {"ct_state": (0x22, 0x22)}, (Output(of_port=3),)),
            (1, 1, {}, (Output(of_port=4),)),
        )
    )
)
SECOND_NS = 1_000_000_000
TWO_ZONES = Tables(
    entries=tuple(
        FlowEntry(
            table_id=table,
            priority=priority,
            match=Match.from_tests({"eth_type": (kind, 0xFFFF), **tests}),
            instructions=Instructions(apply=actions),
        )
        for kind in (0x0800, 0x86DD)
        for table, priority, tests, actions in (
            (0, 1, {}, (Ct(table=1, zone=7),)),
            (1, 3, {"ct_state": (0x21, 0x21)}, (Ct(commit=True, zone=7), Ct(table=2, zone=8))),
            (1, 2, {"nw_ttl": (64, 0xFF), "ct_state": (0x22, 0x22)}, (Ct(table=2, zone=8),)),
            (1, 1, {}, (Output(of_port=4),)),
            (2, 5, {"ct_state": (0x21, 0x21)}, (Ct(commit=True, zone=8), Output(of_port=1))),
            (2, 4, {"ct_mark": (1, 1)}, (Output(of_port=1), Output(of_port=3))),
            (2, 3, {"ct_state": (0x2A, 0x2A)}, (Output(of_port=2),)),
            (2, 2, {"ct_state": (0x22, 0x22)}, (DecTtl(), Output(of_port=3))),
            (2, 1, {}, (Output(of_port=4),)),
        )
    )
)


def conversation(rng: random.Random) -> Iterator[tuple[bytes, int]]:
    """Segments and datagrams between two instances, most of them in order; and when they come."""
    version, now_ns = rng.choice((4, 6)), 0
    a, b = IP[version]
    place = {False: 1000, True: 0xFFFFFF00}  # a sequence number that wraps
    options = rng.choice((b"", b"\x03\x03\x07\x00"))
    for step in range(60):
        now_ns += rng.choice((0, 1, 1, 1, 20, 40, 100_000)) * SECOND_NS if rng.random() < 0.1 else 1
        back = bool(rng.getrandbits(1)) if step > 3 else step == 1
        ends = (b, a, 80, 4000) if back else (a, b, 4000, 80)
        if rng.random() < 0.2:
            sent = framed(version, 17, pk.udp(*ends, rng.randbytes(rng.randrange(5))), back=back)
            yield spoilt(rng, sent), now_ns
            continue
        flags = (
            (0x02, 0x12, 0x10)[step] if step < 3 else rng.choice((*[0x10] * 12, 0x18, 0x11, 0x04, 0x02, 0x30))
        )
        off = rng.choice((-70000, -1, 1, 3000, 70000)) if rng.random() < 0.1 else 0
        data = rng.randbytes(rng.randrange(9)) if step > 2 else b""
        body = pk.tcp(
            *ends,
            data,
            flags=flags,
            seq=place[back] + off & 0xFFFFFFFF,
            ack=place[not back] + rng.choice((0, 0, 0, off)) & 0xFFFFFFFF,
            window=rng.choice((65535, 1000, 0)),
            options=options if flags & 2 else b"",
        )
        place[back] = place[back] + len(data) + (flags & 3 != 0) & 0xFFFFFFFF if not off else place[back]
        yield spoilt(rng, framed(version, 6, body, back=back)), now_ns


def spoilt(rng: random.Random, frame: bytes) -> bytes:
    """Return the frame, now and then with a wrong bit."""
    data = bytearray(frame)
    if rng.random() < 0.08:
        data[rng.choice((-1, -3, rng.randrange(14, len(data))))] ^= 1
    return bytes(data)


def conversed(seed: int, tables: Tables = STATEFUL) -> tuple[list[str], int]:
    """Have a conversation both ways; return what differed, and how often the tables were asked."""
    trackers = Tracker(), Tracker()
    slow = Pipeline(tables, tracker=trackers[0], ports=PORTS)
    cache = Cache(Pipeline(tables, tracker=trackers[1], ports=PORTS))
    wrong = []
    rng = random.Random(seed)
    for sent, now_ns in conversation(rng):
        if rng.random() < 0.05:  # somebody marks a connection, or makes the zone forget it
            number = rng.randrange(1000)
            for tracker in trackers:
                _meddle(tracker, number, now_ns)
        frame = _with_ttl(sent, rng.choice((63, 64))) if rng.random() < 0.1 else sent
        results: list[Result] = [
            slow.process(frame, 9, now_ns=now_ns),
            cache.process(frame, 9, now_ns=now_ns, traced=True),
        ]
        states = [
            [(c.key, c.expires_ns, c.tcp, c.answered) for c in tracker.connections(now_ns)]
            for tracker in trackers
        ]
        if results[0] != results[1] or states[0] != states[1]:
            wrong.append(f"seed {seed}: {pk.describe(frame)} {results[0].emissions} {results[1].emissions}")
            break
    return wrong, cache.missed


def _meddle(tracker: Tracker, number: int, now_ns: int) -> None:
    known = tracker.connections(now_ns)
    if known and number % 3:
        known[number % len(known)].mark ^= 1
    elif known:
        tracker.remove(known[number % len(known)])


def _with_ttl(frame: bytes, ttl: int) -> bytes:
    """The frame with another TTL, if it has one that can be found."""
    try:
        return pk.rewrite(frame, {"nw_ttl": ttl})
    except ValueError:
        return frame


@pytest.mark.parametrize("tables", [STATEFUL, TWO_ZONES], ids=["one zone", "two zones"])
@pytest.mark.parametrize("seed", range(40))
def test_conversations_fare_as_the_tracker_says(seed: int, tables: Tables) -> None:
    assert conversed(seed, tables)[0] == []


def finds_a_difference() -> bool:
    return any(conversed(seed, TWO_ZONES)[0] for seed in range(60))


def test_a_trail_that_forgets_what_its_programs_looked_at_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Trails.learn

    def forgetting(trails: Trails, head: int, legs: Sequence[Leg], last: Program) -> bool:
        for program in (*(program for program, _, _ in legs), last):
            program.mask = 0
        return sound(trails, head, legs, last)

    monkeypatch.setattr(Trails, "learn", forgetting)
    assert finds_a_difference()


@pytest.mark.parametrize("fault", ["a mark", "an end"])
def test_a_trail_that_outlives_what_the_tracker_knew_is_found(
    monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "a mark":
        sound = Trail.walk

        def walk(trail: Trail, frame: bytes, now_ns: int) -> int:
            trail.said = tuple((met.connection.mark, met.connection.label) for met in trail.mets)
            return sound(trail, frame, now_ns)

        monkeypatch.setattr(Trail, "walk", walk)
    else:
        take = fast_track.take

        def reviving(met: fast_track.Met, segment: fast_track.Segment, now_ns: int) -> bool:
            met.connection.known, met.connection.expires_ns = True, now_ns + 1
            return take(met, segment, now_ns)

        monkeypatch.setattr(fast_track, "take", reviving)
    assert finds_a_difference()


@pytest.mark.parametrize("seed", range(10))
def test_what_is_sent_and_counted_is_the_same_by_trails(seed: int) -> None:
    """Nothing is traced here: as the switch does it."""
    rng = random.Random(seed)
    slow = Pipeline(TWO_ZONES, tracker=Tracker(), ports=PORTS)
    cache = Cache(Pipeline(TWO_ZONES, tracker=Tracker(), ports=PORTS), limit=5 if seed % 2 else 1000)
    counted: list[Counter[int]] = [Counter(), Counter()]
    trailed = 0

    def settle() -> None:
        for program in cache.settle():
            for taken in program.taken:
                counted[1][id(taken.entry)] += program.packets

    for frame, now_ns in conversation(rng):
        for _ in range(2):  # so that windows do not move, and trails are gone again
            results = slow.process(frame, 9, now_ns=now_ns), cache.process(frame, 9, now_ns=now_ns)
            assert results[0].emissions == results[1].emissions
            for seen, result in zip(counted, results, strict=True):
                seen.update(id(taken.entry) for taken in result.path)
        if rng.random() < 0.1:
            settle()
        roots = cache._roots.values()
        trailed += sum(trail.packets for node in roots for trail in node.trails.by_key.values())
    settle()
    assert counted[0] == counted[1]
    assert trailed or seed % 2


@pytest.mark.parametrize("fault", ["windows", "checksums"])
def test_a_short_cut_that_looks_away_is_found(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "windows":
        monkeypatch.setattr(fast_track, "steady", lambda *_: True)
    else:
        sound = fast_track.plain

        def trusting(short: fast_track.Shortcut, frame: bytes) -> fast_track.Segment | None:
            return (0, 0, 0, 0) if short.proto == 17 else sound(short, frame)

        monkeypatch.setattr(fast_track, "plain", trusting)
    assert any(conversed(seed)[0] for seed in range(40))


def test_a_cache_that_remembers_the_trackers_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[Track, PacketState] = {}

    class Remembering(Track):
        def ask(self, flight: Flight, frame: bytes, head: int, before: PacketState) -> PacketState:
            if self not in answers:
                answers[self] = super().ask(flight, frame, head, before)
            return answers[self].copy()

    monkeypatch.setattr(fast_record, "Track", Remembering)
    assert any(conversed(seed)[0] for seed in range(40))
