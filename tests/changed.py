"""Runs the long tests, with the fault matrix, of the rooms that changed within a day: python -m tests.changed"""

import subprocess
import sys
from collections.abc import Iterable

import pytest

from pipeline.ground.paths import ROOT
from tests.test_rooms import BELOW

MATRIX = "tests/faults/test_matrix.py"
EVERYWHERE = (
    "pyproject.toml",
    "requirements.lock",
    "tests/conftest.py",
    "dvc.yaml",
    "params.yaml",
    "paper/claims.yaml",
)
"""What any test may depend on."""


def main() -> int:
    paths = changed_paths()
    chosen = long_files(paths)
    why = f"{len(paths)} file(s) changed within a day" if paths is not None else "the commit of a day ago is unknown"
    print(f"long tests: {' '.join(chosen) or 'none'} ({why})", flush=True)
    ended = pytest.main(["-n", "2", "--dist", "loadfile", "-m", "long", *chosen]) if chosen else 0
    if MATRIX in chosen and not ended:
        return subprocess.run([sys.executable, "-m", "tests.faults.matrix"], cwd=ROOT, check=False).returncode
    return ended


def changed_paths() -> list[str] | None:
    """Paths that differ from those of a day ago, committed or not; None without a commit of then."""
    before = git("rev-list", "-1", "--before=1.day", "HEAD").strip()
    new = git("ls-files", "--others", "--exclude-standard").splitlines()
    return [*git("diff", "--name-only", before).splitlines(), *new] if before else None


def git(*words: str) -> str:
    """What git says; nothing where there is no repository."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def long_files(paths: Iterable[str] | None) -> list[str]:
    """The files with long tests that stand above a room of these paths; all of them where the paths are unknown."""
    files = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "pytest.mark.long" in path.read_text()]
    names = [path.relative_to(ROOT).as_posix() for path in files]
    if paths is None or not set(EVERYWHERE).isdisjoint(paths := list(paths)):
        return names
    rooms = {room for path in paths if (room := room_of(path))}
    return [name for name in names if rooms & (BELOW.get(room_of(name), rooms) | {room_of(name)})]


def room_of(path: str) -> str:
    """models, stages or a folder of pipeline/, which has its tests in a folder of its name; empty for other files."""
    first, second, *_ = [*path.split("/"), ""]
    return second if first in ("pipeline", "tests") else first * (first in ("models", "stages"))


if __name__ == "__main__":
    sys.exit(main())
