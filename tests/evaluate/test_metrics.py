"""Counts that can be checked by hand, from made.FIVE."""

import numpy as np

from pipeline.evaluate.metrics import count_predictions, ranks
from tests.evaluate.made import FIVE, predictions


def test_every_count_by_hand() -> None:
    counts = count_predictions(FIVE)
    assert (counts.samples, counts.correct, counts.top5_correct) == (5, 3, None)
    assert counts.class_samples == [2, 2, 1]
    assert counts.class_correct == [2, 1, 0]
    assert counts.confusion == [[2, 0, 0], [1, 1, 0], [1, 0, 0]]
    assert counts.correct_by_step == [3, 3]


def test_place_zero_is_what_argmax_predicts() -> None:
    voltage = np.random.default_rng(0).integers(0, 3, (200, 4)).astype(np.float32)
    for label in range(4):
        first = ranks(voltage, np.full(200, label)) == 0
        assert (first == (voltage.argmax(1) == label)).all()


def test_top_five_counts_places_zero_to_four() -> None:
    voltage = np.arange(10.0)[None, None].repeat(10, 0)  # class 9 leads, then 8, ...
    made = predictions(list(range(10)), voltage.tolist())
    made.about.classes.clear()
    made.about.classes.extend("abcdefghij")
    try:
        assert count_predictions(made).top5_correct == 5
    finally:
        made.about.classes[:] = ["a", "b", "c"]
