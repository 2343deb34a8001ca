"""What is checked of a file on the disk: its digest as published, and the space that it needs."""

import hashlib
import shutil
from pathlib import Path

from pipeline.ground.errors import InputError

DISK_MARGIN = 256 << 20  # bytes left free for everything else on the disk


def md5(path: Path) -> str:
    """Hexadecimal MD5 of a file's bytes: the digest that the publishers of these datasets are pinned by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def check_space(folder: Path, needed: int) -> None:
    """Raises InputError if `needed` bytes and a margin do not fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free < needed + DISK_MARGIN:
        raise InputError(
            f"{folder}: {needed / 1e9:.2f} GB are to be written and {DISK_MARGIN / 1e9:.2f} GB left free, "
            f"but the disk has only {free / 1e9:.2f} GB; free some and run it again"
        )
