"""Title of a dataset and whether it is the published one; decided by the digests that the catalog pins."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.download.catalog import CATALOG, Entry
from pipeline.download.disk import md5
from pipeline.download.listing import visible_files
from pipeline.download.source import SOURCE_FILE, read_source
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256
from pipeline.ground.names import alike

ALTERED = "another selection of the data, or other bytes, than published"


@dataclass(frozen=True, kw_only=True)
class Title:
    """How every report describes a dataset."""

    title: str
    published: bool
    note: str | None
    licence: str
    citation: str


def title_of_entry(entry: Entry) -> Title:
    """The title of files with the digests that the catalog pins."""
    return Title(
        title=entry.title,
        published=entry.origin == "published" or entry.decoder == "digits",
        note=entry.note,
        licence=entry.licence,
        citation=entry.citation,
    )


def title_of_files(dataset: str, raw: Path) -> Title:
    """The title of the files in `raw`: the catalog's if their digests match, else the user's own. Raises InputError."""
    source = read_source(raw)
    entry = CATALOG.get(source.catalog)
    if entry is None:
        raise InputError(f"{raw / SOURCE_FILE}: unknown catalog {source.catalog!r}; run the stage `download` again")
    if entry.origin != "user" and are_pinned(raw, entry):
        return title_of_entry(entry)
    if entry.origin != "user" and entry.decoder != "recordings":
        raise InputError(f"{raw}: digests differ from the files of {entry.title}; run the stage `download` again")
    own = title_of_own(dataset, entry, source.title, f"{raw / SOURCE_FILE}: title")
    if entry.origin == "user":
        return own
    note = "; ".join(filter(None, (entry.note, ALTERED)))
    return replace(own, title=source.title or f"{entry.title} (altered)", note=note)


def title_of_own(dataset: str, entry: Entry, stated: str | None, where: str) -> Title:
    """The title of data that are not the published ones, with the user's if it is stated; `where` says where.

    Raises InputError.
    """
    if stated is not None:
        check_own_title(where, stated)
    return Title(
        title=stated or f"{dataset} ({entry.title})",
        published=False,
        note=entry.note,
        licence=entry.licence,
        citation=entry.citation,
    )


def are_pinned(raw: Path, entry: Entry) -> bool:
    """Whether a folder contains exactly the files of an entry, by digest."""
    if entry.pinned is not None:
        return files_digest(raw) == entry.pinned.files
    return {*_files(raw)} == {file.name for file in entry.files} and all(
        md5(raw / file.name) == file.md5 for file in entry.files
    )


def files_digest(raw: Path) -> str:
    """SHA-256 over the names and digests of the files in a folder."""
    digests = {name: sha256(path) for name, path in _files(raw).items()}
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _files(raw: Path) -> dict[str, Path]:
    return {path.relative_to(raw).as_posix(): path for path in visible_files(raw) if path != raw / SOURCE_FILE}


def check_own_title(where: str, title: str) -> None:
    """Raises InputError if the title of the user's own data is, or looks like, one of the catalog's."""
    if entry := entry_titled(title):
        looks = "is" if title == entry.title else f"looks like {entry.title},"
        raise InputError(f"{where}: {title} {looks} the name of a published dataset, which this is not")


def entry_titled(title: str) -> Entry | None:
    """The entry with this title or one that looks like it (names.alike), or None."""
    return next((entry for entry in CATALOG.values() if alike(entry.title, title)), None)
