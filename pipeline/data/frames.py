"""Recordings as frames of equal event count. Shapes: T frames, H height, W width."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data import aedat4
from pipeline.data.recordings import (
    AEDAT2,
    DVS128,
    NMNIST,
    Orientation,
    Recording,
    aedat2_start,
    decode,
    orient,
)
from pipeline.data.scatter import NOWHERE, Buffer, Table, count_aedat2, count_columns, count_rows
from pipeline.errors import RecordingError

RULE = "T slices of floor(N / T) events, the last takes the remainder; counts per pixel and polarity, summed exactly"

Frames = npt.NDArray[Any]
_BYTE = np.arange(256)


def to_frames(recording: Recording, num_frames: int, size: int, buffer: Buffer | None = None) -> Frames:
    """Events counted per pixel and polarity, (T, 2, size, size), in the narrowest unsigned integer that holds them.

    The paper's rule (SpikingJelly's split by number): T slices of floor(N / T) events, the last takes the remainder.
    A sensor of k x size is summed over k x k pixels; a quarter of that sum for k = 2 is what the authors' bilinear
    resize gives, to the bit. With a buffer the frames lie in it. Raises RecordingError for a recording without
    events or a sensor that does not fit.
    """
    _check(recording, size)
    places = _places(recording.width, size, None)
    x, y, p = (np.asarray(values, np.int64) for values in (recording.x, recording.y, recording.p))
    shape = (num_frames, 2 * size * size)
    frames = count_columns((x, y, p), (places.x, places.y, places.p), shape, buffer or Buffer())
    assert frames is not None, "a Recording holds no event outside of its sensor"
    return frames.reshape(num_frames, 2, size, size)


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How the bytes of a file become frames."""

    num_frames: int
    size: int
    orientation: Orientation


def frames_of_bytes(
    data: bytes, suffix: str, where: str, framing: Framing, buffer: Buffer | None = None
) -> tuple[Frames, int]:
    """to_frames(orient(decode(data))), to the bit, and the width of the sensor. Raises the same RecordingErrors.

    AEDAT 2.0, AEDAT 4 and N-MNIST are counted straight from bytes; a file in which anything is unusual is decoded.
    """
    buffer = buffer or Buffer()
    if suffix == ".aedat" and data.startswith(AEDAT2):
        frames, width = _aedat2(data, where, framing, buffer), DVS128
    elif suffix == ".bin":
        frames, width = _nmnist(data, framing, buffer), NMNIST
    elif suffix == ".aedat4" and data:
        frames, width = _aedat4(data, where, framing, buffer)
    else:
        frames, width = None, 0
    if frames is not None:
        return frames.reshape(framing.num_frames, 2, framing.size, framing.size), width
    recording = orient(decode(data, suffix, where), framing.orientation)
    return framed(recording, where, framing, buffer), recording.width


def framed(recording: Recording, where: str, framing: Framing, buffer: Buffer) -> Frames:
    """to_frames of a recording that is turned already; `where` names it in errors. Raises RecordingError."""
    try:
        return to_frames(recording, framing.num_frames, framing.size, buffer)
    except RecordingError as error:
        raise RecordingError(f"{where}: {error}") from None


def _aedat2(data: bytes, where: str, framing: Framing, buffer: Buffer) -> Frames | None:
    start = aedat2_start(data, where)
    if len(data) == start or (len(data) - start) % 8 or DVS128 % framing.size:
        return None
    tables = _aedat2_tables(framing.size, framing.orientation)
    return count_aedat2(np.frombuffer(data, np.uint8), start, tables, _shape(framing), buffer)


def _nmnist(data: bytes, framing: Framing, buffer: Buffer) -> Frames | None:
    if not data or len(data) % 5 or NMNIST % framing.size:
        return None
    rows = np.frombuffer(data, np.uint8).reshape(-1, 5)
    return count_rows(rows, (0, 1, 2), _nmnist_tables(framing.size, framing.orientation), _shape(framing), buffer)


def _aedat4(data: bytes, where: str, framing: Framing, buffer: Buffer) -> tuple[Frames | None, int]:
    """A sensor of up to 256 pixels needs only the lower bytes of x and y."""
    events, width, height = aedat4.read_events(data, where)
    if not len(events) or width != height or width > 256 or width % framing.size:
        return None, width
    rows, (x, y, on) = events.view(np.uint8).reshape(len(events), -1), (8, 10, 12)  # as aedat4.EVENT has them
    if (rows[:, x + 1] | rows[:, y + 1]).any():
        return None, width
    tables = _byte_tables(width, framing.size, framing.orientation)
    return count_rows(rows, (x, y, on), tables, _shape(framing), buffer), width


def _shape(framing: Framing) -> tuple[int, int]:
    return framing.num_frames, 2 * framing.size**2


@dataclass(frozen=True, kw_only=True)
class _Places:
    """What x, y and polarity add to an event's place in a frame (2, size, size)."""

    x: Table
    y: Table
    p: Table


@cache
def _places(sensor: int, size: int, orientation: Orientation) -> _Places:
    """Tables of a sensor: a rule that turns it maps x, y and polarity one by one, so their parts add up."""
    k = sensor // size

    def place(x: Table, y: Table, p: Table) -> Table:
        events = orient(Recording(t=x, x=x, y=y, p=p, width=sensor, height=sensor), orientation)
        return (events.p * size + events.y // k) * size + events.x // k

    line, both = np.arange(sensor), np.arange(2)
    x, y, p = place(line, line * 0, line * 0), place(line * 0, line, line * 0), place(both * 0, both * 0, both)
    # The first cell is where each part is smallest, so the parts stand for themselves when each starts at 0.
    return _Places(x=x - x.min(), y=y - y.min(), p=p - p.min())


@cache
def _aedat2_tables(size: int, orientation: Orientation) -> tuple[Table, Table]:
    """For the second lowest byte of an address, y, and the lowest, x and polarity. A y over 127 is no pixel's."""
    places = _places(DVS128, size, orientation)
    return places.y[_BYTE & 127], places.x[_BYTE >> 1] + places.p[_BYTE & 1]


@cache
def _byte_tables(sensor: int, size: int, orientation: Orientation) -> tuple[Table, Table, Table]:
    """For x, y and polarity in a byte each: NOWHERE for what is not on the sensor."""
    places = _places(sensor, size, orientation)
    x, y, p = (
        np.pad(table, (0, 256 - len(table)), constant_values=NOWHERE) for table in (places.x, places.y, places.p)
    )
    return x, y, p


@cache
def _nmnist_tables(size: int, orientation: Orientation) -> tuple[Table, Table, Table]:
    """For the first three bytes of an event: the polarity is bit 7 of the third."""
    x, y, p = _byte_tables(NMNIST, size, orientation)
    return x, y, p[_BYTE >> 7]


def scale(sensor_size: int, size: int) -> float:
    """Factor that turns the sums of to_frames into means over the pixels that were joined."""
    return 1.0 / (sensor_size // size) ** 2


def _check(recording: Recording, size: int) -> None:
    if recording.width != recording.height or recording.width % size:
        raise RecordingError(
            f"the sensor is {recording.width} x {recording.height} pixels, but frames of {size} x {size} need a square "
            "sensor of a multiple of that; set preprocess.size"
        )
    if not len(recording):
        raise RecordingError("event 0: a recording without events cannot be framed; remove it or fetch it again")
