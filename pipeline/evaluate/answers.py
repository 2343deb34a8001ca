"""answers.parquet: the predicted class of every test sample after each time step, one byte each.

A record's counts can be derived from these without the voltages, so they are committed beside the record: they are
small. Shapes: N samples, T time steps.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluate.predictions import About, Predictions, read_split
from pipeline.ground.files import whole

ANSWERS = "answers.parquet"
"""File name beside a record."""


@dataclass(frozen=True, kw_only=True)
class AboutAnswers(About):
    """Training, data and predictions that the answers belong to."""

    predictions_sha256: str
    """Digest of the predictions.parquet that they were taken from."""


@dataclass(frozen=True, kw_only=True)
class SampleHits:
    """Which samples of a test split a training classifies correctly."""

    right: npt.NDArray[np.bool_]
    """(N,)"""
    order: str
    """Digest of the samples' ids and labels in their order: hits with the same one can be paired by index."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Every sample of a test split once, in the order of the split."""

    classes: list[str]
    """Class names, in the order of the labels."""
    ids: list[str]
    labels: npt.NDArray[np.int64]
    """(N,)"""
    steps: npt.NDArray[np.unsignedinteger[Any]]
    """Predicted class if the voltage is read after 1, 2, ..., T steps, (N, T)."""

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Whether each sample is classified correctly after all steps, (N,)."""
        right: npt.NDArray[np.bool_] = self.steps[:, -1] == self.labels
        return right

    def hits_in_order(self) -> SampleHits:
        """The hits in a form that can be compared with those of other trainings."""
        samples = hashlib.sha256("\0".join(self.ids).encode() + self.labels.astype("<i8").tobytes())
        return SampleHits(right=self.hits, order=samples.hexdigest())

    def columns(self) -> dict[str, list[Any]]:
        """The columns of the file as plain values."""
        return {"id": self.ids, "label": self.labels.tolist(), "answer": self.steps.tolist()}


def answers_of(predictions: Predictions) -> Answers:
    """The class with the highest voltage after each step; ties go to the first class."""
    classes = predictions.about.classes
    steps = predictions.voltage.argmax(2).astype(_kind(classes))
    return Answers(classes=classes, ids=predictions.ids, labels=predictions.labels, steps=steps)


def write_answers(answers: Answers, about: AboutAnswers, path: Path) -> None:
    """Writes the table, atomically and deterministically."""
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(answers.steps))
    table = pa.table({"id": answers.ids, "label": answers.labels, "answer": tensor})
    table = table.replace_schema_metadata({"about": json.dumps(asdict(about), sort_keys=True)})
    with whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_answers(path: Path) -> tuple[AboutAnswers, Answers]:
    """The content of answers.parquet. Raises InputError."""
    about, ids, labels, steps = read_split(path, "answer", AboutAnswers, _unlike, "answers")
    return about, Answers(classes=about.classes, ids=ids, labels=labels, steps=steps)


def _kind(classes: list[str]) -> np.dtype[Any]:
    """The smallest unsigned integer type for the labels."""
    return np.min_scalar_type(len(classes) - 1)


def _unlike(about: About, steps: npt.NDArray[Any]) -> str | None:
    """Why these cannot be answers; None if they can."""
    kind, classes = _kind(about.classes), len(about.classes)
    if steps.dtype != kind or steps.ndim != 2 or 0 in steps.shape:
        return f"answer is {steps.dtype} of shape {steps.shape}, expected {kind} of (samples, steps)"
    if steps.max() >= classes:
        return f"answer is up to {steps.max()}, expected 0 to {classes - 1}"
    return None
