"""Frames of equal event count, as the paper has them: every event counted once, nothing lost, nothing wrapped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.frames import scale, to_frames
from pipeline.data.recordings import Recording
from pipeline.errors import InputError


def recording(x: list[int], y: list[int], p: list[int], *, width: int = 4, height: int = 4) -> Recording:
    columns = [np.array(column, np.int64) for column in (x, y, p)]
    return Recording(t=np.arange(len(x)), x=columns[0], y=columns[1], p=columns[2], width=width, height=height)


def drawn(events: int, *, size: int) -> Recording:
    generator = np.random.default_rng(events)
    x, y, p = (generator.integers(0, limit, events) for limit in (size, size, 2))
    return Recording(t=np.arange(events), x=x, y=y, p=p, width=size, height=size)


def test_seven_events_in_three_frames_are_two_two_and_three() -> None:
    frames = to_frames(recording([0, 1, 2, 3, 0, 1, 1], [0, 0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0, 1]), 3, 4)
    expected = np.zeros((3, 2, 4, 4), np.uint8)
    expected[0, 1, 0, 0] = expected[0, 1, 0, 1] = 1
    expected[1, 1, 0, 2] = expected[1, 1, 0, 3] = 1
    expected[2, 0, 1, 0] = expected[2, 0, 1, 1] = expected[2, 1, 1, 1] = 1
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames, expected)


@given(events=st.integers(1, 400), num_frames=st.integers(1, 60))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_every_event_is_counted_once_in_the_slice_that_the_rule_gives(events: int, num_frames: int) -> None:
    source = drawn(events, size=8)
    frames = to_frames(source, num_frames, 8)
    each = events // num_frames
    assert frames.sum(axis=(1, 2, 3)).tolist() == [each] * (num_frames - 1) + [events - each * (num_frames - 1)]
    for index in range(num_frames):
        last = index == num_frames - 1
        expected = np.zeros((2, 8, 8), np.int64)
        for event in range(index * each, events if last else (index + 1) * each):
            expected[source.p[event], source.y[event], source.x[event]] += 1
        np.testing.assert_array_equal(frames[index], expected)


def test_fewer_events_than_frames_all_stand_in_the_last_one() -> None:
    frames = to_frames(recording([1, 1], [2, 2], [0, 0]), 3, 4)
    assert frames.sum(axis=(1, 2, 3)).tolist() == [0, 0, 2]
    assert frames[2, 0, 2, 1] == 2


def test_128_pixels_become_64_as_the_exact_sum_of_two_by_two() -> None:
    source = drawn(20_000, size=128)
    full, half = to_frames(source, 5, 128), to_frames(source, 5, 64)
    four = [full[..., row::2, column::2].astype(np.int64) for row in (0, 1) for column in (0, 1)]
    np.testing.assert_array_equal(half, sum(four))
    assert half.shape == (5, 2, 64, 64)
    assert scale(128, 64) == 0.25
    assert scale(34, 34) == 1.0


@pytest.mark.parametrize(
    ("count", "dtype"),
    [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32), (200_000, np.uint32)],
)
def test_a_count_is_never_saturated_and_never_wraps(count: int, dtype: type[np.unsignedinteger]) -> None:
    frames = to_frames(recording([3] * count + [0], [2] * count + [0], [1] * count + [0]), 1, 4)
    assert frames.dtype == dtype
    assert frames[0, 1, 2, 3] == count
    assert frames[0, 0, 0, 0] == 1
    assert frames.sum(dtype=np.int64) == count + 1


def test_the_sum_of_joined_pixels_is_not_narrower_than_its_parts() -> None:
    frames = to_frames(recording([0, 1] * 200, [0] * 400, [1] * 400), 1, 2)
    assert frames[0, 1, 0, 0] == 400


@pytest.mark.parametrize(("width", "height", "size"), [(4, 4, 3), (4, 4, 8), (4, 2, 2), (34, 34, 64)])
def test_a_sensor_that_does_not_fit_is_named_with_what_to_set(width: int, height: int, size: int) -> None:
    with pytest.raises(InputError) as error:
        to_frames(recording([0], [0], [0], width=width, height=height), 1, size)
    assert str(error.value) == (
        f"the sensor is {width} x {height} pixels, but frames of {size} x {size} need a square sensor of a multiple "
        "of that; set preprocess.size"
    )


def test_a_recording_without_events_is_refused() -> None:
    with pytest.raises(InputError, match="without events cannot be framed; remove it or fetch it again"):
        to_frames(recording([], [], []), 2, 4)
