"""Shards that `sresnet convert` made elsewhere: every row is read, and the manifests have to say what the rows are."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.data.batch_sizes import batch_sizes
from pipeline.data.counts import check
from pipeline.data.store import SPLITS, Manifest, Row, Split, Written, shard_name, shard_schema
from pipeline.download.catalog import CATALOG, Entry
from pipeline.download.disk import link_or_copy
from pipeline.download.listing import suffix_of
from pipeline.download.shards import read_stated
from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.params import PreprocessParams, WindowParams
from pipeline.ground.progress import progress
from pipeline.preprocess.shards import Summary
from pipeline.preprocess.splits import classes_of, split_recordings

_OURS = ("dataset", "title", "note", "licence", "citation", "published")
"""What params.yaml and the catalog say of the dataset, not its shards."""
_REMEDY = "run `sresnet convert` again"
_WIDTHS = tuple(map(np.dtype, (np.uint8, np.uint16, np.uint32)))
_BESIDE_PIXELS = 1 << 16
"""Maximum size (bytes) of a row without its pixels; a path has at most a few thousand."""
_WINDOW = re.compile(r"(.+)@(\d{6,})-\d{6,}ms", re.DOTALL)
"""The id of a window: the recording's, and its begin (ms)."""


def take_shards(
    dataset: str, raw: Path, split: Split, params: PreprocessParams, folder: Path
) -> tuple[Manifest, Summary]:
    """Puts the shards of a split into `folder`; returns their manifest, and the summary of their rows.

    Raises InputError if a shard is damaged, or the manifest cannot be that of these rows.
    """
    stated, rows = read_stated(raw, split), list[Written]()
    with progress(f"checking {split}", total=stated.rows, unit="samples") as bar:
        for index in range(stated.shards):
            name = shard_name(split, index, stated.shards)
            found = _rows(dataset, raw / name, params)
            link_or_copy(raw / name, folder / name)
            rows += found
            bar.update(len(found))
    if problem := _problem(stated, rows, params):
        raise InputError(f"{raw / split}.json: {problem}; {_REMEDY}")
    counts = {str(stated.classes.index(name)): dict(counts) for name, counts in (stated.counts or {}).items()}
    return stated, Summary.of(rows, counts=counts, sensor=tuple(stated.sensor or ()))


def _rows(dataset: str, path: Path, params: PreprocessParams) -> list[Written]:
    """The rows of a shard, without pixels. Raises InputError."""
    try:
        return [Written.of(row) for row in _read(path, params)]
    except (OSError, EOFError, LookupError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: damaged, or not what `sresnet convert` makes ({error}); {_remedy(dataset)}"
        ) from None


def _remedy(dataset: str) -> str:
    """What to do after damage; `sresnet convert` keeps a shard of the expected size, and the copy here is ours."""
    return (
        f"remove the shard from where datasets.{dataset}.download.source names, run `sresnet convert` again, then "
        f".venv/bin/dvc repro --force download@{dataset}"
    )


def _read(path: Path, params: PreprocessParams) -> Iterator[Row]:
    """The rows of a shard that has the columns of data/store.py, which reads them by position."""
    with pa.memory_map(str(path)) as content, pa.ipc.open_file(content) as file:
        dtype, most = _columns(path, file.schema, params)
        sizes = list(batch_sizes(content.read_buffer()))
        widest = _WIDTHS[0]
        for index in range(file.num_record_batches):
            if sizes[index] > most:
                raise ValueError(f"a row of {sizes[index]:,} bytes, expected at most {most:,}")
            row = _row(file.get_batch(index))
            widest = max(widest, row.pixels.dtype)
            yield row
        if widest != dtype:
            raise ValueError(f"pixels of type {dtype}, but {widest} would hold them")


def _columns(path: Path, schema: pa.Schema, params: PreprocessParams) -> tuple[np.dtype[Any], int]:
    """The type of the pixels, and the maximum size (bytes) of a row. Raises InputError for other columns than ours."""
    assert params.frames is not None, "checked by preprocess"
    assert params.size is not None, "checked by preprocess"
    shape = (params.frames, 2, params.size, params.size)
    for dtype in _WIDTHS:
        if schema.equals(shard_schema("frames", dtype, shape)):
            return dtype, int(np.prod(shape)) * dtype.itemsize + _BESIDE_PIXELS
    raise InputError(
        f"{path}: its columns are {_in_words(schema)}; preprocess.frames and preprocess.size, which have to be as they "
        f"were for `sresnet convert`, give {_in_words(shard_schema('frames', _WIDTHS[0], shape))}"
    )


def _in_words(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)[:400]


def _row(batch: pa.RecordBatch) -> Row:
    """The row of a batch. Raises ValueError, pa.ArrowException."""
    if len(batch) != 1:
        raise ValueError(f"a batch of {len(batch)} rows, expected 1")
    batch.validate(full=True)  # otherwise a wrong offset could read memory outside the file
    if any(column.null_count for column in batch.columns) or batch["frames"].storage.flatten().null_count:
        raise ValueError("a value is missing")
    pixels, label, name, source = batch["frames"].to_numpy_ndarray()[0], *(batch[i][0].as_py() for i in (1, 2, 3))
    if not re.fullmatch("[0-9a-f]{64}", source):
        raise ValueError(f"{name}: source_sha256 is {source[:80]}, not 64 hexadecimal digits")
    narrowest = np.min_scalar_type(pixels.max())  # as before the shard was written, since content() depends on it
    return Row(id=name, label=label, pixels=pixels.astype(narrowest, copy=False), source_sha256=source)


