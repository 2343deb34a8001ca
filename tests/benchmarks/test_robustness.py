"""The number of dropped or added events is the stated one."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import robustness
from benchmarks.robustness import changed
from pipeline.ground.errors import InputError

COUNTS = np.random.default_rng(1).poisson(3.0, (4, 2, 32, 32))


def test_each_event_is_dropped_with_the_probability() -> None:
    left = changed(COUNTS, "dropped", 0.25, np.random.default_rng(0))
    assert (left <= COUNTS).all()
    assert left.sum() / COUNTS.sum() == pytest.approx(0.75, abs=0.01)  # 24,000 events: a deviation of 0.003
    assert np.array_equal(changed(COUNTS, "dropped", 0.0, np.random.default_rng(0)), COUNTS)


def test_noise_is_a_part_of_the_recordings_own_events() -> None:
    noisy = changed(COUNTS, "noise", 0.5, np.random.default_rng(0))
    assert (noisy >= COUNTS).all()
    assert (noisy - COUNTS).sum() / COUNTS.sum() == pytest.approx(0.5, abs=0.02)


def test_images_have_no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "Store", lambda *_: SimpleNamespace(kind="images", title="Tiny"))
    with pytest.raises(InputError, match=r"digits-0: Tiny holds images"):
        robustness.of_run("digits-0")
