"""Events of Prophesee's .raw files: EVT 2.0, 2.1 and 3.0.

https://docs.prophesee.ai/stable/data/encoding_formats/
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from models.kernels.compile_lock import compile_lock
from pipeline.data.counts import left_out
from pipeline.data.recording import Recording
from pipeline.ground.errors import RECORDING_REMEDY, RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.prophesee import FileHeader, header_sensor, read_text_header
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import check_length

OTHER_WORDS = left_out("words", "of triggers or of the camera itself")
"""Count of words that are not about events of pixels."""
EARLY = left_out("events", "before the first time and address of the file")
"""Count of events whose time, row or column is not known."""
_NAMES = {"EVT2": "EVT2", "EVT2.0": "EVT2", "EVT21": "EVT21", "EVT2.1": "EVT21", "EVT3": "EVT3", "EVT3.0": "EVT3"}
_LEGACY = "EVT21 legacy"
"""EVT 2.1 of the IMX636: the upper half of a word comes first."""
_BYTES = {"EVT2": 4, "EVT21": 8, _LEGACY: 8, "EVT3": 2}
"""Size of a word by encoding."""
EVT_SIDE = 2048
"""Width and height that coordinates of 11 bits can name."""
_EVENT_BYTES = 13
"""Memory of a decoded event: 8 for t, 2 each for x and y, 1 for the polarity."""
Columns = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
"""t (int64), x and y (int16) and polarity (uint8): a word of 2 bytes can be 12 events."""


def encoding(header: FileHeader) -> str | None:
    """EVT2, EVT21, EVT21 legacy or EVT3; None for another one."""
    name, *options = header.get("format", f"EVT{header.get('evt', '')}").split(";")
    order = dict(option.partition("=")[::2] for option in options).get("endianness", "little")
    known = _NAMES.get(name)
    if order == "legacy" and known == "EVT21":
        return _LEGACY
    return known if order == "little" else None


def read_raw(data: bytes, where: str, sensor: Sensor | None = None) -> Recording:
    """The events of a .raw file. Raises RecordingError."""
    header, start = read_text_header(data)
    name = encoding(header)
    if name is None:
        named = header.get("format", header.get("evt", "no encoding"))
        raise RecordingError(
            f"{where}: byte 0: the header names {shown(named[:60])}, expected `% evt` or `% format` with EVT2, EVT21 "
            "or EVT3, little-endian; export the file with Metavision Studio"
        )
    check_length(len(data) - start, _BYTES[name], start, where)
    width, height = choose_sensor(header_sensor(header), sensor, where)
    if max(width, height) > EVT_SIDE:
        raise RecordingError(
            f"{where}: byte 0: a sensor of {width} x {height} pixels, but {name} has at most {EVT_SIDE} x {EVT_SIDE}; "
            f"{RECORDING_REMEDY}, or correct preprocess.sensor"
        )
    words = np.frombuffer(data, f"<u{_BYTES[name]}", offset=start)
    (t, x, y, p), counts = (_evt3 if name == "EVT3" else _evt2)(words, name, f"{where}: byte {start}")
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _evt2(words: npt.NDArray[Any], name: str, where: str) -> tuple[Columns, dict[str, int]]:
    """EVT 2.0 and 2.1.

    EVT 2.0: 32 bits a word: 4 type; an event has 6 low bits of time, 11 of x, 11 of y; a time word 28 high bits.
    EVT 2.1: after such a word come 32 flags (legacy: before it): one event at each x + i whose flag i is set.
    """
    halves = words.view("<u4").reshape(len(words), words.itemsize // 4)
    heads = halves[:, 1 if name == "EVT21" else 0]
    flags = np.broadcast_to(np.uint32(1), len(words)) if name == "EVT2" else halves[:, 0 if name == "EVT21" else 1]
    kind = heads >> 28
    events = int(np.bitwise_count(flags[kind <= 1]).sum(dtype=np.int64))
    others = len(words) - int((kind <= 1).sum() + (kind == 8).sum())
    return _decoded(_decode_evt2, (heads, flags), events, others, where)


def _evt3(words: npt.NDArray[Any], name: str, where: str) -> tuple[Columns, dict[str, int]]:
    """16 bits a word: 4 type, 12 value. Time, row, base column and polarity stay until another word changes them.

    New high bits of the time set the low ones to 0, as in Metavision's decoder.
    """
    kind = words >> 12
    vectors = (words[kind == 4] & 0xFFF, words[kind == 5] & 0xFF)
    events = int((kind == 2).sum()) + sum(int(np.bitwise_count(flags).sum(dtype=np.int64)) for flags in vectors)
    others = int(((kind == 1) | (kind == 7) | (kind >= 9)).sum())
    return _decoded(_decode_evt3, (words,), events, others, where)


def _decoded(
    decode: Callable[..., int], words: tuple[npt.NDArray[Any], ...], events: int, others: int, where: str
) -> tuple[Columns, dict[str, int]]:
    """The events with a time and an address, and the counts. Raises RecordingError if memory is too small."""
    free = psutil.virtual_memory().available
    if events * _EVENT_BYTES > free:
        raise RecordingError(
            f"{where}: {events:,} events need {events * _EVENT_BYTES:,} bytes of memory, but {free:,} are free; cut "
            "the recording into several files, or use a machine with more memory"
        )
    t = np.empty(events, np.int64)
    x, y, p = np.empty(events, np.int16), np.empty(events, np.int16), np.empty(events, np.uint8)
    n = _compiled(decode)(*words, t, x, y, p)
    counts = word_counts(len(words[0]), others, events - n)
    return (t[:n], x[:n], y[:n], p[:n]), counts | {"events": events}


def word_counts(words: int, others: int, early: int) -> dict[str, int]:
    """Counts of all words, of those not about events, and of events before the first time."""
    return {"words": words, "words used": words - others, OTHER_WORDS: others, EARLY: early}


def _decode_evt2(heads: Any, flags: Any, t: Any, x: Any, y: Any, p: Any) -> int:
    """Fills the columns; returns the number of events with a time."""
    n, high, overflows = 0, -1, 0
    head: Any
    for i in range(len(heads)):
        head, kind = np.int64(heads[i]), heads[i] >> 28
        if kind == 8:
            overflows += int((head & 0xFFFFFFF) < high - (1 << 27))  # 28 bits have overflowed
            high = head & 0xFFFFFFF
        elif kind <= 1 and high >= 0:
            for k in range(32):
                if flags[i] >> k & 1:
                    t[n] = overflows << 34 | high << 6 | head >> 22 & 63
                    x[n], y[n], p[n] = (head >> 11 & 0x7FF) + k, head & 0x7FF, kind
                    n += 1
    return n


def _decode_evt3(words: Any, t: Any, x: Any, y: Any, p: Any) -> int:  # noqa: C901 # one state machine
    """Fills the columns; returns the number of events whose time, row and column are known."""
    n, row, base, polarity = 0, -1, -1, 0
    high, low, overflows = -1, 0, 0
    value: Any
    for word in words:
        kind, value = word >> 12, np.int64(word & 0xFFF)
        if kind == 0:
            row = value & 0x7FF
        elif kind == 3:
            base, polarity = value & 0x7FF, value >> 11
        elif kind == 6:
            low = value
        elif kind == 8:
            if value < high - 2048:  # 12 bits have overflowed
                overflows += 1
            if value != high:
                high, low = value, 0
        elif kind == 2 and high >= 0 and row >= 0:
            t[n] = overflows << 24 | high << 12 | low
            x[n], y[n], p[n] = value & 0x7FF, row, value >> 11
            n += 1
        elif kind in (4, 5) and base >= 0:
            length = 12 if kind == 4 else 8
            for i in range(length if high >= 0 and row >= 0 else 0):
                if value >> i & 1:
                    t[n] = overflows << 24 | high << 12 | low
                    x[n], y[n], p[n] = base + i, row, polarity
                    n += 1
            base = min(base + length, 2048)  # off every sensor, and within 16 bits
    return n


@cache
def _compiled(decode: Callable[..., int]) -> Callable[..., int]:
    from numba import njit, types

    t, place = types.Array(types.int64, 1, "C"), types.Array(types.int16, 1, "C")
    halves, words = types.Array(types.uint32, 1, "A", readonly=True), types.Array(types.uint16, 1, "C", readonly=True)
    read = [halves, halves] if decode is _decode_evt2 else [words]
    with compile_lock():
        return njit(types.int64(*read, t, place, place, types.Array(types.uint8, 1, "C")), cache=True)(decode)
