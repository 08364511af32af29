"""How verdicts add up: the whole table, in a small world, and each kind of contradiction."""

from itertools import combinations, product

import pytest

from sdn_lab.model.verdict import Claim, Counterexample, Kind, Status, Verdict
from sdn_lab.verify.agree import ALL_METHODS, JUDGES, ONLY_AGAINST, add_up, can_hold, sum_up

H, V, U, ABSTAINS = Status.HOLDS, Status.VIOLATED, Status.UNKNOWN, None
METHODS = ("graph", "proof", "probe", "drift")


def claim(kind=Kind.ISOLATED, name="x"):
    return Claim(id=f"{kind.value}/{name}", kind=kind, objects=(name,))


def verdict(method, status, of=None, **more):
    of = of or claim()
    return Verdict(claim=of.id, kind=of.kind, method=method, status=status, **more)


def witness(packet="00", *, arrives=True, **replayed):
    return Counterexample(
        src="red/a", dst="blue/b", packet_hex=packet, packet="", replayed=replayed, arrives=arrives
    )


def report(verdicts, claims=(), methods=("graph", "probe"), **more):
    held = claims or (claim(),)
    return sum_up("x", "sim", held, [v for v in verdicts if v is not None], methods, **more)


def test_every_combination_of_three_methods():
    """The design's table, read out again in three lines, for all 64 combinations."""
    for statuses in product((H, V, U, ABSTAINS), repeat=3):
        given = [s for s in statuses if s is not ABSTAINS]
        if V in given:
            expected = V
        elif U in given or not given:
            expected = U
        else:
            expected = H
        assert add_up(given) is expected
        methods = ("graph", "proof", "probe")
        verdicts = [verdict(m, s) for m, s in zip(methods, statuses, strict=True) if s is not ABSTAINS]
        made = report(verdicts, methods=methods)
        assert made.summary == {"isolated/x": expected}
        # A violation without a packet contradicts the holds of those that cover every header.
        covering = [s for m, s in zip(methods, statuses, strict=True) if m != "probe"]
        disagree = V in statuses and H in covering
        assert bool(made.disagreements) is disagree
        code = 4 if disagree else {V: 1, U: 3, H: 0}[expected]
        assert made.exit == code
        assert made.status == ("disagreement" if disagree else expected.value)


@pytest.mark.parametrize("code", [2, 5, 6])
def test_a_failed_run_comes_before_everything(code):
    verdicts = [verdict("graph", H), verdict("probe", V, counterexample=witness(sim=False))]
    made = report(verdicts, error="the switch died", error_exit=code)
    assert (made.exit, made.status, made.error) == (code, "unknown", "the switch died")
    assert made.verdicts == tuple(verdicts)  # what was found is still told
    assert made.disagreements


def test_order_of_exit_codes_between_claims():
    a, b = claim(name="a"), claim(name="b")
    assert report([verdict("graph", V, a), verdict("graph", U, b)], (a, b)).exit == 1
    assert report([verdict("graph", H, a), verdict("graph", U, b)], (a, b)).exit == 3
    assert report([verdict("graph", V, a), verdict("proof", H, a), verdict("graph", V, b)], (a, b)).exit == 4


def test_nothing_judged_is_not_green():
    assert sum_up("x", "sim", (), (), ("graph",)).exit == 3


def test_a_claim_that_all_abstain_from_is_unknown():
    made = report([], (claim(), claim(name="y")))
    assert made.exit == 3
    assert set(made.summary.values()) == {U}


def test_chosen_methods_leave_claims_they_cannot_judge_alone():
    apart, exact = claim(), claim(Kind.EXACT)
    made = report([verdict("graph", H)], (apart, exact), methods=("graph",))
    assert made.exit == 0
    assert made.not_judged == (exact.id,)
    assert exact.id not in made.summary


def test_without_a_choice_such_claims_are_unknown():
    made = report([verdict("graph", H)], (claim(), claim(Kind.AS_BUILT)), methods=tuple(ALL_METHODS))
    assert made.exit == 3
    assert made.not_judged == ()


def test_if_no_claim_is_left_to_judge_nothing_was_checked():
    made = report([], (claim(Kind.EXACT),), methods=("graph",))
    assert made.exit == 3
    assert made.not_judged == ("exact/x",)


