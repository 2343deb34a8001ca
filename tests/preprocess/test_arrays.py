"""Events in numpy's files: names of columns, the stated sensor, and one error for what is no recording."""

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from pipeline.ground.errors import RecordingError
from pipeline.preprocess.recordings import decode_recording
from tests.preprocess.test_prophesee import values
from tests.preprocess.written import npy, npz

SENSOR = (346, 260)
GOOD: dict[str, Any] = {"t": [5, 2**40], "x": [345, 0], "y": [259, 1], "p": [1, 0]}


def error_of(data: bytes, suffix: str, sensor: tuple[int, int] | None = SENSOR) -> str:
    with pytest.raises(RecordingError) as error:
        decode_recording(data, suffix, "a", sensor)
    return str(error.value)


def test_npz_has_a_column_for_each_quantity_and_the_stated_sensor() -> None:
    recording = decode_recording(npz(**GOOD), ".npz", "a", SENSOR)
    assert values(recording) == [(5, 345, 259, 1), (2**40, 0, 1, 0)]
    assert (recording.width, recording.height, recording.counts) == (346, 260, {"events": 2})


@pytest.mark.parametrize("names", [("timestamp", "x", "y", "polarity"), ("ts", "x", "y", "pol"), ("t", "x", "y", "on")])
def test_a_structured_array_is_read_by_its_fields(names: tuple[str, ...]) -> None:
    array = np.zeros(2, [(names[0], "i8"), (names[1], "u2"), (names[2], "u2"), (names[3], "?")])
    for name, column in zip(names, GOOD.values(), strict=True):
        array[name] = column
    assert values(decode_recording(npy(array), ".npy", "a", SENSOR)) == [(5, 345, 259, 1), (2**40, 0, 1, 0)]


def test_a_polarity_of_minus_one_is_zero_and_whole_floats_are_numbers() -> None:
    data = npz(t=np.array([1.0, 2.0]), x=[0, 1], y=[0, 1], p=np.array([-1, 1], np.int8))
    assert values(decode_recording(data, ".npz", "a", SENSOR)) == [(1, 0, 0, 0), (2, 1, 1, 1)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"t": [1], "x": [1], "y": [1]}, r"expected one column each of t (microseconds), x, y and p, found t, x, y;"),
        (GOOD | {"ts": [1, 2]}, r"expected one column each of t (microseconds), x, y and p, found t, x, y, p, ts;"),
        (GOOD | {"x": [1, 2, 3]}, "columns of different lengths: t 2, x 3, y 2, p 2;"),
        (GOOD | {"t": [0.5, 1.0]}, "event 0: t is 0.5, expected a whole number (microseconds);"),
        (GOOD | {"x": [1.0, np.nan]}, "event 1: x is nan, expected a whole number;"),
        (GOOD | {"y": [[1], [2]]}, "column y: expected numbers (N,), found (2, 1) of int64;"),
        (GOOD | {"p": ["a", "b"]}, "column p: expected numbers (N,), found (2,) of <U1;"),
        (GOOD | {"p": [1, 2]}, "event 1: polarity 2, expected 0 or 1;"),
        ({"frames": [1]}, r"expected one column each of t (microseconds), x, y and p, found frames;"),
    ],
)
def test_columns_that_are_no_events_are_one_error(columns: dict[str, Any], message: str) -> None:
    assert message in error_of(npz(**columns), ".npz")


def test_without_a_sensor_the_error_says_where_to_state_it() -> None:
    error = error_of(npz(**GOOD), ".npz", None)
    assert (
        "sensor is; state its width and height in pixels, in preprocess.sensor of the dataset or with --sensor" in error
    )


def test_what_is_pickled_or_inflates_is_refused() -> None:
    assert "expected an array of numbers" in error_of(npz(**GOOD | {"x": np.array([{}, {}], object)}), ".npz")
    with io.BytesIO() as memory:
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("t.npy", bytes(1 << 28))
        assert "arrays of 268435456 bytes, expected at most 16777216 for this file" in error_of(
            memory.getvalue(), ".npz"
        )
