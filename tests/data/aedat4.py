"""A minimal AEDAT 4 file, byte by byte: the reader's package has no writer."""

import struct

Event = tuple[int, int, int, int]
"""t (microseconds), x, y, polarity."""

DESCRIPTION = (
    '<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">'
    '<node name="0" path="/mainloop/Recorder/outInfo/0/"><attr key="typeIdentifier" type="string">{kind}</attr>'
    '<node name="info" path="/mainloop/Recorder/outInfo/0/info/">'
    '<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr></node></node></node></dv>'
)


def aedat4(packets: list[list[Event]], *, width: int, height: int, kind: str = "EVTS") -> bytes:
    """A file of one stream, uncompressed, with a packet for each list of events."""
    description = DESCRIPTION.format(kind=kind, width=width, height=height)
    body = b"".join(_packet(events) for events in packets)
    start = len(b"#!AER-DAT4.0\r\n") + 4 + len(_header(description, 0))
    header = _header(description, start + len(body))
    return b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(header)) + header + body


def _header(description: str, end_of_packets: int) -> bytes:
    """Flatbuffer Ioheader: compression (0: none), file_data_position, description."""
    text = description.encode()
    vtable = struct.pack("<5H2x", 10, 20, 8, 12, 4)  # its size, the table's, where the three fields stand in the table
    table = struct.pack("<iIiq", len(vtable), 16, 0, end_of_packets)  # the string stands 16 bytes after its offset
    return struct.pack("<I4s", 8 + len(vtable), b"IOHE") + vtable + table + struct.pack("<I", len(text)) + text + b"\0"


def _packet(events: list[Event]) -> bytes:
    """Stream 0, then a flatbuffer EventPacket after its size: a vector of 16-byte structs."""
    vtable = struct.pack("<3H2x", 6, 8, 4)
    table = struct.pack("<iI", len(vtable), 4)
    vector = struct.pack("<I", len(events)) + b"".join(struct.pack("<qhh?3x", *event) for event in events)
    content = struct.pack("<I4s", 8 + len(vtable), b"EVTS") + vtable + table + vector
    sized = struct.pack("<I", len(content)) + content
    return struct.pack("<II", 0, len(sized)) + sized
