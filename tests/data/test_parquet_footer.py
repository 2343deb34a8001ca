"""The footer says the same as pyarrow's reader, and a damaged one is an error, not the end of the process."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.parquet_footer import row_groups
from pipeline.data.thrift import read_struct

ROWS = 30


def written() -> bytes:
    """Numbers, repeated texts (with a dictionary) and lists in three row groups."""
    columns = {"n": np.arange(ROWS), "text": ["a", "b"] * 15, "list": [[1, 2, 3]] * ROWS}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=10)
    return sink.getvalue()


def test_columns_are_those_of_pyarrow() -> None:
    metadata = pq.read_metadata(io.BytesIO(written()))
    found = row_groups(metadata)
    assert [rows for rows, _ in found] == [10, 10, 10]
    for index, (_, columns) in enumerate(found):
        theirs = [metadata.row_group(index).column(place) for place in range(3)]
        assert [one.values for one in columns] == [one.num_values for one in theirs] == [10, 10, 30]
        assert [one.stored for one in columns] == [one.total_compressed_size for one in theirs]
        firsts = [one.dictionary_page_offset or one.data_page_offset for one in theirs]
        assert [one.first_page for one in columns] == firsts


def test_each_damaged_footer_is_read_or_an_error() -> None:
    """Every bit once: some of them end a process that asks pyarrow for the column."""
    whole = written()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    opened = refused = 0
    for place in range(start, len(whole) - 8):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            try:
                metadata = pq.read_metadata(io.BytesIO(damaged))
            except (OSError, ValueError, pa.ArrowException):
                continue
            opened += 1
            try:
                assert all(rows >= 0 for rows, _ in row_groups(metadata))
            except ValueError:
                refused += 1
    assert opened > 1000
    assert refused > 0


def test_what_arrow_skips_is_skipped_here() -> None:
    """An offset of a dictionary that is written as an integer of 32 bits is none for Arrow."""
    whole = written()
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    firsts = {chunk.first_page for _, columns in row_groups(pq.read_metadata(io.BytesIO(whole))) for chunk in columns}
    found = set()
    for place in range(start, len(whole) - 8):
        damaged = bytearray(whole)
        damaged[place] ^= 3  # turns the type of 64 bits into that of 32
        if whole[place] & 15 != 6:
            continue
        try:
            read = row_groups(pq.read_metadata(io.BytesIO(damaged)))
        except (OSError, ValueError, pa.ArrowException):
            continue
        found |= {chunk.first_page for _, columns in read for chunk in columns} - firsts
    assert found


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bytes([0x15, 2, 0x05, 2, 4, 0]), "field 1 stands twice"),
        (bytes([0x19, 0xF3, 255, 255, 3, 0]), "a list of 65535 elements"),
        (bytes([0x15, 2, 0x05, 0x86, 0x80, 8, 2, 0]), "more than 16 bits"),
        (bytes([0x15] + [255] * 4 + [127]), "more than 32 bits"),
        (bytes([0x18, 5, 0]), "a text of 5 bytes"),
        (bytes([0x1B, 0]), "of type 11"),
        (bytes([0x1C] * 20), "of type 12"),
        (bytes([0x15] + [255] * 11), "more than ten bytes"),
    ],
)
def test_a_struct_that_cannot_be_read_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_struct(data, 0)