def _problem(stated: Manifest, rows: list[Written], params: PreprocessParams) -> str | None:
    """Why the manifest cannot be that of the rows, or cannot be compared with them; else None."""
    classes = names.labels("its classes", stated.classes)
    if len(rows) != stated.rows or not rows:
        return f"{stated.rows} rows, but the shards have {len(rows)}"
    if other := next((row for row in rows if row.label not in range(len(classes))), None):
        return f"{other.id} has the label {other.label} of {len(classes)} classes"
    if (stated.counts or {}).keys() != set(classes) or len(stated.sensor or ()) != 2 or min(stated.sensor or ()) < 1:
        return "no counts of each class, or no sensor"
    return _wrong_counts(stated, rows, params)


def _wrong_counts(stated: Manifest, rows: list[Written], params: PreprocessParams) -> str | None:
    held, used = Counter(row.label for row in rows), "windows used" if params.window else "recordings used"
    for label, name in enumerate(stated.classes):
        counts = (stated.counts or {})[name]
        if min(counts.values(), default=0) < 0 or counts.get(used) != held[label] or "recordings used" not in counts:
            return f"{name} has {held[label]} rows, its counts are {counts}"
        try:
            check(counts, name)
        except AssertionError as error:
            return str(error)
    return None


def check_names(
    raw: Path, taken: dict[Split, tuple[Manifest, Summary]], entry: Entry, params: PreprocessParams
) -> None:
    """Raises InputError unless splits, labels, classes and the order of the rows follow from the ids.

    They are derived from the union of the ids as from the names of recordings.
    """
    found = {split: _recordings(f"{raw / split}.json", taken[split][1], params.window) for split in SPLITS}
    ids = [name for split in SPLITS for name, _ in found[split]]
    names.checked(str(raw), names.one_spelling, ids)
    if len(set(ids)) < len(ids):
        raise InputError(f"{raw}: {Counter(ids).most_common(1)[0][0]} is twice in the shards; {_REMEDY}")
    derived = split_recordings(ids, params.split, entry)
    classes = classes_of(derived, entry)
    for split in SPLITS:
        expected = [(sample.id, classes.index(sample.class_name)) for sample in derived[split]]
        if taken[split][0].classes != list(classes):
            raise InputError(f"{raw / split}.json: classes in another order than {', '.join(classes)[:200]}; {_REMEDY}")
        if found[split] != expected:
            raise InputError(
                f"{raw / split}.json: {_first_other(found[split], expected)}; preprocess.split has to be as it was for "
                "`sresnet convert`, or the shards are damaged"
            )


def _first_other(found: list[tuple[str, int]], expected: list[tuple[str, int]]) -> str:
    place = next((i for i, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), None)
    if place is None:
        return f"{len(found)} recordings, but preprocess.split gives {len(expected)}"
    return "{} has the label {}, but by preprocess.split and the folders {} follows with {}".format(
        *found[place], *expected[place]
    )


def _recordings(where: str, rows: Summary, window: WindowParams | None) -> list[tuple[str, int]]:
    """The ids and labels of the recordings in the order of the rows. Raises InputError."""
    samples = [(*_recording(where, row.id, window), row.label) for row in rows.contents]
    recordings = []
    for (name, label), group in groupby(samples, key=lambda sample: (sample[0], sample[2])):
        begins = [begin for _, begin, _ in group]
        if begins != sorted(set(begins)):
            raise InputError(f"{where}: the rows of {name} are there twice, or not in order; {_REMEDY}")
        recordings.append((name, label))
    return recordings


def _recording(where: str, sample: str, window: WindowParams | None) -> tuple[str, int]:
    """The id of a sample's recording, and when the sample begins (ms). Raises InputError."""
    name, begin = sample, 0
    if window and (match := _WINDOW.fullmatch(sample)):
        name, begin = match[1], int(match[2])
    whole = f"{name}@{begin:06}-{begin + window.ms:06}ms" if window else name
    path = names.checked(f"{where}: {sample[:200]}", names.file_path, name)
    if sample != whole or path != name or suffix_of(name) not in CATALOG["recordings"].suffixes:
        raise InputError(f"{where}: {names.shown(sample[:200])} is not the name of a sample; {_REMEDY}")
    return name, begin


def check_stated(where: Path, stated: Manifest, made: Manifest) -> None:
    """Raises InputError if a manifest says something else than follows from the rows and params.yaml."""
    read, ours = asdict(stated), asdict(made)
    wrong = [f"{key} is {read[key]}, not {ours[key]}" for key in read if key not in _OURS and read[key] != ours[key]]
    if wrong:
        raise InputError(
            f"{where}: {'; '.join(wrong)}; datasets.{made.dataset}.preprocess has to be as it was for "
            f"`sresnet convert`; if it is, a shard is damaged: {_remedy(made.dataset)}"
        )
