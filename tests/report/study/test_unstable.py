"""Curves of the parts that failed: which are drawn, and which are said to be missing."""

from pathlib import Path

import pytest

from pipeline.ground.errors import InputError
from pipeline.protocol.curves import Curves, curves_path
from pipeline.report.study.dataset import StudyDataset
from pipeline.report.study.unstable import curve_rows, curves_picture, without_curves
from tests.report.study.test_study import dataset_of, declared, made

RECORDS = [
    *made("base", [80.0, 81.0, 82.0]),
    *made("torn", [80.0, 15.0, 70.0], reset="zero"),
    *made("dead", [10.0, 10.0, 11.0], leak=0.0),
]
CONFIGURATIONS = {about.experiment: about.configuration for about in declared(RECORDS).values()}


@pytest.fixture
def dataset() -> StudyDataset:
    return dataset_of(RECORDS)


def record(part: str, results: Path, accuracies: list[float], data: str = "", **changed: object) -> None:
    """Curves of one seed, as `sresnet curves` writes them."""
    basis = next(one for one in RECORDS if one.experiment == f"study-digits-{part}")
    history = {"train_loss": [1.0] * len(accuracies), "train_accuracy": accuracies}
    curves = Curves(
        experiment=basis.experiment,
        network=basis.network | changed,
        training=basis.training,
        data_digest=data or basis.digests["train_rows"],
        histories={"0": history},
    )
    curves.write(curves_path(results, basis.experiment))


def test_the_failed_parts_that_have_curves_are_drawn_beside_the_base(tmp_path: Path, dataset: StudyDataset) -> None:
    record("base", tmp_path, [30.0, 60.0])
    assert curve_rows(dataset, CONFIGURATIONS, tmp_path) == [], "no part that failed has curves"
    record("torn", tmp_path, [20.0, 40.125])
    rows = curve_rows(dataset, CONFIGURATIONS, tmp_path)
    assert [(row["part"], row["epoch"], row["accuracy"]) for row in rows] == [
        ("base", 1, 30.0), ("base", 2, 60.0), ("torn", 1, 20.0), ("torn", 2, 40.12),
    ]  # fmt: skip
    assert [cell.part for cell in without_curves(dataset, rows)] == ["dead"]
    text = curves_picture(rows).decode()
    assert text.startswith("<svg")
    assert ">torn</text>" in text


def test_curves_of_another_configuration_are_refused(tmp_path: Path, dataset: StudyDataset) -> None:
    for changed in ({"blocks": 7}, {"data": "other"}):
        record("torn", tmp_path, [20.0, 40.0], **changed)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"curves-study-digits-torn.json: of another configuration, or other"):
            curve_rows(dataset, CONFIGURATIONS, tmp_path)
