"""Splits samples into train and test by a named rule, applied to sorted ids, so that the file system does not matter.

The class of a recording or image file is its folder; under the rule "official" and with split folders, its first
folder is its split.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from pipeline.data.store import Split
from pipeline.download.catalog import Entry
from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.params import FolderSplit

PAPER_TRAIN, PAPER_TEST = 900, 100  # per class; authors' code, by SpikingJelly's split_to_train_test_set
_EVERY = 5
NAMED = 5
"""Maximum number of classes that an error names."""


_SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "test", "testing")


@dataclass(frozen=True)
class Sample:
    """A sample's id and class."""

    id: str
    class_name: str


def split_recordings(ids: Sequence[str], rule: str | FolderSplit, entry: Entry) -> dict[Split, list[Sample]]:
    """The files of each split, sorted by id. Raises InputError for an id that the rule does not cover."""
    split_folders = isinstance(rule, FolderSplit)
    samples = [Sample(name, class_of(name, entry, split_folders)) for name in sorted(ids)]
    if isinstance(rule, FolderSplit):
        return _by_folder(samples, rule.train, rule.test, entry)
    if rule not in entry.splits:
        raise InputError(f"preprocess.split {rule!r}: expected one of {', '.join(entry.splits)}")
    if rule == "official":
        assert entry.official is not None, "an entry with this rule names its folders"
        return _by_folder(samples, *entry.official, entry)
    if entry.class_from == "folder":
        _refuse_split_folders(samples)
    return split_by_class(samples, rule)


def _refuse_split_folders(samples: list[Sample]) -> None:
    """Raises InputError if a folder above the classes is named like a split: a rule by class would mix the splits."""
    for sample in samples:
        if named := [part for part in PurePosixPath(sample.id).parts[:-2] if part.lower() in _SPLIT_NAMES]:
            raise InputError(
                f"preprocess.split: {sample.id} is in a folder {named[0]}, and this rule would mix it with the other "
                "splits; set it to {train: FOLDER, test: FOLDER}, or rename the folder"
            )


def split_by_class(samples: list[Sample], rule: str) -> dict[Split, list[Sample]]:
    """The samples of each split by their position within their class, with the rule "paper" or "every-fifth-tests"."""
    by_class = sorted(samples, key=lambda sample: (sample.class_name, sample.id))
    split: dict[Split, list[Sample]] = {"train": [], "test": []}
    for name, group in groupby(by_class, key=lambda sample: sample.class_name):
        members = list(group)
        for place, sample in enumerate(members):
            split["test" if _RULES[rule](place, len(members), name) else "train"].append(sample)
    return {part: sorted(chosen, key=lambda sample: sample.id) for part, chosen in split.items()}


def _paper(place: int, count: int, class_name: str) -> bool:
    if count != PAPER_TRAIN + PAPER_TEST:
        raise InputError(
            f"split paper: class {class_name} has {count} recordings; expected {PAPER_TRAIN + PAPER_TEST}: "
            "fetch the missing ones, or use another rule"
        )
    return place >= PAPER_TRAIN


def _every_fifth(place: int, count: int, class_name: str) -> bool:
    return place % _EVERY == _EVERY - 1


_RULES: dict[str, Callable[[int, int, str], bool]] = {"paper": _paper, "every-fifth-tests": _every_fifth}


def _by_folder(samples: list[Sample], train: str, test: str, entry: Entry) -> dict[Split, list[Sample]]:
    split: dict[Split, list[Sample]] = {"train": [], "test": []}
    for sample in samples:
        folder = PurePosixPath(sample.id).parts[0]
        if folder not in (train, test):
            raise InputError(f"{sample.id}: is in {folder}; expected {train} (train) or {test} (test)")
        split["train" if folder == train else "test"].append(sample)
    for part, name in (("train", train), ("test", test)):
        if not any(PurePosixPath(sample.id).parts[0] == name for sample in samples):
            raise InputError(f"preprocess.split: no {entry.sample} in {name}, the folder for {part}")
    return split


def classes_of(split: dict[Split, list[Sample]], entry: Entry) -> tuple[str, ...]:
    """The class names in the order of their labels. Raises InputError for one not allowed, or absent in a split."""
    found = sorted({sample.class_name for samples in split.values() for sample in samples})
    names.labels(entry.title, found)
    names.checked(entry.title, names.one_spelling, found)
    classes = entry.classes or tuple(found)
    if strangers := set(found) - set(classes):
        raise InputError(f"{entry.title}: {min(strangers)} is not one of its classes {', '.join(classes)}")
    for part, samples in split.items():
        check_classes(part, classes, {classes.index(sample.class_name) for sample in samples}, entry.sample)
    return classes


def check_classes(where: str, classes: Sequence[str], labels: set[int], sample: str) -> None:
    """Raises InputError that names the classes without a sample in a split; both splits need all classes."""
    empty = [name for label, name in enumerate(classes) if label not in labels]
    if empty:
        noun = "class" if len(empty) == 1 else "classes"
        raise InputError(
            f"no {sample} of {noun} {_named(empty)} in {where} ({len(classes)} classes: {_named(classes)}); each class "
            f"needs {sample}s in both splits: add them, remove the class, or change preprocess.split"
        )


def _named(classes: Sequence[str]) -> str:
    return ", ".join(classes[:NAMED]) + (", ..." if len(classes) > NAMED else "")


def class_of(name: str, entry: Entry, split_folders: bool) -> str:
    """The class of a recording or image: by the number in its name, or by its folder.

    With split folders, a recording directly in one (session1/mug.aedat) is the only one of its class there, and its
    name is the class.
    """
    path = PurePosixPath(name)
    if entry.class_from == "file name":
        return _numbered(path, entry)
    if len(path.parts) == 1 or (entry.kind == "images" and split_folders and len(path.parts) == 2):
        raise InputError(f"{path}: is not in a folder; put it into a folder named by its class")
    if split_folders and len(path.parts) == 2:
        return path.stem
    return path.parent.name


def _numbered(path: PurePosixPath, entry: Entry) -> str:
    assert entry.classes is not None, "an entry whose files are numbered names its classes"
    if not path.stem.isdigit() or int(path.stem) >= len(entry.classes):
        raise InputError(f"{path}: expected a number below {len(entry.classes)} as its name")
    return entry.classes[int(path.stem)]
