"""One spread for all parts and the noise of the test samples, by hand, and the coverage of the intervals."""

from dataclasses import replace
from math import log, sqrt

import numpy as np
import pytest
from scipy.special import stdtr, stdtrit

from pipeline.report.study.pooled import (
    Bools,
    Contrast,
    PooledSpread,
    beyond_chance,
    contrast_of,
    difference,
    in_points,
    log_odds,
    scores_of,
    spread_of,
)

SAMPLES = 1000


def first(correct: int) -> Bools:
    """Hits of a training that gets the first samples right."""
    return np.arange(SAMPLES) < correct


def nested(**counts: list[int]) -> dict[str, dict[int, Bools]]:
    """Hits by part and seed, where a better training gets all that a worse one gets."""
    return {part: {seed: first(correct) for seed, correct in enumerate(own)} for part, own in counts.items()}


def test_log_odds_stay_finite() -> None:
    assert log_odds(150, 200) == pytest.approx(log(150.5 / 50.5))
    assert log_odds(10, 10) == -log_odds(0, 10) == pytest.approx(log(10.5 / 0.5))


def test_samples_that_two_trainings_both_get_right_make_them_vary_together() -> None:
    """p = 0.8 and 0.5, both right 0.5: covariance (0.5 - 0.4) / (N - 1), over 0.16 and 0.25 for log-odds."""
    scores = scores_of({"a": {0: first(800)}, "b": {0: first(500)}})
    slopes = [1 / (0.16 * 0.16), 1 / (0.16 * 0.25), 1 / (0.25 * 0.25)]
    expected = [slope * p / (SAMPLES - 1) for slope, p in zip(slopes, (0.16, 0.1, 0.25), strict=True)]
    found = scores.covariance
    assert [found[0, 0], found[0, 1], found[1, 1]] == pytest.approx(expected, rel=5e-3)
    apart = scores_of({"a": {0: first(500)}, "b": {0: np.roll(first(500), 250)}})
    assert apart.covariance[0, 1] == pytest.approx(0, abs=1e-9), "half of what each gets right the other gets wrong"


def test_all_right_is_as_uncertain_as_haldanes_odds_say() -> None:
    """Variance 1/(N + 0.5) + 1/0.5 on N + 1 counted samples; another that gets all varies with it."""
    covariance = scores_of({"a": {0: first(SAMPLES)}, "b": {0: first(SAMPLES)}}).covariance
    expected = (1 / (SAMPLES + 0.5) + 1 / 0.5) * (SAMPLES + 1) / SAMPLES
    assert [covariance[0, 0], covariance[1, 1]] == pytest.approx([expected, expected])
    assert 0 < covariance[0, 1] < covariance[0, 0]


def test_the_interval_of_a_part_that_gets_all_right_holds() -> None:
    """100 samples, one seed, parts at 99.8 % and 97 %, no spread over seeds: 92 % held without the half sample."""
    generator, held = np.random.default_rng(0), 0
    truth, spread = (0.998 - 0.97) * 100, PooledSpread(total=0.04, seeds=0.0, freedom=40)
    for _ in range(1000):
        hits = {name: {0: generator.random(100) < share} for name, share in (("a", 0.998), ("b", 0.97))}
        found = difference(scores_of(hits), "a", "b", spread)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held >= 950


FIVE = {"a": [700, 900], "b": [500, 600], "c": [400, 450], "d": [300, 420], "e": [800, 860]}


def test_the_spread_is_what_parts_and_seeds_do_not_explain() -> None:
    """Two seeds: half the variance of the parts' gaps between them, with 5 - 1 degrees of freedom."""
    scores = scores_of(nested(**FIVE))
    spread = spread_of(scores, list(FIVE))
    assert spread is not None
    gaps = np.kron(np.eye(5), [1, -1])
    assert (spread.freedom, spread.total) == (4, pytest.approx(np.var(gaps @ scores.odds, ddof=1) / 2))
    noise = gaps @ scores.covariance @ gaps.T
    assert spread.seeds == pytest.approx(max(spread.total - (np.trace(noise) - noise.mean() * 5) / 4 / 2, 0))


