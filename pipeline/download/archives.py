"""The files of a dataset, in folders or in archives: zips are read in place, tar archives are unpacked once."""

import errno
import functools
import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, whole_folder
from pipeline.ground.paths import RUNS

UNPACKED = RUNS / "unpacked"
SMALL = 64 << 20  # bytes that any file in an archive may have
EXPANSION = 200
"""A larger one at most so many times what it takes in the archive: recordings shrink to no less than a twentieth."""
DEPTH = 3
"""Archives in archives in archives; some hold themselves, without an end."""

_TAR = (".tar.gz", ".tgz")
_ARCHIVES = (".zip", *_TAR)
_UNREAD = (".tar", ".gz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".7z", ".rar")
"""Archives that are not opened. They may hold samples, so they are refused and not left out."""
_MISFITS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""What the file system says of a name that it cannot hold beside the others."""
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,
)


@dataclass(frozen=True)
class Member:
    """One file of a dataset. It can be sent to another process on a machine that sees the same folders."""

    id: str
    """Posix path in the dataset, in NFC; an archive adds nothing of its own name."""
    size: int
    """Bytes when read."""
    path: Path
    """The file, or the zip that holds it."""
    name: str | None
    """Name in the zip; None for a plain file."""


@dataclass(frozen=True)
class Listing:
    """Every file of a dataset, in folders and in archives: it is a member, or it is left out."""

    members: list[Member]
    """Sorted by id in string order."""
    left_out: Counter[str]
    """Numbers of the other files, by suffix; hidden files are one kind."""


def members(raw: Path, suffixes: tuple[str, ...]) -> list[Member]:
    """The members of `listing`. Raises InputError."""
    return listing(raw, suffixes).members


def listing(raw: Path, suffixes: tuple[str, ...]) -> Listing:
    """The files below `raw` and in archives there; those with one of the suffixes, in small or capitals, are members.

    Hidden files and the `__MACOSX` folders of zips made on a Mac are no members. Raises InputError for a name that is
    refused, two that differ only in case, a recording that is there twice, a link, or an archive that is cut off or of
    a form that is not opened.
    """
    found = list(_listed(raw, PurePosixPath(), suffixes, 0))
    members = sorted((one for one in found if isinstance(one, Member)), key=lambda member: member.id)
    names.checked(str(raw), names.one_spelling, [member.id for member in members])
    _refuse_doubles(members)
    return Listing(members, Counter(one for one in found if isinstance(one, str)))


def _refuse_doubles(members: list[Member]) -> None:
    """Refuses a recording that is there twice: under one name, or before and after a conversion to another format."""
    stems: dict[str, Member] = {}
    for member in members:
        other = stems.setdefault(str(PurePosixPath(member.id).with_suffix("")), member)
        if other is not member:
            places = ", ".join(dict.fromkeys((str(other.path), str(member.path))))
            both = " and ".join(dict.fromkeys((other.id, member.id)))
            raise InputError(f"{places}: {both}: one recording twice; remove one, or rename it if it is another")


def read(member: Member) -> bytes:
    """The bytes of a member, checked against the zip's own checksum and size. Raises InputError."""
    try:
        if member.name is None:
            return member.path.read_bytes()
        return _read_zipped(member.path, member.name)
    except FileNotFoundError:
        raise InputError(f"{member.path}: it was there when the dataset was listed and is now missing") from None
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # bz2 reports wrong data so, and seek a negative position
            raise _broken(member.path, f"{member.name}: {error}") from None
        raise
    except _BROKEN as error:
        raise _broken(member.path, f"{member.name}: {error}") from None


def _read_zipped(path: Path, name: str) -> bytes:
    """A file in a zip; more bytes than the zip states are never held in memory."""
    archive = _opened(path, os.getpid())
    entry = copy(archive.getinfo(name))
    size = entry.file_size
    entry.file_size += 1  # zipfile stops at this size without looking whether more follows
    with archive.open(entry) as file:
        content = file.read(entry.file_size)
    if len(content) != size:
        raise zipfile.BadZipFile(f"it has other than the {size} bytes that the archive states")
    return content


def unpacked(archive: Path) -> Path:
    """Folder in runs/unpacked/ with the files of a tar archive, or the archives in a zip; written once, by digest.

    Raises InputError for an unsafe name, a link, a duplicate or an archive that is cut off; nothing half-written stays.
    """
    folder = UNPACKED / sha256(archive)
    if not folder.is_dir():
        unpack = _unpack_tar if archive.name.lower().endswith(_TAR) else _unpack_inner
        with whole_folder(folder) as temporary:
            unpack(archive, temporary)
    return folder


def _listed(folder: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[Member | str]:
    """Members below a folder that was unpacked from an archive `depth` times, and why each other file is left out."""
    if depth > DEPTH:
        raise InputError(f"{folder}: unpacked from archives in archives, more than {DEPTH} deep; unpack them by hand")
    yield from ["hidden"] * _hidden_files(folder)
    for path in files(folder):
        place = within / names.file_path(path.relative_to(folder).as_posix())
        if is_archive(path.name) and path.suffix.lower() == ".zip":
            yield from _listed_zip(path, place.parent, suffixes, depth)
        elif is_archive(path.name):
            yield from _listed(unpacked(path), place.parent, suffixes, depth + 1)
        elif _suffix(path.name) in suffixes:
            yield Member(str(place), path.stat().st_size, path, None)
        else:
            yield _left_out(path, path.name)


def _listed_zip(path: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[Member | str]:
    entries = list(_zip_entries(path))
    seen = [entry for entry in entries if not is_hidden(entry.filename)]
    yield from ["hidden"] * (len(entries) - len(seen))
    names.checked(str(path), names.one_spelling, [entry.filename for entry in seen])
    for entry in seen:
        place = _place(path, entry.filename)
        if _suffix(place) in suffixes:
            yield Member(str(within / place), entry.file_size, path, entry.filename)
        elif not is_archive(place):
            yield _left_out(path, entry.filename)
    if any(is_archive(entry.filename) for entry in seen):
        yield from _listed(unpacked(path), within, suffixes, depth + 1)


def _left_out(where: Path, name: str) -> str:
    """The kind of a file that is no sample. Raises InputError for an archive that is not opened."""
    suffix = _suffix(name)
    if suffix in _UNREAD:
        place = f"{where}" if where.name == name else f"{where}: {name}"
        raise InputError(f"{place}: a {suffix} file is not opened; unpack it, pack it as .zip or .tar.gz, or remove it")
    return suffix or "no suffix"


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def files(folder: Path) -> Iterator[Path]:
    """Files below `folder` in a fixed order, without hidden ones. A file may be a link: DVC links into its cache.

    Raises InputError for a name that is refused, and for two names that differ only in case or in Unicode's form.
    """
    inside = [path for path in sorted(folder.iterdir()) if not is_hidden(path.name)]
    for path in inside:
        names.checked(str(path), names.file_name, path.name)
    names.checked(str(folder), names.one_spelling, [path.name for path in inside])
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            yield from files(path)
        elif path.is_file():
            yield path
        else:
            raise InputError(
                f"{path}: expected a file or a folder, found a broken link, a link to a folder or a device; remove it"
            )


def _hidden_files(folder: Path) -> int:
    places = (Path(parent, name).relative_to(folder) for parent, _, inside in os.walk(folder) for name in inside)
    return sum(is_hidden(place.as_posix()) for place in places)


def _zip_entries(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The files that a zip lists, each name checked."""
    try:
        entries = _opened(path, os.getpid()).infolist()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the name {error.object!r} in it is no UTF-8; pack the files again") from None
    except _BROKEN as error:
        raise _broken(path, str(error)) from None
    refuse_bomb(path, "its content", sum(entry.file_size for entry in entries), path.stat().st_size)
    for entry in entries:
        _refuse_unsafe(path, entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _link(path, entry.filename)
        refuse_bomb(path, entry.filename, entry.file_size, entry.compress_size)
        if not entry.is_dir():
            yield entry


@functools.lru_cache(maxsize=32)
def _opened(path: Path, _process: int) -> zipfile.ZipFile:
    """An opened zip, one a process: a forked process would share the position in the file with its parent.

    Some programs write names in UTF-8 and do not say so.
    """
    return zipfile.ZipFile(path, metadata_encoding="utf-8")


def _unpack_tar(archive: Path, folder: Path) -> None:
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as tar:
            total, found = 0, []
            for entry in tar:
                total += entry.size
                refuse_bomb(archive, "its content", total, archive.stat().st_size)
                found += [] if is_hidden(entry.name) else [entry.name]
                _extract(archive, tar, entry, folder)
            names.checked(str(archive), names.one_spelling, found)
            _drain(stream)
    except _BROKEN as error:
        raise _broken(archive, str(error)) from None


def _extract(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    _refuse_unsafe(archive, entry.name)
    if entry.isdir() or (is_hidden(entry.name) and not entry.isfile()):
        return
    place = entry.name if is_hidden(entry.name) else _place(archive, entry.name)
    if not entry.isfile():
        raise _link(archive, place)
    # Only the bytes: owner, mode and time of the archive are not ours to take, and no version of tarfile is trusted.
    source = tar.extractfile(entry)
    assert source is not None, "a regular file"
    with source:
        _write(archive, place, source, folder)


def _write(archive: Path, name: str, source: IO[bytes], folder: Path) -> None:
    """Writes a member below `folder`. Raises InputError for a name that does not fit beside the others."""
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    except OSError as error:
        if error.errno not in _MISFITS:
            raise
        raise InputError(f"{archive}: {name}: {_misfit(error, target)}; take the archive from its publisher") from None


def _misfit(error: OSError, target: Path) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for this file system"
    return "it is there twice" if target.is_file() else "a file and a folder have one name"


def _drain(stream: gzip.GzipFile) -> None:
    """Reads to the end, where gzip's checksum stands: tarfile stops before it, and at a header that is damaged."""
    while block := stream.read(1 << 20):
        if block.strip(b"\0"):
            raise tarfile.TarError("files follow after a damaged header or after its end")


def _unpack_inner(archive: Path, folder: Path) -> None:
    for entry in _zip_entries(archive):
        if is_archive(entry.filename) and not is_hidden(entry.filename):
            place = _place(archive, entry.filename)
            try:
                with _opened(archive, os.getpid()).open(entry) as source:
                    _write(archive, place, source, folder)
            except _BROKEN as error:
                raise _broken(archive, f"{entry.filename}: {error}") from None


def _refuse_unsafe(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise InputError(
            f"{archive}: unsafe name {names.shown(name)}, it could leave its folder; take the archive from its "
            "publisher"
        )


def _place(archive: Path, name: str) -> str:
    """The path of a file of an archive in the folder that it is unpacked to, in NFC. Raises InputError."""
    return names.checked(f"{archive}: {name}", names.file_path, name)


def refuse_bomb(archive: Path, name: str, size: int, compressed: int) -> None:
    """Raises InputError if a part of an archive, or of a compressed file, grows as no dataset does."""
    if size > max(SMALL, EXPANSION * compressed):
        raise InputError(
            f"{archive}: {name} would grow from {compressed} to {size} bytes, as no dataset does; take it from its "
            "publisher"
        )


def _link(archive: Path, name: str) -> InputError:
    return InputError(f"{archive}: {name} is a link or a device; a dataset holds plain files")


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES)


def _broken(archive: Path, what: str) -> InputError:
    return InputError(f"{archive}: damaged or cut off ({what}); remove it and run the stage `download` again")
