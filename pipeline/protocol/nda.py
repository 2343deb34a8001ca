"""Augmentation of event frames with counter-based random numbers (counter.py).

Li et al., "Neuromorphic Data Augmentation for Training Spiking Neural Networks" (ECCV 2022): a horizontal flip with
probability 1/2, and one of roll, rotation, shear and cutout. All frames of a sample change alike. Their code has
several ranges: ours are its larger one of the roll and its smaller ones of rotation and shear. The side of the cutout,
a quarter of the frame's, is ours. Shapes: B samples, T time steps, H height, W width.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.cutout import hole
from pipeline.protocol.inputs import on_device
from pipeline.protocol.resample import resample

KIND_STREAM, AMOUNT_STREAM = 15, 16
ROLL, ROTATION, SHEAR, CUTOUT = range(4)
MOST_PIXELS = 5
"""Of a roll along each axis; what leaves at one side enters at the other."""
MOST_DEGREES = 15
"""Of a rotation, and of a shear along the rows."""
_ANGLES = [math.radians(degrees) for degrees in range(-MOST_DEGREES, MOST_DEGREES + 1)]
_COSINE, _SINE, _TANGENT = (np.array([of(angle) for angle in _ANGLES]) for of in (math.cos, math.sin, math.tan))
# A table, because numpy's functions need not round alike at each place of an array.


def nda(frames: Tensor, seed: int, epoch: int, indices: Indices) -> Tensor:
    """Frames (B, T, 2, H, W) of any unsigned integers, augmented: whole degrees, and the nearest pixel."""
    kinds = counter_hash(seed, epoch, indices, KIND_STREAM)
    amounts = counter_hash(seed, epoch, indices, AMOUNT_STREAM)
    kind, (height, width) = (kinds % np.uint64(4)).astype(np.int64), frames.shape[-2:]
    roll = [np.where(kind == ROLL, _within(amounts, shift, MOST_PIXELS), 0) for shift in (0, 32)]
    flips = (kinds >> np.uint64(32) & np.uint64(1)).astype(np.int64)
    down, right, flip, cut = on_device(np.stack([*roll, flips, kind == CUTOUT]), frames.device)[:, :, None, None]
    rows, columns = _turned(kind, amounts, height, width, frames.device)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    covered = hole(amounts, (height, width), (height // 4, width // 4), frames.device) & (cut == 1)
    columns = (columns - right) % width
    columns = torch.where(flip == 1, width - 1 - columns, columns)
    return resample(frames, rows - down, columns, inside & ~covered)


def _turned(
    kind: npt.NDArray[np.int64], amounts: npt.NDArray[np.uint64], height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Row and column, each (B, H, W), from which a pixel comes, after a rotation or shear around the centre.

    In float64, with one rounding an operation, as on every device.
    """
    angle = _within(amounts, 0, MOST_DEGREES) + MOST_DEGREES
    turn, shear = (np.where(kind == one, angle, MOST_DEGREES) for one in (ROTATION, SHEAR))
    factors = np.stack([_COSINE[turn], _SINE[turn], _TANGENT[shear]])
    cosine, sine, tangent = on_device(factors, device)[:, :, None, None]
    y = torch.arange(height, dtype=torch.float64, device=device)[:, None] - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float64, device=device) - (width - 1) / 2
    rows = cosine * y + sine * x + (height - 1) / 2
    columns = cosine * x - sine * y + tangent * y + (width - 1) / 2
    return (rows + 0.5).floor().to(torch.int64), (columns + 0.5).floor().to(torch.int64)


def _within(amounts: npt.NDArray[np.uint64], shift: int, most: int) -> npt.NDArray[np.int64]:
    """A whole number from -most to most for each sample, from 32 bits of its number."""
    bits = (amounts >> np.uint64(shift)) & np.uint64(2**32 - 1)
    return (bits % np.uint64(2 * most + 1)).astype(np.int64) - most
