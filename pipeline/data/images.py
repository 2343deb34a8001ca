"""Static images of a dataset, decoded. Shapes: C channels, H height, W width."""

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
from PIL import Image

from pipeline.data import archives
from pipeline.data.catalog import Entry
from pipeline.data.embedded import DIGITS_FILE, digits
from pipeline.data.splits import Sample, Split, split_by_class
from pipeline.data.store import Row
from pipeline.errors import InputError

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
    return images, _class_names(raw, images)


def _parquet_split(raw: Path, part: Split) -> Iterator[Row]:
    """Rows of <split>-*.parquet in the Hugging Face layout: struct<bytes, path> images, int64 labels."""
    files = sorted(raw.rglob(f"{part}-*.parquet"))
    if not files:
        raise InputError(f"{raw}: no {part}-*.parquet; expected the Hugging Face layout, one or more files a split")
    shape, index = None, 0
    for path in files:
        table = pq.read_table(path)
        image, label = _columns(path, table.schema.names)
        for content, number in zip(table[image], table[label].to_pylist(), strict=True):
            pixels = _decoded(content.as_py()["bytes"], f"{path.name}: row {index}")
            if shape is not None and pixels.shape != shape:
                raise InputError(f"{path.name}: row {index}: the image is {pixels.shape}, the first was {shape}")
            shape = pixels.shape
            yield _row(f"{part}/{index:08}", number, pixels)
            index += 1


def _columns(path: Path, names: list[str]) -> tuple[str, str]:
    image = next((name for name in ("img", "image") if name in names), None)
    label = next((name for name in ("label", "fine_label") if name in names), None)
    if image is None or label is None:
        raise InputError(f"{path.name}: columns {', '.join(names)}; expected img or image, and label or fine_label")
    return image, label


def _decoded(content: bytes, where: str) -> npt.NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: not an image ({error})") from None


def _class_names(raw: Path, images: Images) -> tuple[str, ...]:
    """Names from the Hugging Face metadata of the first file if it has them, else the numbers."""
    schema = pq.read_schema(min(raw.rglob("train-*.parquet")))
    described = json.loads((schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    names = next((tuple(f["names"]) for f in described.values() if f.get("_type") == "ClassLabel"), None)
    count = 1 + max(row.label for rows in images.values() for row in rows)
    return names or tuple(str(number) for number in range(count))
