"""predictions.parquet is read back as written; for a wrong file one error names the fault."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate.predictions import read_predictions
from pipeline.ground.errors import InputError
from tests.evaluate.made import FIVE


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


def wrong_table(column: str, values: Any) -> pa.Table:
    """Five sound rows, but for one column."""
    about = {"about": json.dumps(asdict(FIVE.about))}
    columns = {"id": FIVE.ids, "label": FIVE.labels, "voltage": tensor(FIVE.voltage)} | {column: values}
    return pa.table({name: value for name, value in columns.items() if value is not None}).replace_schema_metadata(
        about
    )


def tensor(values: npt.NDArray[Any]) -> Any:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(values))


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("id", None, "id"),
        ("label", None, "label"),
        ("voltage", None, "voltage"),
        ("id", [*FIVE.ids[:4], FIVE.ids[0]], "an id occurs twice"),
        ("id", [*FIVE.ids[:4], None], "a value of id is missing"),
        ("label", [*FIVE.labels[:4].tolist(), None], "a value of label is missing"),
        ("label", [*FIVE.labels[:4].tolist(), 99], "label is int64 from 0 to 99, expected int64 from 0 to"),
        ("label", [*FIVE.labels[:4].tolist(), -1], "label is int64 from -1 to"),
        ("label", tensor(FIVE.labels[:, None]), "label has 2 axes, expected 1"),
        ("label", ["a"] * 5, "the column label is of type string"),
        ("voltage", [1.0] * 5, "the column voltage is of type double"),
        ("voltage", tensor(FIVE.voltage.astype(np.float64)), "voltage is float64 of shape"),
        ("voltage", tensor(FIVE.voltage[:, :, :1]), "voltage is float32 of shape"),
        ("voltage", tensor(FIVE.voltage[:, 0]), "voltage is float32 of shape"),
    ],
)
def test_a_wrong_column_is_one_error(tmp_path: Path, column: str, values: Any, reason: str) -> None:
    pq.write_table(wrong_table(column, values), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=rf"p\.parquet: not the predictions of a test split \(.*({reason})"):
        read_predictions(tmp_path / "p.parquet")


@pytest.mark.parametrize("about", ["{", "[]", "{}", "[" * 100_000, json.dumps(asdict(FIVE.about) | {"classes": 3})])
def test_a_wrong_description_is_one_error(tmp_path: Path, about: str) -> None:
    table = wrong_table("id", FIVE.ids).replace_schema_metadata({"about": about})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"p\.parquet: not the predictions of a test split"):
        read_predictions(tmp_path / "p.parquet")


def test_a_cut_file_and_a_folder_are_one_error(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    FIVE.write(path)
    path.write_bytes(path.read_bytes()[:-20])
    for wrong in (path, tmp_path):
        with pytest.raises(InputError, match="not the predictions of a test split"):
            read_predictions(wrong)
