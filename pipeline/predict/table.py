"""Predictions as a Parquet file, written while they come."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.ground.files import whole
from pipeline.ground.names import shown
from pipeline.predict.predict import Prediction

ROWS = 1000
"""Predictions in a row group; no more are in memory."""


def written_predictions(predictions: Iterable[Prediction], classes: list[str], path: Path) -> Iterator[Prediction]:
    """Yields the predictions and writes them to `path`, which is replaced only once all are written, if there are any.

    Columns: sample, class, probability, and probabilities, a list in the order of `classes`, which the metadata have.
    """
    waiting = iter(predictions)
    schema = pa.schema(
        [
            ("sample", pa.string()),
            ("class", pa.string()),
            ("probability", pa.float32()),
            ("probabilities", pa.list_(pa.float32(), len(classes))),
        ],
        metadata={"classes": json.dumps(classes)},
    )
    if not (rows := list(islice(waiting, ROWS))):
        return
    with whole(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as file:
        while rows:
            file.write_table(_table(rows, schema))
            yield from rows
            rows = list(islice(waiting, ROWS))


def _table(rows: list[Prediction], schema: pa.Schema) -> pa.Table:
    likely = np.stack([row.probabilities for row in rows])
    lists = pa.FixedSizeListArray.from_arrays(pa.array(likely.ravel()), likely.shape[1])
    columns = [[shown(row.sample) for row in rows], [row.class_name for row in rows], likely.max(1), lists]
    return pa.table(columns, schema=schema)
