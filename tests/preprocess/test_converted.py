"""Shards that were converted elsewhere become a dataset: the same rows, by the user's own title, or one error."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cluster.storage import open_storage
from pipeline.data.store import read_manifest
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import check_source, fetch
from pipeline.ground.params import DatasetParams, DownloadParams
from pipeline.preprocess.convert import convert
from tests.cluster.s3 import bucket, serving
from tests.preprocess.made import PARAMS, TITLE, Files, contents, error_of, run
from tests.train.tiny import ONE

NOTE = "not a published dataset; `sresnet convert` made its frames, and the recordings are not in this chain"


@pytest.fixture(scope="module")
def made(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a conversion filled."""
    folder = tmp_path_factory.mktemp("converted")
    dataset = DatasetParams(download=DownloadParams(catalog="shards", source="later", title=TITLE), preprocess=PARAMS)
    into, _ = convert("mine", open_storage(str(raw), "--from"), open_storage(str(folder), "--into"), dataset, ONE)
    return Path(into.path(""))


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copied"))


def downloaded(source: object, folder: Path) -> Path:
    """data/raw/mine as the stage `download` leaves it."""
    (folder / "raw").mkdir(parents=True)
    fetch("mine", DownloadParams(catalog="shards", source=str(source), title=TITLE), folder / "raw")
    return folder / "raw"


@pytest.mark.parametrize("place", ["folder", "uri", "s3"])
def test_the_dataset_has_the_rows_of_the_stage_and_a_note(
    made: Path, tmp_path: Path, expected: Files, place: str
) -> None:
    if place != "s3":
        raw = downloaded(made.as_uri() if place == "uri" else made, tmp_path)
    else:
        with serving() as server:
            address = bucket(server, "shards")
            for path in made.iterdir():
                open_storage(address).put(path, path.name)
            raw = downloaded(address, tmp_path)
    run(raw, tmp_path / "out")
    found = contents(tmp_path / "out")
    for name in ("arrow/mine/train.json", "arrow/mine/test.json"):
        assert json.loads(found.pop(name)) == json.loads(expected[name]) | {"note": NOTE}
    assert found == {name: content for name, content in expected.items() if name in found}
    assert len(found) == len(expected) - 2


def test_what_the_manifest_says_of_the_dataset_does_not_count(copied: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        change(copied / f"{split}.json", title="CIFAR10-DVS", published=True, licence="none", dataset="cifar10-dvs")
    run(downloaded(copied, tmp_path), tmp_path / "out")
    manifest = read_manifest(tmp_path / "out" / "arrow" / "mine", "test")
    assert (manifest.dataset, manifest.title, manifest.published) == ("mine", TITLE, False)
    assert manifest.licence == "the user's"


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"rows": 17}, "17 rows, but the shards have 16"),
        ({"digest": "0" * 64}, f"digest is {'0' * 64}, not "),
        ({"framing_rule": "none"}, "framing_rule is none, not "),
        ({"scale": 0.5}, "scale is 0.5, not "),
        ({"classes": ["cup"]}, "has the label 1 of 1 classes"),
        ({"classes": ["cup", "cup"]}, "two classes are named cup"),
        ({"sensor": [0, 9]}, "no counts of each class, or no sensor"),
        ({"counts": None}, "no counts of each class, or no sensor"),
        ({"counts": {"cup": {"events": 1}, "mug": {}}}, "cup: used and left out do not sum to the number found of "),
        ({"shards": 0}, "0 shards, expected 1 to 10,000"),
        ({"shards": "3"}, "not a manifest of shards (shards: "),
        ({"extra": 1}, "not a manifest of shards (extra: is an unknown key"),
    ],
)
def test_a_manifest_that_is_not_that_of_the_shards_is_one_error(
    copied: Path, tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    change(copied / "train.json", **values)
    error = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert text in error
    assert error.startswith((f"{tmp_path}/raw/train.json: ", "its classes: "))
    assert not (tmp_path / "out" / "arrow").exists()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"frames": 2}, "has the shape (4, 2, 64, 64); preprocess.frames and preprocess.size give (2, 2, 64, 64)"),
        ({"split": "every-fifth-tests", "sensor": (128, 128)}, "'sensor': None, "),
        ({"stream": 1}, "'stream': None, "),
    ],
)
def test_other_parameters_than_those_of_the_conversion_are_refused(
    made: Path, tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    raw = downloaded(made, tmp_path)
    assert text in error_of(lambda: run(raw, tmp_path / "out", PARAMS.model_copy(update=values)))


@pytest.mark.parametrize(("place", "value"), [(2000, None), (2000, 255), (60_000, 255), (-300, 0)])
def test_a_damaged_shard_is_one_error(copied: Path, tmp_path: Path, place: int, value: int | None) -> None:
    path = copied / "train-00001-of-00003.arrow"
    content = bytearray(path.read_bytes())
    content = content[:place] if value is None else content
    if value is not None:
        content[place : place + 60] = bytes([value]) * 60
    path.write_bytes(content)
    text = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert "train-00001-of-00003.arrow: damaged (" in text or "digest is " in text


def test_what_is_not_there_is_named(copied: Path, tmp_path: Path) -> None:
    (copied / "test-00001-of-00003.arrow").unlink()
    text = error_of(lambda: downloaded(copied, tmp_path / "one"))
    assert text == f"{copied}/test-00001-of-00003.arrow: not found; run `sresnet convert` again, which writes it"
    (copied / "test.json").unlink()
    for act in (
        lambda: downloaded(copied, tmp_path / "two"),
        lambda: check_source("mine", CATALOG["shards"], DownloadParams(catalog="shards", source=str(copied))),
    ):
        assert error_of(act) == (
            f"datasets.mine.download.source {copied}: no test.json there; name the folder that `sresnet convert` "
            "printed when it was complete"
        )


def test_only_shards_may_come_from_object_storage() -> None:
    with pytest.raises(ValueError, match="source must be a folder or begin with https://, not 's3://"):
        DownloadParams(catalog="recordings", source="s3://bucket/recordings")
    stated = DownloadParams(catalog="shards", source="https://host/shards")
    assert error_of(lambda: check_source("mine", CATALOG["shards"], stated)) == (
        "datasets.mine.download.source https://host/shards: expected an absolute path, or one of file://, s3://, gs://"
    )
