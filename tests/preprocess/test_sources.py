"""Headers decide the sensor size by the camera and select one source of several; else one error names them."""

import struct
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.preprocess.frames import Framing, frames_of_bytes
from pipeline.preprocess.recordings import decode_recording
from pipeline.preprocess.sources import CONVERT, SENSORS
from tests.preprocess.aedat4 import Event, aedat4_of_streams
from tests.preprocess.written import aedat2, header3, nmnist, packet3, polarity3

LEFT: list[Event] = [(10, 5, 6, 1), (20, 7, 8, 0)]
RIGHT: list[Event] = [(10, 100, 101, 1), (15, 102, 103, 0), (21, 104, 105, 1)]


def packet_of(events: list[Event], source: int, *, valid: int = 1) -> bytes:
    return packet3([(polarity3(x, y, p, valid=valid), t) for t, x, y, p in events], source=source)


def values(recording: Recording) -> list[Event]:
    return list(zip(*(column.tolist() for column in (recording.t, recording.x, recording.y, recording.p)), strict=True))


def error_of(action: Callable[[], object]) -> str:
    with pytest.raises(RecordingError) as error:
        action()
    return str(error.value)


def test_two_cameras_in_one_aedat4_file_are_refused_and_named() -> None:
    data = aedat4_of_streams([("left", LEFT), ("right", RIGHT)], width=128, height=128)
    assert error_of(lambda: decode_recording(data, ".aedat4", "a.aedat4")) == (
        "a.aedat4: byte 14: 2 streams have events, 0 (left): 2 events, 1 (right): 3 events; a recording must have "
        "one: set preprocess.stream to one of them (0), or export each to its own file"
    )


OTHERS = "events left out: of other streams than preprocess.stream"


def test_the_chosen_aedat4_stream_is_read_and_the_other_counted() -> None:
    data = aedat4_of_streams([("left", LEFT), ("right", RIGHT), ("off", [])], width=128, height=128)
    for stream, events in enumerate((LEFT, RIGHT, [])):
        recording = decode_recording(data, ".aedat4", "a", None, stream)
        assert values(recording) == events
        assert (recording.counts["events"], recording.counts[OTHERS]) == (5, 5 - len(events))


def test_frames_are_those_of_the_chosen_stream() -> None:
    data = aedat4_of_streams([("left", LEFT), ("right", RIGHT)], width=128, height=128)
    alone = aedat4_of_streams([("right", RIGHT)], width=128, height=128)
    framing = Framing(num_frames=1, size=64, orientation=None)
    frames, seen = frames_of_bytes(data, ".aedat4", "a", replace(framing, stream=1))
    assert np.array_equal(frames, frames_of_bytes(alone, ".aedat4", "a", framing)[0])
    assert (seen.counts["events"], seen.counts[OTHERS]) == (5, 2)
    both = header3("0: DVS128", "1: DVS128") + packet_of(LEFT, 0) + packet_of(RIGHT, 1)
    assert np.array_equal(frames_of_bytes(both, ".aedat", "a", replace(framing, stream=1))[0], frames)


def test_the_chosen_aedat3_source_is_read_with_its_sensor() -> None:
    data = header3("0: DVS128", "1: DAVIS240C") + packet_of(LEFT, 0) + packet_of(RIGHT, 1)
    left, right = (decode_recording(data, ".aedat", "a", None, stream) for stream in (0, 1))
    assert (values(left), left.width, left.counts[OTHERS]) == (LEFT, 128, 3)
    assert (values(right), right.width, right.counts[OTHERS]) == (RIGHT, 240, 2)


@pytest.mark.parametrize("stream", [2, "left"])
def test_a_stream_that_is_not_in_the_file_is_an_error_with_those_that_are(stream: int | str) -> None:
    data = aedat4_of_streams([("left", LEFT), ("right", [])], width=128, height=128)
    assert error_of(lambda: decode_recording(data, ".aedat4", "a", None, stream)) == (
        f"a: byte 14: preprocess.stream is {stream}, but the file has 0 (left): 2 events, 1 (right): 0 events; set it "
        "to one of them"
    )


