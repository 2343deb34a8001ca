"""Reads history.csv of a training; accepts only what a training writes."""

import csv
import math
import re
from pathlib import Path

from pipeline.ground.errors import InputError
from pipeline.ground.files import read_text

HISTORY_COLUMNS = (
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_accuracy_authors",
    "validation_accuracy_recomputed",
    "test_accuracy_recomputed",
    "samples_sha256",
)
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]\d+)?", re.ASCII)
_LOSS = re.compile(rf"{_NUMBER.pattern}|nan|inf", re.ASCII)
"""A training that diverges can write nan or inf."""
_FORMS = {
    "epoch": re.compile(r"[1-9]\d{0,5}", re.ASCII),
    "train_loss": _LOSS,
    "validation_loss": _LOSS,
    "samples_sha256": re.compile(r"[0-9a-f]{64}", re.ASCII),
}
_MAY_LACK = (
    "validation_loss",
    "validation_accuracy",
    "test_accuracy_authors",
    "validation_accuracy_recomputed",
    "test_accuracy_recomputed",
)


def read_history(path: Path) -> list[dict[str, str]]:
    """The rows, one per epoch. Raises InputError."""
    lines = csv.reader(read_text(path, "a training writes it").splitlines())
    try:
        head, *rows = lines
    except (csv.Error, ValueError) as error:
        raise _refusal(path, f"damaged ({error})") from None
    if tuple(head) != HISTORY_COLUMNS:
        raise _refusal(path, f"its first line is {','.join(head)[:80]!r}, expected {','.join(HISTORY_COLUMNS)}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(HISTORY_COLUMNS):
            raise _refusal(path, f"line {number} has {len(row)} values, expected {len(HISTORY_COLUMNS)}")
        for name, text in zip(HISTORY_COLUMNS, row, strict=True):
            if not _fits(name, text):
                raise _refusal(path, f"line {number}: {name} cannot be {text[:60]!r}")
    if not rows:
        raise _refusal(path, "it has no epoch")
    return [dict(zip(HISTORY_COLUMNS, row, strict=True)) for row in rows]


def _fits(name: str, text: str) -> bool:
    if not text:
        return name in _MAY_LACK
    if not _FORMS.get(name, _NUMBER).fullmatch(text):
        return False
    return not name.endswith("accuracy") or math.isfinite(float(text))


def _refusal(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: not the history of a training, or damaged: {reason}; train again")
