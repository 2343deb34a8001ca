"""A recorded result counts if its answers give its numbers; each mismatch is one error with file and number."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluate.answers import AboutAnswers, Answers, read_answers, write_answers
from pipeline.evaluate.record import Record, read_record
from pipeline.ground.errors import InputError
from pipeline.judge.answered import answers_path, checked_hits
from tests.judge.recorded import write_recorded

Lie = Callable[[AboutAnswers, Answers], tuple[AboutAnswers, Answers]]
RECORD, ANSWERS = r"mine/0\.json: ", r"mine/0/answers\.parquet: "


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return write_recorded(tmp_path, "mine")


def test_answers_that_give_the_numbers_are_evidence(tmp_path: Path, record: Record) -> None:
    hits = checked_hits(record, tmp_path)
    assert hits is not None
    assert hits.right.sum() == record.test["correct"]
    (tmp_path / answers_path(record)).unlink()
    assert checked_hits(record, tmp_path) is None


def about(**changes: Any) -> Lie:
    return lambda about, answers: (replace(about, **changes), answers)


def content(**changes: Callable[[Any], Any]) -> Lie:
    def lie(about: AboutAnswers, answers: Answers) -> tuple[AboutAnswers, Answers]:
        return about, replace(answers, **{name: change(getattr(answers, name)) for name, change in changes.items()})

    return lie


def other_answer(steps: Any) -> Any:
    changed = steps.copy()
    changed[7, 2] = (changed[7, 2] + 1) % 10
    return changed


LIES: dict[str, tuple[Lie, str]] = {
    "another run": (about(seed=1), rf"{ANSWERS}seed is 1, .*0\.json has 0"),
    "another network": (about(model_sha256="00"), rf"{ANSWERS}model_sha256 is 00, .* has [0-9a-f]+;"),
    "another split": (about(data_digest="00"), rf"{ANSWERS}data_digest is 00"),
    "other predictions": (about(predictions_sha256="00"), rf"{ANSWERS}predictions_sha256 is 00"),
    "other class names": (about(classes=[*"jbcdefghia"]), rf"{ANSWERS}classes/0 is j, .* has 0;"),
    "one answer": (content(steps=other_answer), rf"{RECORD}test/correct_by_step/2 is \d+, .*parquet gives \d+;"),
    "labels": (content(labels=lambda labels: np.roll(labels, 1)), rf"{RECORD}test/correct is \d+, .* gives \d+;"),
    "one id of the last batch": (content(ids=lambda ids: [*ids[:-1], "x"]), rf"{RECORD}ledger/dropped/.*test/354"),
    "a sample fewer": (
        content(ids=lambda ids: ids[:-1], labels=lambda labels: labels[:-1], steps=lambda steps: steps[:-1]),
        rf"{RECORD}test/samples is 355, .* gives 354;",
    ),
    "a step fewer": (
        content(steps=lambda steps: steps[:, 1:]),
        rf"{RECORD}test/correct_by_step is 4, .* gives 3 items;",
    ),
}


@pytest.mark.parametrize(("lie", "said"), LIES.values(), ids=LIES)
def test_each_lie_is_one_error(tmp_path: Path, record: Record, lie: Lie, said: str) -> None:
    path = tmp_path / answers_path(record)
    about, answers = lie(*read_answers(path))
    write_answers(answers, about, path)
    with pytest.raises(InputError, match=said):
        checked_hits(record, tmp_path)


def test_answers_of_another_result_are_refused(tmp_path: Path, record: Record) -> None:
    other = write_recorded(tmp_path, "other", seed=3)
    shutil.copy(tmp_path / answers_path(other), tmp_path / answers_path(record))
    with pytest.raises(InputError, match=rf"{ANSWERS}experiment is other, .* has mine;"):
        checked_hits(record, tmp_path)


@pytest.mark.parametrize(
    ("part", "key", "said"),
    [
        ("test", "correct", r"test/correct is 99, .* gives \d+;"),
        ("test", "top1_low", r"test/top1_low is 99(\.0)?, .* gives [\d.]+;"),
        ("test", "top5_percent", r"test/top5_percent is 99(\.0)?, .* gives [\d.]+;"),
        ("protocols", "full_batches_only", r"protocols/full_batches_only is 99(\.0)?, .* gives [\d.]+;"),
        ("ledger", "test_batch", r"ledger/test_batch is 99, .* gives 40;"),
    ],
)
def test_each_number_that_answers_give_is_compared(
    tmp_path: Path, record: Record, part: str, key: str, said: str
) -> None:
    replace(record, **{part: getattr(record, part) | {key: 99}}).write(tmp_path / "results" / "mine" / "0.json")
    with pytest.raises(InputError, match=RECORD + said):
        checked_hits(read_record(tmp_path / "results" / "mine" / "0.json"), tmp_path)


def test_what_needs_voltages_or_a_history_is_as_recorded(tmp_path: Path, record: Record) -> None:
    stated = replace(
        record,
        protocols=record.protocols | {"best_test_epoch": 99.0},
        ledger=(record.ledger or {}) | {"best_epoch": 2, "last_epoch": 98.0},
        firing={},
    )
    stated.write(tmp_path / "results" / "mine" / "0.json")
    assert checked_hits(stated, tmp_path)
