"""Reads and writes data/arrow/<dataset>/: memory-mapped Arrow shards and a manifest for each split.

A split has shards `<split>-00000-of-0000N.arrow` with columns `frames` or `image`, `label`, `id`, `source_sha256`, and
a manifest `<split>.json`, written last: without it the split does not exist. Shapes: C channels, H height, W width, T
time steps.
"""

import hashlib
import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ground.errors import InputError
from pipeline.ground.files import read_json, whole, write_whole

Split = Literal["train", "test"]
"""A part of a dataset."""
SPLITS: tuple[Split, ...] = get_args(Split)
"""All parts of a dataset."""
MEND = "remove it and run `make repro`; if it comes back damaged, remove .dvc/cache too"
"""What mends shards: DVC may have linked them to its cache."""
VERSION = 2
"""Version of the store's layout, in each manifest."""
_PIXEL_COLUMN = {"images": "image", "frames": "frames"}
LABELS_AND_IDS = pa.ipc.IpcReadOptions(included_fields=[1, 2])
"""Options that read labels and ids without pixels."""
IMAGES_PER_BATCH = 1000
"""An image is smaller than a record batch's metadata, so many share one; each recording has its own (44 us to read)."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sample."""

    id: str
    label: int
    pixels: npt.NDArray[Any]
    """(C, H, W) or (T, 2, H, W), uint8; uint16 or uint32 if an event count needs it."""
    source_sha256: str
    """Digest of the bytes that it was made from."""

    def digest(self) -> str:
        """SHA-256 over everything in the row, independent of the integers' width."""
        digest = hashlib.sha256(json.dumps([self.id, self.label, self.source_sha256, list(self.pixels.shape)]).encode())
        for part in self.pixels:  # part by part, because all pixels as 32-bit integers would not fit in the cache
            digest.update(part.astype("<u4"))
        return digest.hexdigest()

    def content(self) -> str:
        """SHA-256 over only pixels, shape and type; equal pixels have equal types, since each uses the narrowest."""
        digest = hashlib.sha256(json.dumps([*self.pixels.shape, self.pixels.dtype.name]).encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        return digest.hexdigest()


class Content(NamedTuple):
    """Identity, label and digests of one sample."""

    id: str
    label: int
    source: str
    """SHA-256 of the bytes that it was made from."""
    content: str
    """SHA-256 of its pixels."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What is kept in memory of a row whose pixels are on disk."""

    id: str
    label: int
    source_sha256: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    digest: str
    content: str

    @classmethod
    def of(cls, row: Row) -> "Written":
        """What is kept of this row."""
        return cls(
            id=row.id,
            label=row.label,
            source_sha256=row.source_sha256,
            dtype=row.pixels.dtype,
            shape=row.pixels.shape,
            digest=row.digest(),
            content=row.content(),
        )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Description of a split, written beside its shards."""

    __pydantic_config__: ClassVar[dict[str, object]] = {"extra": "forbid", "strict": True}

    version: int
    dataset: str
    title: str
    note: str | None
    licence: str
    citation: str
    published: bool
    kind: Literal["images", "frames"]
    split: str
    split_rule: str
    framing_rule: str | None
    scale: float
    """Factor by which the device multiplies the stored integers."""
    classes: list[str]
    sample_shape: list[int]
    shards: int
    rows: int
    rows_per_class: list[int]
    digest: str
    """SHA-256 over the sorted digests of all rows; independent of the number of shards."""
    sensor: list[int] | None = None
    """Width and height of the camera's sensor (pixels); None for images."""
    counts: dict[str, dict[str, int]] | None = None
    """By class: recordings, packets, windows and events found, used and left out (counts.py); None for images."""
    framing: dict[str, Any] | None = None
    """preprocess.samples.Reading, by which another recording becomes such frames; None for images."""

    def __post_init__(self) -> None:
        if len(self.sample_shape) != (3 if self.kind == "images" else 4):
            raise ValueError(f"sample_shape {self.sample_shape} is not that of {self.kind}")


def rows_digest(digests: Iterable[str]) -> str:
    """Digest of a set of rows from their digests."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def contents_digest(contents: Iterable[Content]) -> str:
    """Digest of a set of samples by label and pixels, independent of names and order."""
    return rows_digest(f"{content.label} {content.content}" for content in contents)


def write_shard(
    rows: Iterable[Row], path: Path, kind: str, compression: str, about: Mapping[str, str]
) -> list[Written]:
    """Writes rows into one Arrow file, atomically, with the widest integer type that any row needs.

    `about` goes into the schema's metadata, with the number and the digest of the rows. The schema comes first in the
    file, so pixels are buffered in a temporary file until all rows are known: memory holds only one batch.
    """
    size = 1 if kind == "frames" else IMAGES_PER_BATCH
    options = pa.ipc.IpcWriteOptions(compression=None if compression == "none" else compression)
    with whole(path) as temporary, tempfile.TemporaryFile(dir=path.parent) as pixels:
        written = [_buffer(row, pixels) for row in rows]
        dtype = np.result_type(*(row.dtype for row in written))
        schema = _described(shard_schema(kind, dtype, written[0].shape), written, about)
        pixels.seek(0)
        with pa.ipc.new_file(str(temporary), schema, options=options) as file:
            for start in range(0, len(written), size):
                file.write_batch(_batch(written[start : start + size], pixels, schema, dtype))
    return written


def _buffer(row: Row, pixels: IO[bytes]) -> Written:
    pixels.write(np.ascontiguousarray(row.pixels).data)
    return Written.of(row)


def shard_schema(kind: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> pa.Schema:
    """Columns of a shard of images or frames, whose order counts; without metadata."""
    tensor = pa.fixed_shape_tensor(pa.from_numpy_dtype(dtype), shape)
    column = _PIXEL_COLUMN[kind]
    return pa.schema([(column, tensor), ("label", pa.int64()), ("id", pa.string()), ("source_sha256", pa.string())])


def _described(schema: pa.Schema, rows: list[Written], about: Mapping[str, str]) -> pa.Schema:
    digest = rows_digest(row.digest for row in rows)
    return schema.with_metadata({**about, "version": str(VERSION), "rows": str(len(rows)), "digest": digest})


def _batch(rows: list[Written], pixels: IO[bytes], schema: pa.Schema, dtype: np.dtype[Any]) -> pa.RecordBatch:
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(np.stack([_read(row, pixels) for row in rows], dtype=dtype))
    storage = pa.ExtensionArray.from_storage(schema.field(0).type, tensor.storage)
    columns = [
        storage,
        pa.array([row.label for row in rows], pa.int64()),
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.source_sha256 for row in rows], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _read(row: Written, pixels: IO[bytes]) -> npt.NDArray[Any]:
    return np.frombuffer(pixels.read(math.prod(row.shape) * row.dtype.itemsize), row.dtype).reshape(row.shape)


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes <split>.json, which completes the split."""
    write_whole(folder / f"{manifest.split}.json", json.dumps(asdict(manifest), indent=2).encode() + b"\n")


def shard_name(split: str, index: int, shards: int) -> str:
    """File name of one shard of a split."""
    return f"{split}-{index:05}-of-{shards:05}.arrow"


class Store:
    """One split of a dataset, memory-mapped. Samples are sorted by id, as strings.

    Raises InputError if the split is missing, incomplete or damaged.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        self.folder, self.split = folder, split
        self.manifest = read_manifest(folder, split)
        self.kind = self.manifest.kind
        self.title = self.manifest.title
        self.classes = tuple(self.manifest.classes)
        self.sample_shape = tuple(self.manifest.sample_shape)
        self.scale = self.manifest.scale
        self.digest = self.manifest.digest
        self._open()

    def _open(self) -> None:
        shards = [
            _Shard(self.folder / shard_name(self.split, i, self.manifest.shards)) for i in range(self.manifest.shards)
        ]
        self._shards = shards
        self._places = [(shard, batch) for shard in shards for batch in range(len(shard.lengths))]
        self._starts = np.cumsum([0, *(length for shard in shards for length in shard.lengths)])
        self._kept: dict[int, npt.NDArray[Any]] = {}
        self.labels: npt.NDArray[np.int64] = np.concatenate([shard.labels for shard in shards])
        self.ids: list[str] = [name for shard in shards for name in shard.ids]
        if len(self.ids) != self.manifest.rows:
            raise InputError(
                f"{self.folder}: the {self.split} shards have {len(self.ids)} rows, but {self.split}.json says "
                f"{self.manifest.rows}; {MEND}"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __reduce__(self) -> tuple[type["Store"], tuple[Path, str]]:
        # Pickled by path: another process maps the files itself.
        return Store, (self.folder, self.split)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The integer type that holds the pixels of every shard, which may differ in width. Raises InputError."""
        return np.result_type(*(shard.pixels(0).dtype for shard in self._shards))

    def read(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Pixels of the samples, (len(indices), *sample_shape), in the order of `indices`. Raises InputError."""
        batches = np.searchsorted(self._starts, indices, side="right") - 1
        return np.stack([self._batch(b)[i - self._starts[b]] for b, i in zip(batches, indices, strict=True)])

    def _batch(self, index: int) -> npt.NDArray[Any]:
        """Pixels of a record batch.

        Images and mapped recordings are cached; compressed recordings are read each time.
        """
        if index in self._kept:
            return self._kept[index]
        shard, batch = self._places[index]
        pixels = shard.pixels(batch)
        if self.kind == "images" or shard.mapped:
            self._kept[index] = pixels
        return pixels


class _Shard:
    """One memory-mapped shard file; labels and ids are read at construction. Raises InputError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._damage():
            file = pa.memory_map(str(path))
            self._file = pa.ipc.open_file(file)
            each = path.stat().st_size // self._file.num_record_batches
            self.mapped = self._file.get_batch(0).column(0).nbytes <= each  # else it is compressed
            # With only some columns included, Arrow decompresses just these, but copies them.
            some = self._file if self.mapped else pa.ipc.open_file(file, options=LABELS_AND_IDS)
            batches = [some.get_batch(index) for index in range(some.num_record_batches)]
        self.lengths = [len(batch) for batch in batches]
        # Arrow's to_numpy would import pandas, which takes half a second.
        self.labels = np.concatenate([np.from_dlpack(batch["label"]) for batch in batches])
        self.ids = [name for batch in batches for name in batch["id"].to_pylist()]

    def pixels(self, batch: int) -> npt.NDArray[Any]:
        with self._damage():
            return self._file.get_batch(batch).column(0).to_numpy_ndarray()

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path}: missing or damaged ({error}); {MEND}") from None


def read_manifest(folder: Path, split: str) -> Manifest:
    """The manifest of a split. Raises InputError."""
    path = folder / f"{split}.json"
    content = read_json(path, "`dvc repro preprocess` makes it")
    try:
        manifest = Manifest(**content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged or of another version ({error}); {MEND}") from None
    if manifest.version != VERSION:
        raise InputError(f"{path}: version {manifest.version}, expected {VERSION}; {MEND}")
    return manifest
