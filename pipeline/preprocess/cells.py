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


_FLAGS = np.array([[flags.bit_count(), max(flags.bit_length() - 1, 0)] for flags in range(1 << 12)], np.uint8)
"""Number of flags that are set in a vector of EVT 3.0, and the highest of them; 0 without one."""


class FoundCells(NamedTuple):
    """The events of a file."""

    cells: Cells
    """Of the events in the framed square, in file order."""
    events: int
    early: int
    """Events without a time."""
    others: int
    """Words that are not about events of pixels."""


def square_side(sensor: tuple[int, int], size: int) -> int:
    """Side (pixels) of the centred square that frames are made of, a multiple of `size`; 0 for a smaller sensor."""
    return min(sensor) // size * size


@lru_cache(maxsize=8)
def square_tables(sensor: tuple[int, int], size: int) -> tuple[Lookup, Lookup, Lookup]:
    """Tables for x, y and polarity; the sum of an event's entries is its cell. The square is that of frames.centred."""
    x, y = (_axis(length, square_side(sensor, size), size) for length in sensor)
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
    cells, state = np.empty(len(rows) + 12, np.uint32), np.zeros(10, np.uint64)
    state[[7, 8]] = OFF_SENSOR, _ADDRESSES  # row and column, until a word says them
    while True:
        _compiled(_evt3_kernel)(rows, _FLAGS, *tables, cells, state)
        done, n, off, events, early, others, timed, *_ = state.tolist()
        if done == len(rows):
            break
        cells = np.concatenate([cells, np.empty_like(cells)])
    if not timed:
        return FoundCells(cells[:0], events, events, others)
    return None if off >= OFF_SENSOR else FoundCells(cells[:n], events, early, others)


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


def _evt3_kernel(  # noqa: C901 # one state machine
    rows: Bytes, flags: Bytes, a: Lookup, b: Lookup, c: Lookup, cells: Cells, state: Any
) -> None:
    """The state machine of evt.py, until all words are done, or a vector would leave too little space for the rest."""
    i, n, off, events, early = state[0], state[1], state[2], state[3], state[4]
    others, timed, row, base, vector = state[5], state[6], state[7], state[8], state[9]
    spare = u64(len(cells)) - u64(len(rows)) - u64(12)
    while i < u64(len(rows)):
        kind, value = rows[i, 1] >> 4, u64(rows[i, 0]) | u64(rows[i, 1] & 15) << u64(8)
        i += u64(1)
        if kind == 2:
            place = u64(a[value & u64(0x7FF)] + c[value >> u64(11)]) + row
            off |= place
            cells[n] = place
            n += u64(place < u64(OFF_SQUARE))
            events += u64(1)
        elif kind in (4, 5):
            if n > spare + i:
                i -= u64(1)
                break
            length, at = u64(12) if kind == 4 else u64(8), vector + row
            value &= (u64(1) << length) - u64(1)
            events += u64(flags[value, 0])
            off |= (u64(a[base + u64(flags[value, 1])]) + at) * u64(value > u64(0))  # columns that are off come last
            for k in range(u64(12)):
                place = u64(a[base + k]) + at
                cells[n] = place
                n += value >> k & u64(place < u64(OFF_SQUARE))
            base = min(base + length, u64(_ADDRESSES))
        elif kind == 0:
            row = u64(b[value & u64(0x7FF)])
        elif kind == 3:
            base, vector = value & u64(0x7FF), u64(c[value >> u64(11)])
        elif kind == 8:
            if not timed:  # what came before has no time
                timed, n, off, early = u64(1), u64(0), u64(0), events
        elif kind != 6:
            others += u64(1)
    state[0], state[1], state[2], state[3], state[4] = i, n, off, events, early
    state[5], state[6], state[7], state[8], state[9] = others, timed, row, base, vector


@cache
def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    from numba import njit, types

    rows, table = types.Array(types.uint8, 2, "C", readonly=True), types.Array(types.int64, 1, "C", readonly=True)
    cells, out = types.Array(types.uint32, 1, "C"), types.Array(types.int64, 1, "C")
    arguments: dict[Callable[..., None], list[Any]] = {
        _dat_kernel: [types.uint64, types.uint64, table, table, table, cells, out],
        _aedat4_kernel: [table, table, table, cells, out],
        _evt2_kernel: [table, table, table, cells, out],
        _evt3_kernel: [rows, table, table, table, cells, types.Array(types.uint64, 1, "C")],
    }
    with compile_lock():
        return njit(types.void(rows, *arguments[kernel]), cache=True)(kernel)
