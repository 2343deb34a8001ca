"""Each label is the number of a class. Each class has a name, and samples in both splits."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.preprocess.parquet_files import (
    error_of,
    names_of,
    parquet,
    write,
    write_split,
)


def test_names_are_those_of_the_label_column(tmp_path: Path) -> None:
    features = {
        "coarse_label": {"names": ["animal", "thing"], "_type": "ClassLabel"},
        "label": {"names": ["cat", "dog", "mug"], "_type": "ClassLabel"},
    }
    write_split(tmp_path, "train", [0, 1, 2], names=features)
    write_split(tmp_path, "test", [1, 2, 0])
    assert parquet(tmp_path)[1] == ("cat", "dog", "mug")


def test_a_label_beyond_the_names_is_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1], names=names_of("cat"))
    write_split(tmp_path, "test", [0])
    assert error_of(tmp_path) == (
        "train-00000-of-00001.parquet: row 1: label 1; expected a class number from 0 to 0, "
        "the classes in the metadata; correct it or leave it out"
    )


@pytest.mark.parametrize("label", [2, 10**9, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63), None])
def test_a_label_that_numbers_no_class_is_one_error_at_once(tmp_path: Path, label: int | None) -> None:
    kind = pa.uint64() if label is not None and label >= 2**63 else pa.int64()
    write_split(tmp_path, "train", [0, 1])
    write(tmp_path / "test-00000-of-00001.parquet", [b"not looked at"] * 2, [0, label], kind=kind)
    assert error_of(tmp_path) == (
        f"test-00000-of-00001.parquet: row 1: label {label}; expected a class number from 0 to 1, "
        "because train has 2 row(s) and each class needs one; correct it or leave it out"
    )


@pytest.mark.parametrize(
    ("train", "test", "names", "text"),
    [
        ([0, 1], [0, 0], None, "no image of class 1 in test-*.parquet (2 classes: 0, 1); "),
        ([0, 0], [0, 1], None, "no image of class 1 in train-*.parquet (2 classes: 0, 1); "),
        ([0, 2, 2], [0, 2, 2], None, "no image of class 1 in train-*.parquet (3 classes: 0, 1, 2); "),
        ([0, 1], [1, 1], ("cat", "dog"), "no image of class cat in test-*.parquet (2 classes: cat, dog); "),
        (
            [0],
            [0],
            tuple("abcdefgh"),
            "no image of classes b, c, d, e, f, ... in train-*.parquet (8 classes: a, b, c, d, e, ...); ",
        ),
        ([0], [], None, "test-00000-of-00001.parquet and other files of test have no rows; "),
    ],
)
def test_a_class_without_a_row_in_a_split_is_named(
    tmp_path: Path, train: list[int], test: list[int], names: tuple[str, ...] | None, text: str
) -> None:
    features = None if names is None else names_of(*names)
    write_split(tmp_path, "train", train, names=features)
    write_split(tmp_path, "test", test, names=features)
    assert error_of(tmp_path).startswith(text)


@pytest.mark.parametrize("metadata", [b"{}", b'{"info": {}}', b'{"info": {"features": {"label": {"names": null}}}}'])
def test_metadata_without_names_leave_the_numbers(tmp_path: Path, metadata: bytes) -> None:
    write_split(tmp_path, "train", [0, 1], metadata=metadata)
    write_split(tmp_path, "test", [0, 1])
    assert parquet(tmp_path)[1] == ("0", "1")


def test_files_that_name_the_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1], names=names_of("cat", "dog"))
    write_split(tmp_path, "test", [0, 1], names=names_of("dog", "cat"))
    assert error_of(tmp_path).startswith("train-00000-of-00001.parquet and test-00000-of-00001.parquet: their metadata")


def test_files_with_other_label_columns_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write_split(tmp_path, "test", [0], label="fine_label")
    assert error_of(tmp_path) == (
        "train-00000-of-00001.parquet has the column label, but test-00000-of-00001.parquet has fine_label; keep one"
    )
