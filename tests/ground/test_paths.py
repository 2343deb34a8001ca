"""Paths of the repository, and places where its folders must not be."""

from pathlib import Path

import pytest

from pipeline.ground import paths
from pipeline.ground.errors import InputError


@pytest.mark.parametrize("name", ["data", "artifacts", "records", "results", "report"])
def test_an_output_behind_a_link_is_refused_before_a_stage_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    (tmp_path / "disk").mkdir()
    (tmp_path / name).mkdir()
    paths.check_places()
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to(tmp_path / "disk")
    with pytest.raises(InputError, match=f"{name}: is a symbolic link, .*dvc cache dir --local"):
        paths.check_places()
