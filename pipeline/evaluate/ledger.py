"""What each of the authors' choices in scoring is worth in points, from the same answers.

Their train.py (commit c120f8e) tests in batches of twice the training's size, drops a last smaller one, takes the mean
of the batches' accuracies, and reports the epoch that was best on the test set.
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
    """A test sample that scoring full batches leaves out."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    id: str
    label: str
    correct: bool


@dataclass(frozen=True, kw_only=True)
class Protocols:
    """Percent by each way to score."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    every_test_sample: Percent
    full_batches_only: Percent | None
    """None without a full batch."""
    mean_of_batch_means: Percent | None = None
    """A smaller last batch counts as much as a full one. None in records of an earlier form."""
    best_test_epoch: Percent | None
    """Full batches only. None where the test set was not scored after each epoch."""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What lies behind the percentages."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    best_epoch: Natural | None
    """None where the test set was not scored after each epoch; so the next."""
    last_epoch: Percent | None
    test_batch: Positive
    dropped: list[Dropped]


@dataclass(frozen=True, kw_only=True)
class Ledger(Protocols, Behind):
    """Percent by each way to score, and what lies behind them."""

    def protocols(self) -> dict[str, float | None]:
        """The percentages, as a record has them."""
        return {field.name: getattr(self, field.name) for field in fields(Protocols)}

    def behind(self) -> dict[str, Any]:
        """The rest, as a record has it."""
        values = asdict(self)
        return {field.name: values[field.name] for field in fields(Behind)}


def make_ledger(answers: Answers, train_batch: int, history: Path | None) -> Ledger:
    """The ledger of one training; `history` is its history.csv, None for weights that came without."""
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
    """Percent on the test set, full batches only, by epoch; empty where it was not scored after each epoch.

    Raises InputError.
    """
    try:
        with history.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["epoch"]), row["test_accuracy_authors"]) for row in csv.DictReader(file)]
        scores = {epoch: float(score) for epoch, score in rows if score}
    except FileNotFoundError:
        raise InputError(f"{history}: not found; fetch it again (`dvc pull`) or train again (`dvc repro`)") from None
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{history}: no history of a training, or damaged ({error}); train again") from None
    if not rows:
        raise InputError(f"{history}: no history of a training, or damaged (it has no epoch); train again")
    return scores


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A line of the ledger as it is shown."""

    what: str
    key: str
    """Of the percentage in a record's protocols."""
    percent: float | None
    points: float | None = None
    """More than what it is held against: ours, if `what` does not say otherwise."""


def choices(protocols: dict[str, float | None], behind: dict[str, Any] | None, selection: str) -> list[Choice]:
    """The lines for a record; `behind` is None in records of an earlier form."""
    ours, best = protocols["every_test_sample"], protocols["best_test_epoch"]
    epoch = "last epoch" if selection == "last" else "best validation epoch"
    others = {
        "full_batches_only": "last partial test batch dropped",
        "mean_of_batch_means": "partial batch kept, mean of batch means",
        "best_test_epoch": "the authors': best epoch on the test set, partial batch dropped",
    }
    lines = [Choice(what=f"ours: every test sample once, {epoch}", key="every_test_sample", percent=ours)]
    for key, what in others.items():
        percent = protocols.get(key)
        lines.append(Choice(what=what, key=key, percent=percent, points=_more(percent, ours)))
    if behind and best is not None:
        what = f"of it, epoch {behind['best_epoch']} instead of the last, scored alike"
        lines.append(Choice(what=what, key="best_test_epoch", percent=best, points=_more(best, behind["last_epoch"])))
    return lines


def _more(percent: float | None, other: float | None) -> float | None:
    return None if percent is None or other is None else percent - other
