"""Augmentation of event frames with counter-based random numbers (counter.py).

Li et al., "Neuromorphic Data Augmentation for Training Spiking Neural Networks" (ECCV 2022): a horizontal flip with
probability 1/2, and one of roll, rotation, shear and cutout. All frames of a sample change alike. Their code has
several ranges: ours are its larger one of the roll and its smaller ones of rotation and shear. The side of the cutout,
a quarter of the frame's, is ours. Shapes: B samples, T time steps, H height, W width.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.data.counter import Indices, counter_hash
from pipeline.protocol.cutout import hole

KIND_STREAM, AMOUNT_STREAM = 15, 16
ROLL, ROTATION, SHEAR, CUTOUT = range(4)
MOST_PIXELS = 5
"""Of a roll along each axis; what leaves at one side enters at the other."""
MOST_DEGREES = 15
"""Of a rotation, and of a shear along the rows."""
_ANGLES = [math.radians(degrees) for degrees in range(-MOST_DEGREES, MOST_DEGREES + 1)]
_COSINE, _SINE, _TANGENT = (np.array([of(angle) for angle in _ANGLES]) for of in (math.cos, math.sin, math.tan))
# A table, because numpy's functions need not round alike at each place of an array.


def nda(frames: npt.NDArray[Any], seed: int, epoch: int, indices: Indices) -> npt.NDArray[Any]:
    """Frames (B, T, 2, H, W) of any unsigned integers, augmented: whole degrees, and the nearest pixel."""
    kinds = counter_hash(seed, epoch, indices, KIND_STREAM)
    amounts = counter_hash(seed, epoch, indices, AMOUNT_STREAM)
    height, width = frames.shape[-2:]
    kind, flipped = (kinds % np.uint64(4)).astype(np.int64), kinds >> np.uint64(32) & np.uint64(1) == 1
    rows, columns = _turned(kind, amounts, height, width)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    inside &= ~(hole(amounts, (height, width), (height // 4, width // 4)) & (kind == CUTOUT)[:, None, None])
    rows = (rows - np.where(kind == ROLL, _within(amounts, 0, MOST_PIXELS), 0)[:, None, None]) % height
    columns = (columns - np.where(kind == ROLL, _within(amounts, 32, MOST_PIXELS), 0)[:, None, None]) % width
    columns[flipped] = width - 1 - columns[flipped]
    moved = frames.view(f"i{frames.itemsize}")  # torch computes little with unsigned types of more than 8 bits
    flat = torch.from_numpy(moved).flatten(1, 2).flatten(2)
    place = torch.from_numpy((rows * width + columns).reshape(len(frames), 1, -1))
    taken = flat.gather(2, place.expand(-1, flat.shape[1], -1)) * torch.from_numpy(inside.reshape(place.shape))
    return taken.view(frames.shape).numpy().view(frames.dtype)


def _turned(
    kind: npt.NDArray[np.int64], amounts: npt.NDArray[np.uint64], height: int, width: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column, each (B, H, W), from which a pixel comes, after a rotation or shear around the centre."""
    angle = _within(amounts, 0, MOST_DEGREES) + MOST_DEGREES
    straight = np.full_like(angle, MOST_DEGREES)
    turn, shear = (np.where(kind == one, angle, straight)[:, None, None] for one in (ROTATION, SHEAR))
    y, x = np.arange(height)[:, None] - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    rows = _COSINE[turn] * y + _SINE[turn] * x + (height - 1) / 2
    columns = _COSINE[turn] * x - _SINE[turn] * y + _TANGENT[shear] * y + (width - 1) / 2
    return np.floor(rows + 0.5).astype(np.int64), np.floor(columns + 0.5).astype(np.int64)


def _within(amounts: npt.NDArray[np.uint64], shift: int, most: int) -> npt.NDArray[np.int64]:
    """A whole number from -most to most for each sample, from 32 bits of its number."""
    bits = (amounts >> np.uint64(shift)) & np.uint64(2**32 - 1)
    return (bits % np.uint64(2 * most + 1)).astype(np.int64) - most
