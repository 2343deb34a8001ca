"""Shards and their manifest: written data are read back from mapped memory, and incomplete data are refused."""

import json
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.data.store import (
    MEND,
    VERSION,
    Manifest,
    Row,
    Store,
    rows_digest,
    shard_name,
    write_manifest,
    write_shard,
)
from pipeline.ground.errors import InputError

FRAMES, IMAGE = (2, 2, 4, 4), (1, 5, 6)


def rows(number: int, *, shape: tuple[int, ...] = FRAMES, dtype: str = "uint8") -> list[Row]:
    generator = np.random.default_rng(number)
    drawn = generator.integers(0, np.iinfo(dtype).max, (number, *shape), dtype=dtype, endpoint=True)
    return [
        Row(id=f"a/{index:04}", label=index % 3, pixels=pixels, source_sha256="0" * 64)
        for index, pixels in enumerate(drawn)
    ]


def manifest(made: list[Row], *, kind: str = "frames", shards: int = 1) -> Manifest:
    return Manifest(
        version=VERSION,
        dataset="tiny",
        title="Tiny",
        note=None,
        licence="made",
        citation="made",
        published=False,
        kind="frames" if kind == "frames" else "images",
        split="train",
        split_rule="every-fifth-tests",
        framing_rule="none",
        scale=0.25,
        classes=["a", "b", "c"],
        sample_shape=list(made[0].pixels.shape),
        shards=shards,
        rows=len(made),
        rows_per_class=[0, 0, 0],
        digest=rows_digest(row.digest() for row in made),
    )


def write(folder: Path, made: list[Row], *, kind: str = "frames", shards: int = 1, compression: str = "none") -> None:
    for index, part in enumerate(np.array_split(np.arange(len(made)), shards)):
        path = folder / shard_name("train", index, shards)
        write_shard([made[i] for i in part], path, kind, compression, {"dataset": "tiny"})
    write_manifest(manifest(made, kind=kind, shards=shards), folder)


def address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        action()
    return str(error.value)


@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("compression", ["none", "zstd"])
@pytest.mark.parametrize(("kind", "shape"), [("frames", FRAMES), ("images", IMAGE)])
def test_rows_are_read_back_in_the_order_asked_for(
    tmp_path: Path, kind: str, shape: tuple[int, ...], compression: str, shards: int
) -> None:
    made = rows(7, shape=shape)
    write(tmp_path, made, kind=kind, shards=shards, compression=compression)
    store = Store(tmp_path, "train")
    assert len(store) == 7
    assert store.ids == [row.id for row in made]
    assert store.labels.tolist() == [row.label for row in made]
    for indices in ([0, 1, 2, 3, 4, 5, 6], [6, 0, 6], [3]):
        read = store.read(np.array(indices))
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, np.stack([made[i].pixels for i in indices]))


def test_images_cross_the_border_of_a_batch(tmp_path: Path) -> None:
    made = rows(1001, shape=(1, 2, 2))
    write(tmp_path, made, kind="images")
    read = Store(tmp_path, "train").read(np.array([1000, 999]))
    np.testing.assert_array_equal(read, np.stack([made[1000].pixels, made[999].pixels]))


def test_the_manifest_is_what_the_store_says_of_itself(tmp_path: Path) -> None:
    made = rows(4)
    write(tmp_path, made, shards=2)
    store = Store(tmp_path, "train")
    assert store.manifest == manifest(made, shards=2)
    assert (store.kind, store.title, store.classes) == ("frames", "Tiny", ("a", "b", "c"))
    assert (store.sample_shape, store.scale) == (FRAMES, 0.25)
    assert store.digest == rows_digest(row.digest() for row in made)


def test_pixels_are_read_from_mapped_memory_and_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, rows(4))
    store = Store(tmp_path, "train")
    batches = [store._batch(index) for index in range(4)]
    assert not any(pixels.flags.writeable for pixels in batches)
    maps = (Path("/proc/self/maps")).read_text().splitlines()
    mapped = [line.split()[0].split("-") for line in maps if line.endswith(shard_name("train", 0, 1))]
    places = [range(int(begin, 16), int(end, 16)) for begin, end in mapped]
    assert all(any(address(pixels) in place for place in places) for pixels in batches)
    assert all(store._batch(index) is pixels for index, pixels in enumerate(batches))


@pytest.mark.parametrize(("kind", "kept"), [("frames", 0), ("images", 1)])
def test_compressed_recordings_are_not_kept_in_memory(tmp_path: Path, kind: str, kept: int) -> None:
    shape = (2, 2, 64, 64) if kind == "frames" else (4, 64, 64)
    empty = [replace(row, pixels=np.zeros(shape, np.uint8)) for row in rows(5)]
    write(tmp_path, empty, kind=kind, compression="zstd")
    store = Store(tmp_path, "train")
    assert store.read(np.arange(5)).shape == (5, *shape)
    assert len(store._kept) == kept


