"""AEDAT 4: the same events as another reader of the format, and one error for every wrong size."""

import struct
from pathlib import Path

import aedat
import numpy as np
import pytest

from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.preprocess.aedat4 import DECOMPRESSED_BYTES, DECOMPRESSION_RATIO, read_events
from tests.preprocess.aedat4 import DESCRIPTION, Event, aedat4, aedat4_of, block, compressed, packet

PACKETS: list[list[Event]] = [
    [(place * 1000 + event, event % 34, place, event % 2) for event in range(300)] for place in range(5)
]
SENSOR = DESCRIPTION.format(kind="EVTS", width=34, height=34)
START = len(aedat4([], width=34, height=34))
"""First byte of the packets."""


def error_of(data: bytes) -> str:
    with pytest.raises(RecordingError) as error:
        read_events(data, "a.aedat4")
    text = str(error.value)
    assert text.startswith(("a.aedat4: byte ", "a.aedat4: event "))
    return text.removeprefix("a.aedat4: ")


@pytest.mark.parametrize("compression", range(5))
def test_the_events_are_those_that_the_aedat_package_reads(tmp_path: Path, compression: int) -> None:
    data = aedat4(PACKETS, width=34, height=34, compression=compression)
    (tmp_path / "a.aedat4").write_bytes(data)
    theirs = np.concatenate([part["events"] for part in aedat.Decoder(str(tmp_path / "a.aedat4"))])
    ours, width, height, _ = read_events(data, "a")
    assert (width, height) == (34, 34)
    for name in ("t", "x", "y", "on"):
        assert ours[name].astype(np.int64).tolist() == theirs[name].astype(np.int64).tolist()


def test_packets_of_other_streams_are_passed_over() -> None:
    other = SENSOR.replace("</node></dv>", '<node name="7"><attr key="typeIdentifier">FRME</attr></node></node></dv>')
    data = aedat4_of([block(PACKETS[0])], other, 0, table=packet(b"", stream=7))
    assert len(read_events(data, "a")[0]) == 300
    end = struct.pack("<q", len(data) - 8)
    assert data.count(end) == 1
    assert len(read_events(data.replace(end, struct.pack("<q", len(data))), "a")[0]) == 300


def test_without_the_position_of_the_table_the_packets_end_with_the_file() -> None:
    data = aedat4(PACKETS, width=34, height=34)
    unfinished = data.replace(struct.pack("<q", len(data)), struct.pack("<q", -1))
    assert unfinished != data
    assert len(read_events(unfinished, "a")[0]) == 1500


def zeros(size: int) -> bytes:
    """A block of about `size` bytes, all of whose events are the same."""
    number = size // 16
    content = block([])[4:-4] + struct.pack("<I", number) + bytes(number * 16)
    return struct.pack("<I", len(content)) + content


