"""Untrained networks in folders, with the inputs of a training on images or on recordings of a DVS128."""

from pathlib import Path
from typing import Any

from models.sresnet import SResNet
from pipeline.ground.params import PreprocessParams, WindowParams
from pipeline.ground.schema import as_json
from pipeline.preprocess.samples import reading_of
from tests.models.small import small_network

CLASSES = ["cup", "mug", "jug"]


def image_network(folder: Path, *, channels: int = 3, **parts: Any) -> SResNet:
    """Takes images of 8 x 8 pixels."""
    return _saved(folder, channels, None, [channels, 8, 8], parts)


def event_network(folder: Path, *, window: WindowParams | None = None, **parts: Any) -> SResNet:
    """Takes 3 frames of 8 x 8 pixels of a DVS128."""
    params = PreprocessParams(split="every-fifth-tests", shards=1, frames=3, size=8, compression="none", window=window)
    return _saved(folder, 2, as_json(reading_of(params, None)), [3, 2, 8, 8], {"frames": True, **parts})


def _saved(folder: Path, channels: int, framing: Any, shape: list[int], parts: dict[str, Any]) -> SResNet:
    model = small_network(channels=channels, **parts).float().eval()
    model.inputs = described(CLASSES, shape, framing)
    model.save_pretrained(folder)
    return model


def described(classes: list[str], shape: list[int], framing: Any) -> dict[str, Any]:
    """What config.json says of the inputs; images have `framing` None."""
    images = framing is None
    return {
        "title": "Cups",
        "licence": "the user's",
        "citation": "none",
        "kind": "images" if images else "frames",
        "classes": classes,
        "sample_shape": shape,
        "sensor": None if images else [128, 128],
        "framing": framing,
        "scale": 1 / 255 if images else 1 / (128 // shape[-1]) ** 2,
        "pixel_mean": [0.5] * shape[-3] if images else [],
        "pixel_std": [0.25] * shape[-3] if images else [],
    }
