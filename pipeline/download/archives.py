"""Archives of a dataset: zips are read in place; tar archives, and archives inside zips, are unpacked once."""

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

from filelock import FileLock

from pipeline.ground import names
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, whole_folder
from pipeline.ground.paths import RUNS

UNPACKED = RUNS / "unpacked"
_SMALL = 64 << 20
"""Size (bytes) up to which a file in an archive is not checked for its compression ratio."""
_EXPANSION = 200
"""Maximum compression ratio of larger files; recordings compress by a factor of 20 at most."""
_TAR = (".tar.gz", ".tgz")
_MISFITS = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""Error numbers for a name that is too long or conflicts with another one."""
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
    """Raises InputError if part of an archive or compressed file has an implausible compression ratio (a zip bomb)."""
    if size > max(_SMALL, _EXPANSION * compressed):
        raise InputError(
            f"{archive}: {name} would grow from {compressed} to {size} bytes, which no dataset does; download it from "
            "its publisher"
        )


def path_in_archive(archive: Path, name: str) -> str:
    """The path of an archive's file below the folder that it is unpacked to, normalised to NFC. Raises InputError."""
    return names.checked(f"{archive}: {name}", names.file_path, name)


def zip_entries(path: Path) -> Iterator[zipfile.ZipInfo]:
    """The files and folders that a zip lists, with their names checked. Raises InputError."""
    with _damage_as_input_error(path):
        try:
            entries = _opened(path, os.getpid()).infolist()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: the name {error.object!r} in it is not UTF-8; pack the files again") from None
    refuse_bomb(path, "its content", sum(entry.file_size for entry in entries), path.stat().st_size)
    for entry in entries:
        _refuse_unsafe(path, entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise _link(path, entry.filename)
        refuse_bomb(path, entry.filename, entry.file_size, entry.compress_size)
        yield entry


def read_zipped(path: Path, name: str) -> bytes:
    """The bytes of a file in a zip; never reads more than the zip's stated size plus 1 byte. Raises InputError."""
    with _damage_as_input_error(path, f"{name}: "):
        archive = _opened(path, os.getpid())
        entry = copy(archive.getinfo(name))
        size = entry.file_size
        entry.file_size += 1  # zipfile stops at this size and does not notice further bytes
        with archive.open(entry) as file:
            content = file.read(entry.file_size)
        if len(content) != size:
            raise zipfile.BadZipFile(f"its size is not the {size} bytes that the archive states")
        return content


def unpacked(archive: Path) -> Path:
    """Folder in runs/unpacked/ with the files of a tar archive, or with the archives inside a zip.

    It is named by the archive's digest and written once, atomically. Raises InputError for an unsafe name, a link, a
    duplicate or a truncated archive.
    """
    folder = UNPACKED / sha256(archive)
    UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(UNPACKED.with_name(f"{UNPACKED.name}.lock")):  # `sresnet inspect` may run beside a stage
        if not folder.is_dir():
            unpack = _unpack_tar if archive.name.lower().endswith(_TAR) else _unpack_archives
            with whole_folder(folder) as temporary:
                unpack(archive, temporary)
    return folder


@functools.lru_cache(maxsize=32)
def _opened(path: Path, _process: int) -> zipfile.ZipFile:
    """An opened zip, cached per process: a forked process would share the file position with its parent.

    Names are read as UTF-8, because some programs write UTF-8 without setting the flag.
    """
    return zipfile.ZipFile(path, metadata_encoding="utf-8")


def _unpack_archives(archive: Path, folder: Path) -> None:
    """Unpacks the archives inside a zip, which cannot be read in place."""
    for entry in zip_entries(archive):
        if is_archive(entry.filename) and not is_hidden(entry.filename):
            place = path_in_archive(archive, entry.filename)
            with (
                _damage_as_input_error(archive, f"{entry.filename}: "),
                _opened(archive, os.getpid()).open(entry) as source,
                _new_file(archive, place, folder).open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 1 << 20)


def _unpack_tar(archive: Path, folder: Path) -> None:
    with (
        _damage_as_input_error(archive),
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
        _read_to_end(stream)


def _extract(archive: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path) -> None:
    _refuse_unsafe(archive, entry.name)
    hidden = is_hidden(entry.name)
    if hidden and not entry.isfile():
        return
    place = entry.name if hidden else path_in_archive(archive, entry.name)
    if entry.isdir():  # kept, since an empty one can be a class
        with _misfit_as_input_error(archive, place, folder / place):
            (folder / place).mkdir(parents=True, exist_ok=True)
        return
    if not entry.isfile():  # tarfile's filter allows links within the folder
        raise _link(archive, place)
    _new_file(archive, place, folder)
    tar.extract(entry.replace(name=place, deep=False), folder, set_attrs=False, filter="data")


def _new_file(archive: Path, name: str, folder: Path) -> Path:
    """Creates an empty file below `folder`, which fails for a duplicate; tarfile would overwrite it.

    Raises InputError for a name that is too long or conflicts with another one.
    """
    target = folder / name
    with _misfit_as_input_error(archive, name, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(exist_ok=False)
    return target


@contextmanager
def _misfit_as_input_error(archive: Path, name: str, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _MISFITS:
            raise
        raise InputError(f"{archive}: {name}: {_conflict(error, target)}; download it from its publisher") from None


def _conflict(error: OSError, target: Path) -> str:
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long for this file system"
    return "it occurs twice" if target.is_file() else "a file and a folder have the same name"


def _read_to_end(stream: gzip.GzipFile) -> None:
    """Reads to the end, so that gzip checks its checksum: tarfile stops earlier, and also at a damaged header."""
    while block := stream.read(1 << 20):
        if block.strip(b"\0"):
            raise tarfile.TarError("files follow after a damaged header or after its end")


def _refuse_unsafe(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise InputError(
            f"{archive}: unsafe name {names.shown(name)}, which could leave its folder; download the archive from its "
            "publisher"
        )


def _link(archive: Path, name: str) -> InputError:
    return InputError(f"{archive}: {name} is a link or a device; a dataset may contain only plain files")


@contextmanager
def _damage_as_input_error(archive: Path, place: str = "") -> Iterator[None]:
    """Turns the libraries' errors about damaged bytes into an InputError that names the archive."""
    try:
        yield
    except (OSError, *_BROKEN) as error:
        if isinstance(error, OSError) and (error.filename or error.errno not in (None, errno.EINVAL)):
            raise  # a disk error: damage in gzip and bz2 has no errno, and a seek to a negative position has EINVAL
        raise InputError(
            f"{archive}: damaged or truncated ({place}{error}); remove it and run the stage `download` again"
        ) from None
