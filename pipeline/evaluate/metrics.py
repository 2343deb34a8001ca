"""Exact counts from answers and predictions, without torch. Shapes: N samples, T steps, K classes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from models.bounds import STRICT, Natural, Positive
from pipeline.evaluate.answers import Answers, answers_of
from pipeline.evaluate.predictions import Predictions

TOP = 5


@dataclass(frozen=True, kw_only=True)
class TestCounts:
    """Integer counts, from which every percentage is computed."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    samples: Positive
    correct: Natural
    top5_correct: Natural | None
    """None for five classes or fewer, where it would be meaningless."""
    class_samples: list[Natural]
    class_correct: list[Natural]
    confusion: list[list[Natural]]
    """Rows: labels; columns: predictions."""
    correct_by_step: list[Natural]
    """Number correct if the voltage is read after 1, 2, ..., T steps."""


def count_predictions(predictions: Predictions) -> TestCounts:
    """Counts over every sample, once."""
    return count_answers(answers_of(predictions), top5_correct(predictions))


def count_answers(answers: Answers, top5_correct: int | None) -> TestCounts:
    """Counts over every sample, once; `top5_correct` is given, because it does not follow from the answers."""
    labels, classes = answers.labels, len(answers.classes)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels, answers.steps[:, -1]), 1)
    return TestCounts(
        samples=len(labels),
        correct=int(answers.hits.sum()),
        top5_correct=top5_correct,
        class_samples=confusion.sum(1).tolist(),
        class_correct=confusion.diagonal().tolist(),
        confusion=confusion.tolist(),
        correct_by_step=(answers.steps == labels[:, None]).sum(0).tolist(),
    )


def top5_correct(predictions: Predictions) -> int | None:
    """How many labels are among the five highest voltages after all steps; None for five classes or fewer."""
    if len(predictions.about.classes) <= TOP:
        return None
    return int((ranks(predictions.voltage[:, -1], predictions.labels) < TOP).sum())


def ranks(voltage: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rank of each label among its sample's voltages (N, K), 0 for the highest; ties go to the first class.

    Rank 0 is the class that argmax predicts.
    """
    own = np.take_along_axis(voltage, labels[:, None], axis=1)
    before = np.arange(voltage.shape[1]) < labels[:, None]
    places: npt.NDArray[np.int64] = ((voltage > own) | ((voltage == own) & before)).sum(1)
    return places