def test_a_sample_that_cannot_be_read_names_its_shard(tmp_path: Path) -> None:
    write(tmp_path, [replace(row, pixels=np.zeros((2, 2, 64, 64), np.uint8)) for row in rows(2)], compression="zstd")
    path = tmp_path / shard_name("train", 0, 1)
    mark = bytes.fromhex("28b52ffd")  # of zstd, once a column; the pixels stand first
    parts = path.read_bytes().split(mark)
    second = len(parts) // 2 + 1
    path.write_bytes(mark.join(parts[:second]) + b"none" + mark.join(parts[second:]))
    store = Store(tmp_path, "train")
    assert store.read(np.array([0])).shape == (1, 2, 2, 64, 64)
    assert error_of(lambda: store.read(np.array([1]))).startswith(f"{path}: missing or damaged (")


def test_another_process_maps_the_files_itself(tmp_path: Path) -> None:
    made = rows(4)
    write(tmp_path, made)
    sent = pickle.dumps(Store(tmp_path, "train"))
    assert len(sent) < 1000
    np.testing.assert_array_equal(pickle.loads(sent).read(np.array([2])), made[2].pixels[None])


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_a_shard_is_as_wide_as_its_widest_row_and_loses_nothing(tmp_path: Path, dtype: str) -> None:
    made = [*rows(2), *(replace(row, id=f"b{row.id}") for row in rows(2, dtype=dtype))]
    write(tmp_path, made)
    read = Store(tmp_path, "train").read(np.arange(4))
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, np.stack([row.pixels for row in made]))


def test_a_digest_depends_on_everything_in_a_row_but_not_on_the_width(tmp_path: Path) -> None:
    (row,) = rows(1)
    pixels = row.pixels.copy()
    pixels[1, 1, 3, 3] ^= 1
    others = [
        replace(row, id="b"),
        replace(row, label=1),
        replace(row, source_sha256="1" * 64),
        replace(row, pixels=pixels),
        replace(row, pixels=row.pixels.reshape(2, 2, 2, 8)),
    ]
    assert len({row.digest(), *(other.digest() for other in others)}) == 6
    assert replace(row, pixels=row.pixels.astype(np.uint16)).digest() == row.digest()


def test_the_digest_of_rows_is_golden_and_knows_neither_order_nor_shards() -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(FRAMES)
    made = [Row(id=name, label=label, pixels=pixels, source_sha256="0" * 64) for label, name in enumerate("ab")]
    digest = rows_digest(row.digest() for row in made)
    assert digest == rows_digest(row.digest() for row in reversed(made))
    assert digest == "b811ee788fd5563d3af636595f2c92740663a17846585a87ee99c61205b13089"


def test_a_shard_says_what_it_is(tmp_path: Path) -> None:
    made, path = rows(3), tmp_path / "a.arrow"
    about = {"dataset": "tiny", "classes": '["a"]', "split_rule": "paper", "framing_rule": "none"}
    write_shard(made, path, "frames", "none", about)
    with pa.ipc.open_file(str(path)) as file:
        metadata = {key.decode(): value.decode() for key, value in file.schema.metadata.items()}
        assert file.num_record_batches == 3
        assert file.schema.names == ["frames", "label", "id", "source_sha256"]
        assert isinstance(file.schema.field("frames").type, pa.FixedShapeTensorType)
    digest = rows_digest(row.digest() for row in made)
    assert metadata == {**about, "version": str(VERSION), "rows": "3", "digest": digest}


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, rows(5), shards=2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()
    }


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    bad = [*rows(2), replace(rows(1)[0], pixels=np.zeros((9, 9), np.uint8))]
    with pytest.raises(TypeError):
        write_shard(bad, path, "frames", "none", {})
    assert list(tmp_path.iterdir()) == []
    write_shard(rows(2), path, "frames", "none", {})
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write_shard(bad, path, "frames", "none", {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_without_its_manifest_a_split_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, rows(4))
    (tmp_path / "train.json").unlink()
    text = error_of(lambda: Store(tmp_path, "train"))
    assert text == f"{tmp_path / 'train.json'}: not found; `dvc repro preprocess` makes it"


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write(tmp_path, rows(4), shards=2)
    path = tmp_path / shard_name("train", 1, 2)
    path.unlink()
    text = error_of(lambda: Store(tmp_path, "train"))
    assert text.startswith(f"{path}: missing or damaged (")
    assert text.endswith(MEND)


@pytest.mark.parametrize("left", [0, 7, 100, -8])
def test_a_shard_that_is_cut_off_is_named(tmp_path: Path, left: int) -> None:
    write(tmp_path, rows(4), shards=2)
    path = tmp_path / shard_name("train", 0, 2)
    path.write_bytes(path.read_bytes()[:left])
    text = error_of(lambda: Store(tmp_path, "train"))
    assert text.startswith(f"{path}: missing or damaged (")
    assert text.endswith(MEND)


def test_shards_with_another_number_of_rows_are_refused(tmp_path: Path) -> None:
    write(tmp_path, rows(4), shards=2)
    write_shard(rows(1), tmp_path / shard_name("train", 1, 2), "frames", "none", {})
    assert error_of(lambda: Store(tmp_path, "train")) == (
        f"{tmp_path}: the train shards have 3 rows, but train.json says 4; {MEND}"
    )


def test_another_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, rows(4))
    content = asdict(manifest(rows(4))) | {"version": VERSION + 1}
    (tmp_path / "train.json").write_text(json.dumps(content))
    assert error_of(lambda: Store(tmp_path, "train")) == (
        f"{tmp_path / 'train.json'}: version {VERSION + 1}, expected {VERSION}; {MEND}"
    )
