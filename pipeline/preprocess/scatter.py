"""Kernels that count events into frames, directly from the bytes of a file or from columns.

Functions named `_..._kernel` are compiled by numba, which needs no other compiler. Indices are unsigned, because numba
adds a test for negative values to signed ones, which halves the speed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from models.kernels.compile_lock import compile_lock

Lookup = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.uint32]
"""Indices of events in a flat frame (2, size, size)."""
Frames = npt.NDArray[Any]

COUNTED, TOO_NARROW, NOT_PLAIN = 0, 1, 2
"""Results of a kernel: every event is counted; a count has overflowed to zero; a value has no entry in its table."""
NOWHERE = 1 << 32
"""Table entry for a value that is not on the sensor."""
COUNTS = (np.uint8, np.uint16, np.uint32)
_COLUMNS = tuple(tuple(map(np.dtype, types)) for types in (("i8", "i8", "i8"), ("i2", "i2", "u1")))
"""Types of x, y and polarity that are counted without a copy."""
u64 = np.uint64


class Buffer:
    """Memory for the frames of one recording, reused for the next: new pages would cost a third of the total time."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def zeros(self, shape: tuple[int, int], dtype: type[np.unsignedinteger[Any]]) -> Frames:
        """An array of zeros that is valid until the next call."""
        size = shape[0] * shape[1] * np.dtype(dtype).itemsize
        if len(self._memory) < size:
            self._memory = np.empty(size, np.uint8)
        self._memory[:size] = 0
        return self._memory[:size].view(dtype).reshape(shape)


