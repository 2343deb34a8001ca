"""HDF5 recordings: three layouts, cameras chosen by name, and one error for what is not in the file or too large."""

import struct
import sys
import zlib
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from pipeline.ground.errors import InputError, RecordingError
from pipeline.preprocess.recordings import decode_recording
from tests.preprocess.aedat4 import Event
from tests.preprocess.hdf5_files import add_columns, dsec, hdf5, m3ed, metavision
from tests.preprocess.test_prophesee import values

LEFT: list[Event] = [(10, 5, 6, 1), (20, 7, 8, 0)]
RIGHT: list[Event] = [(11, 100, 90, 1), (12, 1, 2, 0), (13, 3, 4, 1)]
SENSOR = (640, 480)


def error_of(data: bytes, sensor: tuple[int, int] | None = SENSOR, stream: str | None = None) -> str:
    with pytest.raises(RecordingError) as error:
        decode_recording(data, ".h5", "a.h5", sensor, stream)
    return str(error.value).removeprefix("a.h5: byte 0: ")


def test_dsec_has_its_times_after_an_offset_and_the_stated_sensor() -> None:
    recording = decode_recording(dsec(LEFT, offset=2**40), ".h5", "a", SENSOR)
    assert values(recording) == [(2**40 + 10, 5, 6, 1), (2**40 + 20, 7, 8, 0)]
    assert (recording.width, recording.height, recording.counts["events"]) == (640, 480, 2)
    assert "does not say how large its sensor is" in error_of(dsec(LEFT), None)


def test_metavision_has_its_sensor_in_an_attribute() -> None:
    recording = decode_recording(metavision(RIGHT), ".hdf5", "a")
    assert (values(recording), recording.width, recording.height) == (RIGHT, 128, 96)
    assert values(decode_recording(metavision(RIGHT, None), ".hdf5", "a", SENSOR)) == RIGHT


def test_one_camera_of_m3ed_is_chosen_by_its_group_and_the_others_are_counted() -> None:
    data = m3ed(left=LEFT, right=RIGHT)
    recording = decode_recording(data, ".h5", "a", None, "prophesee/left")
    assert (values(recording), recording.width, recording.height) == (LEFT, 128, 96)
    others = "events left out: of other streams than preprocess.stream"
    assert recording.counts == {"events": 5, others: 3}
    assert values(decode_recording(m3ed(left=[], right=RIGHT), ".h5", "a")) == RIGHT


def test_cameras_are_named_and_never_mixed() -> None:
    data = m3ed(left=LEFT, right=RIGHT)
    both = "prophesee/left (group): 2 events, prophesee/right (group): 3 events"
    assert error_of(data, None) == (
        f"2 streams have events, {both}; a recording must have one: set preprocess.stream to one of them "
        "(prophesee/left), or export each to its own file"
    )
    assert error_of(data, None, "left") == f"preprocess.stream is left, but the file has {both}; set it to one of them"


@pytest.mark.parametrize("filters", [hdf5plugin.Blosc(cname="zstd"), hdf5plugin.Zstd(), {"compression": "lzf"}])
def test_filters_of_hdf5plugin_are_read(filters: Any) -> None:
    assert values(decode_recording(dsec(LEFT, chunks=(1,), **dict(filters)), ".h5", "a", SENSOR)) == LEFT


def _with_filter(code: int) -> bytes:
    """Columns whose filter lzf (id 32000) has another id."""
    data = dsec(LEFT, chunks=(2,), compression="lzf")
    before, after = (struct.pack("<HH", number, 8) for number in (32000, code))
    assert data.count(before) == 4
    return data.replace(before, after)


def test_a_filter_that_is_not_there_is_named_with_what_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_of(_with_filter(0x8ECF)) == (
        "events/t: is compressed by Prophesee's filter ECF (id 36559, 0x8ECF), which hdf5plugin does not have; export "
        "the recording as RAW or DAT"
    )
    assert error_of(_with_filter(32555)) == (
        "events/t: is compressed by the filter lzf (id 32555); hdf5plugin does not have it: write the file again "
        "without it"
    )
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    assert error_of(_with_filter(32555)) == "events/t: is compressed by the filter lzf (id 32555); install hdf5plugin"


def test_without_h5py_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = dsec(LEFT)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError) as error:
        decode_recording(data, ".h5", "a.h5", SENSOR)
    assert str(error.value) == "a.h5: HDF5 needs the package h5py; install h5py, and hdf5plugin for its filters"


def _external_link(file: Any) -> None:
    file["events"] = h5py.ExternalLink("/etc/other.h5", "/events")


def _soft_link(file: Any) -> None:
    add_columns(file.create_group("events"), LEFT)
    file["events/again"] = h5py.SoftLink("/events/x")


