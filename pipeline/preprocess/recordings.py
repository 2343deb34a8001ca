"""Recordings of event cameras as arrays, values as the file has them, and one clear error for a damaged file."""

import io
import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.data.counts import left_out
from pipeline.data.recording import DVS128, Recording
from pipeline.ground.errors import RECORDING_REMEDY, InputError, RecordingError
from pipeline.preprocess import aedat4
from pipeline.preprocess.sources import check_aedat2_camera, only_source, sensor_of, sources_of_aedat3

NMNIST = 34
"""Pixels of a side of N-MNIST's sensor, as cropped."""
DAVIS_HEADER_END = b"#!END-HEADER\r\n"
"""Line that ends an AEDAT 2.0 header of a DAVIS."""
AEDAT2 = b"#!AER-DAT2.0"
"""How an AEDAT 2.0 file begins."""
POLARITY_EVENT = 1
"""AEDAT 3.1's type of a packet of polarity events."""
COMPRESSED = 0x8000
"""Bit of a packet's type: its content is compressed."""
NO_PIXEL = left_out("events", "of no pixel (bit 15 of the address)")
"""Count of addresses that name no pixel."""
INVALID = left_out("events", "invalid by their own mark")
"""Count of events that the camera marked invalid."""
CLOCK = left_out("events", "overflows of the clock")
"""Count of events that only say that the clock has wrapped."""
Orientation = Literal["cifar10-dvs"] | None
"""Rule by which `orient` turns a recording; None leaves it."""


def read_recording(path: Path) -> Recording:
    """The recording in a file; the suffix names its format. Raises RecordingError."""
    return decode_recording(path.read_bytes(), path.suffix.lower(), str(path))


def decode_recording(data: bytes, suffix: str, where: str) -> Recording:
    """The recording in the bytes of a file; `where` names it in errors. Raises RecordingError."""
    if suffix not in DECODERS:
        raise InputError(f"{where}: no decoder for {suffix!r}; there are {', '.join(DECODERS)}")
    if not data:
        raise RecordingError(f"{where}: byte 0: the file is empty; {RECORDING_REMEDY}")
    return on_sensor(DECODERS[suffix](data, where), where)


def orient(recording: Recording, rule: Orientation) -> Recording:
    """The recording turned by a named rule; None leaves it.

    cifar10-dvs: x = 127 - y, y = 127 - x, p = 1 - p, as SpikingJelly's reader, which the authors used, does. Raises
    RecordingError for another sensor than that of a DVS128.
    """
    if rule is None:
        return recording
    if (recording.width, recording.height) != (DVS128, DVS128):
        raise RecordingError(
            f"event 0: the sensor is {recording.width} x {recording.height} pixels, and {rule} is of a DVS128 "
            f"({DVS128} x {DVS128}); name the data's own catalog entry, recordings"
        )
    last = DVS128 - 1
    return replace(recording, x=last - recording.y, y=last - recording.x, p=1 - recording.p)


def _aedat(data: bytes, where: str) -> Recording:
    """AEDAT 2.0 or 3.1; the first line says which."""
    if data.startswith(AEDAT2):
        return _aedat2(data, where)
    if data.startswith(b"#!AER-DAT3.1"):
        return _aedat3(data, where)
    raise RecordingError(
        f"{where}: byte 0: expected #!AER-DAT2.0 or #!AER-DAT3.1, found {data[:12]!r}; {RECORDING_REMEDY}"
    )


def _aedat2(data: bytes, where: str) -> Recording:
    """Big-endian pairs of address and timestamp after lines that begin with #.

    DVS128 address: bit 0 polarity, bits 1 to 7 x, bits 8 to 14 y; bit 15 marks events that no pixel made: left out.
    A higher bit, or the header, says that it was another camera. The 32-bit timestamps are microseconds; where they
    run back by more than half their range they have wrapped.
    """
    start = aedat2_start(data, where)
    _check_length(len(data) - start, 8, start, where)
    pairs = np.frombuffer(data, dtype=">u4", offset=start).reshape(-1, 2).astype(np.int64)
    address, t = pairs[:, 0], pairs[:, 1]
    wraps = np.cumsum(np.diff(t, prepend=t[:1]) < -(2**31))
    pixels = address & 0x8000 == 0
    if (other := pixels & (address & 0x7FFF0000 != 0)).any():
        first = int(np.flatnonzero(other)[0])
        raise RecordingError(
            f"{where}: event {first}: address {address[first]:#x} has more than the 15 bits of a DVS128, the only "
            "camera whose AEDAT 2.0 is read; convert the file to AEDAT 4"
        )
    counts = {"events": len(pairs), NO_PIXEL: len(pairs) - int(pixels.sum())}
    t, address = (t + (wraps << 32))[pixels], address[pixels]
    x, y, p = address >> 1 & 127, address >> 8 & 127, address & 1
    return Recording(t=t, x=x, y=y, p=p, width=DVS128, height=DVS128, counts=counts)


