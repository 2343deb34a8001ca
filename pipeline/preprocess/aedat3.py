"""Events of AEDAT 3.1 files."""

import numpy as np
import numpy.typing as npt

from pipeline.data.counts import left_out
from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.preprocess.aedat4 import OTHER_PACKETS
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.sources import OTHER_STREAMS, StreamKey, only_source, sensor_of, sources_of_aedat3

HEADER_END = b"#!END-HEADER\r\n"
"""Last line of the header."""
POLARITY_EVENT = 1
"""Type of a packet of polarity events."""
COMPRESSED = 0x8000
"""Bit of a packet's type: its content is compressed."""
INVALID = left_out("events", "invalid by their own mark")
"""Count of events that the camera marked invalid."""


def read_aedat3(data: bytes, where: str, sensor: Sensor | None = None, stream: StreamKey | None = None) -> Recording:
    """Packets with a 28-byte header and events of 8 bytes, little-endian; packets of other kinds are left out.

    Polarity event: bit 0 valid, bit 1 polarity, bits 2 to 16 y, bits 17 to 31 x, then 31 bits of microseconds; the
    packet's header has the number of their overflows. The file's header names the camera, hence the sensor, of each
    source. `stream` is preprocess.stream, the number of a source.
    """
    end = data.find(HEADER_END)
    if end < 0:
        raise RecordingError(f"{where}: byte {len(data)}: the header has no end line #!END-HEADER; {RECORDING_REMEDY}")
    cameras = sources_of_aedat3(data[:end], where)
    parts, counts = _packets(data, end + len(HEADER_END), cameras, where)
    counts["events"] = sum(map(len, parts.values()))
    valid = {source: events[events[:, 0] & 1 == 1] for source, events in parts.items()}
    counts[INVALID] = counts["events"] - sum(map(len, valid.values()))
    source = only_source(valid, cameras, f"{where}: byte 0", stream)
    chosen = next(iter(cameras)) if source is None else source
    width, height = sensor_of(cameras[chosen], sensor, where)
    events = valid[chosen]
    counts[OTHER_STREAMS] = sum(map(len, valid.values())) - len(events)
    if (late := (events[:, 1:] >= 1 << 31).any(axis=1)).any():
        first = int(np.flatnonzero(late)[0])
        raise RecordingError(
            f"{where}: event {first}: time {events[first, 1]} after {events[first, 2]} overflows, expected both "
            f"below 2^31; {RECORDING_REMEDY}"
        )
    address, t = events[:, 0], events[:, 1] + (events[:, 2] << 31)
    x, y, p = address >> 17 & 0x7FFF, address >> 2 & 0x7FFF, address >> 1 & 1
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _packets(
    data: bytes, offset: int, cameras: dict[int, str], where: str
) -> tuple[dict[int, npt.NDArray[np.int64]], dict[str, int]]:
    """Polarity events (N, 3) of each source with columns address, time and overflows; and the packet counts."""
    parts: dict[int, list[npt.NDArray[np.int64]]] = {source: [] for source in cameras}
    others = 0
    while offset < len(data):
        kind, source, size, overflow, number = _packet(data, offset, where)
        if kind == POLARITY_EVENT:
            if size != 8:
                raise RecordingError(f"{where}: byte {offset}: events of {size} bytes, expected 8; {RECORDING_REMEDY}")
            if source not in cameras:
                raise RecordingError(
                    f"{where}: byte {offset}: the header names no camera as source {source}; {RECORDING_REMEDY}"
                )
            found = np.frombuffer(data, "<u4", number * 2, offset + 28).reshape(-1, 2).astype(np.int64)
            parts[source].append(np.column_stack([found, np.full(number, overflow)]))
        else:
            others += 1
        offset += 28 + size * number
    used = sum(map(len, parts.values()))
    counts = {"packets": used + others, "packets used": used, OTHER_PACKETS: others}
    return {source: np.concatenate([np.zeros((0, 3), np.int64), *found]) for source, found in parts.items()}, counts


def _packet(data: bytes, offset: int, where: str) -> tuple[int, int, int, int, int]:
    """Kind, source, event size (bytes), timestamp overflows and number of events of the packet at `offset`."""
    if len(data) - offset < 28:
        raise RecordingError(f"{where}: byte {offset}: a packet's header is truncated; {RECORDING_REMEDY}")
    kind, source = (int(value) for value in np.frombuffer(data, "<u2", 2, offset))
    size, _, overflow, _, number, _ = (int(value) for value in np.frombuffer(data, "<u4", 6, offset + 4))
    if kind & COMPRESSED:
        raise RecordingError(f"{where}: byte {offset}: a compressed packet: record or export the file as `RAW`")
    if size == 0 or offset + 28 + size * number > len(data):
        raise RecordingError(
            f"{where}: byte {offset}: a packet of {number} events of {size} bytes is truncated; {RECORDING_REMEDY}"
        )
    return kind, source, size, overflow, number
