"""Wilson's interval against published values and at its limits."""

import pytest
from scipy.stats import binomtest

from pipeline.evaluate.statistics import percent, wilson


@pytest.mark.parametrize(("correct", "samples"), [(0, 10), (1, 10), (50, 100), (705, 966), (9414, 10000), (10, 10)])
def test_wilson_agrees_with_scipy(correct: int, samples: int) -> None:
    theirs = binomtest(correct, samples).proportion_ci(0.95, "wilson")
    assert wilson(correct, samples) == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=1e-9)


def test_half_of_a_hundred_by_hand() -> None:
    # z^2 = 3.8415; centre 50; reach z sqrt(0.25 / 100 + z^2 / 40000) / (1 + z^2 / 100) = 9.6168 points
    assert wilson(50, 100) == pytest.approx((40.3832, 59.6168), abs=1e-4)


@pytest.mark.parametrize(("correct", "samples"), [(-1, 10), (11, 10), (0, 0)])
def test_what_is_no_proportion_is_refused(correct: int, samples: int) -> None:
    with pytest.raises(ValueError, match="is not a proportion"):
        wilson(correct, samples)


def test_percent_divides_once() -> None:
    assert percent(705, 966) == 100 * 705 / 966
