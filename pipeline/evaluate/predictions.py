"""predictions.parquet: the output voltage of every test sample after every time step.

Shapes: N (or B) samples, T time steps, K classes.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from models.bounds import STRICT, Natural
from pipeline.evaluate.bounded_parquet import read_bounded
from pipeline.evaluate.operations import Work
from pipeline.ground.errors import InputError
from pipeline.ground.files import parse_json, whole


@dataclass(frozen=True, kw_only=True)
class About:
    """Training and data that the predictions belong to."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    experiment: str
    seed: Natural
    classes: list[str]
    """K class names, in the order of the labels."""
    model_sha256: str
    """Digest of model.safetensors."""
    data_digest: str
    """Digest of the rows of the test split."""


SomeAbout = TypeVar("SomeAbout", bound=About)
"""About, or a class that extends it."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Every sample of a test split once, in the order of the split."""

    about: About
    ids: list[str]
    labels: npt.NDArray[np.int64]
    """(N,)"""
    voltage: npt.NDArray[np.float32]
    """Scores of the readout after each step, (N, T, K): with mean-voltage and boosting the accumulated output voltage,
    whose last value divided by T is the logit."""

    def write(self, path: Path) -> None:
        """Writes the table, atomically and deterministically."""
        tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.array(self.voltage, order="C"))
        table = pa.table({"id": self.ids, "label": self.labels, "voltage": tensor})
        table = table.replace_schema_metadata({"about": json.dumps(asdict(self.about), sort_keys=True)})
        with whole(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Results of the network on B test samples."""

    voltage: npt.NDArray[np.float32]
    """(B, T, K)"""
    spikes: dict[str, npt.NDArray[np.int64]]
    """Spikes of each layer at each step, (T,)."""
    neurons: dict[str, int]
    """Number of neurons in each layer."""
    work: dict[str, Work]
    """Work of each layer with weights, and of neurons without one."""
    computed_by: frozenset[str]
    """Processors that computed it: hardware.computed_by of each worker."""


def read_predictions(path: Path) -> Predictions:
    """The content of predictions.parquet. Raises InputError."""
    about, ids, labels, voltage = read_split(path, "voltage", About, _unlike, "predictions")
    return Predictions(about=about, ids=ids, labels=labels, voltage=voltage)


def read_split(
    path: Path,
    column: str,
    kind: type[SomeAbout],
    unlike: Callable[[SomeAbout, npt.NDArray[Any]], str | None],
    what: str,
) -> tuple[SomeAbout, list[str], npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Metadata, ids, labels and the tensors of a column of a table with a row for each test sample.

    `unlike` says why the tensors cannot be `what`. Raises InputError.
    """
    try:
        table = read_bounded(path, ("id", "label", column), ("id",))
        about = about_in(table.schema, kind)
        values = table[column].combine_chunks().to_numpy_ndarray()
        ids, labels = _unique_ids(table["id"]), np.array(table["label"].to_pylist())
        reason = unlike(about, values) or _unlike_labels(about, labels)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; the stage `evaluate` makes it") from None
    except (OSError, pa.ArrowException, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = str(error)
    if reason:
        raise InputError(f"{path}: not the {what} of a test split ({reason}); evaluate again")
    return about, ids, labels, values


def read_about(path: Path) -> About:
    """The metadata of predictions.parquet, without reading columns. Raises InputError."""
    try:
        return about_in(pq.read_schema(path), About)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the predictions of a test split ({error}); evaluate again") from None


def about_in(schema: pa.Schema, kind: type[SomeAbout]) -> SomeAbout:
    """The metadata of a table. Raises KeyError, TypeError, ValueError."""
    from pipeline.ground.schema import as_type  # imports pydantic, which workers need not have

    return as_type(kind, parse_json(schema.metadata[b"about"]))


def _unique_ids(column: pa.ChunkedArray) -> list[str]:
    """The ids. Raises ValueError if one occurs twice.

    Dictionary indices are checked before ids are decoded: a million copies of one long id would not fit in memory.
    """
    for chunk in column.chunks:
        if len(chunk.indices.unique()) != len(chunk):
            raise ValueError("an id occurs twice")
    ids: list[str] = column.to_pylist()
    if len(set(ids)) != len(ids):
        raise ValueError("an id occurs twice")
    return ids


def _unlike(about: About, voltage: npt.NDArray[Any]) -> str | None:
    """Why these cannot be predictions, or None. Non-finite voltages are left to `verify` to report."""
    classes = len(about.classes)
    if voltage.dtype != np.float32 or voltage.ndim != 3 or 0 in voltage.shape or voltage.shape[2] != classes:
        return f"voltage is {voltage.dtype} of shape {voltage.shape}, expected float32 of (samples, steps, {classes})"
    return None


def _unlike_labels(about: About, labels: npt.NDArray[Any]) -> str | None:
    """Why these cannot be labels, or None. Raises TypeError, ValueError for other types."""
    classes = len(about.classes)
    if labels.ndim != 1:
        return f"label has {labels.ndim} axes, expected 1"
    if labels.dtype != np.int64 or labels.min() < 0 or labels.max() >= classes:
        return f"label is {labels.dtype} from {labels.min()} to {labels.max()}, expected int64 from 0 to {classes - 1}"
    return None
