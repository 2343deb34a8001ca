"""Events of AEDAT 2.0 files."""

import numpy as np
import numpy.typing as npt

from pipeline.data.counts import left_out
from pipeline.data.recording import DVS128, Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import check_length, davis_of_aedat2
from pipeline.preprocess.times import unwrapped

AEDAT2 = b"#!AER-DAT2.0"
"""How an AEDAT 2.0 file begins."""
NO_PIXEL = left_out("events", "of no pixel (bit 15 of the address)")
"""Count of addresses that name no pixel."""
NO_EVENT = left_out("events", "of frames, inertial sensors or external inputs")
"""Count of addresses of a DAVIS that are not events of pixels."""


def read_aedat2(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """Events of a DVS128, or of a DAVIS if the header names one or another sensor is stated.

    Header lines that begin with #, then big-endian pairs of address and timestamp.

    DVS128 address: bit 0 polarity, bits 1 to 7 x, bits 8 to 14 y; bit 15 marks events that are not from a pixel, which
    are left out. Higher bits, or the header, indicate another camera. Timestamps are 32-bit microseconds; a decrease by
    more than half their range is an overflow.
    """
    start, davis = aedat2_start(data, where)
    check_length(len(data) - start, 8, start, where)
    pairs = np.frombuffer(data, dtype=">u4", offset=start).reshape(-1, 2).astype(np.int64)
    address, t = pairs[:, 0], pairs[:, 1]
    t = unwrapped(t, 32)
    if davis is not None:
        return _davis(address, t, choose_sensor(davis, sensor, where))
    if sensor not in (None, (DVS128, DVS128)):  # a DVS128 names itself or nothing
        return _davis(address, t, sensor)
    pixels = address & 0x8000 == 0
    if (other := pixels & (address & 0x7FFF0000 != 0)).any():
        first = int(np.flatnonzero(other)[0])
        raise RecordingError(
            f"{where}: event {first}: address {address[first]:#x} has more than the 15 bits of a DVS128, and "
            "the header names no other camera; set preprocess.sensor if a DAVIS recorded it"
        )
    counts = {"events": len(pairs), NO_PIXEL: len(pairs) - int(pixels.sum())}
    t, address = t[pixels], address[pixels]
    x, y, p = address >> 1 & 127, address >> 8 & 127, address & 1
    return Recording(t=t, x=x, y=y, p=p, width=DVS128, height=DVS128, counts=counts)


def _davis(address: npt.NDArray[np.int64], t: npt.NDArray[np.int64], sensor: Sensor) -> Recording:
    """Bits 22 to 30 y, 12 to 21 x, 11 polarity; bit 31 marks frames and inertial sensors, bit 10 an external input."""
    pixels = address & (1 << 31 | 1 << 10) == 0
    counts = {"events": len(address), NO_EVENT: len(address) - int(pixels.sum())}
    t, address, (width, height) = t[pixels], address[pixels], sensor
    x, y, p = address >> 12 & 0x3FF, address >> 22 & 0x1FF, address >> 11 & 1
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def aedat2_start(data: bytes, where: str) -> tuple[int, Sensor | None]:
    """Offset of the first event, and the sensor if the header names a DAVIS. Raises RecordingError."""
    start = 0
    while data[start : start + 1] == b"#":
        end = data.find(b"\n", start)
        if end < 0:
            raise RecordingError(f"{where}: byte {start}: the header line has no end; {RECORDING_REMEDY}")
        start = end + 1
    return start, davis_of_aedat2(data[:start], where)
