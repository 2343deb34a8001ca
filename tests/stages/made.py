"""A copy of the repository in a folder of its own, with DVC but without git, and commands that run in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipeline.paths import ROOT

ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": ".",
    "DVC_NO_ANALYTICS": "1",
}


def copy_repository(folder: Path, params: str) -> None:
    """The code and the pipeline, nothing computed."""
    for name in ("models", "pipeline", "stages", "paper", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc", "cache", "tmp"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    config = folder / ".dvc" / "config"
    config.write_text(
        config.read_text(encoding="utf-8").replace("[core]", "[core]\n    no_scm = true"), encoding="utf-8"
    )


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )


def start(folder: Path, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