def test_a_method_that_could_have_said_it_and_abstained_leaves_unknown():
    """A controller that reacts makes the graph abstain: that is not the same as not being able to judge."""
    made = report([], (claim(),), methods=("graph",))
    assert made.exit == 3
    assert made.not_judged == ()


def test_the_graph_alone_never_shows_that_somebody_is_reachable():
    reachable = claim(Kind.REACHABLE)
    made = report([verdict("graph", H)], (claim(), reachable), methods=("graph",))
    assert made.not_judged == (reachable.id,)
    against = report([verdict("graph", V, reachable)], (reachable,), methods=("graph",))
    assert (against.exit, against.not_judged) == (1, ())


@pytest.mark.parametrize("kind", list(Kind))
def test_what_can_hold_is_what_is_judged_and_not_only_against(kind):
    for size in range(len(METHODS) + 1):
        for methods in combinations(METHODS, size):
            able = [m for m in methods if kind in JUDGES[m] and kind not in ONLY_AGAINST.get(m, ())]
            assert can_hold(kind, methods) is bool(able)


def test_every_kind_can_be_judged_by_some_method():
    assert all(can_hold(kind, METHODS) for kind in Kind)


def test_a_probe_against_a_graph_that_covers_every_header_is_a_disagreement():
    made = report([verdict("graph", H, covers="every header"), verdict("probe", V, counterexample=witness())])
    [found] = made.disagreements
    assert set(found.between) == {"graph", "probe"}
    assert "every header" in found.what


def test_a_witness_that_no_probe_tried_is_a_violation_and_no_disagreement():
    verdicts = [verdict("graph", V, counterexample=witness("aa")), verdict("probe", H)]
    assert report(verdicts, sent={"isolated/x": {"bb"}}).exit == 1
    assert report(verdicts).exit == 1


def test_a_witness_that_a_probe_did_try_is_a_disagreement():
    verdicts = [verdict("graph", V, counterexample=witness("aa")), verdict("probe", H)]
    assert report(verdicts, sent={"isolated/x": {"aa"}}).exit == 4


def test_a_witness_that_does_not_arrive_when_sent_again_is_a_disagreement():
    verdicts = [verdict("graph", V, counterexample=witness(sim=True, ovs=False))]
    [found] = report(verdicts).disagreements
    assert found.between == ("graph", "replay on ovs")
    assert report([verdict("graph", V, counterexample=witness(sim=True, ovs=True))]).exit == 1


def test_a_packet_that_should_arrive_and_does_not_is_replayed_the_other_way_round():
    of = claim(Kind.EXACT)
    lost = verdict("proof", V, of, counterexample=witness(arrives=False, sim=False))
    assert report([lost], (of,)).exit == 1
    arrived = verdict("proof", V, of, counterexample=witness(arrives=False, sim=True))
    assert report([arrived], (of,)).exit == 4


def test_no_path_at_all_against_a_packet_that_arrived_is_a_disagreement():
    of = claim(Kind.REACHABLE)
    assert report([verdict("graph", V, of), verdict("probe", H, of)], (of,)).exit == 4


def test_unknown_contradicts_nobody():
    for other in (H, V):
        assert not report([verdict("graph", U), verdict("probe", other)]).disagreements


def test_methods_that_judged_different_snapshots_are_not_compared():
    verdicts = [verdict("graph", H), verdict("probe", V, counterexample=witness())]
    assert report(verdicts, judged={"graph": "1", "probe": "2"}).exit == 1
    assert report(verdicts, judged={"graph": "1", "probe": "1"}).exit == 4


def test_where_a_controller_reacts_nothing_was_judged_on_one_snapshot():
    """A learning switch floods the first frame and not the second: that is no bug of ours."""
    verdicts = [verdict("graph", H), verdict("probe", V, counterexample=witness(sim=False))]
    assert report(verdicts).exit == 4
    made = report(verdicts, steady=False)
    assert (made.exit, made.disagreements) == (1, ())


def test_a_verdict_on_a_claim_that_was_not_asked_counts():
    """A method that found a leak is heard, whatever list it was given."""
    made = report([verdict("graph", V, claim(name="other")), verdict("graph", H)])
    assert made.exit == 1


def test_the_circumstances_are_passed_on():
    made = report(
        [verdict("graph", H)], information=("i",), environment={"e": 1}, timings_ms={"t": 2}, seed=3
    )
    assert (made.information, made.environment, made.timings_ms, made.seed) == (("i",), {"e": 1}, {"t": 2}, 3)
    assert made.claims == (claim(),)
