"""Events of N-MNIST's .bin files."""

import numpy as np

from pipeline.data.counts import left_out
from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import check_length

NMNIST = 34
"""Pixels of a side of N-MNIST's sensor, as cropped."""
CLOCK_ROW = 240
"""y of a row of bytes that is not an event, but an overflow of the clock."""
CLOCK = left_out("events", "overflows of the clock")
"""Count of events that only say that the clock has wrapped."""


def read_nmnist(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """N-MNIST, and data sets in its format (N-Caltech101) if `sensor` is given.

    Five bytes per event: x, y, then 1 bit polarity and 23 bits of microseconds, big-endian.

    y = 240 is not an event, but an overflow of the sensor's clock (2^13 microseconds).
    """
    if sensor is not None and (sensor[0] > 256 or sensor[1] > CLOCK_ROW):
        raise RecordingError(
            f"{where}: byte 0: preprocess.sensor is {sensor[0]} x {sensor[1]}, but this format has at most "
            f"256 x {CLOCK_ROW} pixels; correct it"
        )
    check_length(len(data), 5, 0, where)
    rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, 5).astype(np.int64)
    t = (rows[:, 2] & 127) << 16 | rows[:, 3] << 8 | rows[:, 4]
    overflow = rows[:, 1] == CLOCK_ROW
    t += np.cumsum(overflow) << 13
    counts = {"events": len(rows), CLOCK: int(overflow.sum())}
    rows, t = rows[~overflow], t[~overflow]
    width, height = choose_sensor(None, sensor, where, usual=(NMNIST, NMNIST))
    return Recording(t=t, x=rows[:, 0], y=rows[:, 1], p=rows[:, 2] >> 7, width=width, height=height, counts=counts)
