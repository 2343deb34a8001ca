"""Events of Prophesee's .raw files: EVT 2.0, 2.1 and 3.0.

https://docs.prophesee.ai/stable/data/encoding_formats/
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.kernels.compile_lock import compile_lock
from pipeline.data.counts import left_out
from pipeline.data.recording import Recording
from pipeline.ground.errors import RecordingError
from pipeline.ground.names import shown
from pipeline.preprocess.prophesee import FileHeader, header_sensor, read_text_header
from pipeline.preprocess.sensors import Sensor, choose_sensor
from pipeline.preprocess.sources import check_length
from pipeline.preprocess.times import unwrapped

OTHER_WORDS = left_out("words", "of triggers or of the camera itself")
"""Count of words that are not about events of pixels."""
EARLY = left_out("events", "before the first time and address of the file")
"""Count of events whose time, row or column is not known."""
_NAMES = {"EVT2": "EVT2", "EVT2.0": "EVT2", "EVT21": "EVT21", "EVT2.1": "EVT21", "EVT3": "EVT3", "EVT3.0": "EVT3"}
_LEGACY = "EVT21 legacy"
"""EVT 2.1 of the IMX636: the upper half of a word comes first."""
_BYTES = {"EVT2": 4, "EVT21": 8, _LEGACY: 8, "EVT3": 2}
"""Size of a word by encoding."""
Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""t, x, y and polarity."""


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
    words = np.frombuffer(data, f"<u{_BYTES[name]}", offset=start)
    (t, x, y, p), counts = _DECODERS[name](words)
    width, height = choose_sensor(header_sensor(header), sensor, where)
    return Recording(t=t, x=x, y=y, p=p, width=width, height=height, counts=counts)


def _evt2(words: npt.NDArray[Any]) -> tuple[Columns, dict[str, int]]:
    """32 bits a word: 4 type; an event has 6 low bits of time, 11 of x, 11 of y; a time word 28 high bits."""
    kind = words >> 28
    events, high = kind <= 1, _high_times(kind == 8, words & 0xFFFFFFF)
    word, at = words[events].astype(np.int64), high[events]
    columns = (at << 6 | word >> 22 & 63, word >> 11 & 0x7FF, word & 0x7FF, word >> 28)
    return _timed(columns, at >= 0, len(words), int(events.sum() + (kind == 8).sum()))


def _evt21(words: npt.NDArray[Any]) -> tuple[Columns, dict[str, int]]:
    """64 bits a word, like EVT 2.0, but an event word has 32 flags: one event at each x + i whose flag i is set."""
    kind = words >> 60
    vectors, high = kind <= 1, _high_times(kind == 8, words >> 32 & 0xFFFFFFF)
    word, at = words[vectors], high[vectors]
    flags = np.unpackbits((word & 0xFFFFFFFF).astype("<u4").view(np.uint8).reshape(-1, 4), axis=1, bitorder="little")
    row, offset = np.nonzero(flags)
    fields, at = (word >> 32).astype(np.int64)[row], at[row]
    columns = (at << 6 | fields >> 22 & 63, (fields >> 11 & 0x7FF) + offset, fields & 0x7FF, fields >> 28)
    return _timed(columns, at >= 0, len(words), int(vectors.sum() + (kind == 8).sum()))


def _legacy(words: npt.NDArray[Any]) -> tuple[Columns, dict[str, int]]:
    return _evt21(words << np.uint64(32) | words >> np.uint64(32))


def _high_times(marks: npt.NDArray[np.bool_], values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """For each word, the high bits of its time, counted on where their 28 bits overflow; -1 before the first."""
    found = unwrapped(values[marks].astype(np.int64), 28)
    return np.concatenate([[-1], found])[np.cumsum(marks)]


def _timed(columns: Columns, timed: npt.NDArray[np.bool_], words: int, used: int) -> tuple[Columns, dict[str, int]]:
    """The events that have a time, and the counts."""
    counts = word_counts(words, words - used, len(timed) - int(timed.sum()))
    if not timed.all():
        t, x, y, p = (column[timed] for column in columns)
        columns = t, x, y, p
    return columns, counts | {"events": len(timed)}


def word_counts(words: int, others: int, early: int) -> dict[str, int]:
    """Counts of all words, of those not about events, and of events before the first time."""
    return {"words": words, "words used": words - others, OTHER_WORDS: others, EARLY: early}


def _evt3(words: npt.NDArray[Any]) -> tuple[Columns, dict[str, int]]:
    """16 bits a word: 4 type, 12 value. Time, row, base column and polarity stay until another word changes them.

    New high bits of the time set the low ones to 0, as in Metavision's decoder.
    """
    kind = words >> 12
    single, vector12, vector8 = kind == 2, kind == 4, kind == 5
    number = int(single.sum())
    number += int(np.bitwise_count(words[vector12] & 0xFFF).sum()) + int(np.bitwise_count(words[vector8] & 0xFF).sum())
    columns = tuple(np.empty(number, np.int64) for _ in range(4))
    _evt3_kernel()(words, *columns)
    others = int(((kind == 1) | (kind == 7) | (kind >= 9)).sum())
    t, x, y, p = columns
    return _timed((t, x, y, p), t >= 0, len(words), len(words) - others)


def _decode_evt3(words: Any, t: Any, x: Any, y: Any, p: Any) -> None:  # noqa: C901 # one state machine
    """Fills the columns; t is -1 for events whose time, row or column is not known."""
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
        elif kind == 2:
            time = -1 if high < 0 or row < 0 else overflows << 24 | high << 12 | low
            t[n], x[n], y[n], p[n] = time, value & 0x7FF, row, value >> 11
            n += 1
        elif kind in (4, 5):
            time = -1 if high < 0 or row < 0 or base < 0 else overflows << 24 | high << 12 | low
            length = 12 if kind == 4 else 8
            for i in range(length):
                if value >> i & 1:
                    t[n], x[n], y[n], p[n] = time, base + i, row, polarity
                    n += 1
            if base >= 0:
                base += length


@cache
def _evt3_kernel() -> Any:
    from numba import njit, types

    column, words = types.Array(types.int64, 1, "C"), types.Array(types.uint16, 1, "C", readonly=True)
    with compile_lock():
        return njit(types.void(words, column, column, column, column), cache=True)(_decode_evt3)


_DECODERS = {"EVT2": _evt2, "EVT21": _evt21, _LEGACY: _legacy, "EVT3": _evt3}
