"""Converts recordings into frames of equal event count. Shapes: T frames, H height, W width."""

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, NamedTuple

import numpy as np

from models.bounds import STRICT
from pipeline.data.counts import Counts, left_out
from pipeline.data.recording import DVS128, Recording
from pipeline.ground.errors import RecordingError
from pipeline.preprocess import aedat4
from pipeline.preprocess.aedat2 import AEDAT2, aedat2_start
from pipeline.preprocess.cells import (
    FoundCells,
    aedat4_cells,
    all_cells,
    dat_cells,
    evt2_cells,
    evt3_cells,
    square_side,
    square_tables,
)
from pipeline.preprocess.evt import EVT_SIDE, encoding, word_counts
from pipeline.preprocess.nmnist import NMNIST
from pipeline.preprocess.prophesee import DAT_EVENTS, dat_bits, header_sensor, read_text_header
from pipeline.preprocess.recordings import (
    Orientation,
    decode_recording,
    orient,
)
from pipeline.preprocess.scatter import (
    NOWHERE,
    Buffer,
    Frames,
    Lookup,
    count_aedat2,
    count_cells,
    count_columns,
    count_rows,
)
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.sources import StreamKey

FRAMING_RULE = (
    "T slices of floor(N / T) events, the last takes the remainder; counts per pixel and polarity, summed exactly"
)
"""What `to_frames` does, as manifests and reports say it."""

OUTSIDE = left_out("events", "outside of the centred square that is framed")
"""Count of events outside of the part of the sensor that is framed."""

_BYTE = np.arange(256)


def to_frames(recording: Recording, num_frames: int, size: int, buffer: Buffer | None = None) -> Frames:
    """Event counts per pixel and polarity, (T, 2, size, size), in the narrowest unsigned integer that fits.

    The paper's rule (SpikingJelly's split by number): T slices of floor(N / T) events, the last takes the remainder.
    Events are taken in file order; times are ignored. Only the square of `centred` is used, and counts are summed over
    k x k pixels; for k = 2, a quarter of that sum equals the authors' bilinear resize bit for bit. The frames are in
    `buffer`, if given. Raises RecordingError for a sensor that is too small, or without events in the square.
    """
    return _counted(_framed_part(recording, size), num_frames, size, buffer or Buffer())


def _counted(inside: Recording, num_frames: int, size: int, buffer: Buffer) -> Frames:
    places = _places(inside.width, size, None)
    frames = count_columns(
        (inside.x, inside.y, inside.p), (places.x, places.y, places.p), (num_frames, 2 * size * size), buffer
    )
    assert frames is not None, "a Recording holds no event outside of its sensor"
    return frames.reshape(num_frames, 2, size, size)


def _framed_part(recording: Recording, size: int) -> Recording:
    """The events of `centred`. Raises RecordingError if there are none."""
    inside = centred(recording, size)
    if not len(recording):
        raise RecordingError("event 0: a recording without events cannot be framed; remove it or fetch it again")
    if not len(inside):
        raise RecordingError(
            f"event 0: none of {len(recording)} events lies in the centred square of {inside.width} x {inside.width} "
            f"of {recording.width} x {recording.height} pixels; remove the recording, or change preprocess.size"
        )
    return inside


def centred(recording: Recording, size: int) -> Recording:
    """The events in the centred square with a side of k x size pixels, as a recording of a sensor of that size.

    k is the largest integer for which the square fits on the sensor. If the margins cannot be equal, the right and the
    lower one are larger by one pixel. Raises RecordingError if the sensor is smaller than `size`.
    """
    width, height = recording.width, recording.height
    side = square_side((width, height), size)
    if not side:
        raise RecordingError(
            f"the sensor is {width} x {height} pixels, but frames of {size} x {size} need at least that many; set "
            f"preprocess.size to {min(width, height)} or less"
        )
    if side == width == height:
        return recording
    x, y = recording.x - (width - side) // 2, recording.y - (height - side) // 2
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    x, y = x[inside], y[inside]
    return replace(recording, t=recording.t[inside], x=x, y=y, p=recording.p[inside], width=side, height=side)


