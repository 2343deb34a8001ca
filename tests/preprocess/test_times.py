"""One rule for times in all formats: an overflowing clock is continued, a smaller decrease kept, the rest refused."""

import numpy as np
import pytest

from pipeline.ground.errors import RecordingError
from pipeline.preprocess.recordings import decode_recording
from tests.preprocess.aedat4 import aedat4
from tests.preprocess.hdf5_files import dsec, metavision
from tests.preprocess.prophesee import address, dat, event2, raw, time2, word3
from tests.preprocess.written import HEADER3, aedat2, npy, npz, packet3, polarity3

SENSOR = (128, 128)


def _evt3(*times: int) -> bytes:
    return raw("EVT3", *(word3(*word) for t in times for word in ((8, t >> 12), (6, t & 0xFFF), (0, 1), (2, 1))))


def _evt2(*times: int) -> bytes:
    return raw("EVT2", *(word for t in times for word in (time2(t >> 6), event2(1, 1, 1, t & 63))))


COUNTERS = {
    "AEDAT 2.0": (32, ".aedat", lambda *times: aedat2(*((1, t) for t in times))),
    "DAT": (32, ".dat", lambda *times: dat(*((t, address(1, 1, 1)) for t in times))),
    "EVT 2.0": (34, ".raw", _evt2),
    "EVT 3.0": (24, ".raw", _evt3),
}
"""Number of bits of the clock, suffix and writer, by format."""


@pytest.mark.parametrize("name", COUNTERS)
def test_a_clock_that_overflows_is_continued_and_a_smaller_decrease_is_kept(name: str) -> None:
    bits, suffix, write = COUNTERS[name]
    last, early = (1 << bits) - 9000, 5000
    data = write(early, last, early, last - 1, last, early)
    whole = 1 << bits
    expected = [early, last, whole + early, whole + last - 1, whole + last, 2 * whole + early]
    assert decode_recording(data, suffix, "a").t.tolist() == expected
    assert decode_recording(write(9000, 5000, 7000), suffix, "a").t.tolist() == [9000, 5000, 7000]


def _columns(*times: int) -> dict[str, list[int]]:
    return {"t": list(times), **{name: [1] * len(times) for name in "xyp"}}


@pytest.mark.parametrize(
    ("suffix", "data", "event", "time"),
    [
        (".aedat4", aedat4([[(5, 1, 1, 1), (-5, 1, 1, 1)]], width=128, height=128), 1, -5),
        (".aedat4", aedat4([[(1 << 60, 1, 1, 1)]], width=128, height=128), 0, 1 << 60),
        (".aedat", HEADER3 + packet3([(polarity3(1, 1, 1), 7)], overflow=1 << 29), 0, (1 << 60) + 7),
        (".npz", npz(**_columns(5, -5)), 1, -5),
        (".npy", npy(np.array([[1, 1, 1, -2]])), 0, -2000),
        (".h5", metavision([(-5, 1, 1, 1)], None), 0, -5),
        (".h5", dsec([(5, 1, 1, 1)], offset=-6), 0, -1),
    ],
)
def test_a_time_before_zero_or_after_every_clock_is_refused(suffix: str, data: bytes, event: int, time: int) -> None:
    sensor = SENSOR if suffix in (".npz", ".h5") else None
    with pytest.raises(RecordingError) as error:
        decode_recording(data, suffix, "a", sensor)
    assert str(error.value).startswith(f"a: event {event}: time {time}, expected microseconds from 0 to 2^60;")
