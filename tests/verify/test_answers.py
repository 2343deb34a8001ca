"""Per-sample answers in a report: this profile's equal its predictions, recorded ones give the stated numbers."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.evaluate.answers import read_answers, write_answers
from pipeline.evaluate.record import read_record
from pipeline.judge.answered import SCORED
from pipeline.verify.verify import verify
from tests.judge.recorded import write_with
from tests.verify.edits import edit, first
from tests.verify.made_report import rewrite

OWN, EARLIER = (f"evidence/results/{name}/0/answers.parquet" for name in ("digits", "earlier"))
RESULT = "evidence/results/earlier/0.json"


def change(path: Path, **changes: Any) -> None:
    about, answers = read_answers(path)
    write_answers(replace(answers, **changes), about, path)


def test_a_recorded_result_is_said_to_be_scored_from_answers(report: Path) -> None:
    found = verify(report)
    assert found.breaks == []
    assert f"1 recorded result(s): {SCORED}" in found.notes
    for name in ("index.html", "report.md"):
        assert SCORED in (report / name).read_text(encoding="utf-8")


def one_more(steps: Any) -> Any:
    return (steps + 1) % 3


def relabelled(path: Path) -> None:
    _, answers = read_answers(path)
    change(path, labels=one_more(answers.labels))


def answered_otherwise(path: Path) -> None:
    _, answers = read_answers(path)
    change(path, steps=one_more(answers.steps))


def renamed(path: Path) -> None:
    _, answers = read_answers(path)
    change(path, ids=["x", *answers.ids[1:]])


LIES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "answers": (answered_otherwise, "answers", "answer/0/0 0, derived from evidence/artifacts/digits/0/predictions"),
    "labels": (relabelled, "answers", "label/0 0, derived from"),
    "ids": (renamed, "answers", "id/0 test/0, derived from"),
    "of another result": (
        lambda path: shutil.copy(path.parents[2] / "earlier" / "0" / "answers.parquet", path),
        "answers",
        "experiment digits, derived from",
    ),
    "none": (Path.unlink, "answers", "a file as a stage writes it"),
}


@pytest.mark.parametrize(("lie", "link", "expected"), LIES.values(), ids=LIES)
def test_answers_of_this_profile_are_those_of_its_predictions(
    report: Path, lie: Callable[[Path], Any], link: str, expected: str
) -> None:
    lie(report / OWN)
    rewrite(report)
    found = first(report)
    assert (found.link, found.file) == (link, OWN)
    assert expected in found.expected


@pytest.mark.parametrize("lie", [answered_otherwise, relabelled])
def test_answers_that_contradict_a_recorded_result_are_named(report: Path, lie: Callable[[Path], Any]) -> None:
    lie(report / EARLIER)
    rewrite(report)
    found = first(report)
    assert found.file == RESULT
    assert "test/correct is" in found.found


def test_counts_invented_beside_answers_are_named(report: Path) -> None:
    made = read_record(report / RESULT).test["correct"]
    edit(report / RESULT, f'"correct": {made}', '"correct": 9')
    rewrite(report)
    found = first(report)
    assert (found.file, found.found.partition(";")[0]) == (RESULT, f"test/correct is 9, {EARLIER} gives {made}")


def forge(report: Path, **changes: Any) -> None:
    """Result and answers of the recorded run agree with each other."""
    _, answers = read_answers(report / EARLIER)
    write_with(report / "evidence", read_record(report / RESULT), replace(answers, **changes))
    rewrite(report)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ids": [f"other/{i}" for i in range(9)]}, "labels/test/0 0 as in digits/0.json"),
        ({"labels": np.zeros(9, np.int64)}, "labels/test/1 1 as in digits/0.json"),
    ],
)
def test_other_samples_under_the_digest_of_these_rows_are_named(
    report: Path, changes: dict[str, Any], expected: str
) -> None:
    forge(report, **changes)
    found = first(report)
    assert (found.link, found.file) == ("split", EARLIER)
    assert expected in found.expected


def test_a_recorded_result_has_a_title_only_where_the_catalog_entitles_to_it(report: Path) -> None:
    edit(report / RESULT, '"published": true', '"published": false')
    rewrite(report)
    found = first(report)
    assert (found.link, found.file, found.expected) == ("title", RESULT, "published True by the catalog")


def test_without_its_answers_a_recorded_result_is_not_checked(report: Path) -> None:
    (report / EARLIER).unlink()
    rewrite(report)
    breaks = verify(report).breaks
    assert {found.link for found in breaks} == {"page"}
    assert "results.csv" in {found.file for found in breaks}
