"""The authors' way to score, applied to the same predictions, so that the choice has a price in points.

Their train.py (commit c120f8e) tests in batches of twice the training's size, drops a last smaller one, takes the mean
of the batches' accuracies, and reports the epoch that was best on the test set.
"""

import csv
from pathlib import Path

from pipeline.audit.predictions import Predictions


def full_batches_accuracy(predictions: Predictions, train_batch: int) -> float | None:
    """Percent over the full test batches only; None if there is no full one."""
    size = 2 * train_batch
    hits = predictions.voltage[:, -1].argmax(1) == predictions.labels
    full = len(hits) // size * size
    return 100 * float(hits[:full].reshape(-1, size).mean(1).mean()) if full else None


def best_test_epoch_accuracy(history: Path) -> float | None:
    """Percent of the epoch that was best on the test set; None where the test set was not scored each epoch."""
    with history.open(encoding="utf-8", newline="") as file:
        scores = [row["test_accuracy_authors"] for row in csv.DictReader(file)]
    return max((float(score) for score in scores if score), default=None)
