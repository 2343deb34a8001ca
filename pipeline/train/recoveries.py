"""The record of what a training recovered from: `recoveries.jsonl` beside its log, written by its driver."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.train.journal import add_line

Cause = Literal["failure", "preemption"]
"""A preemption is a node that Ray drained: announced, so the training left it after a step, or died with it."""
CAUSES: tuple[Cause, ...] = get_args(Cause)


def note_recovery(log: Path, cause: Cause, detail: str) -> None:
    """Adds a line to the record, and says it in the log."""
    now = datetime.now(UTC)
    path, line = _record_of(log), json.dumps({"time": now.isoformat(), "cause": cause, "detail": detail})
    before = path.read_bytes() if path.exists() else b""
    write_whole(path, before + line.encode() + b"\n")  # a driver that dies here leaves no half of a line
    add_line(log, f"{now:%H:%M:%S}  {detail}")


def recoveries(log: Path) -> dict[str, int]:
    """How often the training recovered from each cause, earlier drivers included. Raises InputError."""
    path = _record_of(log)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    try:
        counts = Counter(json.loads(line)["cause"] for line in lines)
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: a line is damaged; it only counts recoveries: remove that line or the file"
        ) from None
    return {cause: counts[cause] for cause in CAUSES}


def after_recoveries(log: Path) -> str:
    """The counts for the stage's note; empty without any."""
    counts = [f"{number} {cause}(s)" for cause, number in recoveries(log).items() if number]
    return f"; recovered from {' and '.join(counts)}" if counts else ""


def _record_of(log: Path) -> Path:
    return log.with_name("recoveries.jsonl")
