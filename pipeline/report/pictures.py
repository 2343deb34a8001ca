"""A few test samples as pictures in data URLs. Shapes: T time steps, C channels, H height, W width."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from pipeline.evaluate.bounded_parquet import read_bounded
from pipeline.evaluate.examples import EXAMPLES
from pipeline.evaluate.predictions import Predictions
from pipeline.ground.errors import InputError

GAP = 2  # pixels between frames
_STRIP_FRAMES = 8  # frames of a strip
ON, OFF = (0, 114, 178), (213, 94, 0)  # Okabe and Ito's blue and vermilion


@dataclass(frozen=True, kw_only=True)
class Example:
    """One test sample."""

    id: str
    label: str
    predicted: str
    address: str
    """PNG as a data URL."""
    frames: int
    """Number of frames side by side in the picture; 1 for an image."""


def examples(path: Path, predictions: Predictions) -> list[Example]:
    """The samples of an examples.parquet, with label and predicted class from the predictions. Raises InputError."""
    try:
        table = read_bounded(path, ("pixels", "id", "label", "predicted"), ("id",))
        return list(_examples(table, predictions))
    except FileNotFoundError:
        raise InputError(f"{path}: not found; the stage `evaluate` makes it") from None
    except (OSError, pa.ArrowException, AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{path}: no examples of a test split, or damaged ({error}); evaluate again") from None


def _examples(table: pa.Table, predictions: Predictions) -> Iterator[Example]:
    if len(table) > EXAMPLES:
        raise ValueError(f"{len(table)} examples, {EXAMPLES} at most are written")
    names, pixels = table["id"].to_pylist(), table["pixels"].combine_chunks().to_numpy_ndarray()
    if pixels.dtype.kind != "u" or (pixels.ndim == 4 and pixels.dtype != np.uint8):
        raise ValueError(f"pixels of type {pixels.dtype}; expected uint8, or counts of events")
    for name, one in zip(names, pixels, strict=True):
        yield _example(name, one, predictions)


def _example(name: str, pixels: npt.NDArray[Any], predictions: Predictions) -> Example:
    sample, classes = predictions.ids.index(name), predictions.about.classes
    picture, frames = (strip(pixels), min(_STRIP_FRAMES, len(pixels))) if pixels.ndim == 4 else (image(pixels), 1)
    label, answer = predictions.labels[sample], predictions.voltage[sample, -1].argmax()
    address = _address(picture)
    return Example(id=name, label=classes[label], predicted=classes[answer], address=address, frames=frames)


def image(pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An image (C, H, W) of one or three channels as RGBA (H, W, 4)."""
    shown = np.broadcast_to(pixels, (3, *pixels.shape[1:])).transpose(1, 2, 0)
    return np.dstack([shown, np.full(shown.shape[:2], 255)]).astype(np.uint8)


def strip(frames: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Frames (T, 2, H, W) as RGBA (H, W', 4): up to 8 frames side by side, transparent where there are no events.

    Each pixel has the colour of the polarity with more events. Its opacity is their number, relative to the sample's
    99th percentile.
    """
    shown = frames[np.linspace(0, len(frames) - 1, min(_STRIP_FRAMES, len(frames))).astype(int)].astype(np.int64)
    total = shown.sum(1)
    active = total[total > 0]
    full = max(1.0, float(np.percentile(active, 99))) if active.size else 1.0
    opacity = (255 * np.minimum(1.0, total / full)).astype(np.uint8)
    colour = np.where((shown[:, 1] >= shown[:, 0])[..., None], np.array(ON), np.array(OFF)).astype(np.uint8)
    pictures = np.concatenate([colour, opacity[..., None]], axis=-1)
    padded = np.pad(pictures, ((0, 0), (0, 0), (0, GAP), (0, 0)))
    joined: npt.NDArray[np.uint8] = np.concatenate(list(padded), axis=1)[:, :-GAP]
    return joined


def _address(picture: npt.NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(picture, "RGBA").save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
