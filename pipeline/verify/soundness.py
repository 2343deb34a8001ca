"""Properties of every honest run that a consistent forgery may lack: outputs are finite, a history has every epoch and
leads to the tested weights, seeds are different trainings, package versions agree. Shapes: N samples, K classes.
"""

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluate.predictions import read_predictions
from pipeline.evaluate.record import Record
from pipeline.judge.audit import run_folder
from pipeline.judge.chain import Break
from pipeline.judge.matching import FREE_OF_ACCURACY, name_of
from pipeline.protocol.sampler import learning_rate
from pipeline.report.bundle import EVIDENCE
from pipeline.verify.configurations import training_config
from pipeline.verify.history import read_history
from pipeline.verify.report_folder import ReportFolder

ALIKE = 0.999
"""Correlation of the outputs of two seeds above which they count as one training. docs/audit-matrix.md has values of
real trainings; a copy with noise of 1 % of the spread of the outputs has 0.99995."""
_STRAY, _STRAY_SHARE = 2, 0.01
"""Number and share of test samples whose answer may change between processors, because a few spikes flip; the larger
of the two counts."""


def outputs(report: ReportFolder) -> Iterator[Break]:
    """Every output voltage is finite; argmax would treat NaN as the highest."""
    for record in report.audit.records:
        path = report.predictions_of(record)
        read = read_predictions(path)
        wrong = np.flatnonzero(~np.isfinite(read.voltage).all((1, 2)))
        if len(wrong):
            found = f"{len(wrong)} without, the first is {read.ids[wrong[0]]}"
            yield Break(link="predictions", file=report.name(path), expected="numbers for every sample", found=found)


def histories(report: ReportFolder) -> Iterator[Break]:
    """A training's history has one row for each epoch of its configuration, with its learning rate and scores."""
    for record in report.audit.records:
        path = report.history_of(record)
        epochs = [row["epoch"] for row in read_history(path)]
        expected = record.training["epochs"]
        if epochs != [str(epoch + 1) for epoch in range(expected)]:
            found = f"{len(epochs)} row(s), the last of epoch {epochs[-1] if epochs else 'none'}"
            yield Break(link="history", file=report.name(path), expected=f"the epochs 1 to {expected}", found=found)
        yield from _rates(report, record)
        yield from _scored_epochs(report, record)


def _rates(report: ReportFolder, record: Record) -> Iterator[Break]:
    """Every row has the learning rate that the configuration gives its epoch."""
    path, training = report.history_of(record), training_config(record.training)
    for epoch, row in enumerate(read_history(path)):
        rate = learning_rate(training, epoch)
        if not math.isclose(float(row["learning_rate"]), rate, rel_tol=1e-12):
            expected = f"learning_rate {rate} in epoch {epoch + 1}, as the configuration gives it"
            yield Break(link="history", file=report.name(path), expected=expected, found=row["learning_rate"])
            return


def _scored_epochs(report: ReportFolder, record: Record) -> Iterator[Break]:
    """Every row has the scores that the configuration asks for after each epoch, and no others; those with recomputed
    statistics are in the last row."""
    path, training = report.history_of(record), record.training
    full_batch = record.test["samples"] >= 2 * training["batch_size"]  # without one, the authors' score is empty
    wanted_columns = {
        "test_accuracy_authors": training["test_each_epoch"] and full_batch,
        "validation_accuracy": training["validation_percent"] > 0,
    }
    rows = read_history(path)
    for column, wanted in wanted_columns.items():
        recomputed = wanted and training["statistics"] == "recomputed"
        last = column.replace("_authors", "") + "_recomputed"
        yield from _filled(report.name(path), rows, column, [wanted] * len(rows))
        yield from _filled(report.name(path), rows, last, [False] * (len(rows) - 1) + [recomputed])


def _filled(file: str, rows: list[dict[str, str]], column: str, wanted: list[bool]) -> Iterator[Break]:
    """The rows that should have a value in this column have one, and no others."""
    filled = [bool(row[column]) for row in rows]
    if filled != wanted:
        where = "each row" if all(wanted) else "the last row" if any(wanted) else "no row"
        expected = f"{column} in {where}, as the configuration says"
        yield Break(link="history", file=file, expected=expected, found=f"in {sum(filled)} rows")


