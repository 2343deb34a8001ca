"""Events of an AEDAT 4 file. Every size, offset and count is checked before it is used.

Format (docs.inivation.com, "AEDAT 4.0"): a first line; a flatbuffer `IOHE`, preceded by its size, with compression,
position of the packet table or -1, and XML that names the streams; then packets, each with stream number and size (4
bytes each) and an optionally compressed flatbuffer `EVTS`, preceded by its size. The table at the end is not needed for
sequential reading.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.data.counts import Counts, left_out
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.preprocess.sources import OTHER_STREAMS, StreamKey, only_source
from pipeline.preprocess.times import check_times

MAGIC = b"#!AER-DAT4.0\r\n"
"""How an AEDAT 4 file begins."""
EVENT = np.dtype(
    {
        "names": ["t", "x", "y", "on"],
        "formats": [
            "<i8",
            "<u2",
            "<u2",
            "u1",
        ],  # signed in the format; as unsigned, a negative coordinate is off the sensor
        "offsets": [0, 8, 10, 12],
        "itemsize": 16,
    }
)
"""Bytes of one event in a packet."""
CODECS = (None, "lz4", "lz4", "zstd", "zstd")
"""By the header's compression number; LZ4 and LZ4_HIGH, like ZSTD and ZSTD_HIGH, use the same decoder."""
DECOMPRESSED_BYTES = 16 << 20
"""Size (bytes) that any file may decompress to."""
DECOMPRESSION_RATIO = 16
"""Maximum compression ratio of larger files; zstd compresses events at random places by a factor of 4 at best."""
OTHER_PACKETS = left_out("packets", "of frames, inertial sensors or triggers")
"""Count of packets that hold no events."""


class Stream(NamedTuple):
    """A stream of packets, as the header describes it."""

    kind: str | None
    """EVTS for events."""
    width: int
    height: int
    name: str
    """The module that recorded or filtered it, and the camera."""


class Events(NamedTuple):
    """The stream of a file that is used."""

    events: npt.NDArray[Any]
    """Array of type EVENT, in file order."""
    width: int
    height: int
    counts: Counts
    """Packets of frames, of inertial sensors and of triggers are left out."""


@dataclass(frozen=True)
class _Flatbuffer:
    """A flatbuffer without its size prefix, and its place in the file."""

    content: Any
    """Bytes or a memoryview."""
    where: str
    """File and byte offset, for errors."""

    def number(self, form: str, at: int) -> int:
        if not 0 <= at <= len(self.content) - struct.calcsize(form):
            raise self.error(f"a field at byte {at} is outside its block of {len(self.content)} bytes")
        return int(struct.unpack_from(form, self.content, at)[0])

    def root(self, identifier: bytes) -> int:
        """Offset of the root table."""
        if bytes(self.content[4:8]) != identifier:
            raise self.error(f"expected a block {identifier.decode()}, found {bytes(self.content[4:8])!r}")
        return self.number("<I", 0)

    def field(self, table: int, index: int) -> int | None:
        """Offset of a table's field; None if the field has its default value."""
        vtable, entry = table - self.number("<i", table), 4 + 2 * index
        if self.number("<H", vtable) < entry + 2:
            return None
        offset = self.number("<H", vtable + entry)
        return table + offset if offset else None

    def vector(self, field: int | None, size: int) -> Any:
        """The bytes of a vector of elements of `size` bytes."""
        if field is None:
            return b""
        start = field + self.number("<I", field)
        number = self.number("<I", start)
        if number * size > len(self.content) - start - 4:
            raise self.error(f"{number} elements of {size} bytes do not fit into a block of {len(self.content)} bytes")
        return self.content[start + 4 : start + 4 + number * size]

    def error(self, what: str) -> RecordingError:
        return RecordingError(f"{self.where}: {what}; {RECORDING_REMEDY}")


class StreamHeader(NamedTuple):
    """What stands before the packets."""

    codec: str | None
    start: int
    """Offset of the first packet."""
    end: int
    """Offset after the last packet."""
    streams: dict[int, Stream]
    """By number."""


def read_events(data: bytes, where: str, chosen: StreamKey | None = None) -> Events:
    """The events of a stream: `chosen` is preprocess.stream; None: the only one with events. Raises RecordingError."""
    header = read_stream_header(data, where)
    blocks: dict[int, list[Any]] = {number: [] for number, stream in header.streams.items() if stream.kind == "EVTS"}
    if not blocks:
        raise RecordingError(f"{where}: byte {len(MAGIC)}: no stream of events (EVTS); export the camera's events")
    packets = 0
    for number, events in event_packets(data, header, where):
        packets += 1
        if events is not None:
            blocks[number].append(events)
    found = {number: np.frombuffer(b"".join(parts), EVENT) for number, parts in blocks.items()}
    names = {number: stream.name for number, stream in header.streams.items()}
    only = only_source(found, names, f"{where}: byte {len(MAGIC)}", chosen)
    number = min(found) if only is None else only
    events, total, stream = found[number], sum(map(len, found.values())), header.streams[number]
    check_times(events["t"], where)
    counts = packet_counts(packets, sum(map(len, blocks.values())))
    counts |= {"events": total, OTHER_STREAMS: total - len(events)}
    return Events(events, stream.width, stream.height, counts)


def packet_counts(packets: int, used: int) -> dict[str, int]:
    """Counts of the packets of a file, of which `used` have events of the chosen stream."""
    return {"packets": packets, "packets used": used, OTHER_PACKETS: packets - used}


