"""Prophesee's formats: values by hand from the specification, counts of what is left out, and errors."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.preprocess.evt import read_raw
from pipeline.preprocess.prophesee import header_sensor, read_dat, read_text_header
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
    vector21,
    word3,
)

SENSOR = (1280, 720)


def values(recording: Recording) -> list[tuple[int, int, int, int]]:
    """t, x, y, p of each event."""
    return list(
        zip(recording.t.tolist(), recording.x.tolist(), recording.y.tolist(), recording.p.tolist(), strict=True)
    )


def test_dat_has_14_bits_of_x_and_of_y_and_a_time_that_goes_on_where_its_32_bits_wrap() -> None:
    data = dat((7, address(639, 479, 1)), (2**32 - 1, address(0, 1, 0)), (3, address(5, 6, 1)))
    assert values(read_dat(data, "a.dat", (640, 480))) == [(7, 639, 479, 1), (2**32 - 1, 0, 1, 0), (2**32 + 3, 5, 6, 1)]


def test_dat_of_version_1_has_9_bits_of_x_and_8_of_y() -> None:
    data = dat((7, 1 << 17 | 99 << 9 | 303), header="% Data file containing Event2D events.\n% Version 1\n", kind=0)
    assert values(read_dat(data, "a.dat", (304, 240))) == [(7, 303, 99, 1)]


def test_evt2_takes_the_high_bits_of_time_from_the_word_before() -> None:
    words = event2(1, 2, 1, 3), time2(5), event2(1279, 719, 0, 63), time2(6), event2(4, 5, 1, 0), 0xA << 28 | 9
    recording = read_raw(raw("EVT2", *words), "a.raw", SENSOR)
    assert values(recording) == [(5 * 64 + 63, 1279, 719, 0), (6 * 64, 4, 5, 1)]
    assert recording.counts == {
        "words": 6,
        "words used": 5,
        "words left out: of triggers or of the camera itself": 1,
        "events": 3,
        "events left out: before the first time and address of the file": 1,
    }


def test_evt2_time_goes_on_where_its_34_bits_wrap() -> None:
    words = time2(2**28 - 1), event2(0, 0, 0, 0), time2(0), event2(0, 0, 0, 1)
    assert read_raw(raw("EVT2", *words), "a.raw", SENSOR).t.tolist() == [(2**28 - 1) * 64, 2**34 + 1]


def test_evt21_has_an_event_for_each_flag() -> None:
    words = time2(1) << 32, vector21(32, 7, 1, 2, 0b1000_0000_0000_0000_0000_0000_0000_0101)
    assert values(read_raw(raw("EVT21", *words), "a.raw", SENSOR)) == [(66, 32, 7, 1), (66, 34, 7, 1), (66, 63, 7, 1)]


def test_evt3_keeps_time_row_and_base_until_another_word_changes_them() -> None:
    words = (
        (X, 9),  # before the first time
        (HIGH, 1),
        (LOW, 2),
        (Y, 10),
        (X, 1 << 11 | 3),
        (TRIGGER, 1),
        (BASE, 1 << 11 | 100),
        (VECTOR12, 0b1000_0000_0001),
        (VECTOR8, 0b10),
        (LOW, 5),
        (X, 4),
    )
    recording = read_raw(raw("EVT3", *(word3(*word) for word in words)), "a.raw", SENSOR)
    time = 1 << 12
    assert values(recording) == [
        (time + 2, 3, 10, 1),
        (time + 2, 100, 10, 1),
        (time + 2, 111, 10, 1),
        (time + 2, 113, 10, 1),
        (time + 5, 4, 10, 0),
    ]
    assert recording.counts["events left out: before the first time and address of the file"] == 1
    assert recording.counts["words left out: of triggers or of the camera itself"] == 1


def test_evt3_time_goes_on_where_its_24_bits_wrap_and_may_step_back_a_little() -> None:
    """New high bits set the low ones to 0; the same ones do not."""
    words = (
        (Y, 0),
        (HIGH, 4095),
        (LOW, 7),
        (X, 0),
        (HIGH, 4095),
        (X, 0),
        (HIGH, 0),
        (X, 0),
        (HIGH, 3),
        (HIGH, 2),
        (X, 0),
    )
    times = read_raw(raw("EVT3", *(word3(*word) for word in words)), "a.raw", SENSOR).t.tolist()
    assert times == [(4095 << 12) + 7, (4095 << 12) + 7, 1 << 24, (1 << 24) + (2 << 12)]


def test_evt3_events_without_a_row_or_a_base_are_left_out_and_counted() -> None:
    words = (HIGH, 1), (X, 7), (VECTOR12, 1), (Y, 3), (VECTOR8, 3), (X, 8), (BASE, 9), (VECTOR8, 1)
    recording = read_raw(raw("EVT3", *(word3(*word) for word in words)), "a.raw", SENSOR)
    assert values(recording) == [(1 << 12, 8, 3, 0), (1 << 12, 9, 3, 0)]
    assert recording.counts["events left out: before the first time and address of the file"] == 4


def test_evt21_of_the_imx636_has_the_upper_half_of_a_word_first() -> None:
    words = time2(1), vector21(32, 7, 1, 2, 5) >> 32 | 5 << 32
    header = "% format {name};height=720;width=1280;endianness=legacy\n% end\n"
    assert values(read_raw(raw("EVT21", *words, header=header), "a.raw", SENSOR)) == [(66, 32, 7, 1), (66, 34, 7, 1)]


def test_words_that_look_like_text_are_not_read_as_header() -> None:
    data = raw("EVT3", 0x8025, 0x6002, 0x0005, 0x2807, 0x0A05, header="% evt 3.0\n% geometry 1280x720\n")
    assert values(read_raw(data, "a.raw")) == [((0x25 << 12) + 2, 7, 5, 1)]


def test_random_evt3_is_decoded_as_by_a_plain_loop() -> None:
    """The same state machine over Python's integers, word by word."""
    words = np.random.default_rng(0).integers(0, 1 << 16, 20_000).tolist()
    expected, row, base, polarity, high, low, wraps = [], -1, -1, 0, -1, 0, 0
    for kind, value in ((word >> 12, word & 0xFFF) for word in words):
        if kind == HIGH:
            wraps, low, high = wraps + (value < high - 2048), low if value == high else 0, value
        row, low = (value & 0x7FF if kind == Y else row), (value if kind == LOW else low)
        base, polarity = (value & 0x7FF, value >> 11) if kind == BASE else (base, polarity)
        time = (wraps << 24) + (high << 12) + low
        if kind == X and min(high, row) >= 0:
            expected.append((time, value & 0x7FF, row, value >> 11))
        for length in {VECTOR12: [12], VECTOR8: [8]}.get(kind, []):
            if min(high, row, base) >= 0:
                expected += [(time, base + i, row, polarity) for i in range(length) if value >> i & 1]
            base = min(base + length, 2048) if base >= 0 else base
    assert values(read_raw(raw("EVT3", *words), "a.raw", SENSOR)) == expected


