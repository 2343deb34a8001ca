"""Converts stored pixels into network input. Shapes: B samples, T time steps, C channels, H height, W width."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

import numpy.typing as npt
import torch
from torch import Tensor


class Standardized(Protocol):
    """Whatever has the mean and the standard deviation per channel: a TrainingConfig, or Inputs."""

    @property
    def pixel_mean(self) -> Sequence[float]: ...

    @property
    def pixel_std(self) -> Sequence[float]: ...


def prepare(pixels: npt.NDArray[Any], scale: float, known: Standardized, device: torch.device) -> Tensor:
    """Float32 input (B, C, H, W) or (B, T, 2, H, W) of pixels on the host, as `standardized`."""
    return standardized(on_device(pixels, device), scale, known)


def standardized(pixels: Tensor, scale: float, known: Standardized) -> Tensor:
    """Float32 input of the shape of `pixels`: pixels x scale, images standardized by pixel_mean and pixel_std.

    `scale` is the store's: 1/255 maps images to 0 to 1, 1/4 turns sums of counts over 2x2 pixels into means.
    """
    values = pixels.to(torch.float32) * scale
    if not known.pixel_mean:
        return values
    mean, deviation = (_per_channel(tuple(each), pixels.device) for each in (known.pixel_mean, known.pixel_std))
    return (values - mean) / deviation


def on_device(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """The values as a tensor there; on a CPU it shares their memory."""
    return to_device(torch.from_numpy(values), device)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """The values there, without waiting for the work that is queued there.

    A copy to a GPU from ordinary memory waits. One from pinned memory does not, and torch keeps that memory until the
    copy is done.
    """
    if values.device.type == "cpu" and device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


@lru_cache(maxsize=8)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Kept, since a copy to a GPU at each step would wait."""
    return torch.tensor(values, device=device).view(-1, 1, 1)
