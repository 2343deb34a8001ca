"""Events that are dropped or added are as many as said."""

import numpy as np
import pytest

from benchmarks.robustness import changed

COUNTS = np.random.default_rng(1).poisson(3.0, (2, 4, 2, 16, 16))


def test_each_event_is_dropped_with_the_probability() -> None:
    left = changed(COUNTS, "dropped", 0.25, np.random.default_rng(0))
    assert (left <= COUNTS).all()
    assert left.sum() / COUNTS.sum() == pytest.approx(0.75, abs=0.01)  # 12,000 events: a deviation of 0.004
    assert np.array_equal(changed(COUNTS, "dropped", 0.0, np.random.default_rng(0)), COUNTS)


def test_noise_is_a_part_of_each_recordings_own_events() -> None:
    counts = COUNTS.copy()
    counts[1] *= 10
    noisy = changed(counts, "noise", 0.5, np.random.default_rng(0))
    assert (noisy >= counts).all()
    added = (noisy - counts).sum((1, 2, 3, 4)) / counts.sum((1, 2, 3, 4))
    assert added == pytest.approx([0.5, 0.5], abs=0.03)
