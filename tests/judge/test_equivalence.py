"""Intervals against published methods and by hand, and decisions at their limits."""

from math import hypot, sqrt

import numpy as np
import pytest
from scipy import stats

from pipeline.judge.equivalence import (
    Earlier,
    Goal,
    clopper_pearson,
    decide,
    decide_larger,
    interval,
    needed,
    paired_interval,
)

GOAL = Goal(value=90.0, margin=3.0, precision=0.05)


def counts(*correct: float) -> np.ndarray:
    return np.array(correct, dtype=np.float64)


@pytest.mark.parametrize(("correct", "samples"), [(0, 10), (1, 10), (50, 100), (705, 966), (9414, 10000), (10, 10)])
def test_the_exact_interval_is_scipys(correct: int, samples: int) -> None:
    theirs = stats.binomtest(correct, samples).proportion_ci(0.90, "exact")
    wanted = pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-9)
    assert clopper_pearson(np.array(float(correct)), samples) == wanted
    assert interval(counts(correct), samples) == wanted, "one seed of which nothing else is known"


def test_two_seeds_by_hand() -> None:
    # 90 and 92 of 100: sd sqrt(2) points, Student's quantile 6.3138 with one degree of freedom: 6.3138 for the seeds
    exact = stats.binomtest(910, 1000).proportion_ci(0.90, "exact")
    low, high = interval(counts(900, 920), 1000)
    assert low == pytest.approx(91 - hypot(6.3138, 91 - 100 * exact.low), abs=1e-3)
    assert high == pytest.approx(91 + hypot(6.3138, 100 * exact.high - 91), abs=1e-3)


def test_an_earlier_spread_has_its_own_degrees_of_freedom() -> None:
    exact = stats.binomtest(900, 1000).proportion_ci(0.90, "exact")
    low, _ = interval(counts(900), 1000, Earlier(sd=1.2, trainings=5))
    assert low == pytest.approx(90 - hypot(stats.t.ppf(0.95, 4) * 1.2, 90 - 100 * exact.low), abs=1e-9)


def test_the_spread_of_these_seeds_and_an_earlier_one_are_pooled() -> None:
    exact = stats.binomtest(910, 1000).proportion_ci(0.90, "exact")
    low, _ = interval(counts(900, 920), 1000, Earlier(sd=1.2, trainings=5))
    sd = sqrt((1 * 2.0 + 4 * 1.2**2) / 5)
    assert low == pytest.approx(91 - hypot(stats.t.ppf(0.95, 5) * sd / sqrt(2), 91 - 100 * exact.low), abs=1e-9)


def test_the_same_trainings_are_not_counted_twice() -> None:
    known = interval(counts(880, 920, 890, 910), 1000, Earlier(sd=1.8257, trainings=4, known=4))
    assert known == pytest.approx(interval(counts(880, 920, 890, 910), 1000), abs=1e-3)


def test_many_experiments_at_once_are_each_by_itself() -> None:
    many = np.array([[880.0, 900.0], [700.0, 720.0], [1000.0, 1000.0]])
    low, high = interval(many, 1000)
    for row, pair in enumerate(many):
        assert interval(pair, 1000) == pytest.approx((low[row], high[row]))
    assert high[2] == 100.0


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        ((899, 900, 901), "REPRODUCED"),
        ((885, 886, 887), "UNDERPOWERED"),
        ((840, 841, 842), "BELOW"),
        ((950, 951, 952), "ABOVE"),
        ((900, 860, 940), "UNDERPOWERED"),
        ((900,), "UNDERPOWERED"),
        ((10,), "UNDERPOWERED"),
    ],
)
def test_the_place_of_the_interval_decides(correct: tuple[int, ...], verdict: str) -> None:
    assert decide(counts(*correct), 1000, GOAL) == verdict


def test_rounding_is_never_in_favour() -> None:
    exactly = Goal(value=90.0, margin=3.0, precision=0.0)
    low, high = interval(counts(900, 900), 1000)
    assert exactly.inner == exactly.outer == (87.0, 93.0)
    within = Goal(value=90.0, margin=float(max(90 - low, high - 90)) + 0.01, precision=0.0)
    assert decide(counts(900, 900), 1000, within) == "REPRODUCED"
    printed = Goal(value=within.value, margin=within.margin, precision=0.05)
    assert decide(counts(900, 900), 1000, printed) == "UNDERPOWERED"
    beyond = Goal(value=float(high) + 3.01, margin=3.0, precision=0.0)
    assert decide(counts(900, 900), 1000, beyond) == "BELOW"
    assert decide(counts(900, 900), 1000, Goal(value=beyond.value, margin=3.0, precision=0.05)) == "UNDERPOWERED"


def test_paired_differences_are_students() -> None:
    differences = counts(1.0, 2.0, 4.0)
    theirs = stats.ttest_1samp(differences, 0.0).confidence_interval(0.90)
    assert paired_interval(differences) == pytest.approx((theirs.low, theirs.high))
    assert decide_larger(differences, theirs.low - 0.01) == "REPRODUCED"
    assert decide_larger(differences, theirs.low + 0.01) == "UNDERPOWERED"
    assert decide_larger(differences, theirs.high + 0.01) == "BELOW"


def test_the_seeds_that_are_needed_are_the_fewest_that_decide() -> None:
    seeds = needed(counts(890, 910), 1000, GOAL).seeds
    assert seeds is not None
    apart = np.tile([0.89 - 0.002, 0.91 + 0.002], seeds)[:seeds] * 1000
    assert decide(apart, 1000, GOAL) == "REPRODUCED"
    assert decide(counts(890, 910), 1000, GOAL) == "UNDERPOWERED"


def test_where_no_number_of_seeds_is_enough_test_samples_are() -> None:
    few = needed(counts(89, 91), 100, GOAL)
    assert few.seeds is None
    assert few.samples is not None
    assert few.samples > 200
    same = np.full(100, 0.9 * few.samples * 2)
    assert decide(same, few.samples * 2, GOAL) == "REPRODUCED"


def test_a_hundred_seeds_that_do_not_decide_need_test_samples() -> None:
    assert needed(np.tile([89.0, 91.0], 50), 100, GOAL).seeds is None
    assert needed(np.tile([89.0, 91.0], 50), 100, GOAL).samples is not None


def test_at_an_end_of_the_range_nothing_is_enough() -> None:
    at_the_end = needed(counts(929, 931), 1000, GOAL)
    assert (at_the_end.seeds, at_the_end.samples) == (None, None)
