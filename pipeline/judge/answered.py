"""Checks results of other profiles against the per-sample answers that are committed with them."""

from dataclasses import asdict
from pathlib import Path

from pipeline.evaluate.answers import ANSWERS, SampleHits, read_answers
from pipeline.evaluate.record import Record, about_answers, check_record, scored_by_answers
from pipeline.ground.differences import value_differences
from pipeline.ground.errors import InputError
from pipeline.judge.matching import name_of

SCORED = "scored from per-sample answers; top 5, epochs and spikes are as stated: the training is not in this folder"
_REMEDY = "evaluate again, or take record and answers away"


def answers_path(record: Record) -> Path:
    """Path of the per-sample answers of a result, relative to the repository or to evidence/."""
    return Path("results") / record.experiment / str(record.seed) / ANSWERS


def checked_hits(record: Record, root: Path) -> SampleHits | None:
    """The test samples that a result's per-sample answers below `root` get right; None if there are no answers.

    Raises InputError if they belong to another result, or give other numbers than the result states.
    """
    path, result = root / answers_path(record), root / "results" / name_of(record)
    if not path.exists():
        return None
    check_record(record, result)
    about, answers = read_answers(path)
    for where, expected, found in value_differences(asdict(about_answers(record)), asdict(about)):
        raise InputError(f"{path}: {where} is {found}, {result} has {expected}; {_REMEDY}")
    derived = scored_by_answers(answers, record)
    for where, expected, found in value_differences(derived, {part: getattr(record, part) for part in derived}):
        raise InputError(f"{result}: {where} is {found}, {path} gives {expected}; {_REMEDY}")
    return answers.hits_in_order()