def selections(report: ReportFolder) -> Iterator[Break]:
    """The tested weights score as the history says for the epoch that the selection rule picks."""
    for record, stated, derived in kept_epochs(report):
        if abs(stated - derived) > stray_points(record):
            file = report.name(report.history_of(record))
            expected = f"{derived} % at the epoch that `{record.training['selection']}` keeps, as the predictions give"
            yield Break(
                link="selection", file=file, expected=expected, found=f"{stated} %: other weights, or other samples"
            )


def stray_points(record: Record) -> float:
    """Tolerated difference in accuracy (percentage points) over the samples in full batches."""
    size = 2 * int(record.training["batch_size"])  # of a test batch
    samples = int(record.test["samples"]) // size * size
    return 100 * max(_STRAY, _STRAY_SHARE * samples) / samples


def kept_epochs(report: ReportFolder) -> Iterator[tuple[Record, float, float]]:
    """For trainings that scored the test set after each epoch: accuracy of the selected epoch by the history, and by
    the predictions, both over full batches (percent). With recomputed statistics, the history has it in its last row.
    """
    for record in report.audit.records:
        rows = read_history(report.history_of(record))
        row = rows[-1]
        if record.training["selection"] == "best-validation":
            row = max(rows, key=lambda row: float(row["validation_accuracy"]))
        derived = record.protocols["full_batches_only"]
        stated = rows[-1]["test_accuracy_recomputed"] or row["test_accuracy_authors"]
        if stated and derived is not None:
            yield record, float(stated), derived


def packages(report: ReportFolder) -> Iterator[Break]:
    """The version of torch in config.json is the one that the stage recorded."""
    versions = {record.stage: record.packages.get("torch") for record in report.records}
    for record in report.audit.records:
        version = versions.get(f"train@{record.experiment}-{record.seed}")
        for platform in record.platforms:
            named = platform.rpartition(", torch ")[2]
            if version and ", torch " in platform and named.partition("+")[0] != version.partition("+")[0]:
                file = f"{EVIDENCE}/{run_folder(record)}/config.json"
                yield Break(link="packages", file=file, expected=f"torch {version} as its stage says", found=platform)


def seeds(report: ReportFolder) -> Iterator[Break]:
    """Two seeds of one configuration are different trainings: their outputs do not correlate above ALIKE."""
    known: dict[str, npt.NDArray[np.float32]] = {}
    for one, other in two_seeds(report.audit.records):
        for record in (one, other):
            if name_of(record) not in known:
                known[name_of(record)] = unit_outputs(read_predictions(report.predictions_of(record)).voltage[:, -1])
        first, second = (known[name_of(record)] for record in (one, other))
        if first.shape == second.shape and (found := float(np.vdot(first, second))) > ALIKE:
            expected = f"other outputs than those of {name_of(one)}"
            file = report.name(report.predictions_of(other))
            yield Break(link="seeds", file=file, expected=expected, found=f"a correlation of {found:.6f}")


def two_seeds(records: list[Record]) -> Iterator[tuple[Record, Record]]:
    """Pairs of results that a claim would count as two seeds of one configuration."""
    for (one, first), (other, second) in combinations([(record, _bound(record)) for record in records], 2):
        if one.seed != other.seed and first == second:
            yield one, other


def _bound(record: Record) -> dict[str, dict[str, Any]]:
    """The parts of a result that a claim about accuracy compares."""
    parts = {"dataset": record.dataset, "network": record.network, "training": record.training}
    return {
        part: {key: value for key, value in values.items() if key not in FREE_OF_ACCURACY.get(part, ())}
        for part, values in parts.items()
    }


def likeness(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> float:
    """Correlation of two networks' outputs (N, K) on the same samples, after subtracting each output's mean.

    0 if a network has the same outputs for every sample, so that silent networks do not count as copies.
    """
    return float(np.vdot(unit_outputs(first), unit_outputs(second)))


def unit_outputs(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Outputs (N, K) minus each output's mean, normalized to length 1, or all zeros."""
    left = values - values.mean(0, dtype=np.float64)
    return (left / (np.sqrt(np.square(left).sum()) or 1.0)).astype(np.float32)
