"""What a capture means: one row for each way in which a packet can be where it must not."""

import pytest

from sdn_lab.model.observation import Capture, Expected, Outcome, PointKind
from sdn_lab.observe import frames
from sdn_lab.observe.case import Shot
from sdn_lab.observe.nonce import Nonces
from sdn_lab.observe.sighting import Reader, alteration

from .fake import FakeLab, port_at, scenario

MADE = scenario()
LAB = FakeLab(MADE)
READER = Reader(MADE, LAB.assignment)
NONCE = Nonces(1).draw()
FRAME = frames.raw("02:00:00:00:00:01", "02:00:00:00:00:03", 0x0800, NONCE + bytes(60))


def shot(**changes) -> Shot:
    given = {
        "src": "red/a",
        "dst": "red/c",
        "frame": FRAME,
        "nonce": NONCE,
        "expected": Expected.DELIVERED,
        "bears_on": (),
        **changes,
    }
    return Shot(**given)


def at(path: str, frame: bytes = FRAME, kind: PointKind = PointKind.PORT) -> Capture:
    return Capture(point=port_at(path, kind), frame=frame)


def read(of: Shot, *captures: Capture) -> tuple[bool, Outcome, list[tuple[str, str]]]:
    meaning = READER.read(of, captures)
    return (
        meaning.delivered,
        meaning.outcome(of, blind=False),
        [(str(s.point), s.network) for s in meaning.sightings],
    )


def test_at_its_addressee_as_it_was_sent_it_is_delivered() -> None:
    assert read(shot(), at("red/c")) == (True, Outcome.DELIVERED, [])


def test_on_the_underlay_it_is_as_it_must_be_under_its_own_vni_from_its_own_vtep() -> None:
    wire = LAB.on_wire("red/a", FRAME, "hv2")

    assert read(shot(), *wire, at("red/c")) == (True, Outcome.DELIVERED, [])


@pytest.mark.parametrize(
    ("capture", "where", "network"),
    [
        (at("blue/c"), "port:blue/c", "blue/net"),
        (at("red/b"), "port:red/b", "red/net"),
        (at("hv1", kind=PointKind.UNDERLAY), "underlay:hv1", ""),
        (at("hv1", kind=PointKind.MANAGEMENT), "management:hv1", ""),
        (at("hv1", kind=PointKind.PACKET_IN), "packet_in:hv1", ""),
        (LAB.on_wire("red/a", FRAME, "hv2", vni=5001)[0], "underlay:hv1", "blue/net"),
        (LAB.on_wire("red/a", FRAME, "hv2", vni=9)[0], "underlay:hv1", ""),
        (LAB.on_wire("red/a", FRAME, "hv2", source="hv2")[0], "underlay:hv1", ""),
    ],
    ids=["stranger", "third", "bare", "management", "controller", "their VNI", "no VNI", "wrong VTEP"],
)
def test_anywhere_else_it_is_a_leak(capture: Capture, where: str, network: str) -> None:
    assert read(shot(), capture, at("red/c")) == (True, Outcome.LEAKED, [(where, network)])
    assert read(shot(dst="", expected=Expected.NOTHING), capture) == (
        False,
        Outcome.LEAKED,
        [(where, network)],
    )


def test_what_is_forbidden_leaks_at_its_addressee_too() -> None:
    assert read(shot(expected=Expected.NOTHING), at("red/c"))[1] is Outcome.LEAKED


def test_a_confined_packet_must_not_even_leave_its_hypervisor() -> None:
    wire = LAB.on_wire("red/a", FRAME, "hv2")

    assert read(shot(expected=Expected.NOTHING), *wire)[1] is Outcome.NOT_DELIVERED
    assert read(shot(expected=Expected.NOTHING, confined=True), *wire)[1] is Outcome.LEAKED


def test_the_senders_own_port_says_nothing() -> None:
    assert read(shot(), at("red/a")) == (False, Outcome.NOT_DELIVERED, [])


def test_an_answer_comes_from_the_answerers_vtep() -> None:
    answer = FRAME[6:12] + bytes.fromhex("020000000003") + FRAME[12:]
    wire = LAB.on_wire("red/c", answer, "hv1")

    assert read(shot(), at("red/c"), *wire) == (True, Outcome.DELIVERED, [])


def test_a_tag_that_is_still_there_is_seen() -> None:
    meaning = READER.read(shot(), [at("red/c", frames.tagged(FRAME, (0x8100, 7)))])

    assert [s.what for s in meaning.sightings] == ["altered: EtherType 0x8100 instead of 0x0800"]


def test_with_a_blind_point_absence_is_inconclusive_and_a_leak_is_a_leak() -> None:
    nothing = shot(expected=Expected.NOTHING)

    assert READER.read(nothing, []).outcome(nothing, blind=True) is Outcome.INCONCLUSIVE
    assert READER.read(nothing, [at("blue/a")]).outcome(nothing, blind=True) is Outcome.LEAKED


@pytest.mark.parametrize(
    ("sent", "received", "redirected", "word"),
    [
        (FRAME, FRAME, False, ""),
        (FRAME[:50], FRAME[:50] + bytes(10), False, ""),
        (FRAME[:50] + bytes(10), FRAME[:50], False, ""),
        (FRAME, FRAME + b"\0", False, "bytes instead of"),
        (FRAME[:50], FRAME[:50] + bytes(9) + b"!", False, "bytes instead of"),
        (FRAME, b"\1" + FRAME[1:], False, "byte 0"),
        (FRAME, b"\1" + FRAME[1:], True, ""),
        (FRAME, FRAME[:-1] + b"!", True, f"byte {len(FRAME) - 1}"),
    ],
)
def test_alteration(sent: bytes, received: bytes, redirected: bool, word: str) -> None:
    found = alteration(sent, received, redirected=redirected)

    assert bool(found) is bool(word)
    assert word in found
