"""Static images of a dataset, decoded. Shapes: C channels, H height, W width."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.data.store import SPLITS, Row, Split
from pipeline.download import archives, listing
from pipeline.download.catalog import Entry
from pipeline.download.embedded import DIGITS_FILE, digits
from pipeline.download.layout import split_files
from pipeline.ground.errors import InputError
from pipeline.preprocess.labels import class_names
from pipeline.preprocess.parquet import ImageTable, image_files, read_table
from pipeline.preprocess.pictures import decode_image
from pipeline.preprocess.splits import Sample, split_by_class

DIGIT_SIZE = 32  # pixels; scikit-learn's digits are 8 x 8, and are resized to the size of CIFAR images

Images = dict[Split, list[Row]]


def read_images(raw: Path, entry: Entry, rule: str) -> tuple[Images, tuple[str, ...]]:
    """The rows of both splits, sorted by id, and the class names. Raises InputError."""
    if rule not in entry.splits:
        raise InputError(f"preprocess.split {rule!r}: expected one of {', '.join(entry.splits)}")
    if entry.decoder == "digits":
        return _digits(raw, entry, rule)
    if entry.decoder == "parquet":
        return _parquet(raw, entry)
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
    """Reads the published archive with torchvision; the stage download has checked its digest."""
    from torchvision import datasets  # takes seconds to import

    reader = datasets.CIFAR10 if entry.decoder == "cifar10" else datasets.CIFAR100
    root = archives.unpacked(raw / entry.files[0].name)
    images: Images = {}
    for part in SPLITS:
        data = reader(root=str(root), train=part == "train", download=False)
        images[part] = [
            _row(f"{part}/{index:05}", label, np.ascontiguousarray(pixels.transpose(2, 0, 1)))
            for index, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True))
        ]
    return images, tuple(data.classes)


def _parquet(raw: Path, entry: Entry) -> tuple[Images, tuple[str, ...]]:
    files, _ = split_files(raw, listing.members(raw, entry.suffixes))
    tables = {part: [read_table(member) for member in files[part]] for part in SPLITS}
    classes = class_names(tables)
    images = {part: list(_rows(part, tables[part])) for part in SPLITS}
    shapes = {row.pixels.shape for rows in images.values() for row in rows}
    if len(shapes) != 1:
        train, test = (_sides(images[part][0].pixels) for part in SPLITS)
        raise InputError(f"{raw}: images of train have {train}, those of test {test}; all must have the same size")
    return images, classes


def _sides(pixels: npt.NDArray[np.uint8]) -> str:
    return f"{pixels.shape[2]} x {pixels.shape[1]} pixels"


def _rows(part: Split, tables: list[ImageTable]) -> Iterator[Row]:
    first, index = None, 0
    for table in tables:
        grown = 0
        for place, (content, label) in enumerate(zip(image_files(table), table.labels, strict=True)):
            where = f"{table.member.id}: row {place}"
            if content is None:
                raise InputError(f"{where}: no image bytes, only a path; write the files with embedded images")
            pixels = decode_image(content, where)
            grown += len(content) + pixels.nbytes
            archives.refuse_bomb(table.member.path, f"the content of its rows up to {place}", grown, table.member.size)
            if first is not None and _sides(pixels) != first:
                raise InputError(f"{where}: {_sides(pixels)}, the first image has {first}; all must have the same size")
            assert label is not None, "checked by class_names"
            first = _sides(pixels)
            yield _row(f"{part}/{index:08}", label, pixels)
            index += 1
