"""Images arrive pixel by pixel as they were stored, and a damaged one is one error that names its row."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data.catalog import CATALOG
from pipeline.data.embedded import copy_digits
from pipeline.data.images import Images, read_images
from pipeline.data.store import rows_digest
from pipeline.errors import InputError

PARQUET = CATALOG["parquet-images"]
Pixels = npt.NDArray[np.uint8]


def picture(seed: int, *, size: int = 6) -> Pixels:
    """Height, width, channels."""
    return np.random.default_rng(seed).integers(0, 256, (size, size + 1, 3), dtype=np.uint8)


def png(pixels: Pixels) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(pixels).save(memory, "png")
        return memory.getvalue()


def write(path: Path, images: list[bytes | None], labels: list[Any], *, names: dict[str, Any] | None = None) -> None:
    """A file in the Hugging Face layout; `names` describes its features."""
    cells = [{"bytes": content, "path": f"{place}.png"} for place, content in enumerate(images)]
    layout = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"img": pa.array(cells, layout), "label": pa.array(labels, pa.int64())})
    if names is not None:
        metadata = {"huggingface": json.dumps({"info": {"features": names}})}
        table = table.replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_split(raw: Path, split: str, seeds: list[int], **options: Any) -> None:
    write(raw / f"{split}-00000-of-00001.parquet", [png(picture(seed)) for seed in seeds], seeds, **options)


def parquet(raw: Path) -> tuple[Images, tuple[str, ...]]:
    return read_images(raw, PARQUET, "official")


def error_of(raw: Path) -> str:
    with pytest.raises(InputError) as error:
        parquet(raw)
    return str(error.value)


def test_parquet_images_come_channels_first_in_the_order_of_the_files(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train-00001-of-00002.parquet", [png(picture(2))], [1])
    write(tmp_path / "data" / "train-00000-of-00002.parquet", [png(picture(0)), png(picture(1))], [2, 0])
    write_split(tmp_path, "test", [1])
    images, classes = parquet(tmp_path)
    assert classes == ("0", "1", "2")
    assert [(row.id, row.label) for row in images["train"]] == [
        ("train/00000000", 2),
        ("train/00000001", 0),
        ("train/00000002", 1),
    ]
    assert [row.id for row in images["test"]] == ["test/00000000"]
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


def test_names_are_those_of_the_label_column(tmp_path: Path) -> None:
    features = {
        "coarse_label": {"names": ["animal", "thing"], "_type": "ClassLabel"},
        "label": {"names": ["cat", "dog", "mug"], "_type": "ClassLabel"},
    }
    write_split(tmp_path, "train", [0, 1], names=features)
    write_split(tmp_path, "test", [1])
    assert parquet(tmp_path)[1] == ("cat", "dog", "mug")


def test_a_label_beyond_the_names_is_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1], names={"label": {"names": ["cat"], "_type": "ClassLabel"}})
    write_split(tmp_path, "test", [0])
    text = f"{tmp_path}: label 1, but the metadata names 1 classes; correct one of them"
    assert error_of(tmp_path) == text


@pytest.mark.parametrize("damaged", [png(picture(1))[:60], png(picture(1))[:-40], b"no image", b""])
def test_a_damaged_image_names_its_file_and_row(tmp_path: Path, damaged: bytes) -> None:
    write_split(tmp_path, "train", [0, 1])
    write(tmp_path / "test-00000-of-00002.parquet", [png(picture(0))] * 2, [0, 0])
    write(tmp_path / "test-00001-of-00002.parquet", [png(picture(0)), damaged], [0, 1])
    text = error_of(tmp_path)
    assert text.startswith("test-00001-of-00002.parquet: row 1: not a whole image (")
    assert text.endswith("); replace it or leave the row out")


def test_each_wrong_byte_of_an_image_is_pixels_or_an_input_error(tmp_path: Path) -> None:
    good, refused = png(picture(0)), 0
    write_split(tmp_path, "test", [0])
    for place in range(len(good)):
        bad = good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]
        write(tmp_path / "train-0.parquet", [bad], [0])
        try:
            parquet(tmp_path)
        except InputError as error:
            assert str(error).startswith("train-0.parquet: row 0: ")  # noqa: PT017 - some wrong bytes are pixels
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    ("images", "labels", "reason"),
    [
        ([png(picture(0)), None], [0, 1], "row 1: no bytes of an image, only its path"),
        ([png(picture(0)), png(picture(0, size=5))], [0, 1], "row 1: the image is (3, 5, 6), the first was (3, 6, 7)"),
        ([png(picture(0))], [-1], "row 0: label -1; expected the number of a class"),
        ([png(picture(0))], [None], "row 0: label None; expected the number of a class"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, images: list[Any], labels: list[Any], reason: str) -> None:
    write(tmp_path / "train-0.parquet", images, labels)
    write_split(tmp_path, "test", [0])
    assert error_of(tmp_path).startswith(f"train-0.parquet: {reason}")


def test_train_and_test_have_one_shape(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write(tmp_path / "test-0.parquet", [png(picture(0, size=5))], [0])
    assert "images of 2 shapes [(3, 5, 6), (3, 6, 7)]; expected one for train and test" in error_of(tmp_path)


def test_files_of_another_layout_say_what_was_expected(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    assert error_of(tmp_path).startswith(f"{tmp_path}: no test-*.parquet; expected the Hugging Face layout")
    pq.write_table(pa.table({"pixels": [1], "label": [0]}), tmp_path / "test-0.parquet")
    assert error_of(tmp_path) == (
        "test-0.parquet: columns pixels, label; expected img or image, and label or fine_label"
    )
    pq.write_table(pa.table({"image": [1], "label": ["cat"]}), tmp_path / "test-0.parquet")
    assert error_of(tmp_path) == ("test-0.parquet: image is int64, label string; expected struct<bytes, path>, int64")


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write_split(tmp_path, "test", [0])
    path = tmp_path / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    text = error_of(tmp_path)
    assert text.startswith(f"{path}: not a whole Parquet file (")
    assert text.endswith("); fetch or write it again")


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
