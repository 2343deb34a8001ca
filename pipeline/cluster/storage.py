"""Shared storage of a cluster: a folder or object storage, through Arrow's file systems."""

import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem

from pipeline.ground.errors import InputError
from pipeline.ground.files import whole

SCHEMES = ("file://", "s3://", "gs://")
_REMEDY = "check the address, the credentials and the write permission"
CHUNK = 1 << 20


def is_uri(storage: str) -> bool:
    """Whether `cluster.storage` is a URI; otherwise it is a folder's path."""
    return "://" in storage


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Files by key (relative paths with slashes). Writes are atomic: readers never see a partial file.

    All methods raise InputError that names the storage.
    """

    address: str
    """An absolute path or a URI, as in params.yaml."""
    files: FileSystem
    root: str
    """Root path in the file system."""

    def put(self, local: Path, key: str) -> None:
        """Copies a local file to storage."""
        try:
            if isinstance(self.files, LocalFileSystem):
                with whole(Path(self.path(key))) as temporary:
                    _copy(local, LocalFileSystem(), str(temporary))
            else:  # an object appears only when it is complete
                _copy(local, self.files, self.path(key))
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot write {key}", error) from None

    def get(self, key: str, local: Path) -> None:
        """Copies a file from storage to this machine, atomically, with its modification time."""
        try:
            info = self.files.get_file_info(self.path(key))
            with (
                self.files.open_input_stream(self.path(key)) as stream,
                whole(local) as temporary,
                temporary.open("wb") as into,
            ):
                while chunk := stream.read(CHUNK):
                    into.write(chunk)
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot read {key}", error) from None
        os.utime(local, ns=(info.mtime_ns, info.mtime_ns))

    def list(self, key: str) -> dict[str, FileInfo]:
        """The files below `key`, by their paths relative to it, without files that are still being written."""
        folder = self.path(key)
        try:
            found = self.files.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot list {key}", error) from None
        files = [info for info in found if info.type == FileType.File and not info.base_name.startswith(".")]
        return {info.path[len(folder) + 1 :]: info for info in files}

    def delete(self, key: str) -> None:
        """Removes a file, if it is there, or a folder."""
        try:
            info = self.files.get_file_info(self.path(key))
            if info.type == FileType.Directory:
                self.files.delete_dir(self.path(key))
            elif info.type == FileType.File:
                self.files.delete_file(self.path(key))
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot remove {key}", error) from None

    def path(self, key: str) -> str:
        """Path of a key in the file system."""
        return f"{self.root.rstrip('/')}/{key}"

    def _refusal(self, what: str, error: Exception) -> InputError:
        return InputError(f"cluster.storage {self.address}: {what} ({_first_line(error)}); {_REMEDY}")


def open_storage(address: str) -> Storage:
    """The storage at an absolute path or a URI. Raises InputError."""
    if is_uri(address) and not address.startswith(SCHEMES):
        raise InputError(f"cluster.storage {address}: expected an absolute path, or one of {', '.join(SCHEMES)}")
    try:
        files, root = FileSystem.from_uri(address)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"cluster.storage {address}: cannot be opened ({_first_line(error)}); {_REMEDY}") from None
    if not root.strip("/"):
        raise InputError(f"cluster.storage {address}: names no folder or bucket")
    return Storage(address=address, files=files, root=root)


def check_writable(storage: Storage) -> None:
    """Writes and removes a test file. Raises InputError."""
    key = f"probe/{uuid.uuid4().hex}"
    with tempfile.NamedTemporaryFile() as file:
        storage.put(Path(file.name), key)
    storage.delete(key)


def _copy(local: Path, files: FileSystem, path: str) -> None:
    with local.open("rb") as file, files.open_output_stream(path) as stream:
        while chunk := file.read(CHUNK):
            stream.write(chunk)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
