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
from pipeline.ground.names import shown
from pipeline.ground.params import FolderSplit
from pipeline.preprocess.labels import class_names
from pipeline.preprocess.parquet import Table, image_files, read_table
from pipeline.preprocess.pictures import decode_image
from pipeline.preprocess.splits import Sample, classes_of, split_by_class, split_recordings

DIGIT_SIZE = 32  # pixels; scikit-learn's digits are 8 x 8, and are resized to the size of CIFAR images

Images = dict[Split, list[Row]]


def read_images(raw: Path, entry: Entry, rule: str | FolderSplit) -> tuple[Images, tuple[str, ...]]:
    """The rows of both splits, sorted by id, and the class names. Raises InputError."""
    if entry.decoder == "image files":
        return _image_files(raw, entry, rule)
    if isinstance(rule, FolderSplit) or rule not in entry.splits:
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
    classes = class_names(tables, entry.sample)
    decoder = _Decoder()
    return {part: list(_rows(part, tables[part], decoder)) for part in SPLITS}, classes


def _rows(part: Split, tables: list[Table], decoder: "_Decoder") -> Iterator[Row]:
    index = 0
    for table in tables:
        grown = 0
        for place, ((content, path), label) in enumerate(zip(image_files(table), table.labels, strict=True)):
            where = f"{table.member.id}: row {place}" + (f" ({shown(path)})" if path else "")
            if content is None:
                raise InputError(f"{where}: no image bytes, only a path; write the files with embedded images")
            pixels = decoder.pixels(content, where)
            grown += len(content) + pixels.nbytes
            archives.refuse_bomb(table.member.path, f"the content of its rows up to {place}", grown, table.member.size)
            assert label is not None, "checked by class_names"
            yield _row(f"{part}/{index:08}", label, pixels)
            index += 1


def _image_files(raw: Path, entry: Entry, rule: str | FolderSplit) -> tuple[Images, tuple[str, ...]]:
    members = {member.id: member for member in listing.members(raw, entry.suffixes)}
    split = split_recordings(list(members), rule, entry)
    classes, decoder, images = classes_of(split, entry), _Decoder(), Images()
    for part in SPLITS:
        images[part], grown, size = [], 0, 0
        for sample in split[part]:
            member = members[sample.id]
            pixels = decoder.pixels(listing.read_member(member), sample.id)
            grown, size = grown + pixels.nbytes, size + member.size
            archives.refuse_bomb(member.path, f"the images up to {sample.id}", grown, size)
            images[part].append(_row(sample.id, classes.index(sample.class_name), pixels))
    return images, classes


class _Decoder:
    """Decodes the images of a dataset, which must all have the size of the first."""

    def __init__(self) -> None:
        self._first: tuple[str, str] | None = None

    def pixels(self, content: bytes, where: str) -> npt.NDArray[np.uint8]:
        """Pixels (3, H, W) of an image file; `where` names it in errors. Raises InputError."""
        pixels = decode_image(content, where)
        size = f"{pixels.shape[2]} x {pixels.shape[1]} pixels"
        self._first = self._first or (where, size)
        first, expected = self._first
        if size != expected:
            raise InputError(
                f"{where}: {size}, but {first}: {expected}; all images must have one size: resize or crop them"
            )
        return pixels
