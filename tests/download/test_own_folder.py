"""A dataset of the user's own: a folder of recordings or images is copied whole; each file is used or counted."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from pipeline.download import disk
from pipeline.download import fetch as module
from pipeline.download.fetch import fetch
from pipeline.download.title import title_of_files
from pipeline.ground.errors import InputError
from tests.download.made import folder_of, params, sha256, zipped

Usage = namedtuple("Usage", "total used free")
MINE = {"a/1.aedat": b"1", "b/2.aedat": b"2", "b/notes.txt": b"kept", ".git/x.aedat": b"3", "b/._2.aedat": b"4"}


def test_a_folder_of_the_user_is_copied_without_hidden_files(into: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, MINE)
    (tmp_path / "mine" / "a" / "c.aedat").symlink_to("1.aedat")
    source, _ = fetch("objects", params("recordings", folder), into)
    title = title_of_files("objects", into)
    assert (title.title, title.published) == ("objects (the user's recordings)", False)
    assert source.files == {
        "a/1.aedat": sha256(b"1"),
        "a/c.aedat": sha256(b"1"),
        "b/2.aedat": sha256(b"2"),
        "b/notes.txt": sha256(b"kept"),
    }
    assert not (into / "a" / "c.aedat").is_symlink()
    assert not (into / ".git").exists()


def test_images_of_the_user_are_copied(into: Path, tmp_path: Path) -> None:
    names = ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001", "validation-00000-of-00001")
    files = {f"data/{name}.parquet": name.encode() for name in names}
    source, tally = fetch("mine", params("parquet-images", folder_of(tmp_path, files | {"README.md": b""})), into)
    assert source.files == {name: sha256(content) for name, content in files.items()} | {"README.md": sha256(b"")}
    assert str(tally) == "5 file(s) found, 3 used (test 1, train 2), 2 left out (.md 1, validation 1)"


def test_a_copy_of_a_copy_is_the_same_dataset(into: Path, tmp_path: Path) -> None:
    first, _ = fetch("objects", params("recordings", folder_of(tmp_path, MINE)), into)
    (tmp_path / "again").mkdir()
    assert fetch("objects", params("recordings", str(into)), tmp_path / "again")[0] == first


@pytest.mark.parametrize("files", [{}, {"notes.txt": b""}, {".hidden.aedat": b""}])
def test_a_folder_without_samples_is_refused(into: Path, tmp_path: Path, files: dict[str, bytes]) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(
        InputError,
        match=r"mine: no \.aedat or \.aedat4 or \.bin or \.dat or \.h5 or \.hdf5 or \.npy or \.npz or \.raw file",
    ):
        fetch("objects", params("recordings", folder_of(tmp_path, files)), into)


def test_every_file_is_used_or_left_out_and_counted(into: Path, tmp_path: Path) -> None:
    archive = zipped(["a/3.aedat", "c/4.AEDAT", "c/note.txt", "__MACOSX/c/._4.aedat"])
    files = MINE | {
        "b/5.AEDAT": b"5",
        "b/6.aedat.bak": b"6",
        "b/README": b"",
        "more.ZIP": archive,
        "SOURCE.json": b"{}",
    }
    _, tally = fetch("objects", params("recordings", folder_of(tmp_path, files)), into)
    assert tally.used == {"a": 2, "b": 2, "c": 1}
    assert tally.left_out == {".bak": 1, ".json": 1, ".txt": 2, "hidden": 3, "no suffix": 1}
    assert str(tally) == (
        "13 file(s) found, 5 used (a 2, b 2, c 1), 8 left out (.bak 1, .json 1, .txt 2, hidden 3, no suffix 1)"
    )


def test_many_folders_are_one_line(into: Path, tmp_path: Path) -> None:
    files = {f"{number}/{place}.bin": b"" for number in range(13) for place in range(number + 1)}
    _, tally = fetch("objects", params("recordings", folder_of(tmp_path, files)), into)
    assert str(tally) == "91 file(s) found, 91 used (13 folders of 1 to 13), 0 left out"


def test_a_recording_without_a_folder_has_no_class(into: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"1.aedat": b"1", "cup/2.aedat": b"2"})
    with pytest.raises(InputError, match=r"mine: 1 recording\(s\) are not in a subfolder; put each into"):
        fetch("objects", params("recordings", folder), into)
    assert not list(into.iterdir())


@pytest.mark.parametrize("catalog", ["recordings", "images"])
@pytest.mark.parametrize("files", [{}, {"up/notes.txt": b""}, {"up/deeper/.hidden.png": b""}])
@pytest.mark.parametrize("above", ["", "train/"])
def test_a_class_folder_without_a_sample_is_an_error(
    into: Path, tmp_path: Path, catalog: str, files: dict[str, bytes], above: str
) -> None:
    suffix = {"recordings": "aedat", "images": "PNG"}[catalog]
    inside = {f"left/1.{suffix}": b"1", f"right/2.{suffix}": b"2"} | files
    folder = folder_of(tmp_path, {f"{above}{name}": content for name, content in inside.items()})
    (tmp_path / "mine" / above / "up").mkdir(exist_ok=True)
    with pytest.raises(
        InputError, match=rf"mine/{above}up: no {catalog[:-1]} in it, but the folders beside it are cla"
    ):
        fetch("objects", params(catalog, folder), into)
    assert not list(into.iterdir())


@pytest.mark.parametrize("pack", ["zip", "gztar"])
@pytest.mark.parametrize("files", [{}, {"up/notes.txt": b""}])
def test_a_class_folder_without_a_sample_in_an_archive_is_an_error(
    into: Path, tmp_path: Path, files: dict[str, bytes], pack: str
) -> None:
    folder = folder_of(tmp_path, {"set/left/1.bin": b"1"} | {f"set/{name}": content for name, content in files.items()})
    (tmp_path / "mine" / "set" / "up").mkdir(exist_ok=True)
    shutil.make_archive(str(tmp_path / "packed" / "all"), pack, folder)
    with pytest.raises(InputError, match=r"packed/set/up: no recording in it, but the folders beside it are classes"):
        fetch("objects", params("recordings", str(tmp_path / "packed")), into)


def test_folders_above_and_in_class_folders_are_no_classes(into: Path, tmp_path: Path) -> None:
    files = {"a/1.png": b"1", "a/notes/x.txt": b"", "more/b/2.jpg": b"2", "c/all.zip": zipped(["3.bmp"])}
    _, tally = fetch("objects", params("images", folder_of(tmp_path, files)), into)
    assert tally.used == {"a": 1, "more/b": 1, "c": 1}


def test_a_folder_of_image_files_is_no_folder_of_parquet_files(into: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no \.parquet file in it .*; for folders of image files use `catalog: images`"
    ):
        fetch("objects", params("parquet-images", folder_of(tmp_path, {"a/1.png": b"1"})), into)


def test_a_recording_that_comes_while_the_folder_is_copied_is_an_error(
    into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = module._copy

    def copy_what_is_there_now(paths: list[Path], folder: Path, into: Path) -> None:
        copy([path for path in paths if path.name != "2.aedat"], folder, into)

    monkeypatch.setattr(module, "_copy", copy_what_is_there_now)
    with pytest.raises(InputError, match="found 2 files to use, but copied 1"):
        fetch("objects", params("recordings", folder_of(tmp_path, MINE)), into)


def test_two_configurations_are_refused_before_anything_is_copied(into: Path, tmp_path: Path) -> None:
    names = [f"{folder}/{split}-00000-of-00001.parquet" for folder in ("plain", "more") for split in ("train", "test")]
    folder = folder_of(tmp_path, dict.fromkeys(names, b"rows"))
    with pytest.raises(InputError, match=r"2 folders, and each folder is a configuration: more, plain; set download\."):
        fetch("mine", params("parquet-images", folder), into)
    assert not list(into.iterdir())
    _, tally = fetch("mine", params("parquet-images", f"{folder}/plain"), into)
    assert tally.used == {"train": 1, "test": 1}


@pytest.mark.parametrize("source", ["/no/such/folder", "http://127.0.0.1:1/", "README.md"])
def test_a_source_that_is_no_folder_is_named(into: Path, source: str) -> None:
    with pytest.raises(InputError, match=f"datasets.objects.download.source: {source} is not a folder"):
        fetch("objects", params("recordings", source), into)


def test_a_copy_needs_its_space(into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, disk.DISK_MARGIN + 5))
    with pytest.raises(InputError, match="the disk has only"):
        fetch("objects", params("recordings", folder_of(tmp_path, MINE)), into)
    assert not list(into.iterdir())


def test_a_copy_that_differs_is_an_error(into: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: target.write_bytes(b"half"))
    with pytest.raises(InputError, match="the copy differs"):
        fetch("objects", params("recordings", folder_of(tmp_path, MINE)), into)
