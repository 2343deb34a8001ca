"""The footer says the same as pyarrow's reader, and a damaged one is an error, not the end of the process."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.parquet_footer import row_groups
from pipeline.data.thrift import read_struct

ROWS = 30


def written(path: Path) -> bytes:
    """Numbers, repeated texts (with a dictionary) and lists in three row groups."""
    columns = {"n": np.arange(ROWS), "text": ["a", "b"] * 15, "list": [[1, 2, 3]] * ROWS}
    pq.write_table(pa.table(columns), path, row_group_size=10)
    return path.read_bytes()


def test_columns_are_those_of_pyarrow(tmp_path: Path) -> None:
    found = row_groups(written(tmp_path / "file"))
    metadata = pq.read_metadata(tmp_path / "file")
    assert [rows for rows, _ in found] == [10, 10, 10]
    for index, (_, columns) in enumerate(found):
        theirs = [metadata.row_group(index).column(place) for place in range(3)]
        assert [one.values for one in columns] == [one.num_values for one in theirs] == [10, 10, 30]
        assert [one.stored for one in columns] == [one.total_compressed_size for one in theirs]
        firsts = [one.dictionary_page_offset or one.data_page_offset for one in theirs]
        assert [one.first_page for one in columns] == firsts


def test_each_damaged_footer_is_read_or_an_error(tmp_path: Path) -> None:
    """Every bit once: some of them end a process that asks pyarrow for the column."""
    whole = written(tmp_path / "file")
    start = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for place in range(start, len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            try:
                row_groups(bytes(damaged))
            except ValueError:
                refused += 1
    assert refused > 1000


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bytes([0x15, 2, 0x05, 2, 4, 0]), "field 1 stands twice"),
        (bytes([0x19, 0xF3, 255, 255, 3, 0]), "a list of 65535 elements"),
        (bytes([0x1B, 0]), "of type 11"),
        (bytes([0x1C] * 20), "of type 12"),
        (bytes([0x15] + [255] * 11), "more than ten bytes"),
    ],
)
def test_a_struct_that_cannot_be_read_is_an_error(data: bytes, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_struct(data, 0)


def test_a_file_of_something_else_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not end as a Parquet file"):
        row_groups(b"something else")
    with pytest.raises(ValueError, match="at most"):
        row_groups(bytes(9 << 20) + (9 << 20).to_bytes(4, "little") + b"PAR1")
