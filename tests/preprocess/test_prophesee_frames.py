"""Prophesee's files straight from their bytes into frames: what decoding and framing give, and what it costs."""

import tracemalloc
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ground.errors import RecordingError
from pipeline.ground.params import WindowParams
from pipeline.preprocess.frames import Framing, frames_of_bytes
from pipeline.preprocess.samples import Reading, samples_of
from pipeline.preprocess.scatter import Buffer
from tests.preprocess.prophesee import (
    BASE,
    HIGH,
    LOW,
    SMALL,
    TRIGGER,
    VECTOR8,
    VECTOR12,
    X,
    Y,
    address,
    dat,
    event2,
    raw,
    time2,
    word3,
)
from tests.preprocess.test_frames import PROPERTY, outcome_of_bytes, plain_outcome

WORD3 = st.one_of(
    st.builds(word3, st.sampled_from([Y, LOW, HIGH, TRIGGER, 7, 1, 14]), st.integers(0, 32)),
    st.builds(word3, st.sampled_from([X, BASE]), st.integers(0, 39) | st.integers(2048, 2048 + 39)),
    st.builds(word3, st.sampled_from([VECTOR12, VECTOR8]), st.sampled_from([0, 1, 5, 0x80, 0xFFF])),
)


@given(
    words=st.lists(WORD3, max_size=40) | st.lists(st.integers(0, 0xFFFF), max_size=40),
    timed=st.booleans(),
    rest=st.sampled_from([b"", b"", b"1"]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([33, 16, 3, 40]),
)
@PROPERTY
def test_evt3_straight_from_its_bytes_is_what_decoding_gives(
    words: list[int], timed: bool, rest: bytes, num_frames: int, size: int
) -> None:
    """Some events have no time, or are outside of the framed square or of the sensor; some files are cut."""
    data = raw("EVT3", *[word3(HIGH, 1)] * timed, *words, header=SMALL) + rest
    framing = Framing(num_frames=num_frames, size=size, orientation=None)
    assert outcome_of_bytes(data, ".raw", framing) == plain_outcome(data, ".raw", framing)


WORD2 = st.one_of(
    st.builds(event2, st.integers(0, 39), st.integers(0, 32), st.integers(0, 1), st.integers(0, 63)),
    st.builds(time2, st.sampled_from([0, 1, 5, 2**28 - 1])),
    st.just(0xA << 28 | 9),
)


@given(
    words=st.lists(WORD2, max_size=40) | st.lists(WORD2 | st.integers(0, 2**32 - 1), max_size=40),
    timed=st.booleans(),
    rest=st.sampled_from([b"", b"", b"1", b"123"]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([33, 16, 3, 40]),
)
@PROPERTY
def test_evt2_straight_from_its_bytes_is_what_decoding_gives(
    words: list[int], timed: bool, rest: bytes, num_frames: int, size: int
) -> None:
    """Some events have no time, or are outside of the framed square or of the sensor; some files are cut."""
    data = raw("EVT2", *[time2(1)] * timed, *words, header=SMALL) + rest
    framing = Framing(num_frames=num_frames, size=size, orientation=None)
    assert outcome_of_bytes(data, ".raw", framing) == plain_outcome(data, ".raw", framing)


@pytest.mark.parametrize("vectors", [1, 30])
def test_many_more_events_than_words_are_counted(vectors: int) -> None:
    """The cells grow from one for each word."""
    words = [(HIGH, 1), (Y, 3), *[(BASE, 7), *[(VECTOR12, 0xFFF), (VECTOR8, 0xFF)] * vectors, (X, 9)] * 40]
    data = raw("EVT3", *(word3(*word) for word in words))
    framing = Framing(num_frames=3, size=720, orientation=None)
    assert outcome_of_bytes(data, ".raw", framing) == plain_outcome(data, ".raw", framing)


def test_a_vector_at_the_last_column_is_off_the_sensor_however_many_follow() -> None:
    words = [(HIGH, 1), (Y, 3), (BASE, 2047), (VECTOR12, 1), *[(VECTOR8, 0)] * 9]
    header = "% format {name};width=2048;height=1024\n% end\n"
    framing = Framing(num_frames=1, size=1024, orientation=None)
    for last, outcome in (((VECTOR12, 0), "a: event 0: none of 1 events lies"), ((VECTOR12, 1), "a: event 1: x 2048")):
        data = raw("EVT3", *(word3(*word) for word in [*words, last]), header=header)
        assert str(outcome_of_bytes(data, ".raw", framing)).startswith(outcome)


@pytest.mark.parametrize(("name", "words"), [("EVT2", [time2(1)]), ("EVT21", [time2(1) << 32]), ("EVT3", [0x8001])])
def test_a_sensor_has_as_many_pixels_as_11_bits_name(name: str, words: list[int]) -> None:
    data = raw(name, *words, header="% format {name};width=2049;height=720\n% end\n")
    expected = rf"^a: byte 0: a sensor of 2049 x 720 pixels, but {name} has at most 2048 x 2048; fetch"
    with pytest.raises(RecordingError, match=expected):
        frames_of_bytes(data, ".raw", "a", Framing(num_frames=1, size=720, orientation=None))


def test_windows_take_no_more_memory_than_the_columns() -> None:
    """Also if the sensor is not square, so that each window's events in the square are a copy."""
    vectors = [(BASE, 100), *[(VECTOR12, 0xFFF)] * 60]
    words = [word3(*word) for k in range(400) for word in [(HIGH, k), (Y, k), *vectors]]
    data = raw("EVT3", *words)
    _frames_of_windows(raw("EVT3", *words[:500]))  # loads the kernels
    tracemalloc.start()
    events = _frames_of_windows(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert events == 400 * 60 * 12
    frames = 2 * 2 * 720 * 720
    assert peak - frames < events * 15


def _frames_of_windows(data: bytes) -> int:
    """Frames all windows as preprocessing does; returns the number of events."""
    window, counts = WindowParams(ms=1, min_events=1), Counter[str]()
    reading = Reading(num_frames=2, size=720, orientation=None, sensor=None, window=window)
    for _ in samples_of(data, "a.raw", reading, counts, Buffer()):
        pass
    return counts["events"]


@given(
    events=st.lists(st.builds(address, st.integers(0, 40), st.integers(0, 32), st.integers(0, 1)), max_size=30),
    odd=st.lists(st.integers(0, 2**32 - 1), max_size=1),
    version=st.sampled_from(["2", "2", "1", "9"]),
    rest=st.sampled_from([b"", b"", b"1234"]),
    num_frames=st.integers(1, 9),
    size=st.sampled_from([33, 16, 3, 40]),
)
@PROPERTY
def test_dat_straight_from_its_bytes_is_what_decoding_gives(
    events: list[int], odd: list[int], version: str, rest: bytes, num_frames: int, size: int
) -> None:
    header = f"% Version {version}\n% Width 40\n% Height 33\n"
    data = dat(*((5, one) for one in events + odd), header=header) + rest
    framing = Framing(num_frames=num_frames, size=size, orientation=None)
    assert outcome_of_bytes(data, ".dat", framing) == plain_outcome(data, ".dat", framing)


def test_plain_files_are_counted_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.preprocess.frames.decode_recording", lambda *_: pytest.fail("decoded"))
    framing = Framing(num_frames=1, size=360, orientation=None)
    words = ((X, 9), (HIGH, 1), (TRIGGER, 3), (Y, 719), (X, 1 << 11 | 280), (X, 279), (BASE, 998), (VECTOR12, 7))
    frames, seen = frames_of_bytes(raw("EVT3", *(word3(*one) for one in words)), ".raw", "a", framing)
    assert np.argwhere(frames).tolist() == [[0, 0, 359, 359], [0, 1, 359, 0]]
    assert dict(seen.counts) == {
        "words": 8,
        "words used": 7,
        "words left out: of triggers or of the camera itself": 1,
        "events": 6,
        "events left out: before the first time and address of the file": 1,
        "events left out: outside of the centred square that is framed": 2,
    }
    frames, seen = frames_of_bytes(
        raw("EVT2", event2(9, 9, 1, 0), time2(1), event2(280, 719, 1, 0)), ".raw", "a", framing
    )
    assert (np.argwhere(frames).tolist(), seen.counts["events"]) == ([[0, 1, 359, 0]], 2)
    framing = Framing(num_frames=1, size=240, orientation=None)
    frames, seen = frames_of_bytes(dat((1, address(80, 479, 0)), (1, address(79, 0, 0))), ".dat", "a", framing)
    assert (np.argwhere(frames).tolist(), seen.counts["events"]) == ([[0, 0, 239, 0]], 2)
