"""The probe method adds observations up: one row for each thing that may be seen, and what it contradicts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from sdn_lab.model.observation import (
    Expected,
    Observation,
    Observations,
    Outcome,
    PointKind,
    Sighting,
    WatchPoint,
)
from sdn_lab.model.traffic import Traffic
from sdn_lab.model.verdict import Claim, Kind, Status, Verdict
from sdn_lab.observe import frames
from sdn_lab.verify.probe import judge

NETWORKS = {"red/a": "red/net", "red/b": "red/net", "red/c": "red/net", "blue/a": "blue/net"}
FRAME = frames.udp(
    frames.Ends(
        eth_src="02:00:00:00:00:01",
        eth_dst="02:00:00:00:00:02",
        src=ip_address("10.0.0.1"),
        dst=ip_address("10.0.0.2"),
    ),
    20000,
    53,
    b"n" * 16,
)
PAIR = ("red/a", "red/b")
CLAIMS = (
    Claim(id="isolated/blue/net/red/net", kind=Kind.ISOLATED, objects=("blue/net", "red/net")),
    Claim(id="exact/red/a/red/b", kind=Kind.EXACT, objects=PAIR),
    Claim(id="reachable/red/a/red/b", kind=Kind.REACHABLE, objects=PAIR, traffic=Traffic()),
    Claim(id="unreachable/red/a/red/b", kind=Kind.UNREACHABLE, objects=PAIR, traffic=Traffic()),
    *(
        Claim(id=f"{kind.value}/{port}", kind=kind, objects=(port,))
        for kind in (Kind.NO_SNIFFING, Kind.NO_SPOOFING, Kind.CLEAN, Kind.MANAGEMENT)
        for port in NETWORKS
    ),
    Claim(id="segmented", kind=Kind.SEGMENTED),
)


def at(kind: PointKind, name: str, network: str = "", what: str = "seen") -> Sighting:
    return Sighting(point=WatchPoint(kind=kind, name=name), network=network, what=what)


def observed(*bears_on: str, **changes) -> Observation:
    given = {
        "probe": "TEST",
        "src": "red/a",
        "dst": "red/b",
        "outcome": Outcome.NOT_DELIVERED,
        "frames": (("red/a", FRAME),),
        "expected": Expected.NOTHING,
        "bears_on": bears_on,
        "delivered": False,
        **changes,
    }
    if given.get("sightings"):
        given["outcome"] = Outcome.LEAKED
    return Observation(**given)


def judged(*seen: Observation, **more) -> dict[str, Verdict]:
    return {v.claim: v for v in judge(CLAIMS, Observations(seen=seen, networks=NETWORKS, **more))}


def violated(*seen: Observation) -> set[str]:
    return {claim for claim, verdict in judged(*seen).items() if verdict.status is Status.VIOLATED}


PORT, UNDERLAY = PointKind.PORT, PointKind.UNDERLAY


@pytest.mark.parametrize(
    ("sighting", "bears_on", "expected"),
    [
        (at(PORT, "blue/a", "blue/net"), (), {"isolated/blue/net/red/net"}),
        (at(UNDERLAY, "hv1", "blue/net"), (), {"isolated/blue/net/red/net"}),
        (at(PORT, "red/b", "red/net"), ("exact/red/a/red/b",), {"exact/red/a/red/b"}),
        (
            at(PORT, "red/b", "red/net"),
            ("exact/red/a/red/b", "unreachable/red/a/red/b"),
            {"exact/red/a/red/b", "unreachable/red/a/red/b"},
        ),
        (at(PORT, "red/c", "red/net"), ("exact/red/a/red/b",), {"no_sniffing/red/c"}),
        (at(PORT, "red/b", "red/net"), ("no_spoofing/red/a",), {"no_spoofing/red/a"}),
        (at(UNDERLAY, "hv1", "red/net"), ("no_spoofing/red/a",), {"no_spoofing/red/a"}),
        (
            at(PORT, "blue/a", "blue/net"),
            ("no_spoofing/red/a",),
            {"no_spoofing/red/a", "isolated/blue/net/red/net"},
        ),
        (at(PORT, "red/b", "red/net"), ("clean/red/a",), {"clean/red/a", "clean/red/b"}),
        (at(UNDERLAY, "hv1"), (), {"clean/red/a"}),
        (at(PointKind.MANAGEMENT, "hv1"), (), {"management/red/a"}),
        (at(PointKind.PACKET_IN, "hv1"), (), {"management/red/a"}),
    ],
)
def test_what_is_seen_where_it_must_not_be_contradicts(
    sighting: Sighting, bears_on: tuple[str, ...], expected: set[str]
) -> None:
    assert violated(observed(*bears_on, sightings=(sighting,))) == expected


JOINED_PORT, JOINED = "green/a", "green/net"  # nothing claims that it is apart from red/net


@pytest.mark.parametrize(
    ("sighting", "changes", "expected"),
    [
        (at(PORT, JOINED_PORT, JOINED), {"dst": JOINED_PORT}, {"exact/red/a/green/a"}),
        (at(PORT, JOINED_PORT, JOINED), {"dst": ""}, {"no_sniffing/green/a"}),
        (at(UNDERLAY, "hv1", JOINED), {}, {"clean/red/a"}),
        (at(UNDERLAY, "hv1", JOINED), {"bears_on": ("no_spoofing/red/a",)}, {"no_spoofing/red/a"}),
        (at(UNDERLAY, "hv1", "red/net"), {"expected": Expected.DELIVERED}, {"clean/red/a"}),
        (at(UNDERLAY, "hv1", "red/net"), {}, set()),
    ],
)
def test_in_a_network_that_is_joined_on_purpose_it_contradicts(
    sighting: Sighting, changes: dict[str, object], expected: set[str]
) -> None:
    exact = Claim(id="exact/red/a/green/a", kind=Kind.EXACT, objects=("red/a", JOINED_PORT))
    sniffing = Claim(id="no_sniffing/green/a", kind=Kind.NO_SNIFFING, objects=(JOINED_PORT,))
    given = {"sightings": (sighting,), "delivered": None, "dst": JOINED_PORT, **changes}
    seen = replace(observed(), outcome=Outcome.LEAKED, **{"bears_on": ("exact/red/a/green/a",), **given})
    networks = {**NETWORKS, JOINED_PORT: JOINED}
    verdicts = judge((*CLAIMS, exact, sniffing), Observations(seen=(seen,), networks=networks))
    assert {v.claim for v in verdicts if v.status is Status.VIOLATED} == expected


def test_a_legitimate_packet_that_does_not_arrive_contradicts_exact_and_reachable() -> None:
    missing = observed("exact/red/a/red/b", "reachable/red/a/red/b", expected=Expected.DELIVERED)

    found = judged(missing)

    assert violated(missing) == {"exact/red/a/red/b", "reachable/red/a/red/b"}
    witness = found["exact/red/a/red/b"].counterexample
    assert witness is not None
    assert (witness.dst, witness.arrives) == ("red/b", False)


def test_one_that_went_astray_and_did_not_arrive_contradicts_both() -> None:
    astray = observed(
        "exact/red/a/red/b",
        expected=Expected.DELIVERED,
        sightings=(at(PORT, "blue/a", "blue/net"),),
    )

    assert violated(astray) == {"exact/red/a/red/b", "isolated/blue/net/red/net"}


def test_one_that_arrived_and_was_copied_contradicts_only_what_the_copy_does() -> None:
    copied = observed(
        "exact/red/a/red/b",
        "reachable/red/a/red/b",
        expected=Expected.DELIVERED,
        delivered=True,
        sightings=(at(PORT, "red/c", "red/net"),),
    )

    assert violated(copied) == {"no_sniffing/red/c"}


def test_one_that_arrives_changed_is_not_clean() -> None:
    changed = observed(
        "exact/red/a/red/b",
        expected=Expected.DELIVERED,
        delivered=True,
        sightings=(at(PORT, "red/b", "red/net", "altered: a tag"),),
    )

    assert violated(changed) == {"clean/red/b"}


def test_a_wish_counts_whatever_the_groups_say() -> None:
    refused = observed("reachable/red/a/red/b", "exact/red/a/red/b")
    allowed = observed(
        "unreachable/red/a/red/b",
        expected=Expected.DELIVERED,
        outcome=Outcome.DELIVERED,
        delivered=True,
    )

    assert violated(refused) == {"reachable/red/a/red/b"}
    assert violated(allowed) == {"unreachable/red/a/red/b"}


def test_what_may_be_an_answer_says_nothing_about_a_wish() -> None:
    answer = observed(
        "unreachable/red/a/red/b", expected=Expected.EITHER, outcome=Outcome.DELIVERED, delivered=True
    )

    assert violated(answer) == set()


def test_absence_holds_for_what_was_sent_and_says_how_much() -> None:
    verdict = judged(*[observed("exact/red/a/red/b")] * 3, where="Open vSwitch 3.1.0")["exact/red/a/red/b"]

    assert verdict.status is Status.HOLDS
    assert verdict.covers == "3 probes on Open vSwitch 3.1.0 (TEST 3)"


def test_nothing_sent_is_unknown_and_says_why() -> None:
    found = judged(observed("exact/red/a/red/b"), not_applicable=("ID-01",))

    assert found["clean/red/a"].status is Status.UNKNOWN
    assert "no probe was sent" in found["clean/red/a"].reason
    assert "ID-01" in found["clean/red/a"].reason


def test_an_inconclusive_probe_makes_unknown_never_green() -> None:
    fine = observed("exact/red/a/red/b")
    blind = observed(
        "exact/red/a/red/b", outcome=Outcome.INCONCLUSIVE, detail="no marker arrived at red/b", delivered=None
    )

    verdict = judged(fine, blind, fine)["exact/red/a/red/b"]

    assert verdict.status is Status.UNKNOWN
    assert verdict.reason == "1 of 3 probes tell nothing: no marker arrived at red/b"


def test_one_witness_is_enough_whatever_else_is_unknown() -> None:
    blind = observed("exact/red/a/red/b", outcome=Outcome.INCONCLUSIVE, delivered=None)
    leak = observed("exact/red/a/red/b", sightings=(at(PORT, "red/b", "red/net"),))

    assert violated(blind, leak) == {"exact/red/a/red/b"}


def control(outcome: Outcome) -> Observation:
    return observed(
        expected=Expected.DELIVERED,
        outcome=outcome,
        delivered=outcome is Outcome.DELIVERED,
        proves=("ip4 from red/a",),
    )


@pytest.mark.parametrize(
    ("controls", "status"),
    [
        ((Outcome.DELIVERED,), Status.HOLDS),
        ((Outcome.NOT_DELIVERED, Outcome.DELIVERED), Status.HOLDS),
        ((Outcome.NOT_DELIVERED,), Status.UNKNOWN),
        ((Outcome.INCONCLUSIVE,), Status.UNKNOWN),
        ((), Status.HOLDS),  # nothing legitimate exists: the markers vouch for the capture
    ],
)
def test_absence_is_worth_what_its_positive_control_is(controls: tuple[Outcome, ...], status: Status) -> None:
    attack = observed("isolated/blue/net/red/net", leans_on=("ip4 from red/a",))

    found = judged(*(control(outcome) for outcome in controls), attack)

    assert found["isolated/blue/net/red/net"].status is status


def test_the_witness_that_reached_a_tenant_with_fewest_packets_before_it_is_shown() -> None:
    bears_on = "no_spoofing/red/a"
    wire = observed(bears_on, sightings=(at(UNDERLAY, "hv1", "red/net"),))
    late = observed(
        bears_on, sightings=(at(PORT, "red/c", "red/net"),), frames=(("red/b", FRAME), ("red/a", FRAME))
    )
    plain = observed(bears_on, sightings=(at(PORT, "red/b", "red/net", "received"),))

    verdict = judged(wire, late, plain)[bears_on]

    assert verdict.counterexample is not None
    assert (verdict.counterexample.dst, verdict.counterexample.before) == ("red/b", ())
    assert verdict.counterexample.packet_hex == FRAME.hex()
    assert "10.0.0.2:53" in verdict.counterexample.packet
    assert verdict.reason == "TEST: received (red/b); 3 packets in all"


def test_packets_left_out_and_limits_are_said() -> None:
    verdict = judged(
        observed("exact/red/a/red/b"), left_out={"TEST": 7, "OTHER": 9}, limits=("red/b is weak",)
    )["exact/red/a/red/b"]

    assert "7 more of these families were planned and left out" in verdict.covers
    assert "red/b is weak" in verdict.covers


def test_kinds_that_probes_cannot_judge_get_no_verdict() -> None:
    assert "segmented" not in judged(observed("exact/red/a/red/b"))


def test_the_gateway_and_the_peering_are_named() -> None:
    to_gateway = bytes.fromhex("0a0000000001") + FRAME[6:]
    seen = observed(
        "exact/red/a/red/b", frames=(("red/a", to_gateway),), expected=Expected.DELIVERED, dst="red/b"
    )
    told = {"gateways": {"0a:00:00:00:00:01": "red/r1"}, "peerings": {("red/net", "red/net"): "peerings/0"}}
    reason = judged(seen, **told)["exact/red/a/red/b"].reason
    assert "does not arrive, sent to router red/r1 for peering peerings/0 (red/b)" in reason
    as_gateway = FRAME[:6] + bytes.fromhex("0a0000000001") + FRAME[12:]
    forged = observed(
        "no_spoofing/red/a",
        frames=(("red/a", as_gateway),),
        sightings=(at(PORT, "red/b", "red/net"),),
    )
    assert "with the MAC of router red/r1" in judged(forged, **told)["no_spoofing/red/a"].reason
    unanswered = observed("exact/red/a/red/b", expected=Expected.DELIVERED, dst="red/a")
    assert "a gateway does not answer" in judged(unanswered)["exact/red/a/red/b"].reason
