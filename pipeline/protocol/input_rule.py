"""The rule by which a file becomes an input of a trained network. Needs no torch, since verify reads it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from models.bounds import STRICT
from pipeline.data.store import Manifest
from pipeline.protocol.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """How a file becomes an input of a trained network; lies beside its weights, in config.json."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    title: str
    """Of the data that the network was trained on."""
    licence: str
    citation: str
    kind: Literal["images", "frames"]
    classes: list[str]
    """K class names, in the order of the logits."""
    sample_shape: list[int]
    """[C, H, W] or [T, 2, H, W]."""
    sensor: list[int] | None
    """Width and height of the camera's sensor (pixels); None for images."""
    framing: dict[str, Any] | None
    """How a recording becomes frames, as in the manifest; None for images."""
    scale: float
    pixel_mean: list[float]
    pixel_std: list[float]

    @classmethod
    def of(cls, manifest: Manifest, training: TrainingConfig) -> "Inputs":
        """The inputs of a training on this split."""
        return cls(
            title=manifest.title,
            licence=manifest.licence,
            citation=manifest.citation,
            kind=manifest.kind,
            classes=manifest.classes,
            sample_shape=manifest.sample_shape,
            sensor=manifest.sensor,
            framing=manifest.framing,
            scale=manifest.scale,
            pixel_mean=list(training.pixel_mean),
            pixel_std=list(training.pixel_std),
        )
