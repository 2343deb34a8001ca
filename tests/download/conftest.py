"""Folders of a test: that of a dataset's files, and that into which archives are unpacked."""

from pathlib import Path

import pytest

from pipeline.download import archives


@pytest.fixture(autouse=True)
def unpacked_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(archives, "UNPACKED", tmp_path / "unpacked")
    return tmp_path / "unpacked"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


@pytest.fixture
def into(raw: Path) -> Path:
    """That into which a dataset is fetched."""
    return raw
