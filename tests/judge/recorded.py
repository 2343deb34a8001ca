"""Recorded results with per-sample answers: configuration of the digits, made-up predictions after each step."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.answers import Answers, write_answers
from pipeline.evaluate.record import Record, about_answers, read_record, scored_by_answers
from pipeline.ground.paths import RESULTS
from pipeline.judge.answered import answers_path

DIGITS = read_record(RESULTS / "digits" / "0.json")
STEPS = 4


def made_answers(record: Record, seed: int = 0) -> Answers:
    """About nine of ten are right, after each step others."""
    classes, samples = record.dataset["classes"], record.dataset["test_samples"]
    labels, random = np.arange(samples) % len(classes), np.random.default_rng(seed)
    others = random.integers(0, len(classes), (samples, STEPS))
    steps = np.where(random.random((samples, STEPS)) < 0.9, labels[:, None], others).astype(np.uint8)
    return Answers(classes=classes, ids=[f"test/{i:03}" for i in range(samples)], labels=labels, steps=steps)


def write_recorded(root: Path, experiment: str, seed: int = 0, **changes: Any) -> Record:
    """Writes a result and its answers below `root`; the changes replace parts of the digits' result."""
    digests = DIGITS.digests | {"predictions": f"of {experiment}-{seed}", **changes.pop("digests", {})}
    record = replace(DIGITS, experiment=experiment, seed=seed, digests=digests, **changes)
    return write_with(root, record, made_answers(record, seed))


def write_with(root: Path, record: Record, answers: Answers) -> Record:
    """Writes a result with the numbers that these answers give, and them."""
    record = replace(record, **scored_by_answers(answers, record))  # type: ignore[arg-type]
    record.write(root / "results" / record.experiment / f"{record.seed}.json")
    write_answers(answers, about_answers(record), root / answers_path(record))
    return record
