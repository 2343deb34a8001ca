"""Where the columns of a Parquet file lie, by its footer.

pyarrow's `RowGroupMetaData.column` ends the whole process at some damaged footers (seen with 26.0: histograms of
another length than the levels): no error can be caught. So the footer is read here, in the form in which Arrow writes
what it has understood: both then mean the same. https://parquet.apache.org/docs/file-format/metadata
"""

import io
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from pipeline.data.thrift import read_struct

_GROUPS, _COLUMNS, _ROWS, _META = 4, 1, 3, 3
_VALUES, _STORED, _PAGES, _DICTIONARY = 5, 7, 9, 11


@dataclass(frozen=True, kw_only=True)
class ColumnChunk:
    """A column of a row group."""

    values: int
    """Number of values, with those that are missing."""
    first_page: int
    """Offset in the file of its dictionary, or else of its values."""
    stored: int
    """Compressed size (bytes) of all its pages with their headers."""


def row_groups(metadata: pq.FileMetaData) -> list[tuple[int, list[ColumnChunk]]]:
    """The number of rows and the columns of each row group. Raises ValueError."""
    written = io.BytesIO()
    metadata.write_metadata_file(written)
    data = written.getvalue()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    try:
        groups = read_struct(data, start)[0][_GROUPS]
        return [(_counted(group, _ROWS), [_chunk(column[_META]) for column in group[_COLUMNS]]) for group in groups]
    except (IndexError, KeyError, TypeError):
        raise ValueError("its footer is damaged") from None


def _chunk(fields: dict[int, Any]) -> ColumnChunk:
    pages, dictionary = _counted(fields, _PAGES), fields.get(_DICTIONARY) or 0
    first = dictionary if 0 < dictionary < pages else pages
    return ColumnChunk(values=_counted(fields, _VALUES), first_page=first, stored=_counted(fields, _STORED))


def _counted(fields: dict[int, Any], number: int) -> int:
    """A field that is an integer of at least 0. Raises KeyError, ValueError."""
    value = fields[number]
    if not isinstance(value, int) or value < 0:
        raise ValueError("its footer is damaged")
    return value
