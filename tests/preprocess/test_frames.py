"""Frames of equal event count, as in the paper: every event is counted once, without overflow."""

import itertools
import struct
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.data.counts import check
from pipeline.data.recording import Recording
from pipeline.ground.errors import InputError
from pipeline.preprocess.frames import FRAMING_RULE, Framing, frames_of_bytes, framing_rule, scale, to_frames
from pipeline.preprocess.recordings import Orientation, decode_recording, orient
from pipeline.preprocess.scatter import Buffer
from tests.preprocess.aedat4 import Event, aedat4

PROPERTY = settings(deadline=None, derandomize=True, max_examples=150)
ORIENTATIONS = st.sampled_from([None, "cifar10-dvs"])


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


@pytest.mark.parametrize(("width", "height", "size"), [(4, 4, 8), (4, 2, 3), (34, 34, 64)])
def test_a_sensor_that_is_too_small_is_named_with_what_to_set(width: int, height: int, size: int) -> None:
    with pytest.raises(InputError) as error:
        to_frames(recording([0], [0], [0], width=width, height=height), 1, size)
    assert str(error.value) == (
        f"the sensor is {width} x {height} pixels, but frames of {size} x {size} need at least that many; set "
        f"preprocess.size to {min(width, height)} or less"
    )


def test_of_a_sensor_that_is_not_square_the_centred_square_of_a_multiple_is_framed() -> None:
    """Of 7 x 5 pixels, frames of 2 x 2 take 4 x 4, k = 2, from column 1 and row 0."""
    x, y = [0, 1, 2, 4, 5, 6, 3], [0, 0, 1, 3, 3, 3, 4]
    frames = to_frames(recording(x, y, [1] * 7, width=7, height=5), 3, 2)
    # Of the events 1, 2 and 3, which lie inside, each frame has one.
    assert np.argwhere(frames).tolist() == [[0, 1, 0, 0], [1, 1, 0, 0], [2, 1, 1, 1]]
    assert frames.sum() == 3


def test_the_framing_rule_says_which_part_of_the_sensor_it_holds_for() -> None:
    assert framing_rule([128, 128], 64) == framing_rule([34, 34], 34) == framing_rule([34, 34], 17) == FRAMING_RULE
    assert framing_rule([240, 180], 64) == (
        f"{FRAMING_RULE}; of the centred square of 128 x 128 of 240 x 180 pixels, whose events alone are the N"
    )
    assert "the centred square of 120 x 120 of 128 x 128 pixels" in framing_rule([128, 128], 60)


def test_a_recording_without_an_event_in_the_square_is_refused() -> None:
    with pytest.raises(InputError, match="none of 2 events lies in the centred square of 2 x 2 of 6 x 2 pixels"):
        to_frames(recording([0, 5], [0, 1], [0, 0], width=6, height=2), 1, 2)


def test_a_recording_without_events_is_refused() -> None:
    with pytest.raises(InputError, match="without events cannot be framed; remove it or fetch it again"):
        to_frames(recording([], [], []), 2, 4)


