"""Reads our Parquet files only if their decompressed size is bounded: seven megabytes of pages can expand to terabytes.

The footer is not trusted. Each page's header states its decompressed size and its number of values, and Arrow allocates
that much. https://parquet.apache.org/docs/file-format
"""

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.data.parquet_footer import ColumnChunk, row_groups
from pipeline.data.thrift import read_struct

MOST_GROWN = 256 << 20
"""Memory (bytes) that any file may take: the zeros of a silent network compress to almost nothing."""
MOST_TIMES_GROWN = 32
"""Maximum ratio of memory to file size for larger files; voltages, which are nearly noise, have 4."""
_A_VALUE = 12
"""Memory (bytes) of the widest value and its two levels."""
_DICTIONARY, _PLACES = 2, {0: 5, 2: 7, 3: 8}
"""Type of a dictionary page; and number of the type-specific field in a page header, by page type."""


@dataclass(frozen=True)
class _Page:
    dictionary: bool
    values: int
    grown: int
    """Decompressed size (bytes)."""


def read_bounded(path: Path, columns: Sequence[str], texts: Sequence[str]) -> pa.Table:
    """The table of a file with exactly these columns and no nulls; the columns `texts` are read as dictionaries.

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
        _check_pages(path, file.metadata, columns, widths)
        table = file.read()
    for name in columns:
        if table[name].null_count:
            raise ValueError(f"a value of {name} is missing")
    return table


def _width(field: pa.Field) -> int:
    """Values per row in a column of numbers, strings or tensors. Raises ValueError for another type."""
    kind = field.type
    if isinstance(kind, pa.FixedShapeTensorType) and kind == pa.fixed_shape_tensor(kind.value_type, kind.shape):
        return int(kind.storage_type.list_size)
    if pa.types.is_int64(kind) or (pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type)):
        return 1
    raise ValueError(f"the column {field.name} is of type {kind}")


def _check_pages(path: Path, metadata: pq.FileMetaData, names: Sequence[str], widths: Sequence[int]) -> None:
    """Raises ValueError if the pages' value counts do not match the rows, or if the decompressed size is too large."""
    groups, size, grown = row_groups(metadata), path.stat().st_size, 0
    if sum(rows for rows, _ in groups) != metadata.num_rows or any(len(found) != len(names) for _, found in groups):
        raise ValueError("its numbers of rows or columns are inconsistent")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for count, columns in groups:
            for name, width, column in zip(names, widths, columns, strict=True):
                pages = list(_pages(data, column))
                held = sum(page.values for page in pages if not page.dictionary)
                if not held == column.values == count * width:
                    raise ValueError(f"{name} has {held} values, expected {count * width}")
                grown += sum(page.grown + _A_VALUE * page.values for page in pages)
    if grown > max(MOST_GROWN, MOST_TIMES_GROWN * size):
        raise ValueError(f"its {size:,} bytes decompress to {grown:,}")


def _pages(data: mmap.mmap, column: ColumnChunk) -> Iterator[_Page]:
    """The pages of one column. Raises ValueError."""
    at = column.first_page
    end = at + column.stored
    while at < end:
        try:
            header, at = read_struct(data, at)
            kind, grown, stored = header[1], header[2], header[3]
            values = header[_PLACES[kind]][1]
            negative = min(grown, stored, values) < 0
        except (IndexError, KeyError, TypeError):
            raise ValueError("the header of a page is damaged") from None
        if negative:
            raise ValueError("the header of a page is damaged")
        yield _Page(dictionary=kind == _DICTIONARY, values=values, grown=grown)
        at += stored
    if at != end:
        raise ValueError("a page ends outside of its column")
