"""Records of results/: each has all values, those that came after it too."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pipeline.evaluate.record import read_record, read_whole_record
from pipeline.ground.errors import InputError
from pipeline.ground.paths import RESULTS
from pipeline.protocol.config import LATER
from tests.evaluate.made import RECORD
from tests.train.tiny import TRAINING


def test_committed_records_are_whole() -> None:
    for path in sorted(RESULTS.glob("*/[0-9].json")):
        assert read_whole_record(path).training.keys() == asdict(TRAINING).keys()


def test_a_record_without_a_newer_value_is_of_the_authors_choice(tmp_path: Path) -> None:
    """A value that it has stays; one that was never missing in a committed record is not added."""
    values = {name: value for name, value in asdict(TRAINING).items() if name not in LATER}
    replace(RECORD, training=values | {"label_smoothing": 0.1}).write(tmp_path / "0.json")
    assert read_record(tmp_path / "0.json").training == {
        **json.loads(json.dumps(values)),
        **LATER,
        "label_smoothing": 0.1,
    }
    committed = read_record(RESULTS / "cifar10-jpeg" / "0.json")
    without = {name: value for name, value in committed.training.items() if name != "momentum"}
    replace(committed, training=without).write(tmp_path / "1.json")
    with pytest.raises(InputError, match=r"training\.momentum: is missing"):
        read_whole_record(tmp_path / "1.json")


def test_the_authors_choice_of_newer_values_is_that_of_the_small_training() -> None:
    assert {name: asdict(TRAINING)[name] for name in LATER} == LATER
