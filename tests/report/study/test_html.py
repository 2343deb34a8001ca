"""study.html: every recorded training of the study on a page of its own."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluate.record import Record, read_record
from pipeline.ground.paths import RESULTS
from pipeline.report.study.html import make_study_page


def recorded(*experiments: str) -> list[Record]:
    return [read_record(path) for name in experiments for path in sorted((RESULTS / name).glob("*.json"))]


def test_it_has_the_parts_of_each_dataset_with_their_runs() -> None:
    checked = recorded("study-digits-base", "study-digits-vanilla")
    page = make_study_page(checked, recorded("study-digits-dvs-base", "digits"))
    assert [part.name for part in page.parts] == ["digits", "digits-dvs"]
    assert [cell.part for cell in page.parts[0].cells] == ["base", "vanilla"]
    assert page.runs["study-digits-vanilla"] == checked[3:]
    assert page.unchecked == 3
    (row,) = page.charts["effect-digits"]["datasets"]["rows"]
    difference = page.parts[0].cells[1].difference
    assert difference is not None
    assert (row["part"], row["points"]) == ("vanilla", round(difference.points, 2))


def test_a_seed_that_was_trained_otherwise_is_no_seed_of_the_part() -> None:
    one, *others = recorded("study-digits-base")
    changed = replace(one, seed=9, training=one.training | {"epochs": 99})
    page = make_study_page([one, *others, changed], [])
    assert sorted(page.parts[0].at_base.accuracies) == [0, 1, 2]
    assert page.runs == {"study-digits-base": [one, *others]}
    assert not page.has(changed)


@pytest.mark.parametrize(
    "change",
    [
        {"operations": None},
        {"digests": {"train_rows": "other", "test_rows": "other"}},
        {"network": {"a key": "that the base does not have"}},
        {"experiment": "study-elsewhere"},
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_left_to_the_table_of_recorded_results(change: dict[str, Any]) -> None:
    (other, *_), base = recorded("study-digits-vanilla"), recorded("study-digits-base")
    odd = replace(other, **change)
    page = make_study_page([*base, odd], [])
    assert ([cell.part for cell in page.parts[0].cells], page.has(odd)) == (["base"], False)


def test_without_trainings_of_the_study_there_is_no_page() -> None:
    assert make_study_page(recorded("digits"), []).parts == []
