"""Two classes of recordings, and their preprocessing in this process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.recording import Recording
from pipeline.data.store import Manifest
from pipeline.download.camera import write_aedat2
from pipeline.download.catalog import CATALOG
from pipeline.download.fetch import fetch
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams, DownloadParams, PreprocessParams
from pipeline.preprocess.preprocess import preprocess
from tests.train.tiny import ONE

PARAMS = PreprocessParams(split="every-fifth-tests", shards=3, frames=4, size=64, compression="none", window=None)
TITLE = "Cups and mugs"
Files = dict[str, bytes]


def record(path: Path, seed: int, *, events: int = 500) -> None:
    """A recording of integers that follow from `seed`."""
    place = np.arange(events)
    x, y, p = (place * step // 7 % limit for step, limit in ((seed + 3, 128), (seed + 11, 128), (seed + 5, 2)))
    write_aedat2(Recording(t=place * 100, x=x, y=y, p=p, width=128, height=128), path)


def download(source: Path, into: Path, catalog: str = "recordings") -> Path:
    """data/raw/mine as the stage `download` leaves it."""
    into.mkdir(parents=True)
    title = TITLE if CATALOG[catalog].origin == "user" else None
    fetch("mine", DownloadParams(catalog=catalog, source=str(source) if title else None, title=title), into)
    return into


def run(raw: Path, folder: Path, params: PreprocessParams = PARAMS, cluster: ClusterParams = ONE) -> list[Manifest]:
    """Writes <folder>/arrow/mine; what is not finished stands in <folder>/work."""
    return preprocess("mine", raw, params, cluster, folder / "arrow" / "mine", folder / "work")


def contents(folder: Path) -> Files:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        action()
    return str(error.value)
