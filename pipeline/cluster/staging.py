"""Distributes files to nodes: uploaded to storage by digest, fetched once per node, verified on its disk.

Storage keeps a file under `files/<sha256>`, so the same bytes are uploaded once, whatever the file's name.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pipeline.cluster.storage import Storage
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """A set of files in storage, as plain values for a worker."""

    storage: Storage
    files: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each file, sorted."""

    @property
    def digest(self) -> str:
        """SHA-256 over names and digests; identifies the set."""
        return hashlib.sha256("\n".join(f"{digest} {name}" for name, digest in self.files).encode()).hexdigest()


def publish(paths: Iterable[Path], storage: Storage) -> Shipment:
    """Uploads the files that storage does not have yet. Raises InputError."""
    there = storage.list("files")
    files = {path.name: (path, sha256(path)) for path in sorted(paths)}
    for path, digest in files.values():
        if digest not in there or there[digest].size != path.stat().st_size:
            storage.put(path, f"files/{digest}")
    return Shipment(storage=storage, files=tuple((name, digest) for name, (_, digest) in files.items()))


def stage(shipment: Shipment) -> Path:
    """The folder on this node's disk with the files, each verified. Raises InputError.

    The first process of a node fetches what is missing or damaged; the others wait for it.
    """
    folder = node_folder() / "staged" / shipment.digest
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        for name, digest in shipment.files:
            _fetch(shipment.storage, digest, folder / name)
    return folder


def node_folder() -> Path:
    """A folder on this node's disk, in TMPDIR, that only this user can open. Raises InputError."""
    folder = Path(tempfile.gettempdir()) / f"sresnet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise InputError(f"{folder}: belongs to another user; set TMPDIR to a folder of yours on this node")
    return folder


def _fetch(storage: Storage, digest: str, path: Path) -> None:
    if path.exists() and sha256(path) == digest:
        return
    storage.get(f"files/{digest}", path)
    if (found := sha256(path)) != digest:
        path.unlink()
        storage_file = storage.path(f"files/{digest}")
        raise InputError(
            f"{storage_file}: damaged, its SHA-256 is {found}; remove it from storage; the next run uploads it again"
        )
