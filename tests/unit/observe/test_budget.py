from sdn_lab.model.observation import Expected
from sdn_lab.observe.budget import FLOOR, PER_CLAIM, allowance, choose
from sdn_lab.observe.case import Case, Shot


def case(probe: str, claim: str, packets: int = 1) -> Case:
    shot = Shot(src="a", dst="b", frame=b"", nonce=b"", expected=Expected.NOTHING, bears_on=(claim,))
    return Case(probe=probe, shots=(shot,) * packets)


def test_within_the_budget_everything_is_sent_in_order() -> None:
    cases = [case("P", str(n)) for n in range(10)]

    assert choose(cases, 10) == (cases, {})


def test_beyond_it_every_claim_keeps_its_share_and_the_rest_is_counted() -> None:
    cases = [case("P", "rich") for _ in range(100)] + [case("P", "poor"), case("Q", "poor")]

    chosen, left_out = choose(cases, 20)

    assert len(chosen) == 20
    assert {(c.probe, c.shots[0].bears_on[0]) for c in chosen} == {
        ("P", "rich"),
        ("P", "poor"),
        ("Q", "poor"),
    }
    assert left_out == {"P": 82}


def test_a_sequence_counts_with_all_its_packets_and_is_never_cut() -> None:
    cases = [case("P", str(n), packets=4) for n in range(10)]

    chosen, left_out = choose(cases, 10)

    assert [len(c.shots) for c in chosen] == [4, 4]
    assert left_out == {"P": 32}


def test_more_claims_allow_more_packets() -> None:
    assert allowance(1) == FLOOR
    assert allowance(10_000) == 10_000 * PER_CLAIM