@pytest.mark.parametrize(("data", "suffix"), [(aedat2((1, 1)), ".aedat"), (nmnist((1, 1, 1, 1)), ".bin")])
def test_a_stream_of_a_format_without_streams_is_an_error(data: bytes, suffix: str) -> None:
    framing = Framing(num_frames=1, size=2, orientation=None, stream=1)
    message = "a: byte 0: preprocess.stream is 1, but a file of this format has one stream; set it to null"
    assert error_of(lambda: decode_recording(data, suffix, "a", None, 1)) == message
    assert error_of(lambda: frames_of_bytes(data, suffix, "a", framing)) == message


def test_the_raw_and_the_filtered_stream_of_a_camera_are_not_counted_together() -> None:
    data = aedat4_of_streams([("capture", RIGHT), ("noise filter", RIGHT[1:])], width=128, height=128)
    text = error_of(lambda: decode_recording(data, ".aedat4", "a.aedat4"))
    assert "2 streams have events, 0 (capture): 3 events, 1 (noise filter): 2 events;" in text


def test_the_only_aedat4_stream_that_has_events_is_read() -> None:
    data = aedat4_of_streams([("left", []), ("right", RIGHT)], width=128, height=128)
    assert values(decode_recording(data, ".aedat4", "a.aedat4")) == RIGHT


def test_two_cameras_in_one_aedat3_file_are_refused_and_named() -> None:
    data = header3("0: DVS128", "1: DAVIS240C") + packet_of(LEFT, 0) + packet_of(RIGHT, 1)
    assert error_of(lambda: decode_recording(data, ".aedat", "a.aedat")) == (
        "a.aedat: byte 0: 2 streams have events, 0 (DVS128): 2 events, 1 (DAVIS240C): 3 events; a recording must have "
        "one: set preprocess.stream to one of them (0), or export each to its own file"
    )


def test_the_only_aedat3_source_that_has_valid_events_is_read_with_its_sensor() -> None:
    data = header3("0: DVS128", "1: DAVIS346B") + packet_of(LEFT, 0, valid=0) + packet_of([(5, 345, 259, 1)], 1)
    recording = decode_recording(data, ".aedat", "a.aedat")
    assert (values(recording), recording.width, recording.height) == ([(5, 345, 259, 1)], 346, 260)
    assert recording.counts["events left out: invalid by their own mark"] == 2


@pytest.mark.parametrize(
    ("camera", "width", "height"),
    [
        ("DVS128", 128, 128),
        ("DAVIS240C", 240, 180),
        ("DAVIS346Cbsi", 346, 260),
        ("DAVISHet640", 320, 240),
        ("File,dvsSizeX=304,dvsSizeY=240,apsSizeX=0,apsSizeY=0", 304, 240),
    ],
)
def test_the_sensor_is_the_one_of_the_camera_in_the_header(camera: str, width: int, height: int) -> None:
    last = (9, width - 1, height - 1, 0)
    recording = decode_recording(header3(f"1: {camera}") + packet_of([last], 1), ".aedat", "a.aedat")
    assert (values(recording), recording.width, recording.height) == ([last], width, height)
    beyond = header3(f"1: {camera}") + packet_of([(9, width, 0, 0)], 1)
    text = error_of(lambda: decode_recording(beyond, ".aedat", "a.aedat"))
    assert f"is outside the sensor of {width} x {height}; " in text


@pytest.mark.parametrize("camera", ["DYNAPSE", "SCAMP5", "File,dvsSizeX=0,dvsSizeY=0"])
def test_an_unknown_camera_is_refused_by_its_name(camera: str) -> None:
    text = error_of(lambda: decode_recording(header3(f"1: {camera}") + packet_of(LEFT, 1), ".aedat", "a.aedat"))
    assert text.startswith(f"a.aedat: byte 0: the camera {camera!r} is not supported in AEDAT 3.1 (only DVS128, ")
    assert text.endswith(CONVERT)


