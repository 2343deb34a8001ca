"""One Parquet file in the Hugging Face layout, with a column of labels, and one of images: struct<bytes, path>."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.download.archives import refuse_bomb
from pipeline.download.listing import Member, read_member
from pipeline.ground.errors import InputError
from pipeline.ground.names import labels

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label")
BATCH = 16  # rows; small, because equal images are stored once but take memory for each row when read


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file's labels and metadata, without its images or events."""

    member: Member
    columns: tuple[str, ...]
    """Names of the columns of images or events."""
    label: str
    labels: list[int | None]
    names: tuple[str, ...] | None
    """Class names from the Hugging Face metadata; None if there are none."""


def read_table(member: Member) -> Table:
    """The columns, labels and class names of a file of images. Raises InputError."""
    return read_labels(member, _columns)


def read_labels(member: Member, find: Callable[[str, pa.Schema], tuple[tuple[str, ...], str]]) -> Table:
    """The table of a file; `find` gives the names of the columns with images or events, and with labels."""
    with opened(member) as file:
        schema, groups = file.schema_arrow, file.metadata
        columns, label = find(member.id, schema)
        grown = sum(groups.row_group(index).total_byte_size for index in range(groups.num_row_groups))
        refuse_bomb(member.path, member.id, max(grown, 8 * groups.num_rows), member.size)
        numbers = file.read(columns=[label])[label].to_pylist()
        _same_rows(member.id, label, len(numbers), groups.num_rows)
    return Table(member=member, columns=columns, label=label, labels=numbers, names=_names(member.id, schema, label))


def image_files(table: Table) -> Iterator[tuple[bytes | None, str | None]]:
    """The image file of each row and its own path; None for a row without one. Raises InputError."""
    rows, (image,) = 0, table.columns
    with opened(table.member) as file:
        fields = ["bytes", "path"] if _has_paths(file.schema_arrow.field(image).type) else ["bytes"]
        for batch in file.iter_batches(BATCH, columns=[f"{image}.{field}" for field in fields]):
            rows += len(batch)
            if rows <= len(table.labels):
                columns = [pc.struct_field(batch[image], field).to_pylist() for field in fields]
                yield from zip(columns[0], columns[1] if len(columns) > 1 else [None] * len(batch), strict=True)
    _same_rows(table.member.id, image, rows, len(table.labels))


def _same_rows(where: str, column: str, found: int, expected: int) -> None:
    if found != expected:
        raise InputError(f"{where}: {column} has {found} rows of {expected}; fetch or write it again")


@contextmanager
def opened(member: Member) -> Iterator[pq.ParquetFile]:
    """The file. Raises InputError if it, or what is read of it, is damaged."""
    try:
        with pq.ParquetFile(member.path if member.name is None else pa.BufferReader(read_member(member))) as file:
            yield file
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{member.id}: not a complete Parquet file ({error}); fetch or write it again") from None


def _columns(where: str, schema: pa.Schema) -> tuple[tuple[str, ...], str]:
    """The names of the columns of images and labels. Raises InputError."""
    images, labels = ([name for name in schema.names if name in known] for known in (IMAGE_COLUMNS, LABEL_COLUMNS))
    if len(images) != 1 or len(labels) != 1:
        raise InputError(
            f"{where}: columns {', '.join(schema.names)}; expected one of img or image, and one of label or fine_label"
        )
    image, label = schema.field(images[0]).type, schema.field(labels[0]).type
    if not _holds_bytes(image) or not pa.types.is_integer(label):
        raise InputError(f"{where}: {images[0]} is {image}, {labels[0]} {label}; expected struct<bytes, path>, int64")
    return (images[0],), labels[0]


def _holds_bytes(image: pa.DataType) -> bool:
    if not pa.types.is_struct(image) or len(image.get_all_field_indices("bytes")) != 1:
        return False
    return pa.types.is_binary(image.field("bytes").type) or pa.types.is_large_binary(image.field("bytes").type)


def _has_paths(image: pa.StructType) -> bool:
    return len(image.get_all_field_indices("path")) == 1 and pa.types.is_string(image.field("path").type)


def _names(where: str, schema: pa.Schema, label: str) -> tuple[str, ...] | None:
    """The names of the classes in the order of their labels. Raises InputError."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][label]["names"]
    except KeyError:
        return None
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{where}: the metadata `huggingface` does not have the hub's format ({error}); correct it"
        ) from None
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}: the metadata `huggingface`: {label}.names must be a list of strings; correct it")
    return labels(where, names) or None
