"""MD5 of a file, a check for free disk space, and a second name for a file."""

import hashlib
import os
import shutil
from pathlib import Path

from pipeline.ground.errors import InputError

DISK_MARGIN = 256 << 20  # bytes left free for everything else on the disk


def md5(path: Path) -> str:
    """Hexadecimal MD5 of a file: published datasets are pinned by it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def link_or_copy(path: Path, target: Path) -> None:
    """Makes a hard link, or a copy if the file system has none. Raises InputError if the disk is full."""
    target.unlink(missing_ok=True)
    try:
        os.link(path, target)
    except OSError:
        check_space(target.parent, path.stat().st_size)
        shutil.copyfile(path, target)


def check_space(folder: Path, needed: int) -> None:
    """Raises InputError if `needed` bytes and a margin do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed + DISK_MARGIN:
        raise InputError(
            f"{folder}: needs {needed / 1e9:.2f} GB and a margin of {DISK_MARGIN / 1e9:.2f} GB, "
            f"but the disk has only {free / 1e9:.2f} GB free; free some space and run it again"
        )
