"""Numbers of files of a dataset that are used and left out, and the check of its class folders."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.download.catalog import Entry
from pipeline.ground.errors import InputError

LISTED = 12
"""Maximum number of folders that a tally lists; with more, it gives the range of files per folder."""


@dataclass(frozen=True)
class Tally:
    """Numbers of files that were used and left out. Archives count by their contents."""

    used: Counter[str]
    """By folder, which is usually the class; Parquet files by split."""
    left_out: Counter[str]
    """By suffix, or by the name of an unused split; hidden files are one kind."""
    folders: set[str]
    """All folders, also those without a used file."""

    def __str__(self) -> str:
        used, left_out = self.used.total(), self.left_out.total()
        if len(self.used) > LISTED:
            places = f"{len(self.used)} folders of {min(self.used.values())} to {max(self.used.values())}"
        else:
            places = _numbered(self.used)
        kinds = f" ({_numbered(self.left_out)})" if left_out else ""
        return f"{used + left_out} file(s) found, {used} used ({places}), {left_out} left out{kinds}"


def _numbered(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))


def check_class_folders(folder: str, entry: Entry, tally: Tally) -> None:
    """Raises InputError if a sample is in no folder, or a folder beside the class folders has none: a class would be
    lost. `folder` names where they are."""
    if "." in tally.used:
        unsorted = f"{tally.used['.']} {entry.sample}(s) are not in a subfolder"
        raise InputError(f"{folder}: {unsorted}; put each into one named by its class")
    classes = [PurePosixPath(name) for name in tally.used]
    above = {str(place) for one in classes for place in one.parents}
    beside = {one.parent for one in classes}
    for place in sorted(tally.folders - above - set(tally.used)):
        if PurePosixPath(place).parent in beside:
            raise InputError(
                f"{folder}/{place}: no {entry.sample} in it, but the folders beside it are classes; expected "
                f"{' or '.join(entry.suffixes)} files: add them, or remove the folder"
            )
