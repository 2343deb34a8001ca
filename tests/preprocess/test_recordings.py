"""Every format is decoded to the right values. A damaged file gives one error with its place and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.recording import Recording
from pipeline.download.catalog import CATALOG
from pipeline.ground.errors import InputError, RecordingError
from pipeline.preprocess.recordings import RECORDING_REMEDY, SUFFIXES, decode_recording, orient, read_recording
from tests.preprocess.aedat4 import aedat4
from tests.preprocess.hdf5_files import metavision
from tests.preprocess.prophesee import address, dat, raw, word3
from tests.preprocess.written import HEADER2, HEADER3, aedat2, nmnist, npy, npz, packet3, polarity3


def values(recording: Recording) -> list[tuple[int, int, int, int]]:
    """t, x, y, p of each event."""
    columns = (recording.t, recording.x, recording.y, recording.p)
    narrow = (np.int64, np.int16, np.int16, np.uint8)
    assert tuple(column.dtype for column in columns) in (narrow, (np.int64,) * 4)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_aedat2_is_big_endian_with_polarity_x_and_y_from_the_lowest_bit() -> None:
    #                          y = 1, x = 2, p = 1          y = 127, x = 64, p = 0
    data = HEADER2 + bytes.fromhex("00000105 0000000a" + "00007f80 01020304")
    recording = decode_recording(data, ".aedat", "a.aedat")
    assert values(recording) == [(10, 2, 1, 1), (0x01020304, 64, 127, 0)]
    assert (recording.width, recording.height) == (128, 128)


def test_aedat2_leaves_out_what_no_pixel_made_and_keeps_the_order_of_the_file() -> None:
    data = aedat2((1, 30), (0x8000, 20), (0xFFFF8001, 20), (2, 10))
    recording = decode_recording(data, ".aedat", "a.aedat")
    assert values(recording) == [(30, 0, 0, 1), (10, 1, 0, 0)]
    assert recording.counts == {"events": 4, "events left out: of no pixel (bit 15 of the address)": 2}


def test_aedat2_time_goes_on_where_its_32_bits_wrap() -> None:
    data = aedat2((0, 2**32 - 1), (0, 5), (0, 4), (0, 2**32 - 2), (0, 6))
    times = decode_recording(data, ".aedat", "a.aedat").t.tolist()
    assert times == [2**32 - 1, 2**32 + 5, 2**32 + 4, 2**33 - 2, 2**33 + 6]


def test_aedat3_is_little_endian_packets_and_other_kinds_are_passed_over() -> None:
    data = (
        HEADER3
        + packet3([(polarity3(3, 4, 1), 10), (polarity3(5, 6, 0, valid=0), 11)])
        + packet3([(0xFFFFFFFF, 0)] * 3, kind=3, size=36)
        + packet3([(polarity3(127, 0, 0), 7)], overflow=2)
    )
    recording = decode_recording(data, ".aedat", "a.aedat")
    assert values(recording) == [(10, 3, 4, 1), (2 * 2**31 + 7, 127, 0, 0)]
    assert (recording.width, recording.height) == (128, 128)
    assert recording.counts == {
        "packets": 3,
        "packets used": 2,
        "packets left out: of frames, inertial sensors or triggers": 1,
        "events": 3,
        "events left out: invalid by their own mark": 1,
        "events left out: of other streams than preprocess.stream": 0,
    }


def test_aedat4_has_its_own_sensor_and_joins_its_packets() -> None:
    data = aedat4([[(5, 1, 2, 1), (7, 239, 179, 0)], [(2**40, 0, 0, 1)]], width=240, height=180)
    recording = decode_recording(data, ".aedat4", "a.aedat4")
    assert values(recording) == [(5, 1, 2, 1), (7, 239, 179, 0), (2**40, 0, 0, 1)]
    assert (recording.width, recording.height) == (240, 180)


def test_nmnist_is_five_bytes_an_event_with_23_bits_of_time() -> None:
    recording = decode_recording(bytes([33, 0, 0xFF, 0xFF, 0xFE]) + bytes([1, 33, 0x01, 0x02, 0x03]), ".bin", "1.bin")
    assert values(recording) == [(2**23 - 2, 33, 0, 1), (0x010203, 1, 33, 0)]
    assert (recording.width, recording.height) == (34, 34)


def test_nmnist_clock_overflows_move_what_follows_and_are_no_events() -> None:
    data = nmnist((1, 1, 0, 8000), (0, 240, 0, 0), (2, 2, 1, 5), (0, 240, 1, 9), (3, 3, 0, 6))
    recording = decode_recording(data, ".bin", "1.bin")
    assert values(recording) == [(8000, 1, 1, 0), (8192 + 5, 2, 2, 1), (16384 + 6, 3, 3, 0)]
    assert recording.counts == {"events": 5, "events left out: overflows of the clock": 2}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int64", "float32", "float64"])
def test_npy_milliseconds_become_microseconds_in_any_type(dtype: str) -> None:
    recording = decode_recording(npy(np.array([[1, 2, 0, 200], [127, 3, 1, 201]], dtype)), ".npy", "0.npy")
    assert values(recording) == [(200_000, 1, 2, 0), (201_000, 127, 3, 1)]
    assert (recording.width, recording.height) == (128, 128)


def test_npy_polarities_of_minus_one_and_one_are_off_and_on() -> None:
    assert decode_recording(npy([[1, 2, -1, 0], [1, 2, 1, 1]]), ".npy", "0.npy").p.tolist() == [0, 1]


def test_a_recording_without_events_is_empty_in_every_format() -> None:
    empty = {".aedat": HEADER2, ".aedat4": aedat4([], width=9, height=9), ".npy": npy(np.zeros((0, 4)))}
    assert {suffix: len(decode_recording(data, suffix, "a")) for suffix, data in empty.items()} == dict.fromkeys(
        empty, 0
    )
    assert len(decode_recording(HEADER3, ".aedat", "a")) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 33), st.integers(0, 33), st.integers(0, 1)), max_size=20
    )
)
@settings(deadline=None, derandomize=True, max_examples=50)
def test_one_recording_in_three_formats_of_aedat_is_the_same(events: list[tuple[int, int, int, int]]) -> None:
    in2 = aedat2(*((y << 8 | x << 1 | p, t) for t, x, y, p in events))
    in3 = HEADER3 + packet3([(polarity3(x, y, p), t) for t, x, y, p in events])
    in4 = aedat4([events], width=128, height=128)
    assert values(decode_recording(in2, ".aedat", "2")) == values(decode_recording(in3, ".aedat", "3")) == events
    assert values(decode_recording(in4, ".aedat4", "4")) == events


GOOD = {
    ".aedat": aedat2((0x0105, 10), (0x7F80, 20)),
    ".aedat4": aedat4([[(5, 1, 2, 1), (7, 3, 4, 0)]], width=128, height=128),
    ".bin": nmnist((1, 2, 0, 3), (4, 5, 1, 6)),
    ".dat": dat((1, address(2, 3, 1)), (2, address(4, 5, 0))),
    ".h5": metavision([(1, 2, 3, 0)]),
    ".hdf5": metavision([(1, 2, 3, 0)]),
    ".npy": npy([[1, 2, 0, 5], [3, 4, 1, 6]]),
    ".npz": npz(t=[1, 2], x=[3, 4], y=[5, 6], p=[0, 1]),
    ".raw": raw("EVT3", word3(8, 1), word3(0, 7), word3(2, 9)),
}
START3 = len(HEADER3)
BAD = [
    (".aedat", b"", "byte 0: the file is empty"),
    (".aedat4", b"", "byte 0: the file is empty"),
    (".bin", b"", "byte 0: the file is empty"),
    (".npy", b"", "byte 0: the file is empty"),
    (".aedat", GOOD[".aedat"][:-3], "byte 46: 5 bytes are left over; expected a multiple of 8 after byte 38"),
    (".aedat", b"#!AER-DAT2.0\r\n# This i", "byte 14: the header line has no end"),
    (".aedat", GOOD[".bin"], "byte 0: expected #!AER-DAT2.0 or #!AER-DAT3.1, found b'\\x01"),
    (".aedat", GOOD[".aedat4"], "byte 0: expected #!AER-DAT2.0 or #!AER-DAT3.1, found b'#!AER-DAT4.0'"),
    (".aedat", HEADER3[:20], "byte 20: the header has no end line #!END-HEADER"),
    (".aedat", HEADER3 + packet3([(1, 1)])[:20], f"byte {START3}: a packet's header is truncated"),
    (".aedat", HEADER3 + packet3([(1, 1)] * 2)[:-1], f"byte {START3}: a packet of 2 events of 8 bytes is truncated"),
    (".aedat", HEADER3 + packet3([(1, 1)], size=16), f"byte {START3}: events of 16 bytes, expected 8"),
    (
        ".aedat",
        HEADER3 + packet3([(1, 1)], size=8).replace(b"\x08", b"\0", 1),
        f"byte {START3}: a packet of 1 events of 0",
    ),
    (".aedat4", GOOD[".aedat"], "byte 0: expected b'#!AER-DAT4.0\\r\\n', found b'#!AER-DAT2.0\\r\\n'"),
    (".bin", GOOD[".bin"][:-2], "byte 5: 3 bytes are left over; expected a multiple of 5 after byte 0"),
    (".npy", GOOD[".npy"][:-8], "byte 128: the header says 8 numbers of 8 bytes, but found 56 bytes"),
    (".npy", GOOD[".npy"][:50], "byte 0: not an array of numpy's format ("),
    (".npy", GOOD[".bin"], "byte 0: not an array of numpy's format ("),
    (".npy", npy([[float("nan"), 0, 0, 0]]), "event 0: a number is not finite, or too large"),
    (".npy", npy([[1, 0, 0, 0.5], [1, 2.5, 0, 0]]), "event 1: x, y and polarity must be integers"),
    (".npy", npy([[-0.5, 0, 0, 0]]), "event 0: x, y and polarity must be integers"),
    (".npy", npy([[1, 0, 2, 5]]), "event 0: polarity 2, expected 0 or 1"),
    (".npy", npy([[1, 0, -1, 5], [1, 0, 0, 5]]), "event 0: polarity -1, expected 0 or 1"),
]
OTHER = ", or correct preprocess.sensor if the file does not say its sensor"
OUTSIDE = [
    (".aedat", HEADER3 + packet3([(1, 1), (polarity3(128, 7, 1), 1)]), "event 1: x 128, y 7, polarity 1", "128 x 128"),
    (".aedat4", aedat4([[(1, 30, 40, 1)]], width=31, height=40), "event 0: x 30, y 40, polarity 1", "31 x 40"),
    (".aedat4", aedat4([[(1, 31, 0, 1)]], width=31, height=40), "event 0: x 31, y 0, polarity 1", "31 x 40"),
    (".bin", nmnist((0, 0, 0, 0), (34, 2, 1, 9)), "event 1: x 34, y 2, polarity 1", "34 x 34"),
    (".bin", nmnist((3, 34, 1, 9)), "event 0: x 3, y 34, polarity 1", "34 x 34"),
    (".npy", npy([[1, 128, 0, 5]]), "event 0: x 1, y 128, polarity 0", "128 x 128"),
    (".npy", npy([[-1, 0, 0, 5]]), "event 0: x -1, y 0, polarity 0", "128 x 128"),
]


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(InputError) as error:
        action()
    return str(error.value)


@pytest.mark.parametrize(("suffix", "data", "reason"), BAD)
def test_damage_names_the_file_the_place_and_what_to_do(suffix: str, data: bytes, reason: str) -> None:
    text = error_of(lambda: decode_recording(data, suffix, f"cup/7{suffix}"))
    assert text.startswith(f"cup/7{suffix}: {reason}")
    assert text.endswith(RECORDING_REMEDY)


@pytest.mark.parametrize(("suffix", "data", "event", "sensor"), OUTSIDE)
def test_an_event_outside_of_the_sensor_is_named(suffix: str, data: bytes, event: str, sensor: str) -> None:
    text = error_of(lambda: decode_recording(data, suffix, f"cup/7{suffix}"))
    assert text == f"cup/7{suffix}: {event} is outside the sensor of {sensor}; {RECORDING_REMEDY}{OTHER}"


def test_aedat2_of_another_camera_is_refused() -> None:
    davis = aedat2((0x8000, 1), (5 << 22 | 1 << 12 | 1 << 11, 2))
    assert error_of(lambda: decode_recording(davis, ".aedat", "a.aedat")) == (
        "a.aedat: event 1: address 0x1401800 has more than the 15 bits of a DVS128, and the header "
        "names no other camera; set preprocess.sensor if a DAVIS recorded it"
    )


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ([[1, 2, 0]], "(1, 3) of int64"),
        ([["a"] * 4], "(1, 4) of <U1"),
    ],
)
def test_an_array_of_something_else_says_what_it_is(events: Any, found: str) -> None:
    assert error_of(lambda: decode_recording(npy(events), ".npy", "0.npy")) == (
        f"0.npy: byte 0: expected numbers (N, 4): x, y, polarity, milliseconds; found {found}; convert the file"
    )


def test_a_pickle_in_an_array_is_not_opened() -> None:
    data = npy(np.array([[{}] * 4], dtype=object))
    assert "expected an array of numbers" in error_of(lambda: decode_recording(data, ".npy", "0.npy"))


def test_an_unknown_suffix_lists_the_known_ones() -> None:
    text = error_of(lambda: decode_recording(b"1", ".csv", "a.csv"))
    assert (
        text == "a.csv: no decoder for '.csv'; supported are .aedat, .aedat4, .bin, .dat, .h5, .hdf5, .npy, .npz, .raw"
    )


@given(data=st.data(), suffix=st.sampled_from([suffix for suffix in GOOD if suffix != ".aedat4"]))
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_is_damaged_is_events_on_the_sensor_or_an_input_error(data: st.DataObject, suffix: str) -> None:
    """AEDAT 4 is left out: its package ends the process on some wrong bytes."""
    content = bytearray(GOOD[suffix])
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        content = content[: data.draw(st.integers(0, len(content)))]
        recording = decode_recording(bytes(content), suffix, "a", (128, 128) if suffix == ".npz" else None)
    except InputError:
        return
    assert all(0 <= x < recording.width and 0 <= y < recording.height for _, x, y, _ in values(recording))


def test_every_cut_of_an_aedat4_file_is_an_input_error() -> None:
    for length in range(1, len(GOOD[".aedat4"])):
        assert error_of(lambda data=GOOD[".aedat4"][:length]: decode_recording(data, ".aedat4", "a")).endswith(
            RECORDING_REMEDY
        )


def test_a_file_is_read_by_its_suffix_and_named_in_errors(tmp_path: Path) -> None:
    assert set(GOOD) == set(SUFFIXES) == set(CATALOG["recordings"].suffixes)
    for suffix, data in GOOD.items():
        path = tmp_path / f"a{suffix.upper()}"
        path.write_bytes(data)
        sensor = (128, 128) if suffix == ".npz" else None
        assert values(read_recording(path, sensor)) == values(decode_recording(data, suffix, "", sensor))
    path.write_bytes(b"")
    assert error_of(lambda: read_recording(path)) == f"{path}: byte 0: the file is empty; {RECORDING_REMEDY}"


def test_cifar10_dvs_is_turned_as_the_authors_reader_turns_it() -> None:
    raw = decode_recording(aedat2((100 << 8 | 3 << 1 | 1, 10), (127 << 8 | 0 << 1 | 0, 20)), ".aedat", "a")
    turned = orient(raw, "cifar10-dvs")
    assert values(turned) == [(10, 127 - 100, 127 - 3, 0), (20, 0, 127, 1)]
    assert orient(raw, None) is raw


def test_the_rule_of_cifar10_dvs_is_for_a_dvs128() -> None:
    zero = np.zeros(1, np.int64)
    other = Recording(t=zero, x=zero, y=zero, p=zero, width=240, height=180)
    with pytest.raises(RecordingError, match="the sensor is 240 x 180 pixels, but cifar10-dvs is for a DVS128"):
        orient(other, "cifar10-dvs")
    assert orient(other, None) is other
