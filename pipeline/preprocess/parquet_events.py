"""Recordings in Parquet files in the Hugging Face layout: one row each, with lists of t, x, y and p, and a label."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.data.parquet_footer import row_groups
from pipeline.data.recording import Recording
from pipeline.download.archives import refuse_bomb
from pipeline.download.listing import Member
from pipeline.ground.errors import InputError
from pipeline.preprocess.arrays import NAMES, quantity, recording_of_columns
from pipeline.preprocess.parquet import LABEL_COLUMNS, Table, opened, read_labels
from pipeline.preprocess.recordings import on_sensor
from pipeline.preprocess.sensors import Sensor
from pipeline.preprocess.times import check_times

_EXPECTED = (
    "expected columns t (microseconds), x, y and p with a list of numbers in each row, or one column with "
    "struct<t, x, y, p> of such lists or list<struct<t, x, y, p>>, and an integer column label or fine_label"
)


@dataclass(frozen=True, kw_only=True)
class EventRow:
    """One recording; can be pickled for another process that sees the same folders."""

    id: str
    member: Member
    columns: tuple[str, ...]
    """Of the events, in the file: one, or four."""
    row: int

    def __str__(self) -> str:
        return f"{self.member.id}: row {self.row}"


def read_event_table(member: Member) -> Table:
    """The columns, labels and class names of a file. Raises InputError."""
    table = read_labels(member, _find_columns)
    with opened(member) as file:
        values = sum(column.values for _, columns in row_groups(file.metadata) for column in columns)
    refuse_bomb(member.path, f"{member.id}: {values} numbers", 8 * values, member.size)
    return table


def event_rows(tables: list[Table]) -> list[EventRow]:
    """The recordings of a split in the order of its files."""
    return [
        EventRow(id=f"{table.member.id}/{row:08}", member=table.member, columns=table.columns, row=row)
        for table in tables
        for row in range(len(table.labels))
    ]


class RowReader:
    """Reads recordings one at a time; those of a file in ascending order, without a second reading."""

    def __init__(self) -> None:
        self._next: tuple[Member, int] | None = None
        self._rows: Iterator[Any] = iter(())

    def read(self, row: EventRow, sensor: Sensor | None) -> Recording:
        """The recording; `sensor` is preprocess.sensor. Raises InputError."""
        if self._next != (row.member, row.row):
            self._rows = _batches(row)
        batch, self._next = next(self._rows), (row.member, row.row + 1)
        columns = _arrays(batch, row.columns)
        recording = recording_of_columns(columns, str(row), sensor, list(columns))
        check_times(recording.t, str(row))
        return on_sensor(recording, str(row))


def digest_of_events(recording: Recording) -> str:
    """SHA-256 of the events, whatever their types and layout in the file."""
    columns = (recording.t, recording.x, recording.y, recording.p)
    return hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()


def _batches(first: EventRow) -> Iterator[Any]:
    """Batches of one row, from the row `first` on."""
    with opened(first.member) as file:
        sizes = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        group, skipped = 0, 0
        while skipped + sizes[group] <= first.row:
            group, skipped = group + 1, skipped + sizes[group]
        batches = file.iter_batches(1, row_groups=range(group, len(sizes)), columns=list(first.columns))
        for place, batch in enumerate(batches, skipped):
            if place >= first.row:
                yield batch
    raise InputError(f"{first.member.id}: has fewer rows than labels; fetch or write it again")


def _arrays(batch: Any, columns: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """The numbers of a row by the name of their column or field."""
    if len(columns) > 1:
        found = {name: batch[name] for name in columns}
    else:
        events = batch[columns[0]] if pa.types.is_struct(batch[columns[0]].type) else batch[columns[0]].flatten()
        found = {field.name: pc.struct_field(events, field.name) for field in events.type if quantity(field.name)}
    flat = {name: column.flatten() if _is_list(column.type) else column for name, column in found.items()}
    return {name: np.asarray(column.to_numpy(zero_copy_only=False)) for name, column in flat.items()}


def _find_columns(where: str, schema: pa.Schema) -> tuple[tuple[str, ...], str]:
    """The names of the columns of events, and of the one of labels. Raises InputError."""
    labels = [name for name in schema.names if name in LABEL_COLUMNS]
    lists = tuple(field.name for field in schema if quantity(field.name) and _is_numbers(field.type))
    nested = tuple(field.name for field in schema if _holds_events(field.type))
    one = (len(nested) == 1 and not lists) or (not nested and _are_events(lists))
    if one and len(labels) == 1 and pa.types.is_integer(schema.field(labels[0]).type):
        return nested or lists, labels[0]
    raise InputError(f"{where}: columns {', '.join(f'{field.name}: {field.type}' for field in schema)}; {_EXPECTED}")


def _are_events(names: tuple[str, ...]) -> bool:
    return sorted(quantity(name) or "" for name in names) == sorted(NAMES)


def _holds_events(kind: pa.DataType) -> bool:
    """Whether the type is a struct with a list of each quantity, or a list of structs with a number of each."""
    inside = kind.value_type if _is_list(kind) else kind
    if not pa.types.is_struct(inside):
        return False
    events = [field for field in inside if quantity(field.name)]
    fits = _is_number if _is_list(kind) else _is_numbers
    return _are_events(tuple(field.name for field in events)) and all(fits(field.type) for field in events)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def _is_numbers(kind: pa.DataType) -> bool:
    return _is_list(kind) and _is_number(kind.value_type)
