"""Examples as the stage `evaluate` writes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.evaluate.examples import write_examples
from tests.evaluate.made import ABOUT, Predictions


class Samples:
    """What write_examples asks of a store."""

    def __init__(self, pixels: np.ndarray, ids: list[str], labels: list[int]) -> None:
        self.pixels, self.ids, self.labels = pixels, ids, np.array(labels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.pixels[indices]


def write_pictures(
    path: Path, pixels: np.ndarray, ids: list[str], labels: list[int], predicted: list[int], classes: Sequence[str] = ()
) -> None:
    """An examples.parquet of a sample a label, and beside it the predictions of these samples if there are none."""
    voltage = np.eye(3, dtype=np.float32)[predicted][:, None]
    about = replace(ABOUT, classes=list(classes) or ABOUT.classes)
    predictions = Predictions(about=about, ids=ids, labels=np.array(labels), voltage=voltage)
    write_examples(Samples(pixels, ids, labels), predictions, path)  # type: ignore[arg-type]
    if not (beside := path.with_name("predictions.parquet")).exists():
        predictions.write(beside)
