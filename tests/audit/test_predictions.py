"""predictions.parquet gives back what was written, and says what is wrong with a file that is something else."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.audit.predictions import read_predictions
from pipeline.errors import InputError
from tests.audit.made import FIVE


def test_what_is_written_is_read(tmp_path: Path) -> None:
    FIVE.write(tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    assert (read.about, read.ids, read.labels.tolist()) == (FIVE.about, FIVE.ids, FIVE.labels.tolist())
    assert np.array_equal(read.voltage, FIVE.voltage)


def test_the_same_predictions_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        FIVE.write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_reader_needs_only_parquet(tmp_path: Path) -> None:
    FIVE.write(tmp_path / "p.parquet")
    assert pq.read_schema(tmp_path / "p.parquet").names == ["id", "label", "voltage"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"something else"])
def test_another_file_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.parquet: not the predictions of a test split.*evaluate again"):
        read_predictions(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="not found; the stage `evaluate` makes it"):
        read_predictions(tmp_path / "none.parquet")


def test_a_table_of_something_else_is_one_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match="not the predictions of a test split"):
        read_predictions(tmp_path / "p.parquet")