def _virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((2,), "u4")
    layout[:] = h5py.VirtualSource("other.h5", "t", (2,))
    group = file.create_group("events")
    group.create_virtual_dataset("t", layout)
    for name in "xyp":
        group[name] = np.zeros(2, "u2")


def _external_storage(file: Any) -> None:
    group = file.create_group("events")
    group.create_dataset("t", (2,), "u4", external=[("/etc/hostname", 0, 8)])
    for name in "xyp":
        group[name] = np.zeros(2, "u2")


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (_external_link, "events: is a link to /etc/other.h5 /events; copy what it names into its place"),
        (_soft_link, "events/again: is a link to /events/x; copy what it names into its place"),
        (_virtual, "events/t: is virtual, or its values lie in another file; copy them into this one"),
        (_external_storage, "events/t: is virtual, or its values lie in another file; copy them into this one"),
    ],
)
def test_what_lies_in_another_file_is_refused_by_name(fill: Any, message: str) -> None:
    assert error_of(hdf5(fill)) == message


def _columns(**changed: Any) -> bytes:
    good = {"t": np.arange(2), "x": np.arange(2), "y": np.arange(2), "p": np.arange(2)}

    def fill(file: Any) -> None:
        for name, column in (good | changed).items():
            file[f"events/{name}"] = column

    return hdf5(fill)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_columns(x=np.arange(3)), "columns of different lengths: t 2, x 3, y 2, p 2;"),
        (_columns(x=np.zeros((2, 2))), "events/x: expected numbers (N,), found (2, 2) of float64;"),
        (_columns(x=["a", "b"]), "events/x: expected numbers (N,), found (2,) of object;"),
        (_columns(t=[0.5, 1.5]), "a.h5: event 0: t is 0.5, expected a whole number (microseconds);"),
        (_columns(p=[0, 2]), "a.h5: event 1: polarity 2, expected 0 or 1;"),
        (
            hdf5(lambda file: file.create_dataset("davis/left/events", (3, 4), "f8")),
            "expected datasets x, y, t and p in one ",
        ),
        (hdf5(lambda file: None), "expected datasets x, y, t and p in one group, or a compound dataset with these fie"),
        (dsec(LEFT, offset=2**61), "t_offset: expected a whole number (microseconds);"),
        (dsec(LEFT)[:-100], "not a complete HDF5 file ("),
        (b"#!AER-DAT2.0\r\n", "not a complete HDF5 file ("),
        (b"\x89HDF\r\n\x1a\n", "not a complete HDF5 file ("),
    ],
)
def test_what_is_no_recording_is_one_error(data: bytes, message: str) -> None:
    assert error_of(data).startswith(message)


def test_another_layout_is_said() -> None:
    assert error_of(hdf5(lambda file: file.create_dataset("davis/left/events", (3, 4), "f8"))) == (
        "expected datasets x, y, t and p in one group, or a compound dataset with these fields, found "
        "davis/left/events; convert the file"
    )


def test_polarities_of_minus_one_and_one_are_off_and_on() -> None:
    assert decode_recording(_columns(p=np.array([-1, 1])), ".h5", "a", SENSOR).p.tolist() == [0, 1]


def test_a_size_that_no_file_of_its_length_has_is_refused_before_it_is_read() -> None:
    def empty(file: Any) -> None:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (1 << 40,), "u8", chunks=(1000,), compression="gzip")

    assert error_of(hdf5(empty)).startswith(f"events/t: {1 << 43} bytes, expected at most 16777216 for this file;")

    def large_chunk(file: Any) -> None:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (1,), "u8", chunks=(1 << 22,), maxshape=(None,))

    assert error_of(hdf5(large_chunk)).startswith(f"events/t: {1 << 25} bytes, expected at most 16777216 for this")


def test_chunks_that_would_take_gigabytes_to_read_are_refused() -> None:
    def tiny_chunks(file: Any) -> None:
        for name in "txyp":
            file.create_dataset(f"events/{name}", (1 << 20,), "u1", chunks=(1,))

    assert error_of(hdf5(tiny_chunks)) == (
        "events/t: 1048576 chunks are too many for this file; write it with larger chunks"
    )


def test_a_chunk_that_inflates_beyond_its_size_is_refused() -> None:
    def bomb(file: Any) -> None:
        add_columns(file.create_group("events"), LEFT, chunks=(2,), compression="gzip")
        file["events/y"].id.write_direct_chunk((0,), zlib.compress(bytes(1 << 24)))

    assert error_of(hdf5(bomb)).startswith("events/y: a chunk has more than its 4 bytes;")


def test_a_group_in_itself_ends() -> None:
    def fill(file: Any) -> None:
        add_columns(file.create_group("events"), LEFT)
        file["events/again"] = file["events"]

    assert values(decode_recording(hdf5(fill), ".h5", "a", SENSOR)) == LEFT
