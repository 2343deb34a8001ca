"""The Python that DVC's shell starts the stages with."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.ground.paths import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a 'b' ü"
    (folder / "stages").mkdir(parents=True)
    shutil.copy(ROOT / "stages" / "python", folder / "stages")
    return folder


def put(path: Path, word: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f'#!/bin/sh\necho {word} "$@"\n')
    path.chmod(0o755)


def said(checkout: Path, path: str) -> "subprocess.CompletedProcess[str]":
    command = ("stages/python", "-m", "a b")
    return subprocess.run(command, cwd=checkout, env={"PATH": path}, capture_output=True, text=True, check=False)


def test_a_checkouts_own_python_comes_first_without_an_activated_environment(checkout: Path) -> None:
    put(checkout / ".venv" / "bin" / "python", "own")
    put(checkout / "active" / "python", "active")
    assert said(checkout, os.defpath).stdout == "own -m a b\n"
    assert said(checkout, f"{checkout / 'active'}:/usr/bin:/bin").stdout == "own -m a b\n"


def test_an_experiment_of_dvc_that_runs_in_a_copy_has_the_checkouts_python(checkout: Path) -> None:
    copy = checkout / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1"
    shutil.copytree(checkout / "stages", copy / "stages")
    put(checkout / ".venv" / "bin" / "python", "own")
    assert said(copy, os.defpath).stdout == "own -m a b\n"


def test_the_active_python_is_used_where_there_is_no_venv(checkout: Path) -> None:
    put(checkout / "active" / "python", "active")
    assert said(checkout, f"{checkout / 'active'}:/usr/bin:/bin").stdout == "active -m a b\n"


def test_without_any_python_one_line_says_what_to_do(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for name in ("sh", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    ended = said(checkout, str(tools))
    assert ended.returncode == 1
    assert ended.stderr == "error: there is neither .venv nor an active Python; run make setup\n"
