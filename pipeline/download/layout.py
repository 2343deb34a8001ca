"""Names of Parquet files in the Hugging Face layout: train-00000-of-00005.parquet, one folder a configuration."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path, PurePosixPath

from pipeline.data.store import SPLITS, Split
from pipeline.download.listing import Member
from pipeline.ground.errors import InputError

EXPECTED = "expected names such as train-00000-of-00001.parquet and test-00000-of-00001.parquet"
_NAME = re.compile(r"[^-]+-(?P<index>\d{1,9})(-of-(?P<count>\d{1,9}))?(-[0-9a-f]{16})?\.parquet", re.IGNORECASE)
"""The hub adds 16 hexadecimal digits to some names."""
_NAMED = 5  # files that an error names


def split_files(raw: Path, members: list[Member]) -> tuple[dict[Split, list[Member]], Counter[str]]:
    """The files of train and test in the order of their numbers, and how many files each other split has.

    Raises InputError if they belong to two configurations, or if one of them is missing or is there twice.
    """
    split_of = {member: re.split(r"[-.]", PurePosixPath(member.id).name)[0] for member in members}
    files = {split: [member for member in members if split_of[member] == split] for split in SPLITS}
    for split, found in files.items():
        if not found:
            raise InputError(f"{raw}: no {split}-*.parquet among {len(members)} Parquet file(s); {EXPECTED}")
    _refuse_configurations(raw, [member for found in files.values() for member in found])
    whole = {split: _whole(raw, split, found) for split, found in files.items()}
    return whole, Counter(split for split in split_of.values() if split not in SPLITS)


def _refuse_configurations(raw: Path, members: list[Member]) -> None:
    folders = sorted({str(PurePosixPath(member.id).parent) for member in members})
    if len(folders) > 1:
        raise InputError(
            f"{raw}: train and test files lie in {len(folders)} folders, and each folder is a configuration: "
            f"{', '.join(folders)}; set download.source of the dataset to one of them"
        )


def _whole(raw: Path, split: str, members: list[Member]) -> list[Member]:
    """The files of a split in the order of their numbers, if each is there once. Raises InputError."""
    numbers = {member: _number(raw, member) for member in members}
    indices, counts = {index for index, _ in numbers.values()}, {count for _, count in numbers.values()}
    count = next(iter(counts)) or max(indices) + 1
    if len(counts) > 1 or len(members) > len(indices) or max(indices) >= count:
        names = ", ".join(PurePosixPath(member.id).name for member in members[:_NAMED])
        raise InputError(f"{raw}: the {split} files do not belong together: {names}; keep those of one export")
    missing = list(islice((str(index) for index in range(count) if index not in indices), _NAMED))
    if missing:
        found = f"{len(indices)} of {count} {split} files"
        raise InputError(f"{raw}: {found}, missing are numbers {', '.join(missing)}, counted from 0; fetch them too")
    return sorted(members, key=lambda member: numbers[member][0])


def _number(raw: Path, member: Member) -> tuple[int, int | None]:
    """The number of a file in its split, and how many files the split has if the name says it. Raises InputError."""
    name = PurePosixPath(member.id).name
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{raw}: {member.id}: a name without number; {EXPECTED}")
    return int(match["index"]), None if match["count"] is None else int(match["count"])
