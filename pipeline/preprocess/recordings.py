"""Decodes recordings of event cameras into arrays with the file's own values; a damaged file raises one clear error."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.data.recording import DVS128, Recording
from pipeline.ground.errors import RECORDING_REMEDY, InputError, RecordingError
from pipeline.preprocess.aedat2 import AEDAT2, read_aedat2
from pipeline.preprocess.aedat3 import read_aedat3
from pipeline.preprocess.aedat4 import Events, read_events
from pipeline.preprocess.arrays import read_npy, read_npz
from pipeline.preprocess.evt import read_raw
from pipeline.preprocess.hdf5 import read_hdf5
from pipeline.preprocess.nmnist import read_nmnist
from pipeline.preprocess.prophesee import read_dat
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import StreamKey, refuse_stream
from pipeline.preprocess.times import check_times

Orientation = Literal["cifar10-dvs"] | None
"""Rule by which `orient` turns a recording; None leaves it."""


def read_recording(path: Path, sensor: Sensor | None = None, stream: StreamKey | None = None) -> Recording:
    """The recording in a file; the suffix names its format. Raises RecordingError."""
    return decode_recording(path.read_bytes(), path.suffix.lower(), str(path), sensor, stream)


def decode_recording(
    data: bytes, suffix: str, where: str, sensor: Sensor | None = None, stream: StreamKey | None = None
) -> Recording:
    """The recording in the bytes of a file; `where` names it in errors. Raises RecordingError.

    `sensor` is preprocess.sensor: width and height for files that do not name them. `stream` is preprocess.stream: the
    one to use of a file that has several.
    """
    if suffix not in SUFFIXES:
        raise InputError(f"{where}: no decoder for {suffix!r}; supported are {', '.join(SUFFIXES)}")
    if not data:
        raise RecordingError(f"{where}: byte 0: the file is empty; {RECORDING_REMEDY}")
    if suffix in _STREAMS:
        recording = _STREAMS[suffix](data, where, sensor, stream)
    else:
        refuse_stream(stream, where)
        recording = _DECODERS[suffix](data, where, sensor)
    check_times(recording.t, where)
    return on_sensor(recording, where)


def orient(recording: Recording, rule: Orientation) -> Recording:
    """The recording transformed by a named rule; unchanged for None.

    cifar10-dvs: x = 127 - y, y = 127 - x, p = 1 - p, as in SpikingJelly's reader, which the authors used. Raises
    RecordingError if the sensor is not a DVS128's.
    """
    if rule is None:
        return recording
    if (recording.width, recording.height) != (DVS128, DVS128):
        raise RecordingError(
            f"event 0: the sensor is {recording.width} x {recording.height} pixels, but {rule} is for a DVS128 "
            f"({DVS128} x {DVS128}); use the catalog entry recordings"
        )
    last = DVS128 - 1
    return replace(recording, x=last - recording.y, y=last - recording.x, p=1 - recording.p)


def _aedat(data: bytes, where: str, sensor: Sensor | None, stream: StreamKey | None) -> Recording:
    """AEDAT 2.0 or 3.1, by the first line."""
    if data.startswith(AEDAT2):
        refuse_stream(stream, where)
        return read_aedat2(data, where, sensor)
    if data.startswith(b"#!AER-DAT3.1"):
        return read_aedat3(data, where, sensor, stream)
    raise RecordingError(
        f"{where}: byte 0: expected #!AER-DAT2.0 or #!AER-DAT3.1, found {data[:12]!r}; {RECORDING_REMEDY}"
    )


def _aedat4(data: bytes, where: str, sensor: Sensor | None, stream: StreamKey | None) -> Recording:
    read = read_events(data, where, stream)
    choose_sensor((read.width, read.height), sensor, where)
    return of_aedat4(read)


def of_aedat4(read: Events) -> Recording:
    """The events of an AEDAT 4 file as a recording; does not check that they are on the sensor."""
    events, width, height, counts = read
    t, x, y, p = (events[name].astype(np.int64) for name in ("t", "x", "y", "on"))
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


_DECODERS: dict[str, Callable[[bytes, str, Sensor | None], Recording]] = {
    ".bin": read_nmnist,
    ".dat": read_dat,
    ".npy": read_npy,
    ".npz": read_npz,
    ".raw": read_raw,
}
"""Decoder of a file's bytes, by its suffix."""
_STREAMS: dict[str, Callable[[bytes, str, Sensor | None, StreamKey | None], Recording]] = {
    ".aedat": _aedat,
    ".aedat4": _aedat4,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
}
"""Decoders of formats whose files can have several streams."""
SUFFIXES = tuple(sorted((*_DECODERS, *_STREAMS)))
"""Suffixes of all formats."""


def on_sensor(recording: Recording, where: str) -> Recording:
    """The recording, if every event is on the sensor. Raises RecordingError."""
    x, y, p = recording.x, recording.y, recording.p
    lows, highs = zip(*((column.min(initial=0), column.max(initial=0)) for column in (x, y, p)), strict=True)
    if min(lows) < 0 or highs[0] >= recording.width or highs[1] >= recording.height or highs[2] > 1:
        outside = (x < 0) | (x >= recording.width) | (y < 0) | (y >= recording.height)
        first = int(np.flatnonzero(outside | (p >> 1 != 0))[0])
        raise RecordingError(f"{where}: event {first}: {_wrong(recording, first, outside=bool(outside[first]))}")
    return recording


def _wrong(recording: Recording, event: int, *, outside: bool) -> str:
    """What is wrong with an event, which is outside the sensor or has another polarity than 0 and 1."""
    x, y, p = (int(column[event]) for column in (recording.x, recording.y, recording.p))
    if not outside:
        return f"polarity {p}, expected 0 or 1; {RECORDING_REMEDY}"
    return (
        f"x {x}, y {y}, polarity {p} is outside the sensor of {recording.width} x {recording.height}; "
        f"{RECORDING_REMEDY}, or correct preprocess.sensor if the file does not say its sensor"
    )
