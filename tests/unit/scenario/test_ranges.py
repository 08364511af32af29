"""Unions of ranges of ports and types."""

import random
from itertools import pairwise

import pytest

from sdn_lab.scenario.grants import merged, without


@pytest.mark.parametrize("seed", range(50))
def test_merged_ranges_hold_the_same_numbers(seed):
    dice = random.Random(seed)
    ranges = [sorted((dice.randrange(20), dice.randrange(20))) for _ in range(dice.randrange(6))]
    found = merged((a, b) for a, b in ranges)

    assert {n for a, b in found for n in range(a, b + 1)} == {n for a, b in ranges for n in range(a, b + 1)}
    assert all(x[1] + 1 < y[0] for x, y in pairwise(found))  # disjoint and not adjacent


@pytest.mark.parametrize("hole", range(12))
def test_without_takes_out_one_number(hole):
    ranges = ((1, 3), (5, 5), (7, 10))
    numbers = {n for a, b in ranges for n in range(a, b + 1)}
    assert {n for a, b in without(ranges, hole) for n in range(a, b + 1)} == numbers - {hole}
