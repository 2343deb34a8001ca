"""Atomic writes of files and folders, and checked reads."""

import hashlib
import json
import math
import os
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.ground.errors import InputError

MOST_BYTES = 32 << 20
"""Maximum size of a text file; the largest, the file list of a report of 1,000 trainings, has a third of it."""
MOST_LEVELS = 32
"""Maximum nesting depth; our files have 7 or fewer levels."""
TOO_DEEP = f"nested more than {MOST_LEVELS} levels deep"
_DIGITS = 20
"""Maximum characters of an integer in JSON; a 64-bit integer has 19 digits and a sign."""


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file atomically: a reader sees the old content or the new one."""
    with whole(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; after the block it is flushed and renamed to `path`, or removed on
    error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    temporary.touch(exist_ok=False)  # with permissions from the user's umask
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder beside `folder`; after the block it replaces `folder`, or is removed on error, with the
    folders above that were made for it.

    Its files are flushed first. Temporary folders of killed processes are removed, so only one process at a time may
    write `folder`.
    """
    above = [one for one in folder.parents if not one.exists()]
    _remove_leftovers(folder)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)  # with permissions from the user's umask
    try:
        yield temporary
        for path in filter(Path.is_file, temporary.rglob("*")):
            with path.open("rb") as file:
                os.fsync(file.fileno())
        _put(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(above)
        raise


def _remove_empty(folders: list[Path]) -> None:
    """Removes folders, the deepest first, up to one that another process has written to."""
    with suppress(OSError):
        for one in folders:
            one.rmdir()


def _remove_leftovers(folder: Path) -> None:
    """Removes temporary folders that a killed process has left."""
    ours = re.compile(rf"\.{re.escape(folder.name)}\.[0-9a-f]{{32}}(\.before)?")
    for path in folder.parent.iterdir() if folder.parent.is_dir() else ():
        if ours.fullmatch(path.name):
            shutil.rmtree(path)


def _put(new: Path, folder: Path) -> None:
    """Renames `new` to `folder`, after moving the old folder away, so that a reader never sees a mixture."""
    before = new.with_name(f"{new.name}.before")
    if folder.exists():
        folder.rename(before)
    new.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: Path, remedy: str, most: int = MOST_BYTES) -> str:
    """The text of a UTF-8 file of at most `most` bytes.

    Raises InputError; the remedy is for a missing or too large one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > most:
        raise InputError(f"{path}: larger than {most:,} bytes; {remedy}")
    try:
        return content.decode("utf-8-sig")  # some editors put a byte order mark before UTF-8
    except UnicodeDecodeError as error:
        found = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        raise InputError(f"{path}: not UTF-8 ({found}); save it as UTF-8") from None


def read_json(path: Path, remedy: str) -> Any:
    """The content of a JSON file. Raises InputError that ends with the remedy."""
    try:
        return parse_json(read_text(path, remedy))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); {remedy}") from None


def parse_json(text: str | bytes) -> Any:
    """The content of JSON text.

    Raises ValueError for duplicate keys, non-finite numbers, lone surrogates, deep nesting.
    """
    try:
        content = json.loads(
            text, object_pairs_hook=_each_once, parse_float=_finite, parse_int=_short, parse_constant=_finite
        )
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if _levels(content) > MOST_LEVELS:
        raise ValueError(TOO_DEEP)
    json.dumps(content, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return content


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        doubled, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {doubled!r} occurs twice in one object")
    return content


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _short(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number of {len(text)} digits is not allowed")
    return int(text)


def _levels(content: Any) -> int:
    """Nesting depth of lists and objects."""
    levels, parts = 0, [content] if isinstance(content, (dict, list)) else []
    while parts:
        levels += 1
        children = (part.values() if isinstance(part, dict) else part for part in parts)
        parts = [child for several in children for child in several if isinstance(child, (dict, list))]
    return levels