@pytest.mark.parametrize(
    ("header", "sensor"),
    [
        ("% Width 304\n% Height 240\n", (304, 240)),
        ("% geometry 1280x720\n% end\n", (1280, 720)),
        ("% format EVT3;height=320;width=321\n", (321, 320)),
        ("% sensor_generation 4.2\n", (1280, 720)),
        ("% date 2020\n", None),
    ],
)
def test_the_header_names_the_sensor(header: str, sensor: tuple[int, int] | None) -> None:
    assert header_sensor(read_text_header(header.encode())[0]) == sensor


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (dat((1, 1))[:-3], r"byte 39: 5 bytes are left over; expected a multiple of 8 after byte 39"),
        (dat(kind=14), r"byte 37: event type and size are \[14, 8\], expected 0 or 12, and 8 bytes"),
        (b"", r"byte 0: event type and size are \[\], expected"),
        (dat(header="% Version 3\n"), r"byte 0: the header says version 3, expected a line `% Version`"),
    ],
)
def test_a_damaged_dat_file_is_one_error(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=rf"^a\.dat: {message}"):
        read_dat(data, "a.dat", (640, 480))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (raw("EVT3", 0)[:-1], r"byte \d+: 1 bytes are left over; expected a multiple of 2"),
        (
            raw("EVT2", header="% evt 4.0\n"),
            "byte 0: the header names 4.0, expected `% evt` or `% format` with EVT2, EVT21 or",
        ),
        (
            raw("EVT2", header="% format EVT2;endianness=big\n"),
            "byte 0: the header names EVT2;endianness=big, expected",
        ),
    ],
)
def test_a_damaged_raw_file_is_one_error(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=re.compile(rf"^a\.raw: {message}")):
        read_raw(data, "a.raw", SENSOR)


@pytest.mark.parametrize("name", ["EVT2", "EVT21", "EVT3"])
def test_words_may_begin_at_any_byte(name: str) -> None:
    words = {"EVT2": (time2(1), event2(5, 3, 1, 0)), "EVT21": (time2(1) << 32, vector21(5, 3, 1, 0, 1))}
    for comment in range(8):
        header = SMALL.replace("% end", f"% a{'a' * comment}\n% end")
        data = raw(name, *words.get(name, (0x8040, 0x0003, 0x2805)), header=header)
        assert [one[1:] for one in values(read_raw(data, "a"))] == [(5, 3, 1)]


@pytest.mark.parametrize(("name", "word", "events"), [("EVT3", word3(VECTOR12, 0xFFF), 12), ("EVT21", 2**32 - 1, 32)])
def test_dense_vectors_take_13_bytes_an_event_or_are_one_error(
    name: str, word: int, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {"EVT3": [word3(HIGH, 1), word3(Y, 3), word3(BASE, 0)], "EVT21": [time2(1) << 32]}[name]
    data = raw(name, *first, *[word] * 100)
    recording = read_raw(data, "a")
    assert len(recording) == events * 100
    assert sum(column.nbytes for column in (recording.t, recording.x, recording.y, recording.p)) == len(recording) * 13
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=9))
    expected = rf"^a: byte \d+: {events * 100:,} events need {events * 1300:,} bytes of memory, but 9 are free; cut"
    with pytest.raises(RecordingError, match=expected):
        read_raw(data, "a")
