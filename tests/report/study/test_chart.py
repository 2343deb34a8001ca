"""The picture of effects against operations: what it draws, and names that do not overlap."""

import pytest

from pipeline.report.study.chart import LINE, apart, effect_chart, picture
from pipeline.report.study.dataset import StudyDataset
from tests.report.study.test_study import dataset_of, made


@pytest.fixture
def dataset() -> StudyDataset:
    return dataset_of(
        [
            *made("base", [80.0, 81.0, 82.0]),
            *made("bn", [84.0, 85.1, 85.9], normalization="bn"),
            *made("leak", [80.0, 81.5, 81.0], work=2, leak=1.0),
            *made("torn", [80.0, 15.0, 70.0], reset="zero"),
        ]
    )


def test_names_keep_their_order_and_stand_apart() -> None:
    """10 and 12 want to be 1 apart from 11; pooled around their mean they are 10 apart, and the free one stays."""
    assert apart([10.0, 11.0, 12.0, 90.0], 10, 100) == [5.0, 15.0, 25.0, 90.0]
    assert apart([40.0, 41.0, 42.0], 10, 100) == pytest.approx([31.0, 41.0, 51.0])
    assert apart([95.0, 96.0], 10, 100) == [85.0, 95.0], "not below the axis"
    assert apart([], 10, 100) == []


def test_it_draws_steady_parts_relative_to_their_reference(dataset: StudyDataset) -> None:
    spec = effect_chart(dataset)
    rows = {row["part"]: row for row in spec["datasets"]["rows"]}
    assert rows.keys() == {"bn", "leak"}
    assert (rows["bn"]["points"], rows["bn"]["operations"], rows["bn"]["finding"]) == (4.0, 1.0, "better")
    assert (rows["leak"]["operations"], rows["leak"]["side"], rows["leak"]["finding"]) == (2.0, "right", "open")
    assert spec["height"] >= 2 * LINE


def test_it_is_a_picture_with_names(dataset: StudyDataset) -> None:
    text = picture(dataset).decode()
    assert text.startswith("<svg")
    assert ">bn</text>" in text
    assert ">leak</text>" in text
