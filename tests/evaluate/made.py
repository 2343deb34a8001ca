"""Small predictions and records that can be checked by hand."""

from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.evaluate.predictions import About, Predictions
from pipeline.evaluate.record import Record
from pipeline.protocol.config import LATER

ABOUT = About(experiment="tiny", seed=0, classes=["a", "b", "c"], model_sha256="m", data_digest="d")


def predictions(labels: list[int], voltage: list[list[list[float]]]) -> Predictions:
    """Voltage is [sample][step][class]."""
    return Predictions(
        about=ABOUT,
        ids=[f"{index:03}" for index in range(len(labels))],
        labels=np.array(labels),
        voltage=np.array(voltage, dtype=np.float32),
    )


FIVE = predictions(
    [0, 1, 2, 0, 1],
    [
        [[1, 0, 0], [3, 1, 0]],  # a: right, right
        [[1, 0, 0], [0, 2, 1]],  # b: wrong, right
        [[0, 0, 1], [2, 0, 1]],  # c: right, wrong (a)
        [[1, 1, 0], [1, 1, 0]],  # a: equal voltages, the first class leads: right, right
        [[1, 1, 0], [1, 1, 0]],  # b: the same voltages: wrong (a), wrong (a)
    ],
)

RECORD = Record(
    experiment="tiny",
    seed=0,
    dataset={
        "name": "tiny",
        "title": "Tiny",
        "note": None,
        "licence": "made",
        "citation": "made",
        "published": True,
        "classes": ["a", "b", "c"],
        "train_samples": 30,
        "test_samples": 1000,
    },
    network={"blocks": 1, "width": 2, "time_steps": 2},
    training={**LATER, "epochs": 2, "batch_size": 10, "selection": "last"},
    parameters=100,
    test={
        "samples": 1000,
        "correct": 900,
        "correct_by_step": [500, 900],
        "confusion": [[300, 20, 13], [10, 300, 23], [20, 14, 300]],
        "top1_percent": 90.0,
        "top1_low": 87.98,
        "top1_high": 91.71,
        "top5_percent": None,
    },
    protocols={"every_test_sample": 90.0, "full_batches_only": 90.2, "best_test_epoch": None},
    firing={"stem": {"neurons": 10, "rate": [0.1, 0.2]}},
    digests={"train_rows": "dd", "model": "aa", "predictions": "bb"},
    platforms=["one processor"],
    ledger=None,
    operations=None,
    evaluated_by=["one processor"],
)


def record(correct: int = 900, **changes: Any) -> Record:
    """RECORD with another count of correct samples and other parts."""
    return replace(RECORD, test={**RECORD.test, "correct": correct}, **changes)