def event_packets(data: bytes, header: StreamHeader, where: str) -> Iterator[tuple[int, Any]]:
    """Of each packet the stream, and the bytes of its events; None instead of them for other kinds of packets.

    Raises RecordingError.
    """
    start, most = header.start, max(DECOMPRESSED_BYTES, DECOMPRESSION_RATIO * len(data))
    while start < header.end:
        number, packet, place = _packet(data, start, header.end, where)
        if number not in header.streams:
            raise RecordingError(
                f"{place}: a packet of stream {number}, which the header does not name; {RECORDING_REMEDY}"
            )
        if header.streams[number].kind == "EVTS":
            block = _Flatbuffer(_content(packet, header.codec, most, place), place)
            most -= len(block.content)
            yield number, block.vector(block.field(block.root(b"EVTS"), 0), EVENT.itemsize)
        else:
            yield number, None
        start += 8 + len(packet)


def read_stream_header(data: bytes, where: str) -> StreamHeader:
    """Raises RecordingError."""
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC):
        raise RecordingError(f"{where}: byte 0: expected {MAGIC!r}, found {data[: len(MAGIC)]!r}; {RECORDING_REMEDY}")
    block = _Flatbuffer(memoryview(data)[start:], f"{where}: byte {start - 4}")
    size = int.from_bytes(data[start - 4 : start], "little")
    if len(data) < start or size > len(block.content):
        raise block.error(f"a header of {size} bytes is truncated")
    block = _Flatbuffer(block.content[:size], block.where)
    table = block.root(b"IOHE")
    compression, position, text = (block.field(table, index) for index in range(3))
    number = 0 if compression is None else block.number("<i", compression)
    end = -1 if position is None else block.number("<q", position)
    if not 0 <= number < len(CODECS):
        raise block.error(f"compression {number}, expected 0 to {len(CODECS) - 1}")
    if end != -1 and not start + size <= end <= len(data):
        raise block.error(f"the packets should end at byte {end}, but the file has {len(data)} bytes: it is truncated")
    streams = _streams(block, bytes(block.vector(text, 1)))
    return StreamHeader(CODECS[number], start + size, len(data) if end == -1 else end, streams)


def _streams(block: _Flatbuffer, text: bytes) -> dict[int, Stream]:
    """The streams that the header's XML names under outInfo."""
    if b"<!" in text:  # refuse declarations, so that no entity can be expanded
        raise block.error("the XML that names the streams contains a declaration, expected only elements")
    try:
        root = ET.fromstring(text.decode())  # noqa: S314 - has no declarations
        nodes = root.findall("node[@name='outInfo']/node")
        streams = {int(node.get("name", "")): _stream(node) for node in nodes}
    except (ET.ParseError, ValueError) as error:
        raise block.error(f"expected XML that names the streams: {error}") from None
    if len(streams) < len(nodes):
        raise block.error("two streams have the same number")
    return streams


def _stream(node: "ET.Element[str]") -> Stream:
    """Raises ValueError."""
    kind = node.findtext("attr[@key='typeIdentifier']")
    makers = (node.findtext(path, "") for path in ("attr[@key='originalModuleName']", "node/attr[@key='source']"))
    name = ", ".join(dict.fromkeys(filter(None, makers))) or "without a name"
    if kind != "EVTS":
        return Stream(kind, 0, 0, name)
    width, height = (int(node.findtext(f"node[@name='info']/attr[@key='{key}']", "")) for key in ("sizeX", "sizeY"))
    if not (0 < width < 1 << 15 and 0 < height < 1 << 15):
        raise ValueError(f"a sensor of {width} x {height} pixels")
    return Stream(kind, width, height, name)


def _packet(data: bytes, start: int, end: int, where: str) -> tuple[int, memoryview, str]:
    """Stream number, the packet's bytes, and its place for errors."""
    place = f"{where}: byte {start}"
    if end - start < 8:
        raise RecordingError(f"{place}: a packet's header is truncated; {RECORDING_REMEDY}")
    stream, size = struct.unpack_from("<iI", data, start)
    if size > end - start - 8:
        raise RecordingError(
            f"{place}: a packet of {size} bytes, but {end - start - 8} are left; the file is truncated; "
            f"{RECORDING_REMEDY}"
        )
    return stream, memoryview(data)[start + 8 : start + 8 + size], place


def _content(packet: memoryview, codec: str | None, most: int, place: str) -> memoryview:
    """A packet's flatbuffer, decompressed, without its size prefix."""
    try:
        with (
            pa.BufferReader(packet)
            if codec is None
            else pa.CompressedInputStream(pa.BufferReader(packet), codec) as file
        ):
            size = int.from_bytes(file.read(4), "little")
            if size > most:
                raise RecordingError(
                    f"{place}: a packet decompresses to {size} bytes, but only {most} are left for the whole file; "
                    f"{RECORDING_REMEDY}"
                )
            content = np.empty(size, np.uint8).data  # not file.read: it copies
            length, rest = file.readinto(content), file.read(1)
    except OSError as error:
        raise RecordingError(f"{place}: expected data compressed by {codec}: {error}; {RECORDING_REMEDY}") from None
    if length < size or rest:
        raise RecordingError(f"{place}: the block does not have its stated size of {size} bytes; {RECORDING_REMEDY}")
    return content
