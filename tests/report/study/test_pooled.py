"""One spread for all parts, by hand, and the coverage of its intervals."""

from math import log, sqrt

import numpy as np
import pytest
from scipy.special import expit

from pipeline.report.study.pooled import beyond_chance, difference, in_points, log_odds, spread_of

SAMPLES = 1_000_000
"""So many that the half sample of log_odds does not matter."""


def percents(odds: list[float]) -> dict[int, float]:
    return {seed: 100 * float(expit(value)) for seed, value in enumerate(odds)}


def test_log_odds_stay_finite() -> None:
    assert log_odds(75.0, 200) == pytest.approx(log(150.5 / 50.5))
    assert log_odds(100.0, 10) == -log_odds(0.0, 10) == pytest.approx(log(10.5 / 0.5))


def test_the_spread_is_what_parts_and_seeds_do_not_explain() -> None:
    """Rests of +0.1 and -0.1 in each of 2 x 2: squares sum to 0.04, over (2-1)(2-1). A seed's part is no spread."""
    spread = spread_of([percents([1.1, 4.9]), percents([1.9, 6.1])], SAMPLES)
    assert spread is not None
    assert spread.freedom == 1
    assert spread.deviation == pytest.approx(0.2, rel=1e-3)
    assert spread_of([percents([1.0, 2.0])], SAMPLES) is None
    assert spread_of([percents([1.0]), percents([2.0])], SAMPLES) is None
    assert spread_of([percents([1.0, 2.0]), {0: 50.0}], SAMPLES) is None
    assert spread_of([], SAMPLES) is None


def test_a_difference_by_hand() -> None:
    """Log-odds 1 above those of 0: 0.2 * sqrt(2 / 2) is its error, and t with one degree of freedom 12.706."""
    spread = spread_of([percents([1.1, 4.9]), percents([1.9, 6.1])], SAMPLES)
    found = difference(percents([1.0, 1.0]), percents([0.0, 0.0]), SAMPLES, spread)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    reach, middle = 12.7062 * 0.2 * sqrt(2 / 2), 0.5
    assert found.points == pytest.approx(100 * (float(expit(1)) - 0.5))
    assert found.low == pytest.approx(in_points(middle, 1 - reach), abs=0.05)
    assert found.high == pytest.approx(in_points(middle, 1 + reach), abs=0.05)
    assert in_points(middle, 1.0) == pytest.approx(found.points)
    assert found.p_value == pytest.approx(1 - 2 / np.pi * np.arctan(1 / 0.2), rel=1e-3)  # Cauchy
    assert difference({0: 50.0}, {1: 50.0}, SAMPLES, spread) is None
    alone = difference({0: 60.0, 1: 70.0}, {0: 50.0}, SAMPLES, None)
    assert alone is not None
    assert (alone.points, alone.n, alone.low, alone.p_value) == (10.0, 1, None, 1.0)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Parts from 60 to 97 %, three seeds, a spread of 0.2: the true difference is inside in 95 % of 2,000 cases."""
    drawn, truth = np.random.default_rng(0), np.linspace(0.4, 3.5, 12)
    inside = 0
    for _ in range(2000):
        odds = truth[:, None] + drawn.normal(0, 0.3, 3) + drawn.normal(0, 0.2, (12, 3))
        parts = [percents(list(row)) for row in odds]
        found = difference(parts[3], parts[0], SAMPLES, spread_of(parts, SAMPLES))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        middle = float(np.mean([log_odds(value, SAMPLES) for one in (parts[0], parts[3]) for value in one.values()]))
        inside += found.low <= in_points(middle, truth[3] - truth[0]) <= found.high
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)


def test_holms_correction_by_hand() -> None:
    """0.01 * 4 and 0.015 * 3 are below 0.05, 0.03 * 2 is not, and ends it."""
    assert beyond_chance({"c": 0.03, "a": 0.01, "d": 0.04, "b": 0.015}) == {"a", "b"}
    assert beyond_chance({}) == set()
