"""What holds of every honest run and need not hold of a forged one that agrees with itself: outputs are numbers, a
history has every epoch, seeds are different trainings. Shapes: N samples, K classes.
"""

import csv
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pipeline.audit.bundle import run_folder
from pipeline.audit.chain import Break
from pipeline.audit.checks import Report
from pipeline.audit.matching import name_of
from pipeline.audit.predictions import read_predictions
from pipeline.audit.record import Record

ALIKE = 0.999
"""Correlation of the outputs of two seeds from which on they are one training. Sixteen pairs of real ones reach 0.93
(docs/audit-matrix.md); a copy with noise of 1 % of the spread of the outputs has 0.99995."""


def outputs(report: Report) -> Iterator[Break]:
    """Every output voltage is a finite number: argmax takes what is not a number for the highest."""
    for record in report.held:
        path = report.predictions_of(record)
        read = read_predictions(path)
        wrong = np.flatnonzero(~np.isfinite(read.voltage).all((1, 2)))
        if len(wrong):
            found = f"{len(wrong)} without, the first is {read.ids[wrong[0]]}"
            yield Break(link="predictions", file=report.name(path), expected="numbers for every sample", found=found)


def histories(report: Report) -> Iterator[Break]:
    """A training's history has one row for each epoch of its configuration."""
    for record in report.held:
        path = report.evidence / run_folder(record) / "history.csv"
        with path.open(encoding="utf-8", newline="") as file:
            epochs = [row["epoch"] for row in csv.DictReader(file)]
        expected = record.training["epochs"]
        if epochs != [str(epoch + 1) for epoch in range(expected)]:
            found = f"{len(epochs)} row(s), the last of epoch {epochs[-1] if epochs else 'none'}"
            yield Break(link="history", file=report.name(path), expected=f"the epochs 1 to {expected}", found=found)


def seeds(report: Report) -> Iterator[Break]:
    """Two seeds of one configuration are two trainings: their outputs agree no more than those of networks can."""
    for one, other in combinations(report.held, 2):
        if not _same_configuration(one, other):
            continue
        first, second = (read_predictions(report.predictions_of(record)).voltage[:, -1] for record in (one, other))
        if first.shape == second.shape and (found := likeness(first, second)) > ALIKE:
            expected = f"other outputs than those of {name_of(one)}"
            file = report.name(report.predictions_of(other))
            yield Break(link="seeds", file=file, expected=expected, found=f"a correlation of {found:.6f}")


def _same_configuration(one: Record, other: Record) -> bool:
    parts = ("dataset", "network", "training")
    return all(getattr(one, part) == getattr(other, part) for part in parts)


def likeness(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Correlation of two networks' outputs (N, K) on the same samples, beyond what each class has in common."""
    one, other = (values - values.mean(0) for values in (first.astype(np.float64), second.astype(np.float64)))
    scale = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / scale) if scale else float(np.array_equal(first, second))
