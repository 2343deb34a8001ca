"""Converts stored pixels into network input. Shapes: B samples, T time steps, C channels, H height, W width."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

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


class Standardized(Protocol):
    """Whatever has the mean and the standard deviation per channel: a TrainingConfig, or Inputs."""

    @property
    def pixel_mean(self) -> Sequence[float]: ...

    @property
    def pixel_std(self) -> Sequence[float]: ...


def prepare(pixels: np.ndarray, scale: float, known: Standardized, device: torch.device) -> Tensor:
    """Float32 input (B, C, H, W) or (B, T, 2, H, W): pixels x scale, images standardized by pixel_mean and pixel_std.

    `scale` is the store's: 1/255 maps images to 0 to 1, 1/4 turns sums of counts over 2x2 pixels into means.
    """
    values = torch.from_numpy(pixels).to(device).to(torch.float32) * scale
    if not known.pixel_mean:
        return values
    mean = torch.tensor(known.pixel_mean, device=device).view(-1, 1, 1)
    return (values - mean) / torch.tensor(known.pixel_std, device=device).view(-1, 1, 1)
