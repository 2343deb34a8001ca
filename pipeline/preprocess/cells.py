"""Compiled kernels that find the cells of events directly from the bytes of AEDAT 4 and Prophesee's files.

A cell is an event's index in a flat frame (2, size, size). Functions named `_..._kernel` are compiled by numba.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from models.kernels.compile_lock import compile_lock
from pipeline.preprocess.scatter import Bytes, Cells, Lookup, u64

OFF_SQUARE = 1 << 36
"""Table entry for a pixel of the sensor outside of the framed square. A sum with it is not a cell."""
OFF_SENSOR = 1 << 40
"""Table entry for a coordinate that is not on the sensor. Sums without it, and any of them combined by `or`, are
smaller."""
_ADDRESSES = 2048
"""Number of values of an 11-bit coordinate. Tables have 12 more, for vectors that begin at the last one."""


_BITS = np.bitwise_count(np.arange(256)).astype(np.int64)
"""Number of flags that are set in a byte."""
_EVENT_FLAGS = np.zeros(16, np.int64)
"""Bits of a word of EVT 3.0 that stand for an event each, by kind; of a single event, a bit of the kind itself."""
_EVENT_FLAGS[[2, 4, 5]] = 0x2000, 0xFFF, 0xFF
_OTHER_KINDS = np.isin(np.arange(16), [1, 7, *range(9, 16)]).astype(np.int64)
"""1 for kinds of EVT 3.0 that are not about events of pixels."""


class FoundCells(NamedTuple):
    """The events of a file."""

    cells: Cells
    """Of the events in the framed square, in file order."""
    events: int
    early: int
    """Events without a time."""
    others: int
    """Words that are not about events of pixels."""


@lru_cache(maxsize=8)
def square_tables(sensor: tuple[int, int], size: int) -> tuple[Lookup, Lookup, Lookup]:
    """Tables for x, y and polarity; the sum of an event's entries is its cell. The square is that of frames.centred."""
    width, height = sensor
    side = min(width, height) // size * size
    x, y = (_axis(length, side, size) for length in (width, height))
    y[y < size] *= size
    return x, y, np.array([0, size * size])


