"""predictions.parquet: the output voltage of every test sample after every step.

Shapes: N (or B) samples, T steps, K classes.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.audit.operations import Work
from pipeline.errors import InputError
from pipeline.files import whole


@dataclass(frozen=True, kw_only=True)
class About:
    """What the predictions are of."""

    experiment: str
    seed: int
    classes: list[str]
    """K names, in the order of the labels."""
    model_sha256: str
    """Digest of model.safetensors."""
    data_digest: str
    """Digest of the rows of the test split."""


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Every sample of a test split once, in the order of the split."""

    about: About
    ids: list[str]
    labels: npt.NDArray[np.int64]
    """(N,)"""
    voltage: npt.NDArray[np.float32]
    """Accumulated output voltage after each step, (N, T, K); the last over T is the logit."""

    def write(self, path: Path) -> None:
        """Writes the table, whole or not at all; the same predictions give the same bytes."""
        tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(self.voltage))
        table = pa.table({"id": self.ids, "label": self.labels, "voltage": tensor})
        table = table.replace_schema_metadata({"about": json.dumps(asdict(self.about), sort_keys=True)})
        with whole(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the network did on B test samples."""

    voltage: npt.NDArray[np.float32]
    """(B, T, K)"""
    spikes: dict[str, npt.NDArray[np.int64]]
    """Spikes of each layer at each step, (T,)."""
    neurons: dict[str, int]
    """Neurons of each layer for one sample."""
    work: dict[str, Work]
    """Of each layer with weights."""
    computed_by: frozenset[str]
    """What computed it: hardware.computed_by of each worker."""


def read_predictions(path: Path) -> Predictions:
    """The content of predictions.parquet. Raises InputError."""
    try:
        table = pq.read_table(path)
        about = About(**json.loads(table.schema.metadata[b"about"]))
        voltage = table["voltage"].combine_chunks().to_numpy_ndarray()
    except FileNotFoundError:
        raise InputError(f"{path}: not found; the stage `evaluate` makes it") from None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the predictions of a test split ({error}); evaluate again") from None
    return Predictions(about=about, ids=table["id"].to_pylist(), labels=table["label"].to_numpy(), voltage=voltage)
