"""Parquet files in the Hugging Face layout: named train-00000-of-00005.parquet, with one folder per configuration."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path, PurePosixPath

from pipeline.data.store import SPLITS, Split
from pipeline.download.listing import Member
from pipeline.ground.errors import InputError

EXPECTED = "expected names such as train-00000-of-00001.parquet and test-00000-of-00001.parquet"
_NAME = re.compile(r"[^-]+-(?P<index>\d{1,9})(-of-(?P<count>\d{1,9}))?(-[0-9a-f]{16})?\.parquet", re.IGNORECASE)
"""The Hugging Face hub adds 16 hexadecimal digits to some names."""
_NAMED = 5  # files that an error names


def split_files(raw: Path, members: list[Member]) -> tuple[dict[Split, list[Member]], Counter[str]]:
    """The files of train and test, sorted by number, and the number of files of each other split.

    Raises InputError if they belong to several configurations, or if a file is missing or duplicated.
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
            f"{raw}: train and test files are in {len(folders)} folders, and each folder is a configuration: "
            f"{', '.join(folders)}; set download.source of the dataset to one of them"
        )


def _whole(raw: Path, split: str, members: list[Member]) -> list[Member]:
    """The files of a split sorted by number. Raises InputError unless each exists once."""
    numbers = {member: _number(raw, member) for member in members}
    indices, counts = {index for index, _ in numbers.values()}, {count for _, count in numbers.values()}
    count = next(iter(counts)) or max(indices) + 1
    if len(counts) > 1 or len(members) > len(indices) or max(indices) >= count:
        names = ", ".join(PurePosixPath(member.id).name for member in members[:_NAMED])
        raise InputError(f"{raw}: the {split} files do not belong together: {names}; keep those of one export")
    missing = list(islice((str(index) for index in range(count) if index not in indices), _NAMED))
    if missing:
        found = f"{len(indices)} of {count} {split} files"
        raise InputError(f"{raw}: {found}; numbers {', '.join(missing)}, counted from 0, are missing; fetch them too")
    return sorted(members, key=lambda member: numbers[member][0])


def _number(raw: Path, member: Member) -> tuple[int, int | None]:
    """The number of a file in its split, and the split's number of files, or None without `-of-`. Raises InputError."""
    name = PurePosixPath(member.id).name
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"{raw}: {member.id}: the name has no number; {EXPECTED}")
    return int(match["index"]), None if match["count"] is None else int(match["count"])
