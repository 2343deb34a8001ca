"""A copy of this checkout with one short training, and functions that run and print commands in it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from pipeline.ground.paths import ROOT

ROOMS = ("models", "pipeline", "stages", "paper", "profiles", "results")

PATIENCE = {
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    "RAY_worker_niceness": "0",
}
"""Seconds for processes to start where several hosts share two cores, and no less of a core for Ray's workers."""


def copy(into: Path, *, epochs: int, micro_batches: int, cluster: Mapping[str, Any]) -> None:
    """The checkout as it is, committed or not, with the digits alone, and DVC that knows no git."""
    for name in ROOMS:
        shutil.copytree(ROOT / name, into / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvcignore", "CITATION.cff", "requirements.lock", "pyproject.toml", "Makefile"):
        shutil.copy2(ROOT / name, into)  # with its time, from which make sees that .venv is up to date
    (into / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (into / ".dvc").mkdir()
    (into / ".dvc" / "config").write_text(
        "[core]\n    analytics = false\n    check_update = false\n    no_scm = true\n"
    )
    yaml = YAML(typ="safe")
    params = yaml.load((ROOT / "profiles" / "quick.yaml").read_text(encoding="utf-8"))
    for part in ("datasets", "experiments", "runs"):
        params[part] = {name: value for name, value in params[part].items() if name in ("digits", "digits-0")}
    params["experiments"]["digits"]["model"] |= {"width": 2, "time_steps": 2}
    params["experiments"]["digits"]["training"] |= {"epochs": epochs, "micro_batches": micro_batches}
    write_cluster(into, params, cluster)


class Cluster(Protocol):
    """A running Ray, and the checkout in which its driver works."""

    checkout: Path

    def run(self, command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        """A command's end, run in the checkout where the driver runs."""


def write_cluster(folder: Path, params: dict[str, Any], cluster: Mapping[str, Any]) -> None:
    params["cluster"] |= cluster
    # JSON is YAML
    (folder / "params.yaml").write_text(json.dumps(params, indent=1), encoding="utf-8")


def set_cluster(folder: Path, **cluster: Any) -> None:
    """Changes the cluster block of a copy's params.yaml."""
    write_cluster(folder, json.loads((folder / "params.yaml").read_text(encoding="utf-8")), cluster)


def surroundings(**more: str) -> dict[str, str]:
    """For commands in a copy: its own packages before the installed ones."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, **PATIENCE, "PATH": path, "PYTHONPATH": ".", "DVC_NO_ANALYTICS": "1", **more}


def run(folder: Path, *command: str, **more: str) -> str:
    """What a command says; ends the walk if it fails."""
    say(f"$ {' '.join(command)}")
    start = time.monotonic()
    ended = subprocess.run(
        command,
        cwd=folder,
        env=surroundings(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        sys.exit(f"{ended.stdout}\nfailed with {ended.returncode}: {' '.join(command)}")
    say(f"  {ended.stdout.strip().splitlines()[-1] if ended.stdout.strip() else ''} ({time.monotonic() - start:.0f} s)")
    return ended.stdout


def say(text: str) -> None:
    print(text, flush=True)


def expect(holds: bool, what: str) -> None:
    """Ends the walk if something does not hold, else says it."""
    if not holds:
        sys.exit(f"does not hold: {what}")
    say(f"ok: {what}")


def wipe(folder: Path, *names: str) -> None:
    for name in names:
        shutil.rmtree(folder / name, ignore_errors=True)
