"""Shards that `sresnet convert` made elsewhere: every row is read, and the manifests have to say what the rows are."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa

from pipeline.data.counts import check
from pipeline.data.store import Manifest, Row, Split, Written, shard_name
from pipeline.download.disk import link_or_copy
from pipeline.download.shards import read_stated
from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.params import PreprocessParams
from pipeline.ground.progress import progress
from pipeline.preprocess.shards import Summary

_OURS = ("dataset", "title", "note", "licence", "citation", "published")
"""What params.yaml and the catalog say of the dataset, not its shards."""
_REMEDY = "run `sresnet convert` again"


def take_shards(raw: Path, split: Split, params: PreprocessParams, folder: Path) -> tuple[Manifest, Summary]:
    """Puts the shards of a split into `folder`; returns their manifest, and the summary of their rows.

    Raises InputError if a shard is damaged, or the manifest cannot be that of these rows.
    """
    stated, rows = read_stated(raw, split), list[Written]()
    with progress(f"checking {split}", total=stated.rows, unit="samples") as bar:
        for index in range(stated.shards):
            name = shard_name(split, index, stated.shards)
            found = _rows(raw / name)
            link_or_copy(raw / name, folder / name)
            rows += found
            bar.update(len(found))
    if problem := _problem(stated, rows, params):
        raise InputError(f"{raw / split}.json: {problem}; {_REMEDY}")
    counts = {str(stated.classes.index(name)): dict(counts) for name, counts in (stated.counts or {}).items()}
    return stated, Summary.of(rows, counts=counts, sensor=tuple(stated.sensor or ()))


def _rows(path: Path) -> list[Written]:
    """The rows of a shard, without pixels. Raises InputError."""
    try:
        return [_written(row) for row in _read(path)]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise InputError(f"{path}: damaged ({error}); run the stage `download` again") from None


def _read(path: Path) -> Iterator[Row]:
    with pa.memory_map(str(path)) as content, pa.ipc.open_file(content) as file:
        for batch in map(file.get_batch, range(file.num_record_batches)):
            batch.validate(full=True)  # otherwise a wrong offset could read memory outside the file
            pixels = batch["frames"].to_numpy_ndarray()
            columns = (batch[name].to_pylist() for name in ("id", "label", "source_sha256"))
            for place, (name, label, source) in enumerate(zip(*columns, strict=True)):
                yield Row(id=name, label=label, pixels=pixels[place], source_sha256=source)


def _written(row: Row) -> Written:
    return Written(
        id=row.id,
        label=row.label,
        source_sha256=row.source_sha256,
        dtype=row.pixels.dtype,
        shape=row.pixels.shape,
        digest=row.digest(),
        content=row.content(),
    )


def _problem(stated: Manifest, rows: list[Written], params: PreprocessParams) -> str | None:
    """Why the manifest cannot be that of the rows, or cannot be compared with them; else None."""
    shape, classes = (params.frames, 2, params.size, params.size), names.labels("its classes", stated.classes)
    if len(rows) != stated.rows or not rows:
        return f"{stated.rows} rows, but the shards have {len(rows)}"
    if other := next((row for row in rows if row.shape != shape), None):
        return f"{other.id} has the shape {other.shape}; preprocess.frames and preprocess.size give {shape}"
    if other := next((row for row in rows if row.label not in range(len(classes))), None):
        return f"{other.id} has the label {other.label} of {len(classes)} classes"
    if (stated.counts or {}).keys() != set(classes) or len(stated.sensor or ()) != 2 or min(stated.sensor or ()) < 1:
        return "no counts of each class, or no sensor"
    return _wrong_counts(stated)


def _wrong_counts(stated: Manifest) -> str | None:
    try:
        for name, counts in (stated.counts or {}).items():
            check(counts, name)
    except AssertionError as error:
        return str(error)
    return None


def check_stated(where: Path, stated: Manifest, made: Manifest) -> None:
    """Raises InputError if a manifest says something else than follows from the rows and params.yaml."""
    read, ours = asdict(stated), asdict(made)
    wrong = [f"{key} is {read[key]}, not {ours[key]}" for key in read if key not in _OURS and read[key] != ours[key]]
    if wrong:
        raise InputError(
            f"{where}: {'; '.join(wrong)}; datasets.{made.dataset}.preprocess has to be as it was for "
            "`sresnet convert`, or the shards are damaged"
        )