def aedat2_start(data: bytes, where: str) -> int:
    """The byte after the header of an AEDAT 2.0 file of a DVS128. Raises RecordingError."""
    start = 0
    while data[start : start + 1] == b"#":
        end = data.find(b"\n", start)
        if end < 0:
            raise RecordingError(f"{where}: byte {start}: the header line has no end; {RECORDING_REMEDY}")
        start = end + 1
    check_aedat2_camera(data[:start], where)
    return start


def _aedat3(data: bytes, where: str) -> Recording:
    """Packets of a 28-byte header and events of 8 bytes, little-endian; packets of other kinds are left out.

    Polarity event: bit 0 valid, bit 1 polarity, bits 2 to 16 y, bits 17 to 31 x, then 31 bits of microseconds to which
    the packet's header adds its overflows. The header names the camera of each source, and so the sensor.
    """
    end = data.find(DAVIS_HEADER_END)
    if end < 0:
        raise RecordingError(f"{where}: byte {len(data)}: the header has no end line #!END-HEADER; {RECORDING_REMEDY}")
    cameras = sources_of_aedat3(data[:end], where)
    parts, counts = _packets(data, end + len(DAVIS_HEADER_END), cameras, where)
    counts["events"] = sum(map(len, parts.values()))
    valid = {source: events[events[:, 0] & 1 == 1] for source, events in parts.items()}
    counts[INVALID] = counts["events"] - sum(map(len, valid.values()))
    source = only_source(valid, cameras, f"{where}: byte 0")
    chosen = next(iter(cameras)) if source is None else source
    width, height = sensor_of(cameras[chosen], where)
    events = valid.get(chosen, np.zeros((0, 3), np.int64))
    if (late := (events[:, 1:] >= 1 << 31).any(axis=1)).any():
        first = int(np.flatnonzero(late)[0])
        raise RecordingError(
            f"{where}: event {first}: time {events[first, 1]} after {events[first, 2]} overflows, expected less than "
            f"2^31 of both; {RECORDING_REMEDY}"
        )
    address, t = events[:, 0], events[:, 1] + (events[:, 2] << 31)
    x, y, p = address >> 17 & 0x7FFF, address >> 2 & 0x7FFF, address >> 1 & 1
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _packets(
    data: bytes, offset: int, cameras: dict[int, str], where: str
) -> tuple[dict[int, npt.NDArray[np.int64]], dict[str, int]]:
    """Polarity events (N, 3) of each source as address, time and overflows, and the numbers of packets."""
    parts: dict[int, list[npt.NDArray[np.int64]]] = {}
    others = 0
    while offset < len(data):
        kind, source, size, overflow, number = _packet(data, offset, where)
        if kind == POLARITY_EVENT:
            if size != 8:
                raise RecordingError(f"{where}: byte {offset}: events of {size} bytes, expected 8; {RECORDING_REMEDY}")
            if source not in cameras:
                raise RecordingError(
                    f"{where}: byte {offset}: the header names no camera as source {source}; {RECORDING_REMEDY}"
                )
            found = np.frombuffer(data, "<u4", number * 2, offset + 28).reshape(-1, 2).astype(np.int64)
            parts.setdefault(source, []).append(np.column_stack([found, np.full(number, overflow)]))
        else:
            others += 1
        offset += 28 + size * number
    used = sum(map(len, parts.values()))
    counts = {"packets": used + others, "packets used": used, aedat4.OTHER_PACKETS: others}
    return {source: np.concatenate(found) for source, found in parts.items()}, counts


def _packet(data: bytes, offset: int, where: str) -> tuple[int, int, int, int, int]:
    """Kind, source, bytes of an event, overflows of the timestamp and number of events of the packet at `offset`."""
    if len(data) - offset < 28:
        raise RecordingError(f"{where}: byte {offset}: a packet's header is cut off; {RECORDING_REMEDY}")
    kind, source = (int(value) for value in np.frombuffer(data, "<u2", 2, offset))
    size, _, overflow, _, number, _ = (int(value) for value in np.frombuffer(data, "<u4", 6, offset + 4))
    if kind & COMPRESSED:
        raise RecordingError(f"{where}: byte {offset}: a compressed packet; record or export the file as `RAW`")
    if size == 0 or offset + 28 + size * number > len(data):
        raise RecordingError(
            f"{where}: byte {offset}: a packet of {number} events of {size} bytes is cut off; {RECORDING_REMEDY}"
        )
    return kind, source, size, overflow, number


def _aedat4(data: bytes, where: str) -> Recording:
    return of_aedat4(aedat4.read_events(data, where))


