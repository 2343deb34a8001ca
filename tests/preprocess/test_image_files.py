"""Image files in class folders: the folder is the class, the path is the id."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.contents import read_contents
from pipeline.data.store import Store
from pipeline.download import archives
from pipeline.download.catalog import CATALOG
from pipeline.ground.params import FolderSplit, WindowParams
from pipeline.preprocess.images import read_images
from tests.preprocess.made import PARAMS, error_of, run
from tests.preprocess.made import download as download_from
from tests.preprocess.parquet_files import picture

IMAGES = PARAMS.model_copy(update={"frames": None, "size": None, "shards": 2})
SESSIONS = IMAGES.model_copy(update={"split": FolderSplit(train="monday", test="friday")})


def write(path: Path, seed: int, *, size: int = 6) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed, size=size)).save(path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Five images of each of three classes."""
    for seed in range(15):
        name = "cat", "dog", "fox"
        write(tmp_path / "source" / name[seed % 3] / f"{seed:02}.{('png', 'BMP', 'WebP')[seed // 3 % 3]}", seed)
    return tmp_path / "source"


def download(source: Path, into: Path) -> Path:
    return download_from(source, into, "images")


def test_the_folder_is_the_class_and_the_path_is_the_id(source: Path, tmp_path: Path) -> None:
    train, test = run(download(source, tmp_path / "raw"), tmp_path, IMAGES)
    assert (train.classes, train.rows_per_class, test.rows_per_class) == (["cat", "dog", "fox"], [4] * 3, [1] * 3)
    assert (train.kind, train.sample_shape, train.scale, train.counts) == ("images", [3, 6, 7], 1 / 255, None)
    assert (train.title, train.published, train.shards) == ("Cups and mugs", False, 2)
    contents = read_contents(tmp_path / "arrow" / "mine")
    assert [row.id for row in contents["test"]] == ["cat/12.BMP", "dog/13.BMP", "fox/14.BMP"]
    assert [row.id for row in contents["train"]][:5] == [
        "cat/00.png",
        "cat/03.BMP",
        "cat/06.WebP",
        "cat/09.png",
        "dog/01.png",
    ]
    pixels = Store(tmp_path / "arrow" / "mine", "test").read(np.arange(3))
    np.testing.assert_array_equal(pixels, [picture(seed).transpose(2, 0, 1) for seed in (12, 13, 14)])


@pytest.mark.parametrize("pack", ["zip", "gztar"])
def test_folders_in_an_archive_give_the_same_rows(
    source: Path, tmp_path: Path, pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "UNPACKED", tmp_path / "unpacked")
    shutil.make_archive(str(tmp_path / "packed" / "all"), pack, source)
    plain, packed = (download(tmp_path / one, tmp_path / f"raw of {one}") for one in ("source", "packed"))
    assert [made.digest for made in run(packed, tmp_path / "packed", IMAGES)] == [
        made.digest for made in run(plain, tmp_path / "plain", IMAGES)
    ]


def test_train_and_test_can_be_folders(tmp_path: Path) -> None:
    for seed, name in enumerate(("monday/cat/1.png", "monday/dog/1.jpeg", "friday/dog/1.png", "friday/cat/1.gif")):
        write(tmp_path / "source" / name, seed)
    train, test = run(download(tmp_path / "source", tmp_path / "raw"), tmp_path, SESSIONS)
    assert (train.rows_per_class, test.rows_per_class) == ([1, 1], [1, 1])
    assert train.split_rule == "folders: monday trains, friday tests"
    (tmp_path / "source" / "friday" / "cat" / "1.gif").unlink()
    (tmp_path / "source" / "friday" / "cat").rmdir()
    raw = download(tmp_path / "source", tmp_path / "without a class")
    assert error_of(lambda: run(raw, tmp_path, SESSIONS)).startswith(
        "no image of class cat in test (2 classes: cat, dog)"
    )


def test_images_of_two_sizes_are_one_error_that_names_both(source: Path, tmp_path: Path) -> None:
    write(source / "dog" / "13.BMP", 13, size=5)
    assert error_of(lambda: run(download(source, tmp_path / "raw"), tmp_path, IMAGES)) == (
        "dog/13.BMP: 6 x 5 pixels, but cat/00.png: 7 x 6 pixels; all images must have one size: resize or crop them\n"
        "If you change files of datasets.mine.download.source, run: .venv/bin/dvc repro --force download@mine, "
        "then make repro"
    )
    assert not (tmp_path / "arrow").exists()


def test_a_damaged_image_is_named(source: Path, tmp_path: Path) -> None:
    path = source / "fox" / "02.png"
    path.write_bytes(path.read_bytes()[:60])
    assert error_of(lambda: run(download(source, tmp_path / "raw"), tmp_path, IMAGES)).startswith(
        "fox/02.png: not a comp"
    )


def test_an_image_of_more_pixels_than_its_file_can_hold_is_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        Image.new("1", (1000, 1000)).save(source / "cat" / f"{number}0.png")
    monkeypatch.setattr(archives, "_SMALL", 1 << 17)
    said = error_of(lambda: read_images(source, CATALOG["images"], "every-fifth-tests"))
    assert "cat/00.png would grow from" in said


def test_windows_are_for_recordings(source: Path, tmp_path: Path) -> None:
    params = IMAGES.model_copy(update={"window": WindowParams(ms=1, min_events=1)})
    said = error_of(lambda: run(download(source, tmp_path / "raw"), tmp_path, params))
    assert said.endswith("preprocess.window: only the user's own recordings have it; set it to null")
