"""Augmentation with counter-based random numbers (counter.py): a sample's does not depend on its batch.

Numbers are drawn on the host; pixels are computed where they lie. Shapes: B images, C channels, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.cutout import cutout
from pipeline.protocol.inputs import on_device
from pipeline.protocol.nda import nda
from pipeline.protocol.resample import resample

PADDING = 4  # pixels; authors' train.py, RandomCrop(32, padding=4)
CROP_STREAM = 10
EXACT = ("none", "crop-flip", "nda")
"""Augmentations that move or clear pixels and compute nothing with them: the same bits on every device. AutoAugment
blends images in float32, where a device may round otherwise."""


def augmented(pixels: Tensor, training: TrainingConfig, seed: int, epoch: int, indices: Indices) -> Tensor:
    """Pixels of samples, as the training augments them in this epoch; event frames may be wider than uint8."""
    if training.augmentation == "none":
        return pixels
    if training.augmentation == "nda":
        return nda(pixels, seed, epoch, indices)
    pixels = crop_flip(pixels, seed, epoch, indices)
    if training.augmentation == "crop-flip":
        return pixels
    from pipeline.protocol.autoaugment import autoaugment  # imports torchvision, which the others do not need

    mean = np.array(training.pixel_mean or (0.0,) * pixels.shape[1])
    fill = on_device(np.round(255 * mean).astype(np.uint8), pixels.device)
    return cutout(autoaugment(pixels, seed, epoch, indices), fill, seed, epoch, indices)


def crop_flip(images: Tensor, seed: int, epoch: int, indices: Indices) -> Tensor:
    """Images (B, C, H, W), randomly cropped after padding by 4 black pixels, and mirrored with probability 1/2.

    The padding is 0 before standardization, as in the authors' code, where torchvision's RandomCrop pads the raw image.
    """
    drawn = counter_hash(seed, epoch, indices, CROP_STREAM)
    offsets = np.uint64(2 * PADDING + 1)
    numbers = [drawn % offsets, (drawn >> np.uint64(16)) % offsets, (drawn >> np.uint64(32)) & np.uint64(1)]
    top, left, flip = on_device(np.stack(numbers).astype(np.int64), images.device)[:, :, None, None]
    height, width = images.shape[2:]
    across = torch.arange(width, device=images.device)
    rows = top - PADDING + torch.arange(height, device=images.device)[:, None]
    columns = left - PADDING + torch.where(flip == 1, width - 1 - across, across)
    return resample(images, rows, columns, (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))
