"""Compiled kernels that find the cells of events directly from the bytes of Prophesee's files.

A cell is an event's index in a flat frame (2, size, size). Functions named `_..._kernel` are compiled by numba.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from models.kernels.compile_lock import compile_lock
from pipeline.preprocess.scatter import Bytes, Cells, Lookup, u64

OFF_SQUARE = 1 << 36
"""Table entry for a pixel of the sensor outside of the framed square. A sum with it is not a cell."""
OFF_SENSOR = 1 << 40
"""Table entry for a coordinate that is not on the sensor. A sum with it is larger than any sum without."""
_ADDRESSES = 2048
"""Number of values of an 11-bit coordinate. Tables have 12 more, for vectors that begin at the last one."""


_BITS = np.bitwise_count(np.arange(256)).astype(np.int64)
"""Number of flags that are set in a byte."""


class FoundCells(NamedTuple):
    """The events of a file."""

    cells: Cells
    """Of the events in the framed square, in file order."""
    events: int
    early: int
    """Events without a time."""
    others: int
    """Words that are not about events of pixels."""


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


def evt3_cells(rows: Bytes, tables: tuple[Lookup, ...]) -> FoundCells | None:
    """Cells of the events in words (N, 2) of EVT 3.0. None if an event is not on the sensor."""
    counts, seen = np.zeros(3, np.int64), np.zeros(2, np.int64)
    _compiled(_count_kernel)(rows, _BITS, counts)
    events, early, others = counts.tolist()
    cells = np.empty(events + 1, np.uint32)
    _compiled(_evt3_kernel)(rows, *tables, cells, seen)
    return None if seen[1] else FoundCells(cells[: seen[0]], events, early, others)


def _count_kernel(rows: Bytes, bits: Lookup, counts: Any) -> None:
    """Numbers of events, of those before the first time, and of other words; `bits` counts the flags in a byte."""
    events, early, others, timed = 0, 0, 0, False
    for i in range(u64(len(rows))):
        kind = rows[i, 1] >> 4
        if kind == 2:
            events += 1
        elif kind == 4:
            events += bits[rows[i, 0]] + bits[rows[i, 1] & 15]
        elif kind == 5:
            events += bits[rows[i, 0]]
        elif kind == 8 and not timed:
            early, timed = events, True
        elif kind in (1, 7) or kind >= 9:
            others += 1
    counts[0], counts[1], counts[2] = events, early if timed else events, others


def _dat_kernel(
    rows: Bytes, x_bits: int, y_bits: int, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any
) -> None:
    n, off = u64(0), u64(0)
    for i in range(u64(len(rows))):
        address = u64(rows[i, 4]) | u64(rows[i, 5]) << u64(8) | u64(rows[i, 6]) << u64(16) | u64(rows[i, 7]) << u64(24)
        x, y = address & (u64(1) << x_bits) - u64(1), address >> x_bits & (u64(1) << y_bits) - u64(1)
        p = address >> x_bits + y_bits
        if (x >= u64(len(a))) | (y >= u64(len(b))) | (p > u64(1)):
            off = u64(1)
            continue
        place = u64(a[x] + b[y] + c[p])
        off |= u64(place >= u64(OFF_SENSOR))
        cells[n] = place
        n += u64(place < u64(OFF_SQUARE))
    seen[0], seen[1] = n, off


def _evt3_kernel(  # one state machine
    rows: Bytes, a: Lookup, b: Lookup, c: Lookup, cells: Cells, seen: Any
) -> None:
    """The state machine of evt.py."""
    n, off, vector, timed = u64(0), u64(0), u64(0), False
    row, base = u64(OFF_SENSOR), u64(_ADDRESSES)  # until a word says them
    for i in range(u64(len(rows))):
        kind, value = rows[i, 1] >> 4, u64(rows[i, 0]) | u64(rows[i, 1] & 15) << u64(8)
        if kind == 2:
            place = u64(a[value & u64(0x7FF)] + c[value >> u64(11)]) + row
            off |= u64(place >= u64(OFF_SENSOR))
            cells[n] = place
            n += u64(place < u64(OFF_SQUARE))
        elif kind in (4, 5):
            length, at = u64(12) if kind == 4 else u64(8), vector + row
            for k in range(length):
                flag = value >> k & u64(1)
                place = u64(a[base + k]) + at
                off |= flag & u64(place >= u64(OFF_SENSOR))
                cells[n] = place
                n += flag & u64(place < u64(OFF_SQUARE))
            base = min(base + length, u64(_ADDRESSES))
        elif kind == 0:
            row = u64(b[value & u64(0x7FF)])
        elif kind == 3:
            base, vector = value & u64(0x7FF), u64(c[value >> u64(11)])
        elif kind == 8 and not timed:  # what came before has no time
            timed, n, off = True, u64(0), u64(0)
    seen[0], seen[1] = n if timed else u64(0), off if timed else u64(0)


@cache
def _compiled(kernel: Callable[..., None]) -> Callable[..., None]:
    from numba import njit, types

    rows, table = types.Array(types.uint8, 2, "C", readonly=True), types.Array(types.int64, 1, "C", readonly=True)
    cells, out = types.Array(types.uint32, 1, "C"), types.Array(types.int64, 1, "C")
    arguments: dict[Callable[..., None], list[Any]] = {
        _count_kernel: [table, out],
        _dat_kernel: [types.uint64, types.uint64, table, table, table, cells, out],
        _evt3_kernel: [table, table, table, cells, out],
    }
    with compile_lock():
        return njit(types.void(rows, *arguments[kernel]), cache=True)(kernel)