def plain(source: Recording, num_frames: int, size: int) -> np.ndarray:
    """The rule in its plainest form: one event after another into the slice that its place gives it."""
    frames = np.zeros((num_frames, 2, size, size), np.int64)
    k = min(source.width, source.height) // size
    left, top = (source.width - k * size) // 2, (source.height - k * size) // 2
    moved = zip((source.x - left).tolist(), (source.y - top).tolist(), source.p.tolist(), strict=True)
    inside = [(x, y, p) for x, y, p in moved if 0 <= x < k * size and 0 <= y < k * size]
    each = len(inside) // num_frames
    for place, (x, y, p) in enumerate(inside):
        index = min(place // each, num_frames - 1) if each else num_frames - 1
        frames[index, p, y // k, x // k] += 1
    return frames


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Up to 80 events on a sensor of eight pixels; its edges are drawn often, times are in no order."""
    edge = st.sampled_from([0, 7]) | st.integers(0, 7)
    time = st.integers(0, 3) | st.integers(0, 2**33)
    events = draw(st.lists(st.tuples(time, edge, edge, st.integers(0, 1)), min_size=1, max_size=80))
    t, x, y, p = np.array(events, np.int64).T
    return Recording(t=t, x=x, y=y, p=p, width=8, height=8)


def ordered(source: Recording, order: np.ndarray) -> Recording:
    return replace(source, t=source.t[order], x=source.x[order], y=source.y[order], p=source.p[order])


@given(source=recordings(), num_frames=st.integers(1, 100), size=st.sampled_from([1, 2, 4, 8]))
@PROPERTY
def test_the_kernel_gives_what_the_plain_form_gives(source: Recording, num_frames: int, size: int) -> None:
    frames, expected = to_frames(source, num_frames, size), plain(source, num_frames, size)
    np.testing.assert_array_equal(frames, expected)
    assert frames.dtype == np.min_scalar_type(int(expected.max()))
    for polarity in (0, 1):  # every event once
        assert frames[:, polarity].sum(dtype=np.int64) == np.count_nonzero(source.p == polarity)


@given(source=recordings(), num_frames=st.integers(1, 20), drawn_order=st.randoms(use_true_random=False))
@PROPERTY
def test_the_order_within_a_slice_does_not_matter_and_times_never_do(
    source: Recording, num_frames: int, drawn_order: Random
) -> None:
    each = len(source) // num_frames
    starts = [index * each for index in range(num_frames)] + [len(source)]
    order: list[int] = []
    for start, end in itertools.pairwise(starts):
        inside = list(range(start, end))
        drawn_order.shuffle(inside)
        order += inside
    mixed = replace(ordered(source, np.array(order)), t=np.zeros(len(source), np.int64))
    np.testing.assert_array_equal(to_frames(mixed, num_frames, 8), to_frames(source, num_frames, 8))


def test_one_event_stands_in_the_last_frame() -> None:
    for x, y, p in ((0, 0, 0), (3, 0, 1), (0, 3, 0), (3, 3, 1)):
        frames = to_frames(recording([x], [y], [p]), 5, 4)
        assert np.argwhere(frames).tolist() == [[4, p, y, x]]
        assert frames.sum() == 1


U32 = st.sampled_from([0, 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
PIXEL = st.tuples(st.sampled_from([0, 127, 127 << 8, 0x7FFF]) | st.integers(0, 0x7FFF), U32)
NO_PIXEL = st.tuples(st.sampled_from([0x8000, 0xFFFF8001]), U32)
ODD = st.tuples(st.sampled_from([1 << 31, 1 << 31 | 0x7FFF, 1 << 16, 1 << 30]), U32)


def aedat2(events: list[tuple[int, int]]) -> bytes:
    return b"#!AER-DAT2.0\r\n# one\r\n" + b"".join(struct.pack(">II", *event) for event in events)


def outcome_of_bytes(data: bytes, suffix: str, framing: Framing) -> object:
    try:
        frames, seen = frames_of_bytes(data, suffix, "a", framing)
    except InputError as error:
        return str(error)
    check({**seen.counts, "events used": int(frames.sum())}, "a")
    return frames.tolist(), seen.width, seen.height


def plain_outcome(data: bytes, suffix: str, framing: Framing) -> object:
    try:
        source = orient(decode_recording(data, suffix, "a"), framing.orientation)
        to_frames(source, framing.num_frames, framing.size)
    except InputError as error:
        text = str(error)
        return text if text.startswith("a: ") else f"a: {text}"
    return plain(source, framing.num_frames, framing.size).tolist(), source.width, source.height


@given(
    events=st.lists(PIXEL, max_size=30) | st.lists(PIXEL | NO_PIXEL | ODD, max_size=30),
    rest=st.sampled_from([b"", b"", b"", b"1234567"]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([16, 2, 3]),
    orientation=ORIENTATIONS,
)
@example(events=[(5, 2**32 - 1), (6, 0), (7, 3), (8, 3), (9, 2)], rest=b"", num_frames=2, size=16, orientation=None)
@PROPERTY
def test_aedat2_straight_from_its_bytes_is_what_decoding_gives(
    events: list[tuple[int, int]], rest: bytes, num_frames: int, size: int, orientation: Orientation
) -> None:
    """Times wrap, run back and stand still; some events are no pixel's or another camera's; some files are cut."""
    data, framing = aedat2(events) + rest, Framing(num_frames=num_frames, size=size, orientation=orientation)
    assert outcome_of_bytes(data, ".aedat", framing) == plain_outcome(data, ".aedat", framing)


@given(
    events=st.lists(st.tuples(st.integers(0, 33), st.integers(0, 33), *[st.integers(0, 255)] * 3), max_size=30),
    odd=st.lists(st.tuples(st.integers(0, 36), st.sampled_from([0, 34, 240]), *[st.integers(0, 255)] * 3), max_size=2),
    rest=st.sampled_from([b"", b"", b"", b"1234"]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([34, 17, 2, 3]),
)
@PROPERTY
def test_nmnist_straight_from_its_bytes_is_what_decoding_gives(
    events: list[tuple[int, ...]], odd: list[tuple[int, ...]], rest: bytes, num_frames: int, size: int
) -> None:
    """Some events are overflows of the clock or outside of the sensor; some files are cut."""
    data, framing = (
        b"".join(map(bytes, odd + events)) + rest,
        Framing(num_frames=num_frames, size=size, orientation=None),
    )
    assert outcome_of_bytes(data, ".bin", framing) == plain_outcome(data, ".bin", framing)


@given(
    events=st.lists(st.tuples(U32, st.integers(0, 15), st.integers(0, 15), st.integers(0, 1)), max_size=30),
    odd=st.lists(st.tuples(U32, st.sampled_from([15, 16, 256]), st.just(0), st.just(1)), max_size=2),
    sensor=st.sampled_from([(16, 16), (16, 16), (16, 18), (512, 512)]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([16, 4, 3]),
)
@PROPERTY
def test_aedat4_straight_from_its_bytes_is_what_decoding_gives(
    events: list[Event], odd: list[Event], sensor: tuple[int, int], num_frames: int, size: int
) -> None:
    """Some sensors are not square or large; some events are outside of the sensor."""
    data = aedat4([odd, events], width=sensor[0], height=sensor[1])
    framing = Framing(num_frames=num_frames, size=size, orientation=None)
    assert outcome_of_bytes(data, ".aedat4", framing) == plain_outcome(data, ".aedat4", framing)


def test_plain_bytes_are_counted_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.preprocess.frames.decode_recording", lambda *_: pytest.fail("decoded"))
    framing = Framing(num_frames=2, size=2, orientation=None)
    frames, seen = frames_of_bytes(aedat2([(0x0105, 1), (0x7F00, 2), (0x7FFF, 3)]), ".aedat", "a", framing)
    assert (np.argwhere(frames).tolist(), seen.width) == ([[0, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], 128)
    frames, seen = frames_of_bytes(bytes([33, 0, 128, 0, 0, 0, 33, 127, 0, 0]), ".bin", "a", framing)
    assert (np.argwhere(frames).tolist(), seen.width) == ([[0, 1, 0, 1], [1, 0, 1, 0]], 34)
    data = aedat4([[(1, 15, 0, 1)], [(2, 0, 15, 0)]], width=16, height=16)
    frames, seen = frames_of_bytes(data, ".aedat4", "a", framing)
    assert (np.argwhere(frames).tolist(), seen.width) == ([[0, 1, 0, 1], [1, 0, 1, 0]], 16)


@pytest.mark.parametrize(
    ("count", "dtype"), [(255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)]
)
def test_a_count_from_bytes_is_never_saturated_and_never_wraps(count: int, dtype: type[np.unsignedinteger]) -> None:
    framing, last = Framing(num_frames=1, size=2, orientation=None), 0x7FFF
    for data, suffix in (
        (aedat2([(last, 0)] * count + [(0, 0)]), ".aedat"),
        (bytes([33, 33, 128, 0, 0]) * count, ".bin"),
    ):
        frames, _ = frames_of_bytes(data, suffix, "a", framing)
        assert frames.dtype == dtype
        assert frames[0, 1, 1, 1] == count


def test_a_buffer_holds_nothing_of_the_recording_before() -> None:
    buffer = Buffer()
    for source in (
        drawn(5000, size=8),
        recording([3] * 300, [2] * 300, [1] * 300),
        drawn(40, size=8),
        drawn(41, size=2),
    ):
        np.testing.assert_array_equal(to_frames(source, 3, 2, buffer), plain(source, 3, 2))
