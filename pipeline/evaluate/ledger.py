"""The effect of each of the authors' scoring choices in percentage points, from the same answers.

Their train.py (commit c120f8e) tests in batches of twice the training's size, drops a smaller last one, averages the
batches' accuracies, and reports the epoch with the best test accuracy.
"""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from models.bounds import STRICT, Natural, Percent, Positive
from pipeline.evaluate.answers import Answers
from pipeline.ground.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A test sample that is left out if only full batches are scored."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    label: str
    correct: bool


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """Accuracy (percent) by each scoring protocol."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    every_test_sample: Percent
    full_batches_only: Percent | None
    """None if there is no full batch."""
    mean_of_batch_means: Percent | None = None
    """A smaller last batch has the same weight as a full one. None in records of an earlier version."""
    best_test_epoch: Percent | None
    """Full batches only. None if the test set was not scored after each epoch."""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """Details behind the percentages."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    best_epoch: Natural | None
    """None, as `last_epoch`, if the test set was not scored after each epoch."""
    last_epoch: Percent | None
    test_batch: Positive
    dropped: list[Dropped]


@dataclass(frozen=True, kw_only=True)
class Ledger(Protocols, Behind):
    """Accuracy by each scoring protocol, with the details behind it."""

    def protocols(self) -> dict[str, float | None]:
        """The part `protocols` of a record."""
        return {field.name: getattr(self, field.name) for field in fields(Protocols)}

    def behind(self) -> dict[str, Any]:
        """The part `ledger` of a record."""
        values = asdict(self)
        return {field.name: values[field.name] for field in fields(Behind)}


def make_ledger(answers: Answers, train_batch: int, history: Path | None) -> Ledger:
    """The ledger of one training; `history` is its history.csv, or None for weights without one."""
    size, hits = 2 * train_batch, answers.hits
    batches = [hits[start : start + size] for start in range(0, len(hits), size)]
    full = [batch.mean() for batch in batches if len(batch) == size]
    scores = {} if history is None else scores_by_epoch(history)
    best = max(scores, key=lambda epoch: scores[epoch], default=None)
    return Ledger(
        every_test_sample=100 * int(hits.sum()) / len(hits),
        full_batches_only=100 * float(np.mean(full)) if full else None,
        mean_of_batch_means=100 * float(np.mean([batch.mean() for batch in batches])),
        best_test_epoch=None if best is None else scores[best],
        best_epoch=best,
        last_epoch=None if best is None else scores[max(scores)],
        test_batch=size,
        dropped=_dropped(answers, len(full) * size),
    )


def _dropped(answers: Answers, start: int) -> list[Dropped]:
    labels, hits = answers.labels, answers.hits
    return [
        Dropped(id=answers.ids[index], label=answers.classes[labels[index]], correct=bool(hits[index]))
        for index in range(start, len(hits))
    ]


def scores_by_epoch(history: Path) -> dict[int, float]:
    """Accuracy (percent) on the test set by epoch, full batches only; empty if it was not scored after each epoch.

    Raises InputError.
    """
    try:
        with history.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["epoch"]), row["test_accuracy_authors"]) for row in csv.DictReader(file)]
        scores = {epoch: float(score) for epoch, score in rows if score}
    except FileNotFoundError:
        raise InputError(f"{history}: not found; fetch it again (`dvc pull`) or train again (`dvc repro`)") from None
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{history}: not the history of a training, or damaged ({error}); train again") from None
    if not rows:
        raise InputError(f"{history}: not the history of a training, or damaged (it has no epoch); train again")
    return scores


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A displayed line of the ledger."""

    what: str
    percent: float | None
    points: float | None = None
    """Difference (percentage points) to what it is compared with: ours, unless `what` says otherwise."""


def choices(
    protocols: dict[str, float | None], behind: dict[str, Any] | None, training: dict[str, Any]
) -> list[Choice]:
    """The lines for a record; `behind` is None in records of an earlier version."""
    ours, best = protocols["every_test_sample"], protocols["best_test_epoch"]
    weights = "last epoch" if training["selection"] == "last" else "best validation epoch"
    weights += ", averaged weights" if training["average_decay"] else ""
    weights += ", recomputed statistics" if training["statistics"] == "recomputed" else ""
    others = {
        "full_batches_only": "last partial test batch dropped",
        "mean_of_batch_means": "partial batch kept, mean of batch means",
        "best_test_epoch": "the authors': best epoch on the test set, partial batch dropped",
    }
    lines = [Choice(what=f"ours: every test sample once, {weights}", percent=ours)]
    for key, what in others.items():
        percent = protocols.get(key)
        lines.append(Choice(what=what, percent=percent, points=_more(percent, ours)))
    if behind and best is not None:
        what = f"of it, epoch {behind['best_epoch']} instead of the last, scored alike"
        lines.append(Choice(what=what, percent=best, points=_more(best, behind["last_epoch"])))
        lines += _as_trained(protocols["full_batches_only"], behind["last_epoch"], training)
    return lines


def _as_trained(full_batches: float | None, last_epoch: float, training: dict[str, Any]) -> list[Choice]:
    """The line for running statistics, if the result has recomputed ones and the last epoch's weights."""
    if training["statistics"] == "running" or training["selection"] != "last":
        return []
    what = "statistics as trained instead of recomputed, partial batch dropped in both"
    return [Choice(what=what, percent=last_epoch, points=_more(last_epoch, full_batches))]


def _more(percent: float | None, other: float | None) -> float | None:
    return None if percent is None or other is None else percent - other
