"""Parquet files of ours, read only if they stay in bounds: seven megabytes of pages can state, and hold, terabytes.

The footer is not believed. The header of each page says what it decompresses to and how many values it holds, and the
reader makes room for as much. https://parquet.apache.org/docs/file-format
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MOST_GROWN = 256 << 20
"""Bytes that any file may take in memory; all zeros, as a silent network says them, compress to nearly nothing."""
MOST_TIMES_GROWN = 32
"""Of its size on the disk that a larger file may take; voltages, which are nearly noise, take 4."""
_A_VALUE = 12
"""Bytes of the widest value and of its two levels."""
_DICTIONARY, _PLACES = 2, {0: 5, 2: 7, 3: 8}
"""Type of a page of a dictionary; where in a page's header its part is, by the type of the page."""


@dataclass(frozen=True)
class _Page:
    dictionary: bool
    values: int
    grown: int
    """Bytes when decompressed."""


def read_bounded(path: Path, columns: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """The table of a file with exactly these columns, those of text as dictionaries, without nulls.

    Raises OSError, pa.ArrowException, ValueError.
    """
    with pq.ParquetFile(path, read_dictionary=list(texts)) as file:
        if file.schema_arrow.names != list(columns):
            raise ValueError(
                f"its columns are {', '.join(file.schema_arrow.names)[:80]}, expected {', '.join(columns)}"
            )
        widths = [_width(field) for field in file.schema_arrow]
        if not str(file.metadata.created_by).startswith("parquet-cpp-arrow"):
            raise ValueError("it was not written by Arrow")
        _check_pages(path, file.metadata, widths)
        table = file.read()
    for name in columns:
        if table[name].null_count:
            raise ValueError(f"a value of {name} is missing")
    return table


def _width(field: pa.Field) -> int:
    """Values of a row in a column of numbers, texts or tensors of numbers."""
    kind = field.type
    if isinstance(kind, pa.FixedShapeTensorType) and kind == pa.fixed_shape_tensor(kind.value_type, kind.shape):
        return int(kind.storage_type.list_size)
    if pa.types.is_int64(kind) or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)):
        return 1
    raise ValueError(f"the column {field.name} is of type {kind}")


def _check_pages(path: Path, metadata: Any, widths: Sequence[int]) -> None:
    """Raises ValueError if pages hold other numbers of values than the rows need, or if the file grows too much."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    if metadata.num_columns != len(widths) or sum(group.num_rows for group in groups) != metadata.num_rows:
        raise ValueError("it states other rows and columns than it has")
    size, grown = path.stat().st_size, 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in groups:
            for place, width in enumerate(widths):
                column = group.column(place)
                pages = list(_pages(data, column))
                held = sum(page.values for page in pages if not page.dictionary)
                if not held == column.num_values == group.num_rows * width:
                    raise ValueError(
                        f"{column.path_in_schema} holds {held} values, {group.num_rows * width} are stated"
                    )
                grown += sum(page.grown + _A_VALUE * page.values for page in pages)
    if grown > max(MOST_GROWN, MOST_TIMES_GROWN * size):
        raise ValueError(f"its {size:,} bytes grow to {grown:,}")


def _pages(data: mmap.mmap, column: Any) -> Iterator[_Page]:
    """The pages of a part of a column. Raises ValueError."""
    at = column.data_page_offset
    if column.has_dictionary_page and 0 < column.dictionary_page_offset < at:
        at = column.dictionary_page_offset
    end = at + column.total_compressed_size
    while at < end:
        try:
            header, at = _struct(data, at)
            kind, grown, stored = header[1], header[2], header[3]
            values = header[_PLACES[kind]][1]
        except (IndexError, KeyError, TypeError):
            raise ValueError("the header of a page is damaged") from None
        if min(grown, stored, values) < 0:
            raise ValueError("the header of a page is damaged")
        yield _Page(dictionary=kind == _DICTIONARY, values=values, grown=grown)
        at += stored
    if at != end:
        raise ValueError("a page ends outside of its column")


def _struct(data: mmap.mmap, at: int, level: int = 0) -> tuple[dict[int, Any], int]:
    """Integers and structures of a structure of Thrift's compact protocol by number, and where it ends.

    https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md. Raises IndexError, ValueError.
    """
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at, kind = at + 1, head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _integer(data, at)
        if kind in (4, 5, 6):
            fields[number], at = _integer(data, at)
        elif kind == 8:
            length, at = _varint(data, at)
            at += length
        elif kind == 12 and level < 3:
            fields[number], at = _struct(data, at, level + 1)
        elif kind in (3, 7):
            at += 1 if kind == 3 else 8
        elif kind not in (1, 2):  # true and false
            raise ValueError("the header of a page is damaged")
    return fields, at + 1


def _integer(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Zigzag: the sign is the last bit."""
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        value, at, shift = value | (byte & 127) << shift, at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("the header of a page is damaged")
