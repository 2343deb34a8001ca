"""Damage of Parquet and Arrow tables in a report."""

import io
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.text_damage import OF_JSON


def _written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def _other_column(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    place, rows = drawn.randrange(table.num_columns), len(table)
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray
    shape = drawn.choice(((rows, 1, 1), (rows, 2, 3), (rows, 3, 8, 8), (rows, 2, 3, 4, 4), (rows, 7)))
    column = drawn.choice(
        (
            pa.nulls(rows),
            pa.array([drawn.choice((None, 0, 1, -1, 2**40))] * rows, pa.int64()),
            pa.array([drawn.choice(("", "x", "x" * 100_000))] * rows),
            pa.array([[0]] * rows),
            pa.array([{"a": 1}] * rows),
            tensor(np.full(shape, drawn.choice((np.nan, np.inf, 6e4, 0)), drawn.choice(("f4", "f8", "f2")))),
            tensor(np.ones(shape, drawn.choice(("u1", "u2", "u4", "i8")))),
        )
    )
    return _written(table.set_column(place, table.schema.names[place], column))


def _other_rows(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    rows = len(table)
    forms = [table.slice(0, 0), table.slice(1), table.take(list(range(rows))[::-1]), pa.concat_tables([table, table])]
    forms += [table.select(list(reversed(table.schema.names))), table.drop_columns(table.schema.names[0])]
    forms += [table.append_column("x", table[1]), table.replace_schema_metadata({})]
    return _written(drawn.choice(forms), **drawn.choice(({}, {"compression": "none"}, {"row_group_size": 2})))


def _other_about(drawn: Random, data: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(data))
    about = (table.schema.metadata or {}).get(b"about", b'{"a": {"b": 1}}')
    return _written(table.replace_schema_metadata({"about": drawn.choice(OF_JSON)(drawn, about)}))


def _inflating(drawn: Random, data: bytes) -> bytes:
    """Few bytes that stand for many: repeated values, which Parquet writes as one and a number."""
    table = pq.read_table(io.BytesIO(data))
    times = drawn.choice((1000, 20_000))
    columns = [pa.concat_arrays([table[name].combine_chunks().slice(0, 1)] * times) for name in table.schema.names]
    return _written(pa.table(columns, schema=table.schema))


def _arrow_table(data: bytes) -> pa.Table:
    return pa.ipc.open_file(io.BytesIO(data)).read_all()


def _arrow_written(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=5)
    return file.getvalue()


def _other_arrow(drawn: Random, data: bytes) -> bytes:
    table = _arrow_table(data)
    place = drawn.randrange(table.num_columns)
    nothing = pa.array([None] * len(table), table.schema.field(place).type)
    forms = [
        table.slice(0, 0),
        table.slice(3),
        pa.concat_tables([table, table]),
        table.drop_columns(table.schema.names[place]),
        table.append_column("x", table[place]),
        table.set_column(place, table.schema.names[place], nothing),
        table.set_column(place, table.schema.names[place], table[place].dictionary_encode()),
        table.set_column(0, "split", pa.array(["train"] * len(table))),
        table.set_column(2, "label", pa.array([drawn.choice((-1, 2**62, 7))] * len(table))),
    ]
    return _arrow_written(drawn.choice(forms))


def _compressed(drawn: Random, data: bytes) -> bytes:
    table = pa.concat_tables([_arrow_table(data).slice(0, 1)] * drawn.choice((18, 5000))).combine_chunks()
    return _arrow_written(table, compression=drawn.choice(("zstd", "lz4")))


OF_PARQUET: list[Callable[[Random, bytes], bytes]] = [
    _other_column,
    _other_column,
    _other_rows,
    _other_about,
    _inflating,
]
OF_ARROW: list[Callable[[Random, bytes], bytes]] = [_other_arrow, _compressed]
