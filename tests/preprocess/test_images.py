"""Images arrive pixel by pixel as they were stored, and a damaged one is one error that names its row."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.data.store import rows_digest
from pipeline.download import archives, listing
from pipeline.download.catalog import CATALOG
from pipeline.download.embedded import copy_digits
from pipeline.ground.errors import InputError
from pipeline.preprocess.images import Images, read_images
from pipeline.preprocess.parquet import image_files, read_table

PARQUET = CATALOG["parquet-images"]
INT64 = pa.int64()
Pixels = npt.NDArray[np.uint8]


def picture(seed: int, *, size: int = 6) -> Pixels:
    """Height, width, channels."""
    return np.random.default_rng(seed).integers(0, 256, (size, size + 1, 3), dtype=np.uint8)


def png(pixels: Pixels) -> bytes:
    with io.BytesIO() as memory:
        Image.fromarray(pixels).save(memory, "png")
        return memory.getvalue()


def write(
    path: Path,
    images: list[bytes | None],
    labels: list[Any],
    *,
    names: dict[str, Any] | None = None,
    metadata: bytes | None = None,
    kind: pa.DataType = INT64,
    image: str = "img",
    label: str = "label",
) -> None:
    """A file in the Hugging Face layout; `names` describes its features."""
    cells = [{"bytes": content, "path": f"{place}.png"} for place, content in enumerate(images)]
    layout = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({image: pa.array(cells, layout), label: pa.array(labels, kind)})
    if names is not None:
        metadata = json.dumps({"info": {"features": names}}).encode()
    if metadata is not None:
        table = table.replace_schema_metadata({"huggingface": metadata})
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


def test_names_are_those_of_the_label_column(tmp_path: Path) -> None:
    features = {
        "coarse_label": {"names": ["animal", "thing"], "_type": "ClassLabel"},
        "label": {"names": ["cat", "dog", "mug"], "_type": "ClassLabel"},
    }
    write_split(tmp_path, "train", [0, 1, 2], names=features)
    write_split(tmp_path, "test", [1, 2, 0])
    assert parquet(tmp_path)[1] == ("cat", "dog", "mug")


def names_of(*names: Any) -> dict[str, Any]:
    return {"label": {"names": list(names), "_type": "ClassLabel"}}


def test_a_label_beyond_the_names_is_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1], names=names_of("cat"))
    write_split(tmp_path, "test", [0])
    assert error_of(tmp_path) == (
        "train-00000-of-00001.parquet: row 1: label 1; expected the number of a class from 0 to 0, "
        "as the metadata names them; correct it or leave it out"
    )


@pytest.mark.parametrize("label", [2, 10**9, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**63), None])
def test_a_label_that_numbers_no_class_is_one_error_at_once(tmp_path: Path, label: int | None) -> None:
    kind = pa.uint64() if label is not None and label >= 2**63 else pa.int64()
    write_split(tmp_path, "train", [0, 1])
    write(tmp_path / "test-00000-of-00001.parquet", [b"not looked at"] * 2, [0, label], kind=kind)
    assert error_of(tmp_path) == (
        f"test-00000-of-00001.parquet: row 1: label {label}; expected the number of a class from 0 to 1, "
        "since train has 2 row(s) and each class needs one; correct it or leave it out"
    )


@pytest.mark.parametrize(
    ("train", "test", "names", "text"),
    [
        ([0, 1], [0, 0], None, "test has no sample of 1 of 2 classes: 1; "),
        ([0, 0], [0, 1], None, "train has no sample of 1 of 2 classes: 1; "),
        ([0, 2, 2], [0, 2, 2], None, "train has no sample of 1 of 3 classes: 1; "),
        ([0, 1], [1, 1], ("cat", "dog"), "test has no sample of 1 of 2 classes: cat; "),
        ([0], [0], tuple("abcdefgh"), "train has no sample of 7 of 8 classes: b, c, d, e, f, ...; "),
        ([0], [], None, "test-00000-of-00001.parquet and the other files of test have no row; "),
    ],
)
def test_a_class_without_a_row_in_a_split_is_named(
    tmp_path: Path, train: list[int], test: list[int], names: tuple[str, ...] | None, text: str
) -> None:
    features = None if names is None else names_of(*names)
    write_split(tmp_path, "train", train, names=features)
    write_split(tmp_path, "test", test, names=features)
    assert error_of(tmp_path).startswith(text)


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
    assert error_of(tmp_path).startswith("train-00000-of-00001.parquet: the metadata `huggingface` ")


@pytest.mark.parametrize("metadata", [b"{}", b'{"info": {}}', b'{"info": {"features": {"label": {"names": null}}}}'])
def test_metadata_without_names_leave_the_numbers(tmp_path: Path, metadata: bytes) -> None:
    write_split(tmp_path, "train", [0, 1], metadata=metadata)
    write_split(tmp_path, "test", [0, 1])
    assert parquet(tmp_path)[1] == ("0", "1")


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1, 2], names=names_of("cat", "dog", "cat"))
    write_split(tmp_path, "test", [0, 1, 2])
    assert error_of(tmp_path) == ("train-00000-of-00001.parquet: two classes are named cat; rename one of them")


def test_files_that_name_the_classes_in_another_order_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0, 1], names=names_of("cat", "dog"))
    write_split(tmp_path, "test", [0, 1], names=names_of("dog", "cat"))
    assert error_of(tmp_path).startswith("train-00000-of-00001.parquet and test-00000-of-00001.parquet: their metadata")


@pytest.mark.parametrize("damaged", [png(picture(1))[:60], png(picture(1))[:-40], b"no image", b""])
def test_a_damaged_image_names_its_file_and_row(tmp_path: Path, damaged: bytes) -> None:
    write_split(tmp_path, "train", [0, 1])
    write(tmp_path / "test-00000-of-00002.parquet", [png(picture(0))] * 2, [0, 0])
    write(tmp_path / "test-00001-of-00002.parquet", [png(picture(0)), damaged], [0, 1])
    text = error_of(tmp_path)
    assert text.startswith("test-00001-of-00002.parquet: row 1: not a whole ")


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
        (
            [png(picture(0)), png(picture(0, size=5))],
            [0, 1],
            "row 1: 6 x 5 pixels, the first image has 7 x 6 pixels",
        ),
        ([png(picture(0)), b"GIF89a"], [0, 1], "row 1: not a whole"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, images: list[Any], labels: list[Any], reason: str) -> None:
    write(tmp_path / "train-0.parquet", images, labels)
    write_split(tmp_path, "test", [0, 1])
    assert error_of(tmp_path).startswith(f"train-0.parquet: {reason}")


def test_train_and_test_have_one_shape(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write(tmp_path / "test-0.parquet", [png(picture(0, size=5))], [0])
    assert "images of train have 7 x 6 pixels, those of test 6 x 5 pixels; all images need one" in error_of(tmp_path)


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
    assert text.startswith(f"{path.name}: not a whole Parquet file (")
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


def test_files_with_other_label_columns_are_refused(tmp_path: Path) -> None:
    write_split(tmp_path, "train", [0])
    write_split(tmp_path, "test", [0], label="fine_label")
    assert error_of(tmp_path) == (
        "train-00000-of-00001.parquet has the column label, test-00000-of-00001.parquet fine_label; keep one"
    )


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
    assert "as no dataset does; take it from its publisher" in text


def test_images_of_more_pixels_than_their_files_can_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL", 1 << 17)
    for split in ("train", "test"):
        write(tmp_path / f"{split}-0.parquet", [png(np.zeros((1000, 1000), np.uint8))], [0])
    assert "what its rows up to 0 hold would grow from" in error_of(tmp_path)


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
