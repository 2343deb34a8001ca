"""Shards that were converted elsewhere become a dataset: the same rows, by the user's own title, or one error."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cluster.storage import open_storage
from pipeline.data.store import Row, read_manifest, write_shard
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import check_source, fetch
from pipeline.ground.params import DatasetParams, DownloadParams, WindowParams
from pipeline.preprocess import converted
from pipeline.preprocess.convert import convert
from tests.cluster.s3 import bucket, serving
from tests.preprocess.made import PARAMS, TITLE, Files, contents, error_of, run
from tests.train.tiny import ONE

USED = {"recordings": 8, "recordings used": 8}
NOTE = "not a published dataset; frames as given: neither recordings nor their conversion are in this chain"


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
        ({"counts": {"cup": {}, "mug": USED}}, "cup has 8 rows, its counts are {}"),
        ({"counts": {"cup": USED, "mug": {"recordings": 8}}}, "mug has 8 rows, its counts are {'recordings': 8}"),
        ({"counts": {"cup": {"recordings": 7, "recordings used": 7}, "mug": USED}}, "cup has 8 rows, its counts are {"),
        ({"counts": {"cup": USED | {"events": -1, "events used": -1}, "mug": USED}}, "cup has 8 rows, its counts are "),
        ({"counts": {"cup": USED, "mug": USED | {"events": 1}}}, "mug: used and left out do not sum to the number "),
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
        (
            {"frames": 2},
            "shape=[4,2,64,64]]>), label (int64), id (string), source_sha256 (string); preprocess.frames and ",
        ),
        ({"split": "every-fifth-tests", "sensor": (128, 128)}, "'sensor': None, "),
        ({"stream": 1}, "'stream': None, "),
    ],
)
def test_other_parameters_than_those_of_the_conversion_are_refused(
    made: Path, tmp_path: Path, values: dict[str, Any], text: str
) -> None:
    raw = downloaded(made, tmp_path)
    assert text in error_of(lambda: run(raw, tmp_path / "out", PARAMS.model_copy(update=values)))


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table], compression: str | None = None) -> None:
    """Changes a shard; writes a row in a batch unless `change` has put several together."""
    with pa.ipc.open_file(pa.BufferReader(path.read_bytes())) as file:
        table = change(file.read_all())
    with pa.ipc.new_file(str(path), table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as file:
        file.write_table(table)


def column(name: str, kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    """Changes the type of a column."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        return table.set_column(place, name, pa.chunked_array([part.cast(kind) for part in table[name].chunks]))

    return change


def pixels(kind: str) -> Callable[[pa.Table], pa.Table]:
    """Changes the type of the pixels."""

    def change(table: pa.Table) -> pa.Table:
        parts = [part.to_numpy_ndarray().astype(kind) for part in table["frames"].chunks]
        tensors = pa.chunked_array(map(pa.FixedShapeTensorArray.from_numpy_ndarray, parts))
        return table.set_column(0, "frames", tensors)

    return change


def first(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    """Changes the value of the first row."""

    def change(table: pa.Table) -> pa.Table:
        place = table.schema.get_field_index(name)
        values = [value, *table[name].to_pylist()[1:]]
        parts = pa.chunked_array([pa.array([one], table[name].type) for one in values])
        return table.set_column(place, table.schema.field(name), parts)

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda table: table.select(["label", "id", "source_sha256", "frames"]), "its columns are label (int64), id "),
        (lambda table: table.add_column(0, "other", table["frames"]), "its columns are other ("),
        (pixels("float32"), "value_type=float"),
        (pixels("int64"), "value_type=int64"),
        (pixels("uint16"), "pixels of type uint16, but uint8 would hold them"),
        (column("label", pa.int32()), "label (int32)"),
        (column("id", pa.large_string()), "id (large_string)"),
        (first("id", None), "a value is missing"),
        (first("label", None), "a value is missing"),
        (first("source_sha256", "0" * 63 + "x"), f"source_sha256 is {'0' * 63}x, not 64 hexadecimal digits"),
        (first("id", "cup/03.aedat"), "the rows of cup/03.aedat are there twice, or not in order"),
        (first("id", "../../x.aedat"), "train.json: ../../x.aedat: it ends with a dot"),
        (first("id", "cup//01.aedat"), "train.json: cup//01.aedat is not the name of a sample"),
        (first("id", "cup/01.txt"), "train.json: cup/01.txt is not the name of a sample"),
        (first("id", "mug/01.aedat"), "mug/01.aedat has the label 0, but by preprocess.split and the folders cup/03"),
        (first("label", 1), "cup has 7 rows, its counts are {"),
        (lambda table: table.combine_chunks(), "a row of 197,"),
        (lambda table: pa.concat_tables([table[:2].combine_chunks(), table[2:]]), "a batch of 2 rows, expected 1"),
        (lambda table: table.slice(0, 5), "16 rows, but the shards have 15"),
    ],
)
def test_a_shard_that_the_store_would_read_otherwise_is_one_error(
    copied: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], text: str
) -> None:
    rewritten(copied / "train-00000-of-00003.arrow", change)
    assert text in error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert not (tmp_path / "out" / "arrow").exists()


def test_two_splits_of_the_same_rows_are_one_error(copied: Path, tmp_path: Path) -> None:
    for path in copied.glob("train*"):
        shutil.copyfile(path, path.with_name(path.name.replace("train", "test")))
    change(copied / "test.json", split="test")
    text = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert text.endswith("raw: cup/01.aedat is twice in the shards; run `sresnet convert` again")


