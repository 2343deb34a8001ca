"""Recordings as frames of equal event count. Shapes: T frames, H height, W width."""

from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.recordings import Recording
from pipeline.errors import InputError

RULE = "T slices of floor(N / T) events, the last takes the remainder; counts per pixel and polarity, summed exactly"


def to_frames(recording: Recording, num_frames: int, size: int) -> npt.NDArray[Any]:
    """Events counted per pixel and polarity, (T, 2, size, size), in the narrowest unsigned integer that holds them.

    The paper's rule (SpikingJelly's split by number): T slices of floor(N / T) events, the last takes the remainder.
    A sensor of k x size is summed over k x k pixels; a quarter of that sum for k = 2 is what the authors' bilinear
    resize gives, to the bit. Raises InputError for a recording without events or a sensor that does not fit.
    """
    _check(recording, size)
    k = recording.width // size
    frame = np.minimum(np.arange(len(recording)) // max(len(recording) // num_frames, 1), num_frames - 1)
    if len(recording) < num_frames:
        frame[:] = num_frames - 1  # floor(N / T) is 0: all but the last slice are empty
    index = ((frame * 2 + recording.p) * size + recording.y // k) * size + recording.x // k
    counts = np.bincount(index, minlength=num_frames * 2 * size * size)
    return counts.astype(np.min_scalar_type(int(counts.max()))).reshape(num_frames, 2, size, size)


def scale(sensor_size: int, size: int) -> float:
    """Factor that turns the sums of to_frames into means over the pixels that were joined."""
    return 1.0 / (sensor_size // size) ** 2


def _check(recording: Recording, size: int) -> None:
    if recording.width != recording.height or recording.width % size:
        raise InputError(
            f"the sensor is {recording.width} x {recording.height} pixels, but frames of {size} x {size} need a square "
            "sensor of a multiple of that; set preprocess.size"
        )
    if not len(recording):
        raise InputError("a recording without events cannot be framed; remove it or fetch it again")
