"""Damage of a report's folders: files are added, removed or exchanged for something else."""

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any


def _pick(drawn: Random, report: Path) -> Path:
    return drawn.choice(sorted(path for path in report.rglob("*") if path.is_file()))


def _removed(drawn: Random, report: Path) -> Path:
    path = _pick(drawn, report)
    path.unlink()
    return path.relative_to(report)


def _removed_folder(drawn: Random, report: Path) -> Path:
    path = _pick(drawn, report).parent
    shutil.rmtree(path)
    return path.relative_to(report)


def _added(drawn: Random, report: Path) -> Path:
    near = _pick(drawn, report)
    names = ("x", "x.json", "7.json", ".x", "x\nx", "\udc80", "key.pem", "report.dsse.json", "x" * 250, near.name + "~")
    path = near.with_name(drawn.choice(names))
    path.write_bytes(drawn.choice((b"", b"{}", near.read_bytes(), drawn.randbytes(100))))
    return path.relative_to(report)


def _exchanged(drawn: Random, report: Path) -> Path:
    """One file has another's content."""
    path, other = _pick(drawn, report), _pick(drawn, report)
    shutil.copyfile(other, path) if path != other else None
    return path.relative_to(report)


def _no_file(drawn: Random, report: Path) -> Path:
    """A link, a pipe, a socket or a folder in the place of a file."""
    path = _pick(drawn, report)
    path.unlink()
    form = drawn.randrange(6)
    if form == 0:
        os.mkfifo(path)
    elif form == 1:
        path.mkdir()
    elif form == 2:
        path.symlink_to(drawn.choice(("/dev/zero", "/etc/passwd", "nowhere", path.name, ".", "/")))
    elif form == 3:
        _bind(path)
    elif form == 4:
        path.symlink_to(_pick(drawn, report))
    else:
        path.write_bytes(b"")
    return path.relative_to(report)


def _bind(path: Path) -> None:
    """A socket; the path of one has a hundred bytes at most."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _deep(drawn: Random, report: Path) -> Path:
    path = report
    for _ in range(drawn.choice((40, 200))):
        path /= "d"
        path.mkdir()
    return path.relative_to(report)


def _nothing(drawn: Random, report: Path) -> str:
    return ""


OF_TREES: list[Callable[[Random, Path], Any]] = [
    _removed,
    _removed,
    _removed_folder,
    _added,
    _added,
    _exchanged,
    _no_file,
    _no_file,
    _deep,
    _nothing,
]
