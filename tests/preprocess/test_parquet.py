"""Parquet files are read as written. A damaged file or another layout gives one error that names the file."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.download import listing
from pipeline.ground.errors import InputError
from pipeline.preprocess.parquet import image_files, read_table
from tests.preprocess.parquet_files import error_of, names_of, parquet, write_split


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b"null",
        b'{"info": null}',
        b'{"info": []}',
        b'{"info": {"features": [1]}}',
        b'{"info": {"features": {"label": "names"}}}',
        b'{"info": {"features": {"label": {"names": "cat"}}}}',
        b'{"info": {"features": {"label": {"names": [0, 1]}}}}',
        b'{"info": {"features": {"label": {"names": {"0": "cat"}}}}}',
        b"[" * 100_000,
    ],
)
def test_malformed_metadata_is_one_error(tmp_path: Path, metadata: bytes) -> None:
    write_split(tmp_path, "train", [0, 1], metadata=metadata)
    write_split(tmp_path, "test", [0, 1])
    assert error_of(tmp_path).startswith("train-00000-of-00001.parquet: the metadata `huggingface`")


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1, 2], names=names_of("cat", "dog", "cat"))
    write_split(tmp_path, "test", [0, 1, 2])
    assert error_of(tmp_path) == ("train-00000-of-00001.parquet: two classes are named cat; rename one of them")


def test_files_of_another_layout_say_what_was_expected(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    assert error_of(tmp_path).startswith(f"{tmp_path}: no test-*.parquet among 1 Parquet file(s); expected names such")
    pq.write_table(pa.table({"pixels": [1], "label": [0]}), tmp_path / "test-0.parquet")
    assert error_of(tmp_path) == (
        "test-0.parquet: columns pixels, label; expected one of img or image, and one of label or fine_label"
    )
    pq.write_table(pa.table({"image": [1], "label": ["cat"]}), tmp_path / "test-0.parquet")
    assert error_of(tmp_path) == ("test-0.parquet: image is int64, label string; expected struct<bytes, path>, int64")


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write_split(tmp_path, "test", [0])
    path = tmp_path / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    text = error_of(tmp_path)
    assert text.startswith(f"{path.name}: not a complete Parquet file (")
    assert text.endswith("); fetch or write it again")


def struct_of(**fields: Any) -> pa.Array:
    return pa.array([dict.fromkeys(fields)], pa.struct(list(fields.items())))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"image": struct_of(path=pa.string())}, "image is struct<path: string>, label int64; expected struct"),
        ({"image": struct_of(bytes=pa.string())}, "image is struct<bytes: string>, label int64; expected struct"),
        ({"image": struct_of(bytes=pa.struct([("bytes", pa.binary())]))}, "image is struct<bytes: struct<bytes: bin"),
        ({"image": pa.array([[b""]])}, "image is list<"),
        (
            {"image": struct_of(bytes=pa.binary()), "label": pa.array([0.0])},
            "image is struct<bytes: binary>, label dou",
        ),
        (
            {"image": struct_of(bytes=pa.binary()), "label": pa.array([True])},
            "image is struct<bytes: binary>, label bo",
        ),
        (
            {"image": struct_of(bytes=pa.binary()), "label": pa.array([[0]])},
            "image is struct<bytes: binary>, label list",
        ),
        ({"image": struct_of(bytes=pa.binary()), "img": pa.array([0])}, "columns image, img, label; expected one of"),
        ({"image": struct_of(bytes=pa.binary()), "fine_label": pa.array([0])}, "columns image, fine_label, label; exp"),
    ],
)
def test_columns_of_other_types_or_with_two_readings_are_refused(
    tmp_path: Path, columns: dict[str, Any], reason: str
) -> None:
    write_split(tmp_path, "train", [0])
    pq.write_table(pa.table(columns | {"label": columns.get("label", pa.array([0]))}), tmp_path / "test-0.parquet")
    assert error_of(tmp_path).startswith(f"test-0.parquet: {reason}")


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    table = pa.table([struct_of(bytes=pa.binary()), pa.array([0]), pa.array([1])], ["image", "label", "label"])
    pq.write_table(table, tmp_path / "test-0.parquet")
    assert error_of(tmp_path).startswith("test-0.parquet: columns image, label, label; expected one of")


@pytest.mark.parametrize("labels", [[0, 1], [0, 1, 0, 1]])
def test_columns_of_other_lengths_are_refused(tmp_path: Path, labels: list[int]) -> None:
    write_split(tmp_path, "train", [0, 1, 0])
    (member,) = listing.members(tmp_path, (".parquet",))
    table = replace(read_table(member), labels=labels)
    with pytest.raises(InputError, match=f"train-0.*: img has 3 rows of {len(labels)}; fetch or write it again"):
        list(image_files(table))


def test_parquet_files_in_archives_are_read(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1])
    write_split(tmp_path, "test", [1, 0])
    expected = parquet(tmp_path)[0]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(tmp_path.glob("*.parquet")):
            archive.write(path, path.name)
            path.unlink()
    found = parquet(tmp_path)[0]
    assert [row.digest() for row in found["train"]] == [row.digest() for row in expected["train"]]
    assert [row.digest() for row in found["test"]] == [row.digest() for row in expected["test"]]


def test_each_wrong_byte_of_a_file_is_pixels_or_an_input_error(tmp_path: Path) -> None:
    write_split(tmp_path, "test", [0, 1])
    write_split(tmp_path, "train", [0, 1])
    path = tmp_path / "train-00000-of-00001.parquet"
    good, refused = path.read_bytes(), 0
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :])
        try:
            parquet(tmp_path)
        except InputError as error:
            assert "train-0" in str(error)  # noqa: PT017 - some wrong bytes are pixels
            refused += 1
    assert refused > 40