def count_columns(
    columns: tuple[npt.NDArray[Any], ...], tables: tuple[Lookup, ...], shape: tuple[int, int], buffer: Buffer
) -> Frames | None:
    """Frames (T, cells) of N events; an event's cell is the sum of the tables' entries for its x, y and polarity.

    Columns of other types than _COLUMNS are copied to int64. Counts have the narrowest unsigned integer type that fits.
    None if a value has no entry in its table.
    """
    each = u64(len(columns[0]) // shape[0])
    if tuple(column.dtype for column in columns) not in _COLUMNS:
        columns = tuple(np.asarray(column, np.int64) for column in columns)
    return _narrowest(_columns_kernel, (*columns, *tables, each), shape, buffer)


def count_rows(
    rows: Bytes, places: tuple[int, int, int], tables: tuple[Lookup, ...], shape: tuple[int, int], buffer: Buffer
) -> Frames | None:
    """Frames (T, cells) of N events, given as one row of bytes each, with x, y and polarity at `places`.

    An event's cell is the sum of the tables' entries (256 each) for these bytes. None if an entry is NOWHERE.
    """
    x, y, p = places
    each = u64(len(rows) // shape[0])
    return _narrowest(_rows_kernel, (rows, u64(x), u64(y), u64(p), *tables, each), shape, buffer)


def count_aedat2(
    data: Bytes, start: int, tables: tuple[Lookup, Lookup], shape: tuple[int, int], buffer: Buffer
) -> Frames | None:
    """Frames (T, cells) of 8-byte DVS128 events from byte `start`, each with big-endian address and time.

    An event's cell is the sum of the tables' entries (256 each) for the two lower bytes of its address. None if an
    address has a bit set that pixel addresses do not use.
    """
    each = u64((len(data) - start) // 8 // shape[0])
    return _narrowest(_aedat2_kernel, (data, u64(start), *tables, each), shape, buffer)


def count_cells(cells: Cells, shape: tuple[int, int], buffer: Buffer) -> Frames:
    """Frames (T, cells) of N events, given by their cells."""
    frames = _narrowest(_cells_kernel, (cells, u64(len(cells) // shape[0])), shape, buffer)
    assert frames is not None, "a cell is in the frame"
    return frames


def _narrowest(
    kernel: Callable[..., int], arguments: tuple[Any, ...], shape: tuple[int, int], buffer: Buffer
) -> Frames | None:
    for dtype in COUNTS:
        frames = buffer.zeros(shape, dtype)
        state = compiled(kernel, dtype)(*arguments, frames)
        if state != TOO_NARROW:
            return frames if state == COUNTED else None
    raise AssertionError("more than 2^32 events of one pixel")


def _cells_kernel(cells: Cells, each: int, frames: Any) -> int:
    wrapped = False
    for t in range(u64(len(frames))):
        frame = frames[t]
        stop = u64(len(cells)) if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each
        for i in range(t * each, stop):
            frame[cells[i]] += 1
            wrapped |= frame[cells[i]] == 0
    return int(wrapped)


def _columns_kernel(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    p: npt.NDArray[Any],
    a: Lookup,
    b: Lookup,
    c: Lookup,
    each: int,
    frames: Any,
) -> int:
    outside, wrapped = False, False
    for t in range(u64(len(frames))):
        frame = frames[t]
        stop = u64(len(x)) if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each
        for i in range(t * each, stop):
            column, row, polarity = u64(x[i]), u64(y[i]), u64(p[i])
            if (column >= u64(len(a))) | (row >= u64(len(b))) | (polarity >= u64(len(c))):
                outside = True
                continue
            cell = u64(a[column] + b[row] + c[polarity])
            frame[cell] += 1
            wrapped |= frame[cell] == 0
    return NOT_PLAIN if outside else int(wrapped)


def _rows_kernel(rows: Bytes, x: int, y: int, p: int, a: Lookup, b: Lookup, c: Lookup, each: int, frames: Any) -> int:
    outside, wrapped = 0, False
    for t in range(u64(len(frames))):
        frame = frames[t]
        stop = u64(len(rows)) if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each
        for i in range(t * each, stop):
            place = a[rows[i, x]] + b[rows[i, y]] + c[rows[i, p]]
            outside |= place
            cell = u64(place) & u64(NOWHERE - 1)
            frame[cell] += 1
            wrapped |= frame[cell] == 0
    return NOT_PLAIN if outside >= NOWHERE else int(wrapped)


def _aedat2_kernel(data: Bytes, start: int, high: Lookup, low: Lookup, each: int, frames: Any) -> int:
    other, wrapped = np.uint8(0), False
    number = (u64(len(data)) - start) // u64(8)
    for t in range(u64(len(frames))):
        frame = frames[t]
        stop = number if t + u64(1) == u64(len(frames)) else (t + u64(1)) * each
        for i in range(t * each, stop):
            at = start + i * u64(8)
            other |= data[at] | data[at + u64(1)] | data[at + u64(2)] & np.uint8(128)
            cell = u64(high[data[at + u64(2)]] + low[data[at + u64(3)]])
            frame[cell] += 1
            wrapped |= frame[cell] == 0
    return NOT_PLAIN if other else int(wrapped)


@cache
def compiled(kernel: Callable[..., int], counts: type[np.unsignedinteger[Any]]) -> Callable[..., int]:
    """A compiled kernel for one integer type of counts; compiled once per machine, then loaded from numba's cache."""
    from numba import from_dtype, njit, types

    count, table = types.uint64, types.Array(types.int64, 1, "C", readonly=True)
    before: dict[Callable[..., int], list[Any]] = {
        _cells_kernel: [types.Array(types.uint32, 1, "C", readonly=True)],
        _rows_kernel: [types.Array(types.uint8, 2, "C", readonly=True)] + [count] * 3 + [table] * 3,
        _aedat2_kernel: [types.Array(types.uint8, 1, "C", readonly=True), count, table, table],
    }
    columns = [[types.Array(from_dtype(one), 1, "A", readonly=True) for one in kinds] for kinds in _COLUMNS]
    variants = [[*three, table, table, table] for three in columns] if kernel is _columns_kernel else [before[kernel]]
    frames = types.Array(from_dtype(np.dtype(counts)), 2, "C")
    with compile_lock():
        return njit([types.int64(*arguments, count, frames) for arguments in variants], cache=True)(kernel)