def test_splits_other_than_by_the_rule_are_one_error(copied: Path, tmp_path: Path) -> None:
    for path in [*copied.glob("t*-of-*.arrow"), *copied.glob("t*t.json"), *copied.glob("train.json")]:
        path.rename(path.with_name("old " + path.name))
    for path in copied.glob("old *"):
        name = path.name.removeprefix("old ")
        new = name.replace("train", "test") if "train" in name else name.replace("test", "train")
        path.rename(path.with_name(new))
    for split in ("train", "test"):
        change(copied / f"{split}.json", split=split)
    text = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert (
        "train.json: cup/09.aedat has the label 0, but by preprocess.split and the folders cup/01.aedat follows" in text
    )


def test_classes_in_another_order_are_one_error(copied: Path, tmp_path: Path) -> None:
    change(copied / "test.json", classes=["mug", "cup"])
    text = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert "test.json: classes in another order than cup, mug; run" in text


def test_windows_are_split_by_their_recordings(raw: Path, tmp_path: Path) -> None:
    cut = PARAMS.model_copy(update={"window": WindowParams(ms=10, min_events=1)})
    dataset = DatasetParams(download=DownloadParams(catalog="shards", source="later", title=TITLE), preprocess=cut)
    into, manifests = convert("mine", open_storage(str(raw)), open_storage(str(tmp_path / "into")), dataset, ONE)
    raw = downloaded(into.path(""), tmp_path)
    assert [one.digest for one in run(raw, tmp_path / "out", cut)] == [one.digest for one in manifests]
    longer = cut.model_copy(update={"window": WindowParams(ms=20, min_events=1)})
    assert "@000000-000010ms is not the name of a sample" in error_of(lambda: run(raw, tmp_path / "two", longer))


def test_a_shard_that_grows_in_memory_is_refused_before_it_is_read(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied / "train-00000-of-00003.arrow"
    rewritten(path, first("id", "x" * 200_000_000), "zstd")
    assert path.stat().st_size < 200_000
    raw, before = downloaded(copied, tmp_path), pa.total_allocated_bytes()
    monkeypatch.setattr(converted, "_row", lambda _: 1 / 0)
    text = error_of(lambda: run(raw, tmp_path / "out"))
    assert "a row of 200,0" in text
    assert "expected at most 98,304)" in text
    assert pa.total_allocated_bytes() - before < 1_000_000


@pytest.mark.parametrize(("place", "value"), [(2000, None), (2000, 255), (60_000, 255), (-300, 0)])
def test_a_damaged_shard_is_one_error(copied: Path, tmp_path: Path, place: int, value: int | None) -> None:
    path = copied / "train-00001-of-00003.arrow"
    content = bytearray(path.read_bytes())
    content = content[:place] if value is None else content
    if value is not None:
        content[place : place + 60] = bytes([value]) * 60
    path.write_bytes(content)
    text = error_of(lambda: run(downloaded(copied, tmp_path), tmp_path / "out"))
    assert "train-00001-of-00003.arrow: damaged, or not what `sresnet convert` makes (" in text or "digest is " in text


def test_a_row_of_a_wider_shard_has_the_digests_of_its_own_width(tmp_path: Path) -> None:
    rows = [
        Row(id=f"cup/{kind}.npy", label=0, pixels=np.full((4, 2, 64, 64), most, kind), source_sha256="0" * 64)
        for kind, most in (("uint8", 255), ("uint16", 256))
    ]
    written = write_shard(rows, tmp_path / "shard.arrow", "frames", "zstd", {})
    read = converted._rows("mine", tmp_path / "shard.arrow", PARAMS)
    assert read == written


def test_a_negative_size_does_not_make_up_for_another(tmp_path: Path) -> None:
    row = Row(id="cup/1.npy", label=0, pixels=np.zeros((4, 2, 64, 64), "uint8"), source_sha256="0" * 64)
    path = tmp_path / "shard.arrow"
    write_shard([row], path, "frames", "zstd", {})
    content = path.read_bytes()
    zstd = bytes.fromhex("28b52ffd")
    stated, negative = ((32768).to_bytes(8, "little") + zstd, (-8).to_bytes(8, "little", signed=True) + zstd)
    assert content.count(stated) == 1
    path.write_bytes(content.replace(stated, negative))
    assert "(a buffer of negative size)" in error_of(lambda: converted._rows("mine", path, PARAMS))


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


def test_only_what_is_not_ours_is_left_out(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (copied / "notes.txt").touch()
    stated = DownloadParams(catalog="shards", source=str(copied), title=TITLE)
    _, tally = fetch("mine", stated, tmp_path / "raw")
    assert str(tally) == "7 file(s) found, 6 used (test 3, train 3), 1 left out (others 1)"


def test_a_manifest_that_is_too_large_is_not_copied(copied: Path, tmp_path: Path) -> None:
    os.truncate(copied / "test.json", (32 << 20) + 1)
    text = error_of(lambda: downloaded(copied, tmp_path))
    assert text == f"{copied}/test.json: larger than 33,554,432 bytes; run `sresnet convert` again"
    assert not (tmp_path / "raw" / "test.json").exists()


def test_only_shards_may_come_from_object_storage() -> None:
    with pytest.raises(ValueError, match="source must be a folder or begin with https://, not 's3://"):
        DownloadParams(catalog="recordings", source="s3://bucket/recordings")
    stated = DownloadParams(catalog="shards", source="https://host/shards")
    assert error_of(lambda: check_source("mine", CATALOG["shards"], stated)) == (
        "datasets.mine.download.source https://host/shards: expected an absolute path, or one of file://, s3://, gs://"
    )
