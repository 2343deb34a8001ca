"""Fixtures: a repository with its report, a copy of the report elsewhere, and a key."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verify.edits import write_keys
from tests.verify.made_report import make_root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        make_root(folder, patch)
        yield folder


@pytest.fixture
def report(root: Path, tmp_path: Path) -> Path:
    """The report in another place, with nothing else of the repository."""
    return shutil.copytree(root / "report", tmp_path / "copied")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_keys(tmp_path / "key")
