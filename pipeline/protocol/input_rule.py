"""The rule by which a file becomes an input of a trained network. Needs no torch, since verify reads it."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from models.bounds import STRICT, Within
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
    scale: Annotated[float, Within(1e-9, 1)]
    """Factor of the stored integers: 1/255 for images, 1/k^2 for sums of counts over k x k pixels."""
    pixel_mean: Annotated[list[float], Within(0, 1)]
    pixel_std: Annotated[list[float], Within(0.001, 1)]

    def __post_init__(self) -> None:
        if len(self.sample_shape) != (3 if self.kind == "images" else 4):
            raise ValueError(f"sample_shape {self.sample_shape} is not that of {self.kind}")
        means, deviations = len(self.pixel_mean), len(self.pixel_std)
        if means != deviations or means not in (0, self.sample_shape[-3]):
            raise ValueError(f"pixel_mean has {means} value(s) and pixel_std {deviations}; both need one per channel")

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
