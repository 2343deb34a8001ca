"""Commands that run in a copy of the repository."""

import subprocess
from pathlib import Path

from benchmarks.sweep import ENVIRONMENT


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=600, check=False
    )


def start(folder: Path, *command: str, **more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
