"""Augmentation with counter-based random numbers (counter.py): a sample's does not depend on its batch."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.cutout import cutout
from pipeline.protocol.nda import nda

PADDING = 4  # pixels; authors' train.py, RandomCrop(32, padding=4)
CROP_STREAM = 10


def augmented(
    pixels: npt.NDArray[Any], training: TrainingConfig, seed: int, epoch: int, indices: Indices
) -> npt.NDArray[Any]:
    """Pixels of samples, as the training augments them in this epoch; event frames may be wider than uint8."""
    if training.augmentation == "none":
        return pixels
    if training.augmentation == "nda":
        return nda(pixels, seed, epoch, indices)
    pixels = crop_flip(pixels, seed, epoch, indices)
    if training.augmentation == "crop-flip":
        return pixels
    from pipeline.protocol.autoaugment import autoaugment  # imports torchvision, which the others do not need

    fill = np.array(training.pixel_mean or (0.0,) * pixels.shape[1])
    return cutout(
        autoaugment(pixels, seed, epoch, indices), np.round(255 * fill).astype(np.uint8), seed, epoch, indices
    )


def crop_flip(images: npt.NDArray[np.uint8], seed: int, epoch: int, indices: Indices) -> npt.NDArray[np.uint8]:
    """Images (B, C, H, W), randomly cropped after padding by 4 black pixels, and mirrored with probability 1/2.

    The padding is 0 before standardization, as in the authors' code, where torchvision's RandomCrop pads the raw image.
    """
    drawn = counter_hash(seed, epoch, indices, CROP_STREAM)
    offsets = np.uint64(2 * PADDING + 1)
    top, left = drawn % offsets, (drawn >> np.uint64(16)) % offsets
    flip = (drawn >> np.uint64(32)) & np.uint64(1) == 1
    height, width = images.shape[2:]
    rows = top.astype(np.int64)[:, None] + np.arange(height)
    columns = left.astype(np.int64)[:, None] + np.arange(width)
    columns[flip] = columns[flip, ::-1]
    padded = np.pad(images, ((0, 0), (0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    batch, channel = np.arange(len(images)), np.arange(images.shape[1])
    return padded[batch[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]]
