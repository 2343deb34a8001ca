"""Records of runs that were trained again are compared with the committed ones."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rerun import compared
from pipeline.ground.errors import InputError
from pipeline.report.study.page import rerun_of


def record(correct: int, model: str, platform: str, **changes: Any) -> dict[str, Any]:
    return {
        "experiment": "study-digits-bn",
        "seed": 0,
        "network": {"width": 8},
        "training": {},
        "test": {"correct": correct, "samples": 200},
        "digests": {"model": model, "train_rows": "t", "test_rows": "t"},
        "platforms": [platform],
    } | changes


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """The path of a committed record of 190 correct answers."""
    path = tmp_path / "results" / "study-digits-bn" / "0.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record(190, "a", "first")), encoding="utf-8")
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "first")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return path


def test_a_record_of_the_same_processor_is_no_rerun(tmp_path: Path, committed: Path) -> None:
    committed.write_text(json.dumps(record(188, "b", "first")), encoding="utf-8")
    assert compared(tmp_path) == []


@pytest.mark.parametrize(("correct", "model", "equal"), [(190, "a", [0]), (188, "b", [])])
def test_a_rerun_is_compared_with_the_committed_record(
    tmp_path: Path, committed: Path, correct: int, model: str, equal: list[int]
) -> None:
    committed.write_text(json.dumps(record(correct, model, "second")), encoding="utf-8")
    found = rerun_of(compared(tmp_path))
    (row,) = found["rows"]
    assert (row["experiment"], row["seeds"], row["same_weights"]) == ("study-digits-bn", [0], equal)
    assert (found["first"], row["first"]) == (["first"], [95.0])
    assert (found["again"], row["again"]) == (["second"], [correct / 2])


@pytest.mark.parametrize(
    "changes", [{"network": {"width": 4}}, {"digests": {"model": "a", "train_rows": "u", "test_rows": "t"}}]
)
def test_other_parameters_or_data_are_one_error(tmp_path: Path, committed: Path, changes: dict[str, Any]) -> None:
    committed.write_text(json.dumps(record(190, "a", "second", **changes)), encoding="utf-8")
    with pytest.raises(InputError, match="study-digits-bn-0: trained again with other parameters or data"):
        compared(tmp_path)