def _axis(length: int, side: int, size: int) -> Lookup:
    """Row or column in the frame of each coordinate."""
    table = np.full(max(_ADDRESSES, length) + 12, OFF_SENSOR)
    start, at = (length - side) // 2, np.arange(length)
    table[:length] = np.where((at >= start) & (at < start + side), (at - start) // (side // size), OFF_SQUARE)
    return table


def dat_cells(rows: Bytes, bits: tuple[int, int], tables: tuple[Lookup, ...]) -> FoundCells | None:
    """Cells of events (N, 8) of a .dat file; `bits` of x and y. None if an event is not on the sensor."""
    cells, seen = np.empty(len(rows) + 1, np.uint32), np.zeros(2, np.int64)
    _compiled(_dat_kernel)(rows, u64(bits[0]), u64(bits[1]), *tables, cells, seen)
    return None if seen[1] else FoundCells(cells[: seen[0]], len(rows), 0, 0)


def aedat4_cells(rows: Bytes, tables: tuple[Lookup, ...]) -> FoundCells | None:
    """Cells of events (N, 16) of AEDAT 4. None if an event is not on the sensor, or has no valid time."""
    cells, seen = np.empty(len(rows) + 1, np.uint32), np.zeros(2, np.int64)
    _compiled(_aedat4_kernel)(rows, *tables, cells, seen)
    return None if seen[1] else FoundCells(cells[: seen[0]], len(rows), 0, 0)


def all_cells(parts: list[FoundCells | None]) -> FoundCells | None:
    """The events of all parts. None if a part is None, or there are no parts."""
    found = [part for part in parts if part is not None]
    if not parts or len(found) < len(parts):
        return None
    return FoundCells(
        np.concatenate([part.cells for part in found]),
        sum(part.events for part in found),
        sum(part.early for part in found),
        sum(part.others for part in found),
    )


def evt2_cells(rows: Bytes, tables: tuple[Lookup, ...]) -> FoundCells | None:
    """Cells of the events in words (N, 4) of EVT 2.0. None if an event is not on the sensor."""
    cells, seen = np.empty(len(rows) + 1, np.uint32), np.zeros(5, np.int64)
    _compiled(_evt2_kernel)(rows, *tables, cells, seen)
    return None if seen[1] else FoundCells(cells[: seen[0]], *seen[2:].tolist())


def evt3_cells(rows: Bytes, tables: tuple[Lookup, ...]) -> FoundCells | None:
    """Cells of the events in words (N, 2) of EVT 3.0. None if an event is not on the sensor."""
    counts, seen = np.zeros(4, np.int64), np.zeros(2, np.int64)
    _compiled(_count3_kernel)(rows, _BITS, _EVENT_FLAGS, _OTHER_KINDS, counts)
    events, early, others, first = counts.tolist()
    cells = np.empty(events + 1, np.uint32)
    _compiled(_evt3_kernel)(rows, u64(first), *tables, cells, seen)
    return None if seen[1] else FoundCells(cells[: seen[0]], events, early, others)


def _dat_kernel(
    rows: Bytes, x_bits: int, y_bits: int, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any
) -> None:
    n, off = u64(0), u64(0)
    for i in range(u64(len(rows))):
        address = u64(rows[i, 4]) | u64(rows[i, 5]) << u64(8) | u64(rows[i, 6]) << u64(16) | u64(rows[i, 7]) << u64(24)
        x, y = address & (u64(1) << x_bits) - u64(1), address >> x_bits & (u64(1) << y_bits) - u64(1)
        p = address >> x_bits + y_bits
        if (x >= u64(len(a))) | (y >= u64(len(b))) | (p > u64(1)):
            off = u64(OFF_SENSOR)
            continue
        place = u64(a[x] + b[y] + c[p])
        off |= place
        cells[n] = place
        n += u64(place < u64(OFF_SQUARE))
    seen[0], seen[1] = n, u64(off >= u64(OFF_SENSOR))


def _aedat4_kernel(rows: Bytes, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any) -> None:
    n, off = u64(0), u64(0)
    for i in range(u64(len(rows))):
        x, y, p = (
            u64(rows[i, 8]) | u64(rows[i, 9]) << u64(8),
            u64(rows[i, 10]) | u64(rows[i, 11]) << u64(8),
            rows[i, 12],
        )
        if (x >= u64(len(a))) | (y >= u64(len(b))) | (p > 1) | (rows[i, 7] > 15):  # a time of more than 60 bits
            off = u64(OFF_SENSOR)
            continue
        place = u64(a[x] + b[y] + c[p])
        off |= place
        cells[n] = place
        n += u64(place < u64(OFF_SQUARE))
    seen[0], seen[1] = n, u64(off >= u64(OFF_SENSOR))


def _evt2_kernel(rows: Bytes, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any) -> None:
    """Every word is computed as an event and kept if it is one: a branch on its kind would be mispredicted."""
    n, off, events, times, start, early = u64(0), u64(0), u64(0), u64(0), u64(0), u64(0)
    while start < u64(len(rows)) and rows[start, 3] >> 4 != 8:
        early += u64(rows[start, 3] >> 4 <= 1)
        start += u64(1)
    for i in range(start, u64(len(rows))):
        word = u64(rows[i, 0]) | u64(rows[i, 1]) << u64(8) | u64(rows[i, 2]) << u64(16) | u64(rows[i, 3]) << u64(24)
        kind = word >> u64(28)
        event = u64(kind <= u64(1))
        place = u64(a[word >> u64(11) & u64(0x7FF)] + b[word & u64(0x7FF)] + c[kind & u64(1)])
        off |= place * event
        cells[n] = place
        n += event & u64(place < u64(OFF_SQUARE))
        events += event
        times += u64(kind == u64(8))
    seen[0], seen[1], seen[2], seen[3] = n, u64(off >= u64(OFF_SENSOR)), events + early, early
    seen[4] = u64(len(rows)) - events - early - times


def _count3_kernel(rows: Bytes, bits: Lookup, flags: Lookup, other: Lookup, counts: Any) -> None:
    """Numbers of events, of those before the first time, and of other words; index of the first time, or N."""
    events, early, others, first = u64(0), u64(0), u64(0), u64(len(rows))
    for i in range(u64(len(rows))):
        kind = u64(rows[i, 1] >> 4)
        if first == u64(len(rows)) and kind == u64(8):
            first, early = u64(i), events
        events += u64(bits[u64(rows[i, 0]) & u64(flags[kind])] + bits[u64(rows[i, 1]) & u64(flags[kind]) >> u64(8)])
        others += u64(other[kind])
    counts[0], counts[1], counts[2] = events, early if first < u64(len(rows)) else events, others
    counts[3] = first


def _evt3_kernel(rows: Bytes, first: int, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any) -> None:
    """The state machine of evt.py; `first` is the index of the first time.

    Every word is computed as an event and kept if it is one: a branch on its kind would be mispredicted.
    """
    n, off, vector = u64(0), u64(0), u64(0)
    row, base, last = u64(OFF_SENSOR), u64(len(a)) - u64(12), u64(len(a)) - u64(12)  # until a word says them
    for i in range(u64(len(rows))):
        if i == first:  # what came before has no time
            n, off = u64(0), u64(0)
        kind, value = rows[i, 1] >> 4, u64(rows[i, 0]) | u64(rows[i, 1] & 15) << u64(8)
        low = value & u64(0x7FF)
        if (kind == 4) | (kind == 5):
            length, at = u64(12) if kind == 4 else u64(8), vector + row
            value &= (u64(1) << length) - u64(1)
            for k in range(u64(12)):
                flag = value >> k & u64(1)
                place = u64(a[base + k]) + at
                off |= place * flag
                cells[n] = place
                n += flag & u64(place < u64(OFF_SQUARE))
            base = min(base + length, last)
        else:
            single, polarity = u64(kind == 2), u64(c[value >> u64(11)])
            place = u64(a[low]) + polarity + row
            off |= place * single
            cells[n] = place
            n += single & u64(place < u64(OFF_SQUARE))
            row = u64(b[low]) if kind == 0 else row
            base, vector = (low, polarity) if kind == 3 else (base, vector)
    timed = u64(first < u64(len(rows)))
    seen[0], seen[1] = n * timed, u64(off >= u64(OFF_SENSOR)) * timed


@cache
def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    from numba import njit, types

    rows, table = types.Array(types.uint8, 2, "C", readonly=True), types.Array(types.int64, 1, "C", readonly=True)
    cells, out = types.Array(types.uint32, 1, "C"), types.Array(types.int64, 1, "C")
    arguments: dict[Callable[..., None], list[Any]] = {
        _count3_kernel: [table, table, table, out],
        _dat_kernel: [types.uint64, types.uint64, table, table, table, cells, out],
        _aedat4_kernel: [table, table, table, cells, out],
        _evt2_kernel: [table, table, table, cells, out],
        _evt3_kernel: [types.uint64, table, table, table, cells, out],
    }
    with compile_lock():
        return njit(types.void(rows, *arguments[kernel]), cache=True)(kernel)
