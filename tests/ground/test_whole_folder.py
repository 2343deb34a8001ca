"""A folder is filled completely or not at all."""

import shutil
from pathlib import Path

import pytest

from pipeline.ground.files import whole_folder


def stop_halfway(folder: Path) -> None:
    with whole_folder(folder) as temporary:
        (temporary / "new").touch()
        raise ValueError("stop")


def old(folder: Path) -> None:
    folder.mkdir()
    (folder / "old").touch()


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    old(tmp_path / "data")
    with pytest.raises(ValueError, match="stop"):
        stop_halfway(tmp_path / "data")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["old"]
    with whole_folder(tmp_path / "data") as folder:
        (folder / "new").touch()
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a killed process removes nothing
        with pytest.raises(ValueError, match="stop"):
            stop_halfway(tmp_path / "data")
    (killed,) = tmp_path.iterdir()
    for name in (f"{killed.name}.before", ".data.x.abcd1234", ".data", "data.abcd1234", "data"):
        old(tmp_path / name)
    with whole_folder(tmp_path / "data") as folder:
        (folder / "new").touch()
    left = {path.name: [file.name for file in path.iterdir()] for path in tmp_path.iterdir()}
    assert left == {".data.x.abcd1234": ["old"], ".data": ["old"], "data.abcd1234": ["old"], "data": ["new"]}


def test_an_error_leaves_no_folder_above(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"):
        stop_halfway(tmp_path / "a" / "b" / "data")
    assert list(tmp_path.iterdir()) == []
