"""Examples as the stage `evaluate` writes them."""

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


def write_pictures(path: Path, pixels: np.ndarray, ids: list[str], labels: list[int], predicted: list[int]) -> None:
    """An examples.parquet of a sample a label, each with its prediction."""
    voltage = np.eye(3, dtype=np.float32)[predicted][:, None]
    predictions = Predictions(about=ABOUT, ids=ids, labels=np.array(labels), voltage=voltage)
    write_examples(Samples(pixels, ids, labels), predictions, path)  # type: ignore[arg-type]
