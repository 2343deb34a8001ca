"""The code that nodes run: this checkout's packages as they are, committed or not, and nothing else of it."""

import hashlib
import shutil
from pathlib import Path

from pipeline.paths import ROOT

PACKAGES = ("models", "pipeline", "stages")


def code_files(root: Path = ROOT) -> list[Path]:
    """The Python files of the packages, sorted."""
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def code_digest(root: Path = ROOT) -> str:
    """SHA-256 over the names and bytes of these files."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root).as_posix()}"
        for path in code_files(root)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def copy_code(into: Path, root: Path = ROOT) -> Path:
    """A folder with these files alone, for Ray's `working_dir`: no data, no caches, nothing of .git."""
    for path in code_files(root):
        copy = into / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return into
