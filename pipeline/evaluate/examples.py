"""A few test samples with the network's predictions, to show in the report."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.store import Store
from pipeline.evaluate.predictions import Predictions
from pipeline.ground.files import whole

EXAMPLES = 4


def write_examples(store: Store, predictions: Predictions, path: Path) -> None:
    """Writes the first test sample of each of the first EXAMPLES classes: stored pixels, id, label and prediction.

    The format is Parquet, because the bytes of .npz depend on the zlib that Python was built with.
    """
    places = [int(np.flatnonzero(store.labels == label)[0]) for label in np.unique(store.labels)[:EXAMPLES]]
    table = pa.table(
        {
            "pixels": pa.FixedShapeTensorArray.from_numpy_ndarray(store.read(np.array(places))),
            "id": [store.ids[i] for i in places],
            "label": store.labels[places],
            "predicted": predictions.voltage[places, -1].argmax(1),
        }
    )
    with whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
