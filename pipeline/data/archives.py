"""The files of a dataset, in folders or in archives: zips are read in place, tar archives are unpacked once."""

import errno
import functools
import gzip
import itertools
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline import names
from pipeline.errors import InputError
from pipeline.files import sha256
from pipeline.paths import RUNS

UNPACKED = RUNS / "unpacked"
SMALL = 64 << 20  # bytes that any file in an archive may have
EXPANSION = 200
"""A larger one at most so many times what it takes in the archive: recordings shrink to no less than a twentieth."""
DEPTH = 3
"""Archives in archives in archives; some hold themselves, without an end."""

_TAR = (".tar.gz", ".tgz")
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


def members(raw: Path, suffixes: tuple[str, ...]) -> list[Member]:
    """Every file with one of the suffixes below `raw` or in an archive there, sorted by id in string order.

    Hidden files and the `__MACOSX` folders of zips made on a Mac are no members. Raises InputError for a name that is
    refused, two that differ only in case, a link, a duplicate or an archive that is cut off.
    """
    found = sorted(_listed(raw, PurePosixPath(), suffixes, 0), key=lambda member: member.id)
    for before, after in itertools.pairwise(found):
        if before.id == after.id:
            raise InputError(f"{before.path}, {after.path}: both hold {after.id}; remove one of the two")
    names.checked(str(raw), names.one_spelling, [member.id for member in found])
    return found


def read(member: Member) -> bytes:
    """The bytes of a member, checked against the zip's own checksum. Raises InputError."""
    try:
        if member.name is None:
            return member.path.read_bytes()
        return _opened(member.path, os.getpid()).read(member.name)
    except FileNotFoundError:
        raise InputError(f"{member.path}: it was there when the dataset was listed and is now missing") from None
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # bz2 says so that the data are wrong; a place before the file's start
            raise _broken(member.path, f"{member.name}: {error}") from None
        raise
    except _BROKEN as error:
        raise _broken(member.path, f"{member.name}: {error}") from None


def unpacked(archive: Path) -> Path:
    """Folder in runs/unpacked/ with the files of a tar archive, or the archives in a zip; written once, by digest.

    Raises InputError for an unsafe name, a link, a duplicate or an archive that is cut off; nothing half-written stays.
    """
    folder = UNPACKED / sha256(archive)
    if not folder.is_dir():
        unpack = _unpack_tar if archive.name.endswith(_TAR) else _unpack_inner
        with whole_folder(folder) as temporary:
            unpack(archive, temporary)
    return folder


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `folder`, which takes its place if the block ends well, else is removed.

    Its files are flushed first. What a killed process left beside `folder` is removed: DVC lets one at a time fill it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        for path in files(temporary):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        _put(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Removes the temporary folders that whole_folder could not."""
    ours = re.compile(rf"\.{re.escape(folder.name)}\.[a-z0-9_]{{8}}(\.before)?")
    for path in folder.parent.iterdir():
        if ours.fullmatch(path.name):
            shutil.rmtree(path)


def _put(new: Path, folder: Path) -> None:
    """Renames `new` to `folder`; what was there before is moved away first, so that a reader never sees a mixture."""
    before = new.with_name(f"{new.name}.before")
    if folder.exists():
        folder.rename(before)
    new.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def _listed(folder: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[Member]:
    """Members below a folder that was unpacked from an archive `depth` times."""
    if depth > DEPTH:
        raise InputError(f"{folder}: unpacked from archives in archives, more than {DEPTH} deep; unpack them by hand")
    for path in files(folder):
        place = within / names.file_path(path.relative_to(folder).as_posix())
        if path.name.endswith(_TAR):
            yield from _listed(unpacked(path), place.parent, suffixes, depth + 1)
        elif path.suffix == ".zip":
            yield from _listed_zip(path, place.parent, suffixes, depth)
        elif path.suffix in suffixes:
            yield Member(str(place), path.stat().st_size, path, None)


def _listed_zip(path: Path, within: PurePosixPath, suffixes: tuple[str, ...], depth: int) -> Iterator[Member]:
    entries = list(_zip_entries(path))
    names.checked(str(path), names.one_spelling, [entry.filename for entry in entries])
    for entry in entries:
        if PurePosixPath(entry.filename).suffix in suffixes:
            yield Member(str(within / _place(path, entry.filename)), entry.file_size, path, entry.filename)
    if any(map(_is_archive, entries)):
        yield from _listed(unpacked(path), within, suffixes, depth + 1)


def files(folder: Path) -> Iterator[Path]:
    """Files below `folder` in a fixed order, without hidden ones. A file may be a link: DVC links into its cache.

    Raises InputError for a name that is refused, and for two names that differ only in case or in Unicode's form.
    """
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
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


def _zip_entries(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The files that a zip lists, each name checked."""
    try:
        entries = _opened(path, os.getpid()).infolist()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the name {error.object!r} in it is no UTF-8; pack the files again") from None
    except _BROKEN as error:
        raise _broken(path, str(error)) from None
    _refuse_bomb(path, "its content", sum(entry.file_size for entry in entries), path.stat().st_size)
    for entry in entries:
        _refuse_unsafe(path, entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _link(path, entry.filename)
        _refuse_bomb(path, entry.filename, entry.file_size, entry.compress_size)
        if not entry.is_dir() and not _is_hidden(entry.filename):
            _place(path, entry.filename)
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
                _refuse_bomb(archive, "its content", total, archive.stat().st_size)
                found += [] if _is_hidden(entry.name) else [entry.name]
                _extract(archive, tar, entry, folder)
            names.checked(str(archive), names.one_spelling, found)
            _drain(stream)
    except _BROKEN as error:
        raise _broken(archive, str(error)) from None


def _extract(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    _refuse_unsafe(archive, entry.name)
    if entry.isdir() or _is_hidden(entry.name):
        return
    place = _place(archive, entry.name)
    if not entry.isfile():
        raise _link(archive, place)
    _refuse_duplicate(archive, place, folder)
    # Only the bytes: owner, mode and time of the archive are not ours to take, and no version of tarfile is trusted.
    target = folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(entry)
    assert source is not None, "a regular file"
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _drain(stream: gzip.GzipFile) -> None:
    """Reads to the end, where gzip's checksum stands: tarfile stops before it."""
    while stream.read(1 << 20):
        pass


def _unpack_inner(archive: Path, folder: Path) -> None:
    for entry in filter(_is_archive, _zip_entries(archive)):
        place = _place(archive, entry.filename)
        _refuse_duplicate(archive, place, folder)
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _opened(archive, os.getpid()).open(entry) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
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


def _refuse_bomb(archive: Path, name: str, size: int, compressed: int) -> None:
    if size > max(SMALL, EXPANSION * compressed):
        raise InputError(
            f"{archive}: {name} would grow from {compressed} to {size} bytes, as no recording does; take the archive "
            "from its publisher"
        )


def _refuse_duplicate(archive: Path, name: str, folder: Path) -> None:
    if (folder / name).exists():
        raise InputError(f"{archive}: holds {name} twice; take the archive from its publisher")


def _link(archive: Path, name: str) -> InputError:
    return InputError(f"{archive}: {name} is a link or a device; a dataset holds plain files")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _is_archive(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.endswith((".zip", *_TAR))


def _broken(archive: Path, what: str) -> InputError:
    return InputError(f"{archive}: damaged or cut off ({what}); remove it and run the stage `download` again")
