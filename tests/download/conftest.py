"""The folder that a dataset is fetched into."""

from pathlib import Path

import pytest


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"
