"""Simulates a DVS128 camera in front of a picture that moves on a closed loop.

CIFAR10-DVS was recorded this way: a picture on a screen moved along a closed loop of four straight paths in front of
the sensor (Li et al. 2017, Frontiers in Neuroscience 11:309). The pixel model is the usual one: an event whenever the
log intensity changes by a threshold. All arithmetic uses integers, so that the bytes are the same on every machine.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.data.counter import counter_hash
from pipeline.data.recording import DVS128, Recording
from pipeline.ground.files import write_whole
from pipeline.ground.params import CameraParams

PICTURE = 64  # side of the picture on the sensor (pixels)
SUBPIXEL = 16  # positions between two pixels
LOG_UNIT = 4096  # integer steps of one natural log unit
DARK = 20  # intensity of black on a scale of 255: a screen's black is not dark
STEP_US = 1000  # the scene is updated every millisecond; events within a step are spread evenly
MISMATCH_STREAM, NOISE_STREAM = 20, 21

Ints = npt.NDArray[np.int64]
LOG = np.array([round(LOG_UNIT * math.log(DARK + level / 16)) for level in range(255 * 16 + 1)], dtype=np.int64)


def simulate(image: npt.NDArray[np.uint8], camera: CameraParams, *, index: int) -> Recording:
    """The simulated recording of a square picture (H, H); `index` makes mismatch and noise differ between recordings.

    x points to the right and y down, as in the picture; polarity 1 means brighter. Events are sorted by time.
    """
    margin = camera.amplitude_pixels + 1
    start = (DVS128 - PICTURE) // 2 - margin  # outside this window of the sensor there is only noise
    window = slice(start, DVS128 - start)
    scene, threshold = upscale(image, margin), thresholds(camera, index)[window, window]
    path = loop(camera)
    reference = log_intensity(scene, path[0])
    ready = np.zeros_like(reference)  # time from which a pixel may fire again (microseconds)
    parts = [noise(camera, index, len(path) - 1)]
    for step, position in enumerate(path[1:]):
        change = log_intensity(scene, position) - reference
        number = np.abs(change) // threshold
        reference += np.sign(change) * number * threshold
        made = _events(number, change > 0, ready, step * STEP_US, camera.refractory_us)
        parts.append(made + np.array([[0], [start], [start], [0]]))
    t, x, y, p = np.concatenate(parts, axis=1)
    order = np.lexsort((p, x, y, t))
    return Recording(t=t[order], x=x[order], y=y[order], p=p[order], width=DVS128, height=DVS128)


def _events(number: Ints, brighter: npt.NDArray[np.bool_], ready: Ints, start: int, refractory_us: int) -> Ints:
    """Events (4, N) as rows t, x, y, p of one step in which each pixel crosses its threshold `number` times.

    A crossing within the refractory period is lost, as in the sensor. Updates `ready` in place.
    """
    parts = [np.zeros((4, 0), np.int64)]
    for k in range(int(number.max())):
        y, x = np.nonzero(number > k)
        t = start + STEP_US * (k + 1) // (number[y, x] + 1)
        fires = t >= ready[y, x]
        t, x, y = t[fires], x[fires], y[fires]
        ready[y, x] = t + refractory_us
        parts.append(np.stack([t, x, y, brighter[y, x].astype(np.int64)]))
    return np.concatenate(parts, axis=1)


def upscale(image: npt.NDArray[np.uint8], margin: int) -> Ints:
    """The picture scaled to 64 x 64 pixels (bilinear) with a black margin; intensities 0 to 255 x 16."""
    size = image.shape[0]
    # Centres of the scene's pixels in the picture, in units of 1 / (2 x PICTURE) of its pixels, clamped to its centres.
    places = np.clip((2 * np.arange(PICTURE) + 1) * size - PICTURE, 0, 2 * PICTURE * (size - 1))
    low = np.minimum(places // (2 * PICTURE), size - 2)
    part = places - low * 2 * PICTURE
    values = image.astype(np.int64)
    rows = values[low] * (2 * PICTURE - part)[:, None] + values[low + 1] * part[:, None]
    both = rows[:, low] * (2 * PICTURE - part) + rows[:, low + 1] * part
    return np.pad(both * 16 // (2 * PICTURE) ** 2, margin)


def loop(camera: CameraParams) -> Ints:
    """Displacements (steps + 1, 2) as dy, dx in sixteenths of a pixel, along a closed diamond of four straight
    paths."""
    reach = camera.amplitude_pixels * SUBPIXEL
    corners = np.array([[0, 0], [reach, reach], [0, 2 * reach], [-reach, reach], [0, 0]])
    steps = np.arange(camera.loops * camera.loop_ms + 1)
    place = steps % camera.loop_ms * 4  # in quarters of the loop, times loop_ms
    corner, part = place // camera.loop_ms, (place % camera.loop_ms)[:, None]
    path: Ints = corners[corner] + (corners[corner + 1] - corners[corner]) * part // camera.loop_ms
    return path - np.array([0, reach])


def log_intensity(scene: Ints, displacement: Ints) -> Ints:
    """Log intensity of the scene displaced by sixteenths of a pixel, in units of 1 / LOG_UNIT."""
    (dy, fy), (dx, fx) = (divmod(int(value), SUBPIXEL) for value in displacement)
    moved = np.roll(scene, (dy, dx), (0, 1))
    right, down = np.roll(moved, 1, 1), np.roll(moved, 1, 0)
    both = np.roll(right, 1, 0)
    light = (SUBPIXEL - fy) * ((SUBPIXEL - fx) * moved + fx * right) + fy * ((SUBPIXEL - fx) * down + fx * both)
    return LOG[light // SUBPIXEL**2]


def thresholds(camera: CameraParams, index: int) -> Ints:
    """Each pixel's threshold (128, 128) in units of 1 / LOG_UNIT; the mismatch is a sum of four uniform numbers."""
    drawn = counter_hash(camera.seed, index, np.arange(DVS128**2), MISMATCH_STREAM)
    fields = [(drawn >> np.uint64(shift) & np.uint64(0xFFFF)).astype(np.int64) for shift in (0, 16, 32, 48)]
    deviation = np.sum(fields, axis=0) - 2 * 0xFFFF  # standard deviation 65536 / sqrt(3)
    base = round(LOG_UNIT * camera.contrast_threshold)
    spread = round(base * camera.threshold_mismatch * math.sqrt(3))
    return np.maximum(base + (spread * deviation >> 16), 1).reshape(DVS128, DVS128)


def noise(camera: CameraParams, index: int, steps: int) -> Ints:
    """Background events (4, N) as rows t, x, y, p: always the expected number, uniform in time, pixel and polarity."""
    duration = steps * STEP_US
    number = round(camera.noise_hz * DVS128**2 * duration / 1_000_000)
    drawn = counter_hash(camera.seed, index, np.arange(number), NOISE_STREAM)
    bits = [(drawn >> np.uint64(shift)).astype(np.int64) for shift in (0, 7, 14, 15)]
    return np.stack([(bits[3] & 0xFFFFFFFF) * duration >> 32, bits[0] & 127, bits[1] & 127, bits[2] & 1])


def write_aedat2(recording: Recording, path: Path) -> None:
    """Writes a DVS128 recording as AEDAT 2.0, atomically."""
    address = recording.y << 8 | recording.x << 1 | recording.p
    pairs = np.stack([address, recording.t], axis=1).astype(">u4")
    header = b"#!AER-DAT2.0\r\n# int32 address, int32 timestamp (microseconds), big-endian\r\n# simulated DVS128\r\n"
    write_whole(path, header + pairs.tobytes())