@dataclass(frozen=True, kw_only=True)
class Framing:
    """How the bytes of a file become frames."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    num_frames: int
    size: int
    orientation: Orientation
    sensor: Sensor | None = None
    """preprocess.sensor."""
    stream: StreamKey | None = None
    """preprocess.stream."""


class Framed(NamedTuple):
    """The sensor and the event counts of a framed file."""

    width: int
    """Of the whole sensor (pixels)."""
    height: int
    counts: Counts


_UNSEEN = Framed(0, 0, {})
"""Of a file that is decoded instead."""


def frames_of_bytes(
    data: bytes, suffix: str, where: str, framing: Framing, buffer: Buffer | None = None
) -> tuple[Frames, Framed]:
    """Same frames and errors as to_frames(orient(decode_recording(data))), and the sensor and event counts.

    Fast path: events of AEDAT 2.0, AEDAT 4, N-MNIST, .dat, EVT 2.0 and EVT 3.0 are counted directly from bytes. A file
    with anything unusual is decoded instead.
    """
    buffer = buffer or Buffer()
    if framing.sensor is not None or framing.stream is not None:
        frames = None
    elif suffix == ".aedat" and data.startswith(AEDAT2):
        frames, seen = _aedat2(data, where, framing, buffer)
    elif suffix == ".bin":
        frames, seen = _nmnist(data, framing, buffer)
    elif suffix == ".dat":
        frames, seen = _dat(data, framing, buffer)
    elif suffix == ".raw":
        frames, seen = _raw(data, framing, buffer)
    elif suffix == ".aedat4" and data:
        frames, seen = _aedat4(data, where, framing, buffer)
    else:
        frames = None
    if frames is not None:
        return frames.reshape(framing.num_frames, 2, framing.size, framing.size), seen
    recording = orient(decode_recording(data, suffix, where, framing.sensor, framing.stream), framing.orientation)
    return frames_of_recording(recording, where, framing, buffer)


def frames_of_recording(recording: Recording, where: str, framing: Framing, buffer: Buffer) -> tuple[Frames, Framed]:
    """to_frames of an oriented recording, and its sensor and counts; `where` names it in errors.

    Raises RecordingError.
    """
    try:
        inside = _framed_part(recording, framing.size)
    except RecordingError as error:
        raise RecordingError(f"{where}: {error}") from None
    frames = _counted(inside, framing.num_frames, framing.size, buffer)
    counts = {**recording.counts, OUTSIDE: len(recording) - len(inside)}
    return frames, Framed(recording.width, recording.height, counts)


def _aedat2(data: bytes, where: str, framing: Framing, buffer: Buffer) -> tuple[Frames | None, Framed]:
    start, davis = aedat2_start(data, where)
    seen = Framed(DVS128, DVS128, {"events": (len(data) - start) // 8})
    if davis or len(data) == start or (len(data) - start) % 8 or DVS128 % framing.size:
        return None, seen
    tables = _aedat2_tables(framing.size, framing.orientation)
    return count_aedat2(np.frombuffer(data, np.uint8), start, tables, _shape(framing), buffer), seen


def _nmnist(data: bytes, framing: Framing, buffer: Buffer) -> tuple[Frames | None, Framed]:
    seen = Framed(NMNIST, NMNIST, {"events": len(data) // 5})
    if not data or len(data) % 5 or NMNIST % framing.size:
        return None, seen
    rows, tables = np.frombuffer(data, np.uint8).reshape(-1, 5), _nmnist_tables(framing.size, framing.orientation)
    return count_rows(rows, (0, 1, 2), tables, _shape(framing), buffer), seen


def _aedat4(data: bytes, where: str, framing: Framing, buffer: Buffer) -> tuple[Frames | None, Framed]:
    header = aedat4.read_stream_header(data, where)
    sensors = [(stream.width, stream.height) for stream in header.streams.values() if stream.kind == "EVTS"]
    if len(sensors) != 1 or min(sensors[0]) < framing.size or framing.orientation is not None:
        return None, _UNSEEN
    tables, parts, packets = square_tables(sensors[0], framing.size), [], 0
    for _, events in aedat4.event_packets(data, header, where):
        packets += 1
        if events is not None:
            parts.append(aedat4_cells(np.frombuffer(events, np.uint8).reshape(-1, 16), tables))
    counts = aedat4.packet_counts(packets, len(parts))
    return _of_cells(all_cells(parts), counts, sensors[0], framing, buffer)


def _dat(data: bytes, framing: Framing, buffer: Buffer) -> tuple[Frames | None, Framed]:
    header, start = read_text_header(data)
    sensor, bits = header_sensor(header), dat_bits(header)
    if data[start : start + 2] not in DAT_EVENTS or not sensor or not bits or (len(data) - start - 2) % 8:
        return None, _UNSEEN
    if min(sensor) < framing.size:
        return None, _UNSEEN
    rows = np.frombuffer(data, np.uint8, offset=start + 2).reshape(-1, 8)
    return _of_cells(dat_cells(rows, bits, square_tables(sensor, framing.size)), {}, sensor, framing, buffer)


def _raw(data: bytes, framing: Framing, buffer: Buffer) -> tuple[Frames | None, Framed]:
    """EVT 2.0 and 3.0; None for the other encodings."""
    header, start = read_text_header(data)
    sensor, length = header_sensor(header), {"EVT2": 4, "EVT3": 2}.get(encoding(header) or "")
    if not sensor or min(sensor) < framing.size or max(sensor) > EVT_SIDE:
        return None, _UNSEEN
    if not length or (len(data) - start) % length:
        return None, _UNSEEN
    rows, find = np.frombuffer(data, np.uint8, offset=start), evt2_cells if length == 4 else evt3_cells
    found = find(rows.reshape(-1, length), square_tables(sensor, framing.size))
    words = word_counts(len(rows) // length, found.others, found.early) if found else {}
    return _of_cells(found, words, sensor, framing, buffer)


def _of_cells(
    found: FoundCells | None, counts: Counts, sensor: Sensor, framing: Framing, buffer: Buffer
) -> tuple[Frames | None, Framed]:
    if found is None or not len(found.cells) or framing.orientation is not None:
        return None, _UNSEEN
    outside = found.events - found.early - len(found.cells)
    seen = Framed(*sensor, {**counts, "events": found.events, OUTSIDE: outside})
    return count_cells(found.cells, _shape(framing), buffer), seen


def _shape(framing: Framing) -> tuple[int, int]:
    return framing.num_frames, 2 * framing.size**2


@dataclass(frozen=True, kw_only=True)
class _Places:
    """Lookup tables whose entries for x, y and polarity sum to an event's index in a flat frame (2, size, size)."""

    x: Lookup
    y: Lookup
    p: Lookup


