"""The test of one spread for all parts."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.study_intervals import SETTINGS, effects_of, named, simulated
from pipeline.report.study.equal_spread import equal_spread, unevenness
from pipeline.report.study.pooled import scores_of, spread_of


def p_values(rough: float) -> list[float]:
    """Of eight simulated studies in which every third part has a spread so many times as large."""
    (like,) = [one for one in SETTINGS if one.like == "digits"]
    setting, generator, found = replace(like, rough=rough), np.random.default_rng(0), []
    for _ in range(8):
        hits = named(simulated(setting, effects_of(setting), generator))
        scores = scores_of(hits)
        spread = spread_of(scores, list(hits))
        assert spread is not None
        found.append(equal_spread(scores, spread, list(hits)))
    return found


def test_equal_spreads_are_seldom_doubted_and_unequal_ones_often() -> None:
    assert sum(p < 0.05 for p in p_values(1)) <= 1
    assert sum(p < 0.05 for p in p_values(5)) >= 6


def test_unevenness_by_hand() -> None:
    """Mean squares 1 and 9: deviation 4 over a mean of 5; equal ones: 0."""
    means = np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    assert unevenness(np.array([1.0, -1, 3, -3]), means) == pytest.approx(0.8)
    assert unevenness(np.array([[1.0, -1, 1, -1], [1.0, -1, 3, -3]]), means) == pytest.approx([0, 0.8])