@pytest.mark.parametrize(
    "counts", [{"a": [500, 600]}, {"a": [500], "b": [600]}, {name: [500, 600] for name in "abcde"}], ids=str
)
def test_without_rests_there_is_no_spread(counts: dict[str, list[int]]) -> None:
    assert spread_of(scores_of(nested(**counts)), list(counts)) is None


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_fewer_degrees_of_freedom_than_were_simulated_give_no_spread(parts: int) -> None:
    """Two seeds: parts - 1 degrees of freedom; five parts have 4."""
    assert spread_of(scores_of(nested(**FIVE)), list(FIVE)[:parts]) is None


def test_parts_may_have_more_seeds_than_others() -> None:
    """The third seed of one part alone explains itself and changes nothing."""
    two = spread_of(scores_of(nested(**FIVE)), list(FIVE))
    three = spread_of(scores_of(nested(**FIVE | {"a": [700, 900, 800]})), list(FIVE))
    assert two is not None
    assert three is not None
    assert (three.total, three.freedom) == (pytest.approx(two.total), two.freedom)


def test_a_difference_by_hand() -> None:
    """Two seeds each; a spread of 0.1 with 4 degrees of freedom; t with the combined degrees of freedom."""
    scores = scores_of(nested(a=[800, 820], b=[700, 720]))
    spread = PooledSpread(total=0.04, seeds=0.01, freedom=4)
    found = difference(scores, "a", "b", spread)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    weights = np.array([0.5, 0.5, -0.5, -0.5])
    variance = 2 * 0.01 / 2 + weights @ scores.covariance @ weights
    freedom = 1 / (min(2 * 0.04 / 2 / variance, 1.0) ** 2 / 4 + 1 / (SAMPLES - 1))
    odds, middle = weights @ scores.odds, scores.odds.mean()
    reach = float(stdtrit(freedom, 0.975)) * sqrt(variance)
    assert found.points == pytest.approx(10.0)
    assert found.low == pytest.approx(in_points(middle, odds - reach))
    assert found.high == pytest.approx(in_points(middle, odds + reach))
    assert found.p_value == pytest.approx(2 * float(stdtr(freedom, -odds / sqrt(variance))))
    assert in_points(middle, odds) == pytest.approx(10.0, abs=0.05)
    assert difference(scores_of({"a": {0: first(5)}, "b": {1: first(5)}}), "a", "b", spread) is None


def test_equal_answers_are_no_division_by_zero() -> None:
    found = difference(
        scores_of(nested(a=[700, 720], b=[700, 720])), "a", "b", PooledSpread(total=0.04, seeds=0.0, freedom=4)
    )
    assert found is not None
    half = 0.2  # points: about what half a sample of each training is, which are drawn independently
    assert (found.points, found.low, found.high) == pytest.approx((0.0, 0.0, 0.0), abs=half)
    assert found.p_value == 1.0


def test_seeds_reduce_one_part_of_the_variance_and_samples_the_other() -> None:
    """0.04 / m + 0.01: with a quantile near 2 and 0.84 for the power, 0.4 needs a variance of about 0.0199: 4 seeds."""
    contrast = Contrast(n=3, each_seed=0.04, samples=0.01, pooled=0.04, freedom=1000, sample_count=1000)
    assert contrast.variance(4) == pytest.approx(0.02)
    assert contrast.decides(4) == pytest.approx((1.96 + 0.842) * sqrt(0.02), rel=2e-3)
    assert contrast.seeds_needed(0.4) == contrast.seeds_needed(-0.4) == 4
    assert contrast.seeds_needed(2.802 * sqrt(0.01)) is None, "no number of seeds removes what the samples add"
    one = replace(contrast, n=1)
    assert one.seeds_needed(0.4) is None, "one seed does not tell what seeds reduce"
    table = scores_of(nested(a=[800, 820], b=[700, 720]))
    made = contrast_of(table, {"a": 1, "b": -1}, PooledSpread(total=0.04, seeds=0.01, freedom=4))
    weights = np.array([0.5, 0.5, -0.5, -0.5])
    assert made.variance(2) == pytest.approx(0.01 + weights @ table.covariance @ weights)


def test_holms_correction_by_hand() -> None:
    """0.01 * 4 and 0.015 * 3 are below 0.05, 0.03 * 2 is not, and ends it."""
    assert beyond_chance({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.015}) == {"a", "b"}
    assert beyond_chance({}) == set()