@cache
def _places(sensor: int, size: int, orientation: Orientation) -> _Places:
    """Tables of a sensor. An orientation rule maps x, y and polarity independently, so their contributions add up."""
    k = sensor // size

    def place(x: Lookup, y: Lookup, p: Lookup) -> Lookup:
        events = orient(Recording(t=x, x=x, y=y, p=p, width=sensor, height=sensor), orientation)
        return (events.p * size + events.y // k) * size + events.x // k

    line, both = np.arange(sensor), np.arange(2)
    x, y, p = place(line, line * 0, line * 0), place(line * 0, line, line * 0), place(both * 0, both * 0, both)
    # Each contribution is shifted to start at 0: the cell with all three smallest contributions has index 0.
    return _Places(x=x - x.min(), y=y - y.min(), p=p - p.min())


@cache
def _aedat2_tables(size: int, orientation: Orientation) -> tuple[Lookup, Lookup]:
    """Tables for the second lowest byte of an address (y) and the lowest (x and polarity); addresses use 7 bits of
    y."""
    places = _places(DVS128, size, orientation)
    return places.y[_BYTE & 127], places.x[_BYTE >> 1] + places.p[_BYTE & 1]


@cache
def _byte_tables(sensor: int, size: int, orientation: Orientation) -> tuple[Lookup, Lookup, Lookup]:
    """Tables for x, y and polarity in a byte each, with NOWHERE for values outside the sensor."""
    places = _places(sensor, size, orientation)
    x, y, p = (
        np.pad(table, (0, 256 - len(table)), constant_values=NOWHERE) for table in (places.x, places.y, places.p)
    )
    return x, y, p


@cache
def _nmnist_tables(size: int, orientation: Orientation) -> tuple[Lookup, Lookup, Lookup]:
    """Tables for the first three bytes of an event; the polarity is bit 7 of the third."""
    x, y, p = _byte_tables(NMNIST, size, orientation)
    return x, y, p[_BYTE >> 7]


def scale(shorter_side: int, size: int) -> float:
    """Factor that turns the sums of to_frames into means over the k x k pixels."""
    return 1.0 / (shorter_side // size) ** 2


def framing_rule(sensor: list[int], size: int) -> str:
    """FRAMING_RULE, with the part of the sensor (width, height) that is used if it is not all of it."""
    width, height = sensor
    side = square_side((width, height), size)
    if side == width == height:
        return FRAMING_RULE
    return (
        f"{FRAMING_RULE}; of the centred square of {side} x {side} of {width} x {height} pixels, whose events alone "
        "are the N"
    )
