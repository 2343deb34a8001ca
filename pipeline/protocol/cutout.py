"""A random rectangle of pixels that is covered. DeVries & Taylor, "Improved Regularization of Convolutional Neural
Networks with Cutout" (2017)."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.inputs import on_device

CUTOUT_STREAM = 14
CUTOUT_SIDE = 16
"""Pixels; for CIFAR-10, as there and in AutoAugment's paper."""


def cutout(images: Tensor, fill: Tensor, seed: int, epoch: int, indices: Indices) -> Tensor:
    """Images (B, C, H, W) with a square of 16 x 16 pixels in the colour `fill` (C,)."""
    drawn = counter_hash(seed, epoch, indices, CUTOUT_STREAM)
    covered = hole(drawn, images.shape[-2:], (CUTOUT_SIDE, CUTOUT_SIDE), images.device)
    return torch.where(covered[:, None], fill[:, None, None], images)


def hole(drawn: npt.NDArray[np.uint64], size: tuple[int, ...], sides: tuple[int, int], device: torch.device) -> Tensor:
    """True in a rectangle of that height and width around a random pixel, (B, H, W); the image's border may cut it.

    Its place follows from the lower and the upper 32 bits of a number for each image, (B,).
    """
    inside = []
    for shift, length, side in zip((0, 32), size, sides, strict=True):
        centre = ((drawn >> np.uint64(shift)) & np.uint64(2**32 - 1)) % np.uint64(length)
        first = on_device(centre.astype(np.int64) - side // 2, device)[:, None]
        place = torch.arange(length, device=device)
        inside.append((place >= first) & (place < first + side))
    return inside[0][:, :, None] & inside[1][:, None, :]
