"""A minimal AEDAT 4 file, byte by byte."""

import struct

import pyarrow as pa

CODECS = {1: "lz4", 2: "lz4", 3: "zstd", 4: "zstd"}
Event = tuple[int, int, int, int]
"""t (microseconds), x, y, polarity."""

DESCRIPTION = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="typeIdentifier" type="string">{kind}</attr>'
    '<node name="info" path="/mainloop/Recorder/outInfo/0/info/">'
    '<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr></node></node></node></dv>'
)


def aedat4(packets: list[list[Event]], *, width: int, height: int, kind: str = "EVTS", compression: int = 0) -> bytes:
    """A file of one stream with a packet for each list of events."""
    description = DESCRIPTION.format(kind=kind, width=width, height=height)
    return aedat4_of([block(events) for events in packets], description, compression)


def aedat4_of_streams(streams: list[tuple[str, list[Event]]], *, width: int, height: int) -> bytes:
    """A file of several streams of events on sensors of one size: the module that made each, and a packet of its."""
    stream = DESCRIPTION[DESCRIPTION.index('<node name="0"') : -len("</node></dv>")]
    nodes = [
        stream.format(kind="EVTS", width=width, height=height)
        .replace('node name="0"', f'node name="{number}"')
        .replace('<node name="info"', f'<attr key="originalModuleName">{name}</attr><node name="info"')
        for number, (name, _) in enumerate(streams)
    ]
    description = f'<dv version="2.0"><node name="outInfo">{"".join(nodes)}</node></dv>'
    empty = aedat4_of([], description, 0).replace(struct.pack("<q", _start(description)), struct.pack("<q", -1))
    return empty + b"".join(packet(block(events), stream=number) for number, (_, events) in enumerate(streams))


def aedat4_of(blocks: list[bytes], description: str, compression: int, *, table: bytes = b"") -> bytes:
    """A file whose packets hold these blocks; compression as the header numbers it (1: LZ4, 3: zstd)."""
    body = b"".join(packet(compressed(content, compression)) for content in blocks)
    header = _header(description, _start(description) + len(body), compression)
    return b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + body + table


def _start(description: str) -> int:
    """First byte of the packets."""
    return len(b"#!AER-DAT4.0\r\n") + 4 + len(_header(description, 0, 0))


def compressed(content: bytes, compression: int) -> bytes:
    return pa.compress(content, CODECS[compression], asbytes=True) if compression else content


def _header(description: str, end_of_packets: int, compression: int) -> bytes:
    """Flatbuffer Ioheader: compression, file_data_position, description."""
    text = description.encode()
    vtable = struct.pack("<5H2x", 10, 20, 8, 12, 4)  # its size, the table's, where the three fields stand in the table
    table = struct.pack(
        "<iIiq", len(vtable), 16, compression, end_of_packets
    )  # the string stands 16 bytes after its offset
    return struct.pack("<I4s", 8 + len(vtable), b"IOHE") + vtable + table + struct.pack("<I", len(text)) + text + b"\0"


def packet(content: bytes, *, stream: int = 0) -> bytes:
    return struct.pack("<II", stream, len(content)) + content


def block(events: list[Event]) -> bytes:
    """A flatbuffer EventPacket after its size: a vector of 16-byte structs."""
    vtable = struct.pack("<3H2x", 6, 8, 4)
    table = struct.pack("<iI", len(vtable), 4)
    vector = struct.pack("<I", len(events)) + b"".join(struct.pack("<qhh?3x", *event) for event in events)
    content = struct.pack("<I4s", 8 + len(vtable), b"EVTS") + vtable + table + vector
    return struct.pack("<I", len(content)) + content
