"""The text header of Prophesee's files, and events of their .dat format.

https://docs.prophesee.ai/stable/data/file_formats/
"""

import re

import numpy as np

from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import check_length
from pipeline.preprocess.times import unwrapped

_LINE = re.compile(rb"%(?: ([\t -~]*))?\r?\n")
DAT_EVENTS = (bytes([0, 8]), bytes([12, 8]))
"""Type and size of an event in a .dat file with events of pixels: Event2d and EventCD."""
_GENERATIONS = {"3.0": (640, 480), "3.1": (640, 480), "4.0": (1280, 720), "4.1": (1280, 720), "4.2": (1280, 720)}
"""Width and height of the sensor by `sensor_generation`; for recordings without `geometry`."""
FileHeader = dict[str, str]


def read_text_header(data: bytes) -> tuple[FileHeader, int]:
    """Values of the header's lines by lower-case keyword, and the offset of the first byte after them."""
    header, start = {}, 0
    while (line := _LINE.match(data, start)) is not None:
        start = line.end()
        keyword, _, value = (line[1] or b"").decode().partition(" ")
        if keyword == "end":
            break
        header[keyword.lower()] = value.strip()
    return header, start


def header_sensor(header: FileHeader) -> tuple[int, int] | None:
    """Width and height of the sensor; None if the header does not tell."""
    if "width" in header and "height" in header:
        size = f"{header['width']}x{header['height']}"
    elif "geometry" in header:
        size = header["geometry"]
    else:
        options = dict(part.partition("=")[::2] for part in header.get("format", "").split(";"))
        size = f"{options.get('width')}x{options.get('height')}"
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size)
    if match and 0 < int(match[1]) < 1 << 15 and 0 < int(match[2]) < 1 << 15:
        return int(match[1]), int(match[2])
    return _GENERATIONS.get(header.get("sensor_generation", header.get("generation", "")))


def dat_bits(header: FileHeader) -> tuple[int, int] | None:
    """Number of bits of x and of y in an address of a .dat file; None for an unknown version."""
    return {"0": (9, 8), "1": (9, 8), "2": (14, 14)}.get(header.get("version", ""))


def read_dat(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """The events of a .dat file. Raises RecordingError.

    The header has a version. After it come the event type, the event size (8), then per event 32 bits of microseconds
    and 32 bits of address, little-endian. Version 2: 14 bits x, 14 bits y, polarity. Versions 0 and 1 (N-CARS): 9 bits
    x, 8 bits y, polarity. Other bits of an address must be 0. Times are 32 bits; a decrease by more than half their
    range is an overflow.
    """
    header, start = read_text_header(data)
    if (kind := data[start : start + 2]) not in DAT_EVENTS:
        raise RecordingError(
            f"{where}: byte {start}: event type and size are {list(kind)}, expected 0 or 12, and 8 bytes (pixel "
            f"events); {RECORDING_REMEDY}"
        )
    if (bits := dat_bits(header)) is None:
        raise RecordingError(
            f"{where}: byte 0: the header says version {shown(header.get('version', '(none)')[:20])}, expected a line "
            "`% Version` with 0, 1 or 2; export the file with Metavision Studio"
        )
    x_bits, y_bits = bits
    check_length(len(data) - start - 2, 8, start + 2, where)
    pairs = np.frombuffer(data, "<u4", offset=start + 2).reshape(-1, 2).astype(np.int64)
    t, address = pairs[:, 0], pairs[:, 1]
    t = unwrapped(t, 32)
    x, y, p = address & (1 << x_bits) - 1, address >> x_bits & (1 << y_bits) - 1, address >> x_bits + y_bits
    width, height = choose_sensor(header_sensor(header), sensor, where)
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts={"events": len(pairs)})
