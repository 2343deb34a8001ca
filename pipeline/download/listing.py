"""Lists the files of a dataset in folders and archives: which are members (samples), and which are left out."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from pipeline.download.archives import is_archive, is_hidden, path_in_archive, read_zipped, unpacked, zip_entries
from pipeline.ground import names
from pipeline.ground.errors import InputError

_DEPTH = 3
"""Maximum depth of nested archives; some contain themselves."""
_UNREAD = (".tar", ".gz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar")
"""Formats of archives that are not supported. They may contain samples, so they are an error and not left out."""


@dataclass(frozen=True)
class Member:
    """One file of a dataset; can be pickled for another process that sees the same folders."""

    id: str
    """POSIX path in the dataset, in NFC, without names of archives."""
    size: int
    """Size (bytes), uncompressed."""
    path: Path
    """The file, or the zip that contains it."""
    name: str | None
    """Name in the zip; None for a plain file."""

    @property
    def place(self) -> str:
        """The file that holds it, for errors."""
        return str(self.path)


class Named(Protocol):
    """A sample that has a name in its dataset, and a place outside."""

    @property
    def id(self) -> str: ...
    @property
    def place(self) -> str: ...


AnyMember = TypeVar("AnyMember", bound=Named)

_Listed = Member | PurePosixPath | str
"""A member, a folder, or the kind of a file that is left out."""


@dataclass(frozen=True)
class ListedFiles:
    """All files of a dataset in folders and archives: members, and those left out."""

    members: list[Member]
    """Sorted by id in string order."""
    left_out: Counter[str]
    """Numbers of the other files, by suffix; hidden files are one kind."""
    folders: set[str]
    """POSIX paths of the folders, also of empty ones and of those in archives; without hidden ones."""


def members(raw: Path, suffixes: tuple[str, ...]) -> list[Member]:
    """The members of `list_files`. Raises InputError."""
    return list_files(raw, suffixes).members


def list_files(raw: Path, suffixes: tuple[str, ...]) -> ListedFiles:
    """The files below `raw` and in archives there; those with one of the suffixes, in any case, are members.

    Hidden files and the `__MACOSX` folders of zips made on a Mac are not members. Raises InputError for a name that is
    not allowed, two that differ only in case, a duplicate sample, a link, and a truncated or unsupported archive.
    """
    found = list(_listed(raw, PurePosixPath(), suffixes, 0))
    members = in_order(str(raw), (one for one in found if isinstance(one, Member)))
    folders = {str(one) for one in found if isinstance(one, PurePosixPath)}
    return ListedFiles(members, Counter(one for one in found if isinstance(one, str)), folders)


def in_order(where: str, found: Iterable[AnyMember]) -> list[AnyMember]:
    """Samples sorted by id. Raises InputError for two whose names differ only in case, and for a duplicate."""
    members = sorted(found, key=lambda member: member.id)
    names.checked(where, names.one_spelling, [member.id for member in members])
    _refuse_doubles(members)
    return members


def _refuse_doubles(members: list[AnyMember]) -> None:
    """Refuses duplicates: two samples with the same name, or the same name with suffixes of two formats."""
    stems: dict[str, AnyMember] = {}
    for member in members:
        other = stems.setdefault(str(PurePosixPath(member.id).with_suffix("")), member)
        if other is not member:
            places = ", ".join(dict.fromkeys((other.place, member.place)))
            both = " and ".join(dict.fromkeys((other.id, member.id)))
            raise InputError(f"{places}: {both}: one sample twice; remove one, or rename it if it is different")


def read_member(member: Member) -> bytes:
    """The bytes of a member; in a zip, checked against its checksum and size. Raises InputError."""
    try:
        return member.path.read_bytes() if member.name is None else read_zipped(member.path, member.name)
    except FileNotFoundError:
        raise InputError(f"{member.path}: existed when the dataset was listed, but is now missing") from None


def _listed(folder: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[_Listed]:
    """Members and folders below a folder at nesting `depth` of archives, and for each other file its kind."""
    if depth > _DEPTH:
        raise InputError(f"{folder}: archives are nested more than {_DEPTH} deep; unpack them by hand")
    yield from ["hidden"] * _hidden_files(folder)
    for path in visible_files(folder):
        place = within / names.file_path(path.relative_to(folder).as_posix())
        if suffix_of(path.name) == ".zip":
            yield from _listed_zip(path, place.parent, suffixes, depth)
        elif is_archive(path.name):
            yield from _listed(unpacked(path), place.parent, suffixes, depth + 1)
        elif suffix_of(path.name) in suffixes:
            yield Member(str(place), path.stat().st_size, path, None)
        else:
            yield kind_left_out(str(path), path.name)
    yield from (within / names.file_path(path.relative_to(folder).as_posix()) for path in _visible_folders(folder))


def _listed_zip(path: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[_Listed]:
    entries = list(zip_entries(path))
    seen = [entry for entry in entries if not is_hidden(entry.filename)]
    yield from ["hidden"] * sum(is_hidden(entry.filename) and not entry.is_dir() for entry in entries)
    names.checked(str(path), names.one_spelling, [entry.filename.rstrip("/") for entry in seen])
    folders: set[PurePosixPath] = set()
    for entry in seen:
        place = path_in_archive(path, entry.filename)
        if entry.is_dir():
            folders.add(within / place)
            continue
        folders.add((within / place).parent)
        if suffix_of(place) in suffixes:
            yield Member(str(within / place), entry.file_size, path, entry.filename)
        elif not is_archive(place):
            yield kind_left_out(f"{path}: {entry.filename}", entry.filename)
    yield from {place for folder in folders for place in (folder, *folder.parents)}
    if any(is_archive(entry.filename) for entry in seen):
        yield from _listed(unpacked(path), within, suffixes, depth + 1)


def kind_left_out(place: str, name: str) -> str:
    """The kind of a file that is left out. Raises InputError for an unsupported archive."""
    suffix = suffix_of(name)
    if suffix in _UNREAD:
        raise InputError(f"{place}: {suffix} is not supported; unpack it, pack it as .zip or .tar.gz, or remove it")
    return suffix or "no suffix"


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def visible_files(folder: Path) -> Iterator[Path]:
    """Files below `folder` in a fixed order, without hidden ones. A file may be a link, since DVC links to its cache.

    Raises InputError for a name that is not allowed, and for names that differ only in case or Unicode normalisation.
    """
    inside = [path for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    for path in inside:
        names.checked(str(path), names.file_name, path.name)
    names.checked(str(folder), names.one_spelling, [path.name for path in inside])
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            yield from visible_files(path)
        elif path.is_file():
            yield path
        else:
            raise InputError(
                f"{path}: expected a file or a folder, found a broken link, a link to a folder or a device; remove it"
            )


def _visible_folders(folder: Path) -> Iterator[Path]:
    """Folders below `folder`, also empty ones, without hidden ones."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink() and not is_hidden(path.name):
            yield path
            yield from _visible_folders(path)


def _hidden_files(folder: Path) -> int:
    places = (Path(parent, name).relative_to(folder) for parent, _, inside in os.walk(folder) for name in inside)
    return sum(is_hidden(place.as_posix()) for place in places)
