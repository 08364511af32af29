from sdn_lab.model.observation import NONCE_BYTES, NONCE_MAGIC
from sdn_lab.observe.nonce import Nonces, found_in


def test_nonces_of_a_run_differ_and_repeat_with_its_seed() -> None:
    first, again, other = Nonces(1), Nonces(1), Nonces(2)

    drawn = [first.draw() for _ in range(1000)]

    assert len(set(drawn)) == 1000
    assert drawn == [again.draw() for _ in range(1000)]
    assert not set(drawn) & {other.draw() for _ in range(1000)}
    assert all(len(nonce) == NONCE_BYTES and nonce.startswith(NONCE_MAGIC) for nonce in drawn)


def test_all_nonces_of_a_frame_are_found_wherever_they_are() -> None:
    nonces = Nonces(1)
    a, b = nonces.draw(), nonces.draw()

    assert found_in(b"head" + a + b"middle" + b + b"tail") == [a, b]
    assert found_in(a + b) == [a, b]


def test_a_truncated_nonce_is_none() -> None:
    assert found_in(b"head" + Nonces(1).draw()[:-1]) == []
    assert found_in(b"") == []
