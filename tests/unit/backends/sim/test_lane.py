"""One direction of a link: order, queue, jitter and dice."""

import pytest

from sdn_lab.backends.sim.lane import Lane
from sdn_lab.model.intent import Link

MS_NS = 1_000_000
BYTE_NS = 1000  # at 8 Mbit/s


def link(**said):
    return Link(between=("a", "b"), **said)


def test_who_finds_the_queue_full_is_dropped_and_the_next_one_after_it_has_room_is_not():
    lane = Lane(link(rate_bps=8_000_000, queue=2), "s")
    each = 100 * BYTE_NS
    came = [lane.cross(100, 0) for _ in range(5)]
    assert came == [each, 2 * each, 3 * each, None, None], "one is being sent, two wait"
    assert lane.cross(100, each - 1) is None
    assert lane.cross(100, each) == 4 * each, "the first has left, so the second is no longer waiting"
    assert lane.cross(100, 100 * each) == 101 * each, "long empty again"


def test_without_a_queue_said_all_of_them_wait():
    lane = Lane(link(rate_bps=8_000_000), "s")
    assert [lane.cross(1, 0) for _ in range(2000)] == [BYTE_NS * n for n in range(1, 2001)]


def test_jitter_stays_within_its_bounds_and_uses_them():
    lane = Lane(link(delay_ms=10, jitter_ms=4), "s")
    late = [lane.cross(100, n * 1000 * MS_NS) - n * 1000 * MS_NS for n in range(500)]
    assert all(6 * MS_NS <= took <= 14 * MS_NS for took in late)
    assert min(late) < 7 * MS_NS
    assert max(late) > 13 * MS_NS


@pytest.mark.parametrize("rate_bps", [0, 8_000_000])
def test_no_frame_overtakes_another_however_much_it_jitters(rate_bps):
    lane = Lane(link(delay_ms=10, jitter_ms=10, rate_bps=rate_bps), "s")
    came = [lane.cross(100, n * BYTE_NS) for n in range(500)]
    assert came == sorted(came)
    assert len(set(came)) > 5


def test_the_dice_are_the_seeds():
    def tried(seed):
        lane = Lane(link(delay_ms=10, jitter_ms=9, loss=0.3), seed)
        return [lane.cross(100, n * MS_NS) for n in range(300)]

    assert tried("one") == tried("one")
    assert tried("one") != tried("other")
    assert 50 < tried("one").count(None) < 130
