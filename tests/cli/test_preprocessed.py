"""The manifest of preprocessed data is used only if params.yaml still has the parameters that they were made with."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cli import preprocessed
from pipeline.cli.check import check_params, check_source_is_kept
from pipeline.ground.errors import InputError
from pipeline.ground.params import read_params
from pipeline.ground.paths import PROFILES
from pipeline.protocol.params import load_params
from tests.train.tiny import write_split

QUICK = (PROFILES / "quick.yaml").read_text(encoding="utf-8")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A params.yaml whose datasets were made as it says, of 30 training samples, and its dvc.lock."""
    path = tmp_path / "params.yaml"
    path.write_text(QUICK, encoding="utf-8")
    stages = {}
    for name, described in read_params(path)["datasets"].items():
        write_split(tmp_path / name, "train", "images" if name == "digits" else "frames", 30)
        for stage, values in described.items():
            stages[f"{stage}@{name}"] = {"params": {"params.yaml": {f"datasets.{name}.{stage}": values}}}
    YAML().dump({"schema": "2.0", "stages": stages}, tmp_path / "dvc.lock")
    monkeypatch.setattr(preprocessed, "arrow", lambda name: tmp_path / name)
    monkeypatch.setattr(preprocessed, "LOCK", tmp_path / "dvc.lock")
    return path


def test_check_says_what_cannot_be_trained_on_the_data_that_are_there(params: Path) -> None:
    check_params(params)
    larger = QUICK.replace("batch_size: 20", "batch_size: 31", 1)
    params.write_text(larger, encoding="utf-8")
    check_params(params)
    params.write_text(larger.replace("drop_last: false", "drop_last: true", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"experiments\.digits\.training\.batch_size: 31, but Tiny has 30") as error:
        check_params(params)
    assert str(error.value).startswith(f"{params}: ")


@pytest.mark.parametrize(
    ("dataset", "old", "new"),
    [
        ("digits", "shards: 2, frames", "shards: 3, frames"),
        ("digits-dvs", "loops: 1", "loops: 2"),
        ("digits", "source: null}", "source: null, title: Other}"),
    ],
)
def test_data_that_were_made_otherwise_say_nothing(params: Path, dataset: str, old: str, new: str) -> None:
    assert preprocessed.training_split(dataset, read_params(params)["datasets"][dataset])
    params.write_text(QUICK.replace(old, new, 1), encoding="utf-8")
    load_params(params)
    assert preprocessed.training_split(dataset, read_params(params)["datasets"][dataset]) is None


def test_data_that_are_not_there_say_nothing(params: Path) -> None:
    (params.parent / "digits" / "train.json").unlink()
    assert preprocessed.training_split("digits", read_params(params)["datasets"]["digits"]) is None


@pytest.mark.parametrize("source", ["data/raw/digits", "data/raw/digits/3", "data/arrow/digits", "data/raw", "data"])
def test_a_source_that_dvc_would_empty_is_refused(params: Path, source: str) -> None:
    """DVC removes the outputs of a stage before it runs the stage."""
    params.write_text(QUICK.replace("source: null}", f"source: {source}}}", 1), encoding="utf-8")
    with pytest.raises(InputError, match=rf"datasets\.digits\.download\.source: {source}: .* and writes there; move"):
        check_params(params)


def test_a_source_beside_what_dvc_empties_is_not(params: Path) -> None:
    params.write_text(QUICK.replace("source: null}", "source: data/raw/digits-mine}", 1), encoding="utf-8")
    with pytest.raises(InputError, match="source: "):
        check_params(params)
    for source in (None, "https://example.org/digits", "data/raw/digits-mine", ".", "s3://bucket/data/raw/digits"):
        check_source_is_kept("digits", source)
