"""A downloaded dataset, and its preprocessing in one process."""

from pathlib import Path

import pytest

from tests.preprocess.made import Files, contents, download, record, run


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten recordings of each of two classes."""
    folder = tmp_path_factory.mktemp("raw")
    for seed in range(20):
        record(folder / "source" / ("mug", "cup")[seed % 2] / f"{seed:02}.aedat", seed)
    return download(folder / "source", folder / "mine")


@pytest.fixture(scope="session")
def expected(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What one process makes."""
    folder = tmp_path_factory.mktemp("expected")
    run(raw, folder)
    return contents(folder)
