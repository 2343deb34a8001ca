"""A few test samples with what the network made of them, for the report to show."""

from pathlib import Path

import numpy as np

from pipeline.audit.predictions import Predictions
from pipeline.data.store import Store
from pipeline.files import whole

EXAMPLES = 4


def write_examples(store: Store, predictions: Predictions, path: Path) -> None:
    """Writes the first test sample of each of the first classes: pixels as stored, id, label and prediction."""
    places = [int(np.flatnonzero(store.labels == label)[0]) for label in np.unique(store.labels)[:EXAMPLES]]
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            pixels=store.read(np.array(places)),
            id=np.array([store.ids[i] for i in places]),
            label=store.labels[places],
            predicted=predictions.voltage[places, -1].argmax(1),
        )
