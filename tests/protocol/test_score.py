"""The authors' scoring protocol compared with the plain count."""

import numpy as np
import pytest

from pipeline.protocol.score import Score


def test_the_authors_drop_the_last_batch() -> None:
    """Batches of 4, 4 and 2: 3/4 and 1/4 average to 50 %; all ten samples give 6/10."""
    score = Score(samples=np.array([4.0, 4, 2]), correct=np.array([3.0, 1, 2]), loss_sum=np.array([1.0, 2, 3]))
    assert score.authors_accuracy(4) == pytest.approx(50.0)
    assert score.accuracy() == pytest.approx(60.0)
    assert score.loss() == pytest.approx(0.6)


def test_without_a_full_batch_the_authors_have_no_number() -> None:
    score = Score(samples=np.array([3.0]), correct=np.array([3.0]), loss_sum=np.array([1.0]))
    assert score.authors_accuracy(4) is None
