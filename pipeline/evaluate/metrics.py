"""Exact counts from predictions, without torch. Shapes: N samples, T steps, K classes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from models.bounds import STRICT, Natural, Positive
from pipeline.evaluate.predictions import Predictions

TOP = 5


@dataclass(frozen=True, kw_only=True)
class TestCounts:
    """Whole numbers only: every percentage is computed from these."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    samples: Positive
    correct: Natural
    top5_correct: Natural | None
    """None for five classes or fewer, where it says nothing."""
    class_samples: list[Natural]
    class_correct: list[Natural]
    confusion: list[list[Natural]]
    """Row: the label; column: the prediction."""
    correct_by_step: list[Natural]
    """If the voltage were read after 1, 2, ..., T steps."""


def count_answers(predictions: Predictions) -> TestCounts:
    """Counts over every sample, once."""
    labels, voltage = predictions.labels, predictions.voltage
    classes = len(predictions.about.classes)
    final = ranks(voltage[:, -1], labels)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, voltage[:, -1].argmax(1)), 1)
    return TestCounts(
        samples=len(labels),
        correct=int((final == 0).sum()),
        top5_correct=int((final < TOP).sum()) if classes > TOP else None,
        class_samples=confusion.sum(1).tolist(),
        class_correct=confusion.diagonal().tolist(),
        confusion=confusion.tolist(),
        correct_by_step=[int((ranks(step, labels) == 0).sum()) for step in voltage.swapaxes(0, 1)],
    )


def ranks(voltage: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Place of each label among its sample's voltages (N, K), 0 for the highest; of equal ones the first class leads.

    Place 0 is what argmax predicts.
    """
    own = np.take_along_axis(voltage, labels[:, None], axis=1)
    before = np.arange(voltage.shape[1]) < labels[:, None]
    places: npt.NDArray[np.int64] = ((voltage > own) | ((voltage == own) & before)).sum(1)
    return places
