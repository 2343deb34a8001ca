"""study.html: every recorded training of the study on a page of its own."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record, read_record
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.judge.answered import checked_hits
from pipeline.judge.matching import name_of
from pipeline.report.study.html import make_study_page


def recorded(*experiments: str) -> list[Record]:
    return [read_record(path) for name in experiments for path in sorted((RESULTS / name).glob("*.json"))]


def hits_of(records: list[Record]) -> dict[str, SampleHits]:
    found = {name_of(record): checked_hits(record, ROOT) for record in records}
    return {name: hits for name, hits in found.items() if hits}


def test_it_has_the_parts_of_each_dataset_with_their_runs() -> None:
    checked = recorded("study-digits-base", "study-digits-vanilla", "study-digits-bn")
    page = make_study_page(checked, recorded("study-digits-dvs-base", "digits"), hits_of(checked))
    assert [one.name for one in page.datasets] == ["digits", "digits-dvs"]
    assert [cell.part for cell in page.datasets[0].cells] == ["base", "vanilla", "bn"]
    assert page.charts.keys() == {"effect-digits"}, "without answers there are no intervals to draw"
    assert [answer.question.name for answer in page.content["answers"]] == ["normalization", "shortcut"]
    assert page.runs["study-digits-vanilla"] == checked[3:6]
    assert page.unchecked == 3
    (row,) = [one for one in page.charts["effect-digits"]["datasets"]["rows"] if one["part"] == "vanilla"]
    difference = page.datasets[0].cells[1].difference
    assert difference is not None
    assert (row["part"], row["points"]) == ("vanilla", round(difference.points, 2))


def test_a_seed_that_was_trained_otherwise_is_no_seed_of_the_part() -> None:
    one, *others = recorded("study-digits-base")
    changed = replace(one, seed=9, training=one.training | {"epochs": 99})
    page = make_study_page([one, *others, changed], [], {})
    assert sorted(page.datasets[0].at_base.accuracies) == [0, 1, 2]
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
    page = make_study_page([*base, odd], [], {})
    assert ([cell.part for cell in page.datasets[0].cells], page.has(odd)) == (["base"], False)


def test_without_trainings_of_the_study_there_is_no_page() -> None:
    assert make_study_page(recorded("digits"), [], {}).datasets == []
