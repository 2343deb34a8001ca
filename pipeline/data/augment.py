"""Random numbers from counters, and the augmentation that uses them: no state, so no worker has a say."""

import numpy as np
import numpy.typing as npt

PADDING = 4  # pixels; authors' train.py, RandomCrop(32, padding=4)
CROP_STREAM = 10

Indices = npt.NDArray[np.int64]


def counter_hash(seed: int, epoch: int, indices: Indices, stream: int) -> npt.NDArray[np.uint64]:
    """One uniform 64-bit number for each index, which depends on (seed, epoch, index, stream) and nothing else.

    Each value is mixed in by the finalizer of splitmix64 (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195).
    """
    state = np.zeros(len(indices), dtype=np.uint64)
    for value in (np.uint64(seed), np.uint64(epoch), np.uint64(stream), np.asarray(indices).astype(np.uint64)):
        state = _mix(state ^ value)
    return state


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def crop_flip(images: npt.NDArray[np.uint8], seed: int, epoch: int, indices: Indices) -> npt.NDArray[np.uint8]:
    """Images (B, C, H, W) cropped at random from 4 pixels of black padding, every other one mirrored.

    Black is 0 before standardization, as torchvision's RandomCrop pads the picture that the authors give it.
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
