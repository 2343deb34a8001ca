"""Static images of a dataset, decoded. Shapes: C channels, H height, W width."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.data import archives
from pipeline.data.catalog import Entry
from pipeline.data.embedded import DIGITS_FILE, digits
from pipeline.data.splits import Sample, Split, split_by_class
from pipeline.data.store import Row
from pipeline.errors import InputError
from pipeline.names import labels

DIGIT_SIZE = 32  # pixels; scikit-learn's digits are 8 x 8, the network's first images 32 x 32

Images = dict[Split, list[Row]]


def read_images(raw: Path, entry: Entry, rule: str) -> tuple[Images, tuple[str, ...]]:
    """The rows of both splits, in string order of their ids, and the names of the classes. Raises InputError."""
    if rule not in entry.splits:
        raise InputError(f"preprocess.split {rule!r}: expected one of {', '.join(entry.splits)}")
    if entry.decoder == "digits":
        return _digits(raw, entry, rule)
    if entry.decoder == "parquet":
        return _parquet(raw)
    return _cifar(raw, entry)


def _row(name: str, label: int, pixels: npt.NDArray[np.uint8]) -> Row:
    source = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Row(id=name, label=label, pixels=pixels, source_sha256=source)


def _digits(raw: Path, entry: Entry, rule: str) -> tuple[Images, tuple[str, ...]]:
    pictures, labels = digits(raw / DIGITS_FILE)
    assert entry.classes is not None, "the digits have names"
    rows = {}
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        large = Image.fromarray(picture).resize((DIGIT_SIZE, DIGIT_SIZE), Image.Resampling.BILINEAR)
        name = f"{label}/{index:04}"
        rows[name] = _row(name, int(label), np.asarray(large)[None])
    split = split_by_class([Sample(name, entry.classes[row.label]) for name, row in rows.items()], rule)
    return {part: [rows[sample.id] for sample in samples] for part, samples in split.items()}, entry.classes


def _cifar(raw: Path, entry: Entry) -> tuple[Images, tuple[str, ...]]:
    """The published archive by torchvision's reader; its digest was checked when it came."""
    from torchvision import datasets  # takes seconds to import

    reader = datasets.CIFAR10 if entry.decoder == "cifar10" else datasets.CIFAR100
    root = archives.unpacked(raw / entry.files[0].name)
    images: Images = {}
    for part in ("train", "test"):
        data = reader(root=str(root), train=part == "train", download=False)
        images[part] = [
            _row(f"{part}/{index:05}", label, np.ascontiguousarray(pixels.transpose(2, 0, 1)))
            for index, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True))
        ]
    return images, tuple(data.classes)


def _parquet(raw: Path) -> tuple[Images, tuple[str, ...]]:
    images: Images = {part: list(_parquet_split(raw, part)) for part in ("train", "test")}
    shapes = {row.pixels.shape for rows in images.values() for row in rows}
    if len(shapes) != 1:
        raise InputError(f"{raw}: images of {len(shapes)} shapes {sorted(shapes)}; expected one for train and test")
    return images, _class_names(raw, images)


def _parquet_split(raw: Path, part: Split) -> Iterator[Row]:
    """Rows of <split>-*.parquet in the Hugging Face layout: struct<bytes, path> images, int64 labels."""
    files = sorted(raw.rglob(f"{part}-*.parquet"))
    if not files:
        raise InputError(f"{raw}: no {part}-*.parquet; expected the Hugging Face layout, one or more files a split")
    shape, index = None, 0
    for path in files:
        table = _table(path)
        image, label = _columns(path, table.schema)
        for place, (content, number) in enumerate(zip(table[image], table[label].to_pylist(), strict=True)):
            where = f"{path.name}: row {place}"
            pixels = _decoded((content.as_py() or {}).get("bytes"), where)
            if shape is not None and pixels.shape != shape:
                raise InputError(f"{where}: the image is {pixels.shape}, the first was {shape}; resize it")
            if number is None or number < 0:
                raise InputError(f"{where}: label {number}; expected the number of a class, so leave the row out")
            shape = pixels.shape
            yield _row(f"{part}/{index:08}", number, pixels)
            index += 1


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a whole Parquet file ({error}); fetch or write it again") from None


def _columns(path: Path, schema: pa.Schema) -> tuple[str, str]:
    names = schema.names
    image = next((name for name in ("img", "image") if name in names), None)
    label = next((name for name in ("label", "fine_label") if name in names), None)
    if image is None or label is None:
        raise InputError(f"{path.name}: columns {', '.join(names)}; expected img or image, and label or fine_label")
    types = schema.field(image).type, schema.field(label).type
    if not pa.types.is_struct(types[0]) or not pa.types.is_integer(types[1]):
        raise InputError(f"{path.name}: {image} is {types[0]}, {label} {types[1]}; expected struct<bytes, path>, int64")
    return image, label


def _decoded(content: bytes | None, where: str) -> npt.NDArray[np.uint8]:
    if content is None:
        raise InputError(f"{where}: no bytes of an image, only its path; write the files with the images in them")
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    except Exception as error:  # each of Pillow's formats has its own for damage
        raise InputError(f"{where}: not a whole image ({error}); replace it or leave the row out") from None


def _class_names(raw: Path, images: Images) -> tuple[str, ...]:
    """Names from the Hugging Face metadata of the first file if it has them, else the numbers."""
    path = min(raw.rglob("train-*.parquet"))
    schema = pq.read_schema(path)
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    names = described.get(_columns(path, schema)[1], {}).get("names")
    count = 1 + max(row.label for rows in images.values() for row in rows)
    if names is None:
        return tuple(str(number) for number in range(count))
    if count > len(names):
        raise InputError(f"{raw}: label {count - 1}, but the metadata names {len(names)} classes; correct one of them")
    return labels(path.name, names)