def test_a_header_that_names_no_camera_or_two_for_a_source_is_refused() -> None:
    assert "the header names no camera" in error_of(
        lambda: decode_recording(header3() + packet_of(LEFT, 1), ".aedat", "a")
    )
    two = header3("1: DVS128", "1: DAVIS240C") + packet_of(LEFT, 1)
    assert "names two cameras for one source: 1: DVS128, 1: DAVIS240C;" in error_of(
        lambda: decode_recording(two, ".aedat", "a")
    )
    header = header3("1: DVS128")
    text = error_of(lambda: decode_recording(header + packet_of(LEFT, 2), ".aedat", "a"))
    assert text.startswith(f"a: byte {len(header)}: the header names no camera as source 2;")


def test_a_compressed_packet_is_refused_and_not_passed_over() -> None:
    data = header3("1: DVS128") + packet3([(1, 1)], kind=0x8001, source=1)
    assert "a compressed packet: record or export the file as `RAW`" in error_of(
        lambda: decode_recording(data, ".aedat", "a")
    )


CHIP = "ch.unizh.ini.jaer.chip.retina"


@pytest.mark.parametrize("line", [f"AEChip: {CHIP}.DVS128", f"AEChip: {CHIP}.Tmpdiff128", "HardwareInterface: DVS128"])
def test_aedat2_of_a_dvs128_is_read(line: str) -> None:
    assert values(decode_recording(f"#!AER-DAT2.0\r\n# {line}\r\n".encode() + bytes(8), ".aedat", "a")) == [
        (0, 0, 0, 0)
    ]


@pytest.mark.parametrize(
    ("key", "camera"),
    [
        ("AEChip", "eu.seebetter.ini.chips.davis.DAVIS9000"),
        ("AEChip", "ch.unizh.ini.jaer.chip.stereopsis.Tmpdiff128StereoPair"),
        ("AEChip", "ch.unizh.ini.jaer.chip.cochlea.CochleaAMS1c"),
        ("HardwareInterface", "DAVIS FX2 02460013"),
    ],
)
def test_aedat2_of_another_camera_is_refused_by_its_name(key: str, camera: str) -> None:
    data = f"#!AER-DAT2.0\r\n# made by hand\r\n# {key}: {camera}\r\n".encode() + bytes(8)
    assert error_of(lambda: decode_recording(data, ".aedat", "a")) == (
        f"a: byte 0: the header names the camera {camera}; AEDAT 2.0 is supported for DVS128 and DAVIS; {CONVERT}"
    )


@pytest.mark.parametrize(
    ("chip", "width", "height"),
    [("DAVIS240C", 240, 180), ("DAVIS346blue", 346, 260), ("DavisHet640", 320, 240), ("DAVIS640", 640, 480)],
)
def test_aedat2_of_a_davis_has_its_pixel_events_and_counts_the_others(chip: str, width: int, height: int) -> None:
    head = f"#!AER-DAT2.0\r\n# made by hand\r\n# AEChip: eu.seebetter.ini.chips.davis.{chip}\r\n".encode()
    pixel = (height - 1) << 22 | (width - 1) << 12 | 1 << 11
    frame, inertia, trigger = 1 << 31 | pixel, 1 << 31 | 3 << 10, pixel | 1 << 10
    data = head + b"".join(struct.pack(">II", *one) for one in [(frame, 1), (pixel, 2), (inertia, 3), (trigger, 4)])
    recording = decode_recording(data, ".aedat", "a")
    assert (values(recording), recording.width, recording.height) == ([(2, width - 1, height - 1, 1)], width, height)
    assert recording.counts == {"events": 4, "events left out: of frames, inertial sensors or external inputs": 3}


def test_every_sensor_has_a_name_in_capitals_and_fifteen_bits() -> None:
    for name, (width, height) in SENSORS.items():
        assert name == name.upper()
        assert 0 < height <= width < 1 << 15
