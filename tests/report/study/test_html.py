"""study.html: every recorded training of the study on a page of its own."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.record import Record, read_record
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.judge.answered import checked_hits
from pipeline.judge.matching import name_of
from pipeline.report.page import _html as html_of
from pipeline.report.study.html import make_study_page
from tests.report.study.test_study import hits_of as made_hits
from tests.report.study.test_study import made


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


def test_the_page_has_pairs_and_rates_and_leads_to_the_runs() -> None:
    """From made-up records; the whole report's page is that of the other tests."""
    records = [
        *made("base", [80.0, 81.0, 82.0], learning_rate=0.3),
        *made("base-slow", [79.0, 80.1, 80.9], learning_rate=0.1),
        *made("base-fast", [70.0, 71.1, 71.9], learning_rate=0.9),
        *made("bn", [84.0, 85.1, 85.9], normalization="bn", learning_rate=0.3),
        *made("bn-slow", [80.0, 81.1, 81.9], normalization="bn", learning_rate=0.1),
        *made("bn-fast", [85.0, 86.1, 86.9], normalization="bn", learning_rate=0.9),
        *made("leak", [80.0, 81.5, 81.0], leak=1.0, learning_rate=0.3),
        *made("bn-leak", [50.0, 51.5, 52.0], normalization="bn", leak=1.0, learning_rate=0.3),
    ]
    study = make_study_page(records, [], made_hits(records))
    files = {f"{record.experiment}/{record.seed}.json": {"result": "result.json"} for record in records}
    text = html_of("study.html.j2", SimpleNamespace(study=study, files=files), "").decode()
    shown = " ".join(re.sub(r"<[^>]*>", " ", text).split())
    assert "bn with leak Tiny +4.0" in shown
    assert "depend on each other, p" in shown
    assert "bn 0.1: 81.0 , 0.3: 85.0 , 0.9: 86.0 0.9 +5.0" in shown.replace("\u00a0", " ")
    targets = set(re.findall(r'id="([^"]+)"', text))
    assert set(re.findall(r'href="#([^"]+)"', text)) <= targets
