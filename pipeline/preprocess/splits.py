"""Which samples train and which test: rules with a name, applied to ids in string order, the same on every file system.

The class of a recording is the folder that it lies in; its split, under "official" and folders, is its first folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from pipeline.data.store import Split
from pipeline.download.catalog import Entry
from pipeline.ground.errors import InputError
from pipeline.ground.params import FolderSplit

PAPER_TRAIN, PAPER_TEST = 900, 100  # of each class; authors' code by way of SpikingJelly's split_to_train_test_set
_EVERY = 5
NAMED = 5
"""Classes that an error names."""


@dataclass(frozen=True)
class Sample:
    """An id in the dataset with its class."""

    id: str
    class_name: str


def split_recordings(ids: Sequence[str], rule: str | FolderSplit, entry: Entry) -> dict[Split, list[Sample]]:
    """The recordings of each split, in string order of their ids. Raises InputError for an id outside of the rule."""
    alone = isinstance(rule, FolderSplit)
    samples = [Sample(name, class_of(name, entry, alone)) for name in sorted(ids)]
    if isinstance(rule, FolderSplit):
        return _by_folder(samples, rule.train, rule.test)
    if rule not in entry.splits:
        raise InputError(f"preprocess.split {rule!r}: expected one of {', '.join(entry.splits)}")
    if rule == "official":
        assert entry.official is not None, "an entry with this rule names its folders"
        return _by_folder(samples, *entry.official)
    return split_by_class(samples, rule)


def split_by_class(samples: list[Sample], rule: str) -> dict[Split, list[Sample]]:
    """A rule that looks at the place of a sample in its class: "paper" or "every-fifth-tests"."""
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


def _by_folder(samples: list[Sample], train: str, test: str) -> dict[Split, list[Sample]]:
    split: dict[Split, list[Sample]] = {"train": [], "test": []}
    for sample in samples:
        folder = PurePosixPath(sample.id).parts[0]
        if folder not in (train, test):
            raise InputError(f"{sample.id}: lies in {folder}; expected {train} (trains) or {test} (tests)")
        split["train" if folder == train else "test"].append(sample)
    for part, name in (("train", train), ("test", test)):
        if not any(PurePosixPath(sample.id).parts[0] == name for sample in samples):
            raise InputError(f"preprocess.split: no recording lies in {name}, whose recordings {part}")
    return split


def check_classes(split: Split, classes: Sequence[str], labels: set[int]) -> None:
    """Raises InputError that names the classes without a sample in a split: each has to train and to be tested."""
    empty = [name for label, name in enumerate(classes) if label not in labels]
    if empty:
        more = ", ..." if len(empty) > NAMED else ""
        raise InputError(
            f"{split} has no sample of {len(empty)} of {len(classes)} classes: {', '.join(empty[:NAMED])}{more}; each "
            "class needs samples in both splits: add them, remove the class, or change preprocess.split"
        )


def class_of(name: str, entry: Entry, split_folders: bool) -> str:
    """The class of a recording: what its own name numbers, or the folder that it lies in.

    Where the first folder is the split, a recording directly in it (session1/mug.aedat) is its class's only one there,
    and its name is the class.
    """
    path = PurePosixPath(name)
    if entry.class_from == "file name":
        return _numbered(path, entry)
    if len(path.parts) == 1:
        raise InputError(f"{path}: lies in no folder, and the folder names the class; put it into its class's folder")
    if split_folders and len(path.parts) == 2:
        return path.stem
    return path.parent.name


def _numbered(path: PurePosixPath, entry: Entry) -> str:
    assert entry.classes is not None, "an entry whose files are numbered names its classes"
    if not path.stem.isdigit() or int(path.stem) >= len(entry.classes):
        raise InputError(f"{path}: expected a number below {len(entry.classes)} as name")
    return entry.classes[int(path.stem)]
