"""Converts stored pixels into network input. Shapes: B samples, T time steps, C channels, H height, W width."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


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
