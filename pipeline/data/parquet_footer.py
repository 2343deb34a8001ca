"""Where the columns of a Parquet file lie, by its footer.

pyarrow's `RowGroupMetaData.column` ends the whole process at some damaged footers (seen with 26.0: histograms of
another length than the levels): no error can be caught. https://parquet.apache.org/docs/file-format/metadata
"""

from dataclasses import dataclass
from typing import Any

from pipeline.data.thrift import Data, read_struct

_LARGEST = 8 << 20
"""Bytes of the largest footer that is read: 50,000 columns of row groups."""
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


def row_groups(data: Data) -> list[tuple[int, list[ColumnChunk]]]:
    """The number of rows and the columns of each row group of a file. Raises ValueError."""
    length = int.from_bytes(data[-8:-4], "little")
    if data[-4:] != b"PAR1" or length > len(data) - 8:
        raise ValueError("it does not end as a Parquet file")
    if length > _LARGEST:
        raise ValueError(f"its footer has {length:,} bytes; at most {_LARGEST:,} are read")
    try:
        groups = read_struct(data[-8 - length : -8], 0)[0][_GROUPS]
        return [(group[_ROWS], [_chunk(column[_META]) for column in group[_COLUMNS]]) for group in groups]
    except (IndexError, KeyError, TypeError):
        raise ValueError("its footer is damaged") from None


def _chunk(fields: dict[int, Any]) -> ColumnChunk:
    pages, dictionary = fields[_PAGES], fields.get(_DICTIONARY) or 0
    values, stored = fields[_VALUES], fields[_STORED]
    if min(pages, values, stored) < 0:
        raise ValueError("its footer is damaged")
    return ColumnChunk(values=values, first_page=dictionary if 0 < dictionary < pages else pages, stored=stored)