def of_aedat4(read: aedat4.Events) -> Recording:
    """The events of an AEDAT 4 file; whether they lie on the sensor is not looked at."""
    events, width, height, counts = read
    t, x, y, p = (events[name].astype(np.int64) for name in ("t", "x", "y", "on"))
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _nmnist(data: bytes, where: str) -> Recording:
    """Five bytes an event: x, y, then bit 7 polarity and 23 bits of microseconds, big-endian.

    y = 240 marks an overflow of the sensor's clock, 2^13 microseconds, not an event.
    """
    _check_length(len(data), 5, 0, where)
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, 5).astype(np.int64)
    t = (rows[:, 2] & 127) << 16 | rows[:, 3] << 8 | rows[:, 4]
    overflow = rows[:, 1] == 240
    t += np.cumsum(overflow) << 13
    counts = {"events": len(rows), CLOCK: int(overflow.sum())}
    rows, t = rows[~overflow], t[~overflow]
    return Recording(t=t, x=rows[:, 0], y=rows[:, 1], p=rows[:, 2] >> 7, width=NMNIST, height=NMNIST, counts=counts)


def _gesture(data: bytes, where: str) -> Recording:
    """tonic's cut DVS128 Gesture: an array (N, 4) of x, y, polarity and milliseconds."""
    events = _array(data, where)
    if events.ndim != 2 or events.shape[1] != 4 or events.dtype.kind not in "iuf":
        found = f"{events.shape} of {events.dtype}"
        raise RecordingError(
            f"{where}: byte 0: expected numbers (N, 4): x, y, polarity, milliseconds; found {found}; convert the file"
        )
    with np.errstate(all="ignore"):  # a number that is too large becomes infinite
        events = events.astype(np.float64)  # before the product, which a narrow integer cannot hold
        fits = (np.abs(events) < 2**40).all(axis=1)
        whole = (events[:, :3] % 1 == 0).all(axis=1)
    if not fits.all():
        raise RecordingError(
            f"{where}: event {int(np.flatnonzero(~fits)[0])}: a number that is not finite, or too large; "
            f"{RECORDING_REMEDY}"
        )
    if not whole.all():
        raise RecordingError(
            f"{where}: event {int(np.flatnonzero(~whole)[0])}: x, y and polarity are whole numbers; {RECORDING_REMEDY}"
        )
    x, y, p, t = (column.astype(np.int64) for column in (events[:, 0], events[:, 1], events[:, 2], events[:, 3] * 1000))
    return Recording(t=t, x=x, y=y, p=p, width=DVS128, height=DVS128, counts={"events": len(events)})


def _array(data: bytes, where: str) -> npt.NDArray[Any]:
    """The array in numpy's format, without a copy."""
    file, lib = io.BytesIO(data), np.lib.format
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns of headers that it mends
            header = lib.read_array_header_1_0 if lib.read_magic(file) == (1, 0) else lib.read_array_header_2_0
            shape, by_column, dtype = header(file)
    except Exception as error:  # a damaged header is parsed as Python, which fails in many ways
        raise RecordingError(f"{where}: byte 0: not an array of numpy's format ({error}); {RECORDING_REMEDY}") from None
    if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise RecordingError(
            f"{where}: byte 0: expected an array of numbers, found {shape} of {dtype}; {RECORDING_REMEDY}"
        )
    start, number = file.tell(), math.prod(shape)
    if number * dtype.itemsize != len(data) - start:
        raise RecordingError(
            f"{where}: byte {start}: expected {number} numbers of {dtype.itemsize} bytes, as the header says, found "
            f"{len(data) - start} bytes; {RECORDING_REMEDY}"
        )
    return np.frombuffer(data, dtype, number, start).reshape(shape, order="F" if by_column else "C")


DECODERS: dict[str, Callable[[bytes, str], Recording]] = {
    ".aedat": _aedat,
    ".aedat4": _aedat4,
    ".bin": _nmnist,
    ".npy": _gesture,
}
"""Decoder of a file's bytes, by its suffix."""


def _check_length(length: int, unit: int, start: int, where: str) -> None:
    if length % unit:
        cut = start + length - length % unit
        raise RecordingError(
            f"{where}: byte {cut}: {length % unit} bytes are left over; expected a multiple of {unit} after byte "
            f"{start}; the file is cut off; {RECORDING_REMEDY}"
        )


def on_sensor(recording: Recording, where: str) -> Recording:
    """The recording, if every event lies on the sensor."""
    outside = (
        (recording.x < 0) | (recording.x >= recording.width) | (recording.y < 0) | (recording.y >= recording.height)
    ) | (recording.p >> 1 != 0)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise RecordingError(
            f"{where}: event {first}: x {recording.x[first]}, y {recording.y[first]}, polarity {recording.p[first]} "
            f"lies outside of the sensor of {recording.width} x {recording.height}; {RECORDING_REMEDY}, or convert it "
            "to AEDAT 4 if another camera recorded it"
        )
    return recording
