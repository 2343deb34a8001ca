"""Images have exactly the stored pixels. A damaged image gives one error that names its row."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.store import rows_digest
from pipeline.download import archives
from pipeline.download.catalog import CATALOG
from pipeline.download.embedded import copy_digits
from pipeline.ground.errors import InputError
from pipeline.preprocess.images import read_images
from tests.preprocess.parquet_files import (
    PARQUET,
    error_of,
    parquet,
    picture,
    png,
    write,
    write_split,
)


def test_parquet_images_come_channels_first_in_the_order_of_the_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train-00001-of-00002.parquet", [png(picture(2))], [1])
    write(tmp_path / "data" / "train-00000-of-00002.parquet", [png(picture(0)), png(picture(1))], [2, 0])
    write_split(tmp_path / "data", "test", [1, 0, 2])
    images, classes = parquet(tmp_path)
    assert classes == ("0", "1", "2")
    assert [(row.id, row.label) for row in images["train"]] == [
        ("train/00000000", 2),
        ("train/00000001", 0),
        ("train/00000002", 1),
    ]
    assert [row.id for row in images["test"]] == ["test/00000000", "test/00000001", "test/00000002"]
    for seed, row in enumerate(images["train"]):
        expected = picture(seed).transpose(2, 0, 1)
        np.testing.assert_array_equal(row.pixels, expected)
        assert row.pixels.dtype == np.uint8
        assert row.source_sha256 == hashlib.sha256(expected.tobytes()).hexdigest()


def test_grey_images_get_three_channels(tmp_path: Path) -> None:
    grey = picture(0)[:, :, 0]
    for split in ("train", "test"):
        write(tmp_path / f"{split}-0.parquet", [png(grey)], [0])
    (row,) = parquet(tmp_path)[0]["train"]
    np.testing.assert_array_equal(row.pixels, np.stack([grey] * 3))


@pytest.mark.parametrize("damaged", [png(picture(1))[:60], png(picture(1))[:-40], b"no image", b""])
def test_a_damaged_image_names_its_file_and_row(tmp_path: Path, damaged: bytes) -> None:
    write_split(tmp_path, "train", [0, 1])
    write(tmp_path / "test-00000-of-00002.parquet", [png(picture(0))] * 2, [0, 0])
    write(tmp_path / "test-00001-of-00002.parquet", [png(picture(0)), damaged], [0, 1])
    text = error_of(tmp_path)
    assert text.startswith("test-00001-of-00002.parquet: row 1 (1.png): not a complete ")


def test_each_wrong_byte_of_an_image_is_pixels_or_an_input_error(tmp_path: Path) -> None:
    good, refused = png(picture(0)), 0
    write_split(tmp_path, "test", [0])
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]
        write(tmp_path / "train-0.parquet", [bad], [0])
        try:
            parquet(tmp_path)
        except InputError as error:
            assert str(error).startswith("train-0.parquet: row 0 (0.png): ")  # noqa: PT017 - some wrong bytes are pixels
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        ([png(picture(0)), None], [0, 1], "row 1 (1.png): no image bytes, only a path"),
        (
            [png(picture(0)), png(picture(0, size=5))],
            [0, 1],
            "row 1 (1.png): 6 x 5 pixels, but train-0.parquet: row 0 (0.png): 7 x 6 pixels; all images must have one",
        ),
        ([png(picture(0)), b"GIF89a"], [0, 1], "row 1 (1.png): not a complete"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, images: list[Any], labels: list[Any], reason: str) -> None:
    write(tmp_path / "train-0.parquet", images, labels)
    write_split(tmp_path, "test", [0, 1])
    assert error_of(tmp_path).startswith(f"train-0.parquet: {reason}")


def test_train_and_test_have_one_shape(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write(tmp_path / "test-0.parquet", [png(picture(0, size=5))], [0])
    assert error_of(tmp_path) == (
        "test-0.parquet: row 0 (0.png): 6 x 5 pixels, but train-00000-of-00001.parquet: row 0 (0.png): 7 x 6 pixels; "
        "all images must have one size: resize or crop them"
    )


@pytest.mark.parametrize(("rows", "size"), [(1, 300_000), (40, 10_000)])
def test_a_file_that_grows_without_bound_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    """One image of many bytes, and a small one that is stored once for many rows."""
    monkeypatch.setattr(archives, "_SMALL", 1 << 17)
    content = png(picture(0)) + bytes(size)
    write_split(tmp_path, "test", [0])
    write(tmp_path / "train-0.parquet", [content] * rows, [0] * rows)
    monkeypatch.setattr(archives, "_EXPANSION", 5)
    text = error_of(tmp_path)
    assert f"{tmp_path}/train-0.parquet: " in text
    assert "which no dataset does; download it from its publisher" in text


def test_images_of_more_pixels_than_their_files_can_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL", 1 << 17)
    for split in ("train", "test"):
        write(tmp_path / f"{split}-0.parquet", [png(np.zeros((1000, 1000), np.uint8))], [0])
    assert "the content of its rows up to 0 would grow from" in error_of(tmp_path)


def test_digits_are_32_by_32_grey_and_every_fifth_of_a_class_tests(tmp_path: Path) -> None:
    copy_digits(tmp_path)
    images, classes = read_images(tmp_path, CATALOG["digits"], "every-fifth-tests")
    assert classes == tuple("0123456789")
    assert (len(images["train"]), len(images["test"])) == (1442, 355)
    for rows in images.values():
        assert {(row.pixels.shape, row.pixels.dtype.name) for row in rows} == {((1, 32, 32), "uint8")}
        assert [row.id for row in rows] == sorted(row.id for row in rows)
        assert all(row.id.startswith(f"{row.label}/") for row in rows)
    zeros = [row.id for row in images["test"] if row.label == 0]
    assert zeros[:2] == ["0/0036", "0/0078"]  # scikit-learn's zeros are 0, 10, 20, 30, 36, 48, 49, 55, 72, 78
    digest = rows_digest(row.digest() for rows in images.values() for row in rows)
    assert digest == "d36379dc5e056d636059cfb99c0155553bc02e9803abaf524d9f0143a791e403"


def test_an_unknown_rule_lists_those_of_the_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"preprocess\.split 'paper': expected one of official"):
        read_images(tmp_path, replace(PARQUET), "paper")
