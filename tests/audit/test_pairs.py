"""Paired differences, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from pipeline.audit.pairs import paired_difference


def test_by_hand() -> None:
    """Differences 1, 2, 3: mean 2, s = 1, t of two degrees of freedom at 97.5 % is 4.303, half 4.303 / sqrt(3)."""
    found = paired_difference({0: 91.0, 1: 92.0, 2: 93.0, 7: 50.0}, {2: 90.0, 1: 90.0, 0: 90.0, 8: 1.0})
    assert (found.n, found.seeds, found.mean) == (3, [0, 1, 2], pytest.approx(2.0))
    assert (found.low, found.high) == (pytest.approx(2 - 2.4843, abs=1e-3), pytest.approx(2 + 2.4843, abs=1e-3))
    assert found.words("a", "b") == (
        "a - b: +2.00 points [-0.48, +4.48], 3 paired seeds, 95 % interval with 0 in it: the order is open"
    )


def test_what_pairing_takes_out() -> None:
    """Seeds that differ by 10 points, but both by the same."""
    first = {seed: 50.0 + 10 * seed for seed in range(4)}
    found = paired_difference(first, {seed: value - 1 - 0.1 * (seed % 2) for seed, value in first.items()})
    assert found.low is not None
    assert found.low > 0.9
    assert found.words("a", "b").endswith("above 0: a is ahead")
    swapped = paired_difference({seed: value - 5 - 0.1 * (seed % 2) for seed, value in first.items()}, first)
    assert swapped.words("a", "b").endswith("below 0: b is ahead")


def test_one_pair_has_no_interval_and_none_is_an_error() -> None:
    found = paired_difference({3: 90.0}, {3: 80.0})
    assert (found.n, found.low, found.high) == (1, None, None)
    assert found.words("a", "b") == "a - b: +10.00 points, 1 pair(s) without spread: no interval, the order is open"
    with pytest.raises(ValueError, match=r"no common seed: \[1\] and \[2\]"):
        paired_difference({1: 90.0}, {2: 80.0})


def test_equal_differences_are_no_certainty() -> None:
    """One of 355 samples, three times: a spread of 0 would make it sure."""
    first = {0: 100 * 320 / 355, 1: 100 * 327 / 355, 2: 100 * 331 / 355}
    found = paired_difference({seed: value + 100 / 355 for seed, value in first.items()}, first)
    assert (found.n, found.low, found.p_value) == (3, None, 1.0)


def test_p_and_interval_agree() -> None:
    """Where p is 5 %, the 95 % interval ends at 0; p is scipy's."""
    first = {0: 1.0, 1: 2.0, 2: 4.5}
    found = paired_difference(first, dict.fromkeys(first, 0.0))
    assert found.p_value == pytest.approx(float(ttest_1samp(list(first.values()), 0.0).pvalue))


def test_the_interval_holds_its_level() -> None:
    """10,000 simulated sets of four pairs whose true difference is 1 point: 95 % within 0.7 % (three deviations)."""
    drawn, inside = np.random.default_rng(1), 0
    for _ in range(10_000):
        seeds, noise = drawn.normal(90, 3, 4), drawn.normal(0, 0.5, (2, 4))
        found = paired_difference(dict(enumerate(seeds + 1 + noise[0])), dict(enumerate(seeds + noise[1])))
        assert found.low is not None
        assert found.high is not None
        inside += found.low <= 1 <= found.high
    assert abs(inside / 10_000 - 0.95) < 0.007
