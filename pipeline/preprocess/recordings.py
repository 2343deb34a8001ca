"""Decodes recordings of event cameras into arrays with the file's own values; a damaged file raises one clear error."""

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
from pipeline.ground.names import shown
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
        raise InputError(f"{where}: no decoder for {suffix!r}; supported are {', '.join(DECODERS)}")
    if not data:
        raise RecordingError(f"{where}: byte 0: the file is empty; {RECORDING_REMEDY}")
    return on_sensor(DECODERS[suffix](data, where), where)


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


def _aedat(data: bytes, where: str) -> Recording:
    """AEDAT 2.0 or 3.1, by the first line."""
    if data.startswith(AEDAT2):
        return _aedat2(data, where)
    if data.startswith(b"#!AER-DAT3.1"):
        return _aedat3(data, where)
    raise RecordingError(
        f"{where}: byte 0: expected #!AER-DAT2.0 or #!AER-DAT3.1, found {data[:12]!r}; {RECORDING_REMEDY}"
    )


def _aedat2(data: bytes, where: str) -> Recording:
    """Header lines that begin with #, then big-endian pairs of address and timestamp.

    DVS128 address: bit 0 polarity, bits 1 to 7 x, bits 8 to 14 y; bit 15 marks events that are not from a pixel, which
    are left out. Higher bits, or the header, indicate another camera. Timestamps are 32-bit microseconds; a decrease by
    more than half their range is an overflow.
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
            "camera supported in AEDAT 2.0; convert the file to AEDAT 4"
        )
    counts = {"events": len(pairs), NO_PIXEL: len(pairs) - int(pixels.sum())}
    t, address = (t + (wraps << 32))[pixels], address[pixels]
    x, y, p = address >> 1 & 127, address >> 8 & 127, address & 1
    return Recording(t=t, x=x, y=y, p=p, width=DVS128, height=DVS128, counts=counts)


def aedat2_start(data: bytes, where: str) -> int:
    """Offset of the first event in an AEDAT 2.0 file of a DVS128. Raises RecordingError."""
    start = 0
    while data[start : start + 1] == b"#":
        end = data.find(b"\n", start)
        if end < 0:
            raise RecordingError(f"{where}: byte {start}: the header line has no end; {RECORDING_REMEDY}")
        start = end + 1
    check_aedat2_camera(data[:start], where)
    return start


def _aedat3(data: bytes, where: str) -> Recording:
    """Packets with a 28-byte header and events of 8 bytes, little-endian; packets of other kinds are left out.

    Polarity event: bit 0 valid, bit 1 polarity, bits 2 to 16 y, bits 17 to 31 x, then 31 bits of microseconds; the
    packet's header has the number of their overflows. The file's header names the camera, hence the sensor, of each
    source.
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
            f"{where}: event {first}: time {events[first, 1]} after {events[first, 2]} overflows, expected both "
            f"below 2^31; {RECORDING_REMEDY}"
        )
    address, t = events[:, 0], events[:, 1] + (events[:, 2] << 31)
    x, y, p = address >> 17 & 0x7FFF, address >> 2 & 0x7FFF, address >> 1 & 1
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _packets(
    data: bytes, offset: int, cameras: dict[int, str], where: str
) -> tuple[dict[int, npt.NDArray[np.int64]], dict[str, int]]:
    """Polarity events (N, 3) of each source with columns address, time and overflows; and the packet counts."""
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
    """Kind, source, event size (bytes), timestamp overflows and number of events of the packet at `offset`."""
    if len(data) - offset < 28:
        raise RecordingError(f"{where}: byte {offset}: a packet's header is truncated; {RECORDING_REMEDY}")
    kind, source = (int(value) for value in np.frombuffer(data, "<u2", 2, offset))
    size, _, overflow, _, number, _ = (int(value) for value in np.frombuffer(data, "<u4", 6, offset + 4))
    if kind & COMPRESSED:
        raise RecordingError(f"{where}: byte {offset}: a compressed packet: record or export the file as `RAW`")
    if size == 0 or offset + 28 + size * number > len(data):
        raise RecordingError(
            f"{where}: byte {offset}: a packet of {number} events of {size} bytes is truncated; {RECORDING_REMEDY}"
        )
    return kind, source, size, overflow, number


def _aedat4(data: bytes, where: str) -> Recording:
    return of_aedat4(aedat4.read_events(data, where))


def of_aedat4(read: aedat4.Events) -> Recording:
    """The events of an AEDAT 4 file as a recording; does not check that they are on the sensor."""
    events, width, height, counts = read
    t, x, y, p = (events[name].astype(np.int64) for name in ("t", "x", "y", "on"))
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _nmnist(data: bytes, where: str) -> Recording:
    """Five bytes per event: x, y, then 1 bit polarity and 23 bits of microseconds, big-endian.

    y = 240 is not an event, but an overflow of the sensor's clock (2^13 microseconds).
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
        fields = ", ".join(events.dtype.names or ())
        found = f"a structured array with fields {shown(fields)}" if fields else f"{events.shape} of {events.dtype}"
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
    return Recording(t=t, x=x, y=y, p=p, width=DVS128, height=DVS128, counts={"events": len(events)})


def _array(data: bytes, where: str) -> npt.NDArray[Any]:
    """The array in a .npy file, without a copy."""
    file, lib = io.BytesIO(data), np.lib.format
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns about headers that it repairs
            header = lib.read_array_header_1_0 if lib.read_magic(file) == (1, 0) else lib.read_array_header_2_0
            shape, by_column, dtype = header(file)
    except Exception as error:  # numpy parses the header as Python, which fails in many ways
        raise RecordingError(f"{where}: byte 0: not an array of numpy's format ({error}); {RECORDING_REMEDY}") from None
    if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise RecordingError(
            f"{where}: byte 0: expected an array of numbers, found {shape} of {dtype}; {RECORDING_REMEDY}"
        )
    start, number = file.tell(), math.prod(shape)
    if number * dtype.itemsize != len(data) - start:
        raise RecordingError(
            f"{where}: byte {start}: the header says {number} numbers of {dtype.itemsize} bytes, but found "
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
            f"{start}; the file is truncated; {RECORDING_REMEDY}"
        )


def on_sensor(recording: Recording, where: str) -> Recording:
    """The recording, if every event is on the sensor. Raises RecordingError."""
    outside = (
        (recording.x < 0) | (recording.x >= recording.width) | (recording.y < 0) | (recording.y >= recording.height)
    ) | (recording.p >> 1 != 0)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        raise RecordingError(
            f"{where}: event {first}: x {recording.x[first]}, y {recording.y[first]}, polarity {recording.p[first]} "
            f"is outside the sensor of {recording.width} x {recording.height}; {RECORDING_REMEDY}, or convert it "
            "to AEDAT 4 if another camera recorded it"
        )
    return recording
