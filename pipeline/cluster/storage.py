"""Shared storage of a cluster: a folder or object storage, through Arrow's file systems."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType, LocalFileSystem

from pipeline.ground.address import without_keys
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
    """Files by key (relative paths with slashes). Writes are atomic: an error leaves no partial file.

    All methods raise InputError that names the storage.
    """

    address: str
    """An absolute path or a URI, as in params.yaml but without keys; for errors."""
    files: FileSystem
    root: str
    """Root path in the file system."""
    setting: str = "cluster.storage"
    """The key of params.yaml or the option that names it; for errors."""

    def below(self, folder: str) -> "Storage":
        """The storage of a folder in this one."""
        _, question, options = self.address.partition("?") if is_uri(self.address) else (self.address, "", "")
        return replace(self, address=f"{self.uri(folder)}{question}{options}", root=self.path(folder))

    def uri(self, key: str) -> str:
        """Address of a key, without the options of the URI; for errors."""
        place = self.address.partition("?")[0] if is_uri(self.address) else self.address
        return f"{place.rstrip('/')}/{key}"

    def local(self) -> Path | None:
        """The folder, if it is one, as a path."""
        return Path(self.root) if isinstance(self.files, LocalFileSystem) else None

    @contextmanager
    def writing(self, key: str) -> Iterator[Path]:
        """Yields a path to write a file to, which is then stored: in a folder the file itself, which the block has to
        write atomically, otherwise one on this machine's disk, which is removed."""
        if folder := self.local():
            yield folder / key
            return
        with tempfile.TemporaryDirectory(prefix="sresnet-") as disk:
            yield Path(disk) / PurePosixPath(key).name
            self.put(Path(disk) / PurePosixPath(key).name, key)

    def read(self, key: str) -> bytes:
        """The content of a file."""
        try:
            with self.files.open_input_file(self.path(key)) as file:
                content: bytes = file.read()
                return content
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot read {key}", error) from None

    def put(self, local: Path, key: str) -> None:
        """Copies a local file to storage."""
        try:
            if isinstance(self.files, LocalFileSystem):
                with whole(Path(self.path(key))) as temporary:
                    shutil.copyfile(local, temporary)
            else:
                self._upload(local, key)
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot write {key}", error) from None

    def _upload(self, local: Path, key: str) -> None:
        """Copies a file to object storage. What an error leaves there, since it closes the stream, is removed."""
        opened = False
        try:
            with local.open("rb") as file, self.files.open_output_stream(self.path(key)) as stream:
                opened = True
                shutil.copyfileobj(file, stream, CHUNK)
        except BaseException:
            if opened:
                with suppress(InputError):
                    self.delete(key)
            raise

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
        files = [info for info in self.entries(key) if info.type == FileType.File]
        start = len(self.path(key)) + 1
        return {info.path[start:]: info for info in files if not info.base_name.startswith(".")}

    def entries(self, key: str) -> Sequence[FileInfo]:
        """All files and folders below `key`."""
        try:
            selector = FileSelector(self.path(key), recursive=True, allow_not_found=True)
            found: list[FileInfo] = self.files.get_file_info(selector)
        except (OSError, pa.ArrowException) as error:
            raise self._refusal(f"cannot list {key}", error) from None
        return found

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
        """Path of a key in the file system; of the storage's root for an empty one."""
        return f"{self.root.rstrip('/')}/{key}".rstrip("/")

    def _refusal(self, what: str, error: Exception) -> InputError:
        return InputError(f"{self.setting} {self.address}: {what} ({_first_line(error)}); {_REMEDY}")


def open_storage(address: str, setting: str = "cluster.storage") -> Storage:
    """The storage at an absolute path or a URI; `setting` names it in errors. Raises InputError."""
    shown = without_keys(address)  # --from and --into may have some
    where = f"{setting} {shown}"
    if is_uri(address) and not address.startswith(SCHEMES):
        raise InputError(f"{where}: expected an absolute path, or one of {', '.join(SCHEMES)}")
    try:
        files, root = FileSystem.from_uri(address)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{where}: cannot be opened ({_first_line(error).replace(address, shown)}); {_REMEDY}"
        ) from None
    if not root.strip("/"):
        raise InputError(f"{where}: names no folder or bucket")
    return Storage(address=shown, files=files, root=root, setting=setting)


def folder_storage(folder: Path) -> Storage:
    """A folder of this machine as storage."""
    return Storage(address=str(folder), files=LocalFileSystem(), root=str(folder))


def check_writable(storage: Storage) -> None:
    """Writes and removes a test file. Raises InputError."""
    key = f".probe-{uuid.uuid4().hex}"
    with tempfile.NamedTemporaryFile() as file:
        storage.put(Path(file.name), key)
    storage.delete(key)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
