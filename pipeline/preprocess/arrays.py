"""Events in numpy's .npy and .npz files. Nothing is unpickled."""

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.data.recording import DVS128, Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.aedat4 import DECOMPRESSED_BYTES, DECOMPRESSION_RATIO
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.times import LATEST

NAMES = {
    "t": ("t", "ts", "time", "timestamp", "timestamps"),
    "x": ("x",),
    "y": ("y",),
    "p": ("p", "pol", "polarity", "polarities", "on"),
}
"""Names of columns by quantity."""


def read_npy(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """A structured array with fields t (microseconds), x, y and p; or an array (N, 4) of x, y, polarity and
    milliseconds, as tonic's cut DVS128 Gesture has it. Raises RecordingError.
    """
    events = _array(data, where)
    if events.dtype.names is not None:
        names = events.dtype.names
        return recording_of_columns({name: events[name] for name in names}, where, sensor, names)
    if events.ndim != 2 or events.shape[1] != 4 or events.dtype.kind not in "iuf":
        found = f"{events.shape} of {events.dtype}"
        raise RecordingError(
            f"{where}: byte 0: expected numbers (N, 4): x, y, polarity, milliseconds; found {found}; convert the file"
        )
    with np.errstate(all="ignore"):  # numbers that are too large become infinite
        events = events.astype(np.float64)  # before multiplying, which would overflow a narrow integer
        fits = (np.abs(events) < 2**40).all(axis=1)
        whole = (events[:, :3] % 1 == 0).all(axis=1)
    if not fits.all():
        raise RecordingError(
            f"{where}: event {int(np.flatnonzero(~fits)[0])}: a number is not finite, or too large; {RECORDING_REMEDY}"
        )
    if not whole.all():
        raise RecordingError(
            f"{where}: event {int(np.flatnonzero(~whole)[0])}: x, y and polarity must be integers; {RECORDING_REMEDY}"
        )
    x, y, p, t = (column.astype(np.int64) for column in (events[:, 0], events[:, 1], events[:, 2], events[:, 3] * 1000))
    width, height = choose_sensor(None, sensor, where, usual=(DVS128, DVS128))
    return Recording(t=t, x=x, y=y, p=_zero_or_one(p), width=width, height=height, counts={"events": len(events)})


def read_npz(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """Arrays t (microseconds), x, y and p of a .npz file, as SpikingJelly writes them. Raises RecordingError."""
    most = max(DECOMPRESSED_BYTES, DECOMPRESSION_RATIO * len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (size := sum(entry.file_size for entry in archive.infolist())) > most:
                raise RecordingError(f"{where}: byte 0: arrays of {size} bytes, expected at most {most} for this file")
            if {entry.compress_type for entry in archive.infolist()} - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise RecordingError(f"{where}: byte 0: compressed otherwise than numpy does; save it with numpy again")
            names = [entry.filename.removesuffix(".npy") for entry in archive.infolist()]
            if len(set(names)) < len(names):
                raise RecordingError(f"{where}: byte 0: two arrays have the same name; save it with numpy again")
            arrays = {name: archive.read(entry) for name, entry in zip(names, archive.infolist(), strict=True)}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise RecordingError(
            f"{where}: byte 0: not a file of numpy's .npz format ({error}); {RECORDING_REMEDY}"
        ) from None
    columns = {name: _array(array, where, f"{name}: ") for name, array in arrays.items() if quantity(name)}
    return recording_of_columns(columns, where, sensor, list(arrays))


def recording_of_columns(
    columns: Mapping[str, npt.NDArray[Any]],
    where: str,
    stated: Sensor | None,
    all_names: Sequence[str],
    named: Sensor | None = None,
) -> Recording:
    """The recording with these columns: whole numbers; polarity 0 and 1, or -1 and 1.

    `stated` is preprocess.sensor, `named` the sensor that the file names, `all_names` are the names of all its columns.
    Raises RecordingError.
    """
    found = {what: [name for name in columns if quantity(name) == what] for what in NAMES}
    if any(len(names) != 1 for names in found.values()):
        raise RecordingError(
            f"{where}: byte 0: expected one column each of t (microseconds), x, y and p, found "
            f"{shown(', '.join(all_names))}; rename the columns, or convert the file"
        )
    t, x, y, p = (_whole_numbers(columns[names[0]], names[0], where) for names in found.values())
    if len({len(column) for column in (t, x, y, p)}) > 1:
        lengths = ", ".join(f"{what} {len(column)}" for what, column in zip("txyp", (t, x, y, p), strict=True))
        raise RecordingError(f"{where}: byte 0: columns of different lengths: {lengths}; {RECORDING_REMEDY}")
    width, height = choose_sensor(named, stated, where)
    return Recording(t=t, x=x, y=y, p=_zero_or_one(p), width=width, height=height, counts={"events": len(t)})


def quantity(name: str) -> str | None:
    """t, x, y or p, which a column of this name holds; None for another name."""
    return next((what for what, aliases in NAMES.items() if name.lower() in aliases), None)


def _zero_or_one(p: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The polarities, with -1 as 0 if none is 0: some write -1 and 1."""
    return p if (p == 0).any() else np.where(p == -1, 0, p)


def _whole_numbers(column: npt.NDArray[Any], name: str, where: str) -> npt.NDArray[np.int64]:
    if column.ndim != 1 or column.dtype.kind not in "biuf":
        raise RecordingError(
            f"{where}: byte 0: column {name}: expected numbers (N,), found {column.shape} of {column.dtype}; convert "
            "the file"
        )
    with np.errstate(all="ignore"):  # comparisons with numbers that are not finite
        wrong = ~((column >= -LATEST) & (column <= LATEST))
        if column.dtype.kind == "f":
            wrong |= column % 1 != 0
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        unit = " (microseconds)" if name.lower() in NAMES["t"] else ""
        raise RecordingError(
            f"{where}: event {first}: {name} is {column[first]}, expected a whole number{unit}; convert the file"
        )
    return column.astype(np.int64)


def _array(data: bytes, where: str, name: str = "") -> npt.NDArray[Any]:
    """The array in a .npy file, without a copy; `name` is of an array among others."""
    file, lib = io.BytesIO(data), np.lib.format
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns about headers that it repairs
            header = lib.read_array_header_1_0 if lib.read_magic(file) == (1, 0) else lib.read_array_header_2_0
            shape, by_column, dtype = header(file)
    except Exception as error:  # numpy parses the header as Python, which fails in many ways
        raise RecordingError(
            f"{where}: byte 0: {name}not an array of numpy's format ({error}); {RECORDING_REMEDY}"
        ) from None
    if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise RecordingError(
            f"{where}: byte 0: {name}expected an array of numbers, found {shape} of {dtype}; {RECORDING_REMEDY}"
        )
    start, number = file.tell(), math.prod(shape)
    if number * dtype.itemsize != len(data) - start:
        raise RecordingError(
            f"{where}: byte {start}: {name}the header says {number} numbers of {dtype.itemsize} bytes, but found "
            f"{len(data) - start} bytes; {RECORDING_REMEDY}"
        )
    return np.frombuffer(data, dtype, number, start).reshape(shape, order="F" if by_column else "C")
