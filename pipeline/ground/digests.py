"""SHA-256 of files, with a cache: a digest is reused while a file's size and modification time are unchanged."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from models.bounds import STRICT, Natural
from pipeline.ground.files import sha256, write_whole
from pipeline.ground.paths import RUNS

BOOK = RUNS / "digests.json"
"""The cache: size, modification time (nanoseconds) and digest of each large file by path; git and DVC do the same."""
LARGE = 1_000_000
"""Minimum size (bytes) of files in the cache."""


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """A file as a stage read or wrote it."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    path: str
    """Relative to the repository, with slashes; absolute for a file outside it."""
    sha256: str
    bytes: Natural


def digest_all(root: Path, paths: Iterable[Path], known: Mapping[Path, str] | None = None) -> list[FileDigest]:
    """Digests of files and of all files in folders, sorted by path.

    `known` holds digests that the caller has just computed. Raises OSError.
    """
    book = _read_book()
    before = dict(book)
    found = [_digest(root, path, book, known or {}) for path in sorted({*_files(paths)})]
    if book != before:
        write_whole(BOOK, json.dumps(book).encode())
    return found


def digest_of(path: str, content: bytes) -> FileDigest:
    """The digest of a file that is about to be written."""
    return FileDigest(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        yield from (one for one in inside if not one.is_dir() and "__pycache__" not in one.parts)


def _digest(root: Path, path: Path, book: dict[str, list[int | str]], known: Mapping[Path, str]) -> FileDigest:
    stat = path.stat()
    seen = [stat.st_size, stat.st_mtime_ns]
    kept = book.get(str(path), [])
    digest = known.get(path) or (str(kept[2]) if kept[:2] == seen else sha256(path))
    if stat.st_size >= LARGE:
        book[str(path)] = [*seen, digest]
    name = path.relative_to(root) if path.is_relative_to(root) else path
    return FileDigest(path=name.as_posix(), sha256=digest, bytes=stat.st_size)


def _read_book() -> dict[str, list[int | str]]:
    try:
        book: dict[str, list[int | str]] = json.loads(BOOK.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # without the cache, files are hashed again
        return {}
    return book