@pytest.mark.parametrize("compression", [1, 3])
def test_a_compression_bomb_is_refused_before_it_fills_the_memory(compression: int) -> None:
    for blocks in ([zeros(DECOMPRESSED_BYTES)], [zeros(DECOMPRESSED_BYTES // 2)] * 2):
        data = aedat4_of(blocks, SENSOR, compression)
        assert len(data) < DECOMPRESSED_BYTES // 200
        assert "are left for the whole file" in error_of(data)


def test_a_larger_file_may_decompress_to_more_but_not_to_any_size() -> None:
    size = 2 * DECOMPRESSED_BYTES // DECOMPRESSION_RATIO
    for blocks, fits in ((3, True), (5, False)):
        data = aedat4_of([zeros(DECOMPRESSED_BYTES // 2)] * blocks, SENSOR, 3, table=bytes(size))
        if fits:
            assert len(read_events(data, "a")[0]) == blocks * (DECOMPRESSED_BYTES // 32)
        else:
            assert "are left for the whole file" in error_of(data)


def test_a_sensor_or_a_time_out_of_reason_is_refused() -> None:
    assert "a sensor of 0 x 9 pixels" in error_of(aedat4([], width=0, height=9))
    assert "a sensor of 9 x 40000 pixels" in error_of(aedat4([], width=9, height=40000))
    assert error_of(aedat4([[(1, 1, 1, 1), (-5, 1, 1, 1)]], width=9, height=9)).startswith("event 1: time -5")
    assert error_of(aedat4([[(2**60, 1, 1, 1)]], width=9, height=9)).startswith(f"event 0: time {2**60}")


BLOCK = block([(1, 2, 3, 1)])
TOO_MANY = BLOCK[:28] + struct.pack("<I", 2**31) + BLOCK[32:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"#!AER-DAT4.0\n", "byte 0: expected b'#!AER-DAT4.0\\r\\n'"),
        (b"#!AER-DAT4.0\r\n", "byte 14: a header of 0 bytes is truncated"),
        (b"#!AER-DAT4.0\r\n" + b"\xff" * 30, "byte 14: a header of 4294967295 bytes is truncated"),
        (b"#!AER-DAT4.0\r\n" + struct.pack("<I8x", 8), "byte 14: expected a block IOHE"),
        (b"#!AER-DAT4.0\r\n" + struct.pack("<II4s", 8, 99, b"IOHE"), "byte 14: a field at byte 99"),
        (aedat4(PACKETS, width=9, height=9)[:-1], "byte 14: the packets should end at byte"),
        (aedat4([], width=9, height=9, kind="FRME"), "byte 14: no stream of events (EVTS); export"),
        (aedat4_of([], "<dv>", 0), "byte 14: expected XML that names the streams: "),
        (aedat4_of([], "<!DOCTYPE dv><dv/>", 0), "byte 14: the XML that names the streams contains a declaration"),
        (aedat4_of([], SENSOR.replace("</node></dv>", '<node name="0"/></node></dv>'), 0), "byte 14: two streams have"),
        (aedat4_of([], SENSOR, 5), "byte 14: compression 5, expected 0 to 4"),
        (
            aedat4_of([b"\xff\xff\xff\xff"], SENSOR, 0),
            f"byte {START}: a packet decompresses to 4294967295 bytes",
        ),
        (
            aedat4_of([BLOCK[:-1]], SENSOR, 0),
            f"byte {START}: the block does not have its stated size of {len(BLOCK) - 4}",
        ),
        (
            aedat4_of([BLOCK + b"x"], SENSOR, 3),
            f"byte {START}: the block does not have its stated size of {len(BLOCK) - 4}",
        ),
        (
            aedat4_of([BLOCK.replace(b"EVTS", b"IMUS")], SENSOR, 0),
            f"byte {START}: expected a block EVTS, found b'IMUS'",
        ),
        (aedat4_of([TOO_MANY], SENSOR, 0), f"byte {START}: 2147483648 elements of 16 bytes do not fit"),
    ],
)
def test_every_size_that_is_wrong_names_its_place(data: bytes, reason: str) -> None:
    text = error_of(data)
    assert text.startswith(reason)
    assert text.endswith(RECORDING_REMEDY) or "export the camera's events" in text


def test_packets_that_are_cut_off_or_nobodys_or_not_compressed_are_named() -> None:
    size = struct.pack("<q", START)
    for rest, reason in (
        (b"1234567", "a packet's header is truncated"),
        (packet(BLOCK)[:-1], f"a packet of {len(BLOCK)} bytes, but {len(BLOCK) - 1} are left; the file is truncated"),
        (packet(BLOCK, stream=3), "a packet of stream 3, which the header does not name"),
    ):
        data = aedat4([], width=34, height=34).replace(size, struct.pack("<q", -1)) + rest
        assert error_of(data).startswith(f"byte {START}: {reason}")
    for compression, codec in ((1, "lz4"), (3, "zstd")):
        whole = compressed(BLOCK, compression)
        for damaged in (BLOCK, whole[: len(whole) // 2], whole[:4] + b"\xff" * 8 + whole[12:]):
            data = aedat4_of([], SENSOR, compression).replace(size, struct.pack("<q", -1)) + packet(damaged)
            assert error_of(data).startswith(f"byte {START}: expected data compressed by {codec}: ")
