"""Archives of a dataset: zips are read in place, tar archives and what lies packed in a zip are unpacked once."""

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
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path, PurePosixPath

from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, whole_folder
from pipeline.ground.paths import RUNS

UNPACKED = RUNS / "unpacked"
_SMALL = 64 << 20  # bytes that any file in an archive may have
_EXPANSION = 200
"""A larger one at most so many times what it takes in the archive: recordings shrink to no less than a twentieth."""
_TAR = (".tar.gz", ".tgz")
_MISFITS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""What the file system says of a name that it cannot hold beside the others."""
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    UnicodeDecodeError,
)


def is_archive(name: str) -> bool:
    return name.lower().endswith((".zip", *_TAR))


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def refuse_bomb(archive: Path, name: str, size: int, compressed: int) -> None:
    """Raises InputError if a part of an archive, or of a compressed file, grows as no dataset does."""
    if size > max(_SMALL, _EXPANSION * compressed):
        raise InputError(
            f"{archive}: {name} would grow from {compressed} to {size} bytes, as no dataset does; take it from its "
            "publisher"
        )


def path_in_archive(archive: Path, name: str) -> str:
    """The path of a file of an archive in the folder that it is unpacked to, in NFC. Raises InputError."""
    return names.checked(f"{archive}: {name}", names.file_path, name)


def zip_entries(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The files that a zip lists, each name checked. Raises InputError."""
    with _damage_named(path):
        try:
            entries = _opened(path, os.getpid()).infolist()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: the name {error.object!r} in it is no UTF-8; pack the files again") from None
    refuse_bomb(path, "its content", sum(entry.file_size for entry in entries), path.stat().st_size)
    for entry in entries:
        _refuse_unsafe(path, entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _link(path, entry.filename)
        refuse_bomb(path, entry.filename, entry.file_size, entry.compress_size)
        if not entry.is_dir():
            yield entry


def read_zipped(path: Path, name: str) -> bytes:
    """A file in a zip; more bytes than the zip states are never held in memory. Raises InputError."""
    with _damage_named(path, f"{name}: "):
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
        unpack = _unpack_tar if archive.name.lower().endswith(_TAR) else _unpack_archives
        with whole_folder(folder) as temporary:
            unpack(archive, temporary)
    return folder


@functools.lru_cache(maxsize=32)
def _opened(path: Path, _process: int) -> zipfile.ZipFile:
    """An opened zip, one a process: a forked process would share the position in the file with its parent.

    Some programs write names in UTF-8 and do not say so.
    """
    return zipfile.ZipFile(path, metadata_encoding="utf-8")


def _unpack_archives(archive: Path, folder: Path) -> None:
    """Unpacks the archives in a zip: they cannot be read in place."""
    for entry in zip_entries(archive):
        if is_archive(entry.filename) and not is_hidden(entry.filename):
            place = path_in_archive(archive, entry.filename)
            with (
                _damage_named(archive, f"{entry.filename}: "),
                _opened(archive, os.getpid()).open(entry) as source,
                _new_file(archive, place, folder).open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with (
        _damage_named(archive),
        gzip.open(archive) as stream,
        tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as tar,
    ):
        total, found = 0, []
        for entry in tar:
            total += entry.size
            refuse_bomb(archive, "its content", total, archive.stat().st_size)
            found += [] if is_hidden(entry.name) else [entry.name]
            _extract(archive, tar, entry, folder)
        names.checked(str(archive), names.one_spelling, found)
        _drain(stream)


def _extract(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    _refuse_unsafe(archive, entry.name)
    hidden = is_hidden(entry.name)
    if entry.isdir() or (hidden and not entry.isfile()):
        return
    place = entry.name if hidden else path_in_archive(archive, entry.name)
    if not entry.isfile():  # the filter lets links within the folder pass
        raise _link(archive, place)
    _new_file(archive, place, folder)
    tar.extract(entry.replace(name=place, deep=False), folder, set_attrs=False, filter="data")


def _new_file(archive: Path, name: str, folder: Path) -> Path:
    """An empty file below `folder`, since tarfile writes over one that is there.

    Raises InputError for a name that does not fit beside the others.
    """
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(exist_ok=False)
    except OSError as error:
        if error.errno not in _MISFITS:
            raise
        raise InputError(f"{archive}: {name}: {_misfit(error, target)}; take the archive from its publisher") from None
    return target


def _misfit(error: OSError, target: Path) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for this file system"
    return "it is there twice" if target.is_file() else "a file and a folder have one name"


def _drain(stream: gzip.GzipFile) -> None:
    """Reads to the end, where gzip's checksum stands: tarfile stops before it, and at a header that is damaged."""
    while block := stream.read(1 << 20):
        if block.strip(b"\0"):
            raise tarfile.TarError("files follow after a damaged header or after its end")


def _refuse_unsafe(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise InputError(
            f"{archive}: unsafe name {names.shown(name)}, it could leave its folder; take the archive from its "
            "publisher"
        )


def _link(archive: Path, name: str) -> InputError:
    return InputError(f"{archive}: {name} is a link or a device; a dataset holds plain files")


@contextmanager
def _damage_named(archive: Path, place: str = "") -> Iterator[None]:
    """Turns all that the libraries raise of damaged bytes into an InputError that names the archive."""
    try:
        yield
    except (OSError, *_BROKEN) as error:
        if isinstance(error, OSError) and (error.filename or error.errno not in (None, errno.EINVAL)):
            raise  # of the disk; gzip and bz2 give no number, and seek EINVAL at a negative position
        raise InputError(
            f"{archive}: damaged or cut off ({place}{error}); remove it and run the stage `download` again"
        ) from None
