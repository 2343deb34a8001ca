"""Compares `sresnet sweep` with serial `dvc repro`: python -m benchmarks.sweep

Two experiments with two seeds each on scikit-learn's digits, with one worker and one thread per training, in two copies
of the repository with preprocessed data and compiled kernels. Both must end with the same dvc.lock.
Throughput is measured from the start of the command to the end of the last evaluation. The whole command also writes
the report.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from ruamel.yaml import YAML

from benchmarks import positive
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import PROFILES, RESULTS, ROOT
from pipeline.ground.yaml_file import read_yaml
from pipeline.protocol.hardware import describe
from pipeline.protocol.params import load_params
from pipeline.report.study.grid import FINE_TUNING, ROBUSTNESS, SECONDS

CODE = ("models", "pipeline", "stages", "paper", ".dvc")
STUDY = ("profiles/study.yaml", *(f"results/{name}" for name in (SECONDS, ROBUSTNESS, FINE_TUNING)))
"""Dependencies of the report apart from its code."""
SEEDS = (0, 1)
RATES = {"digits": 0.3, "digits-slower": 0.1}
"""Learning rate of each experiment."""
TARGET = 1.7
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": ".",
    "DVC_NO_ANALYTICS": "1",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result. Raises InputError."""
    settings = parse(arguments)
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        prepared = Path(temporary) / "prepared"
        prepare(prepared, parameters(1), parameters(settings.epochs))
        ways = {"serial": ["dvc", "repro"], "sweep": [sys.executable, "-m", "pipeline.cli.command_line", "sweep"]}
        measured = {way: timed(prepared, Path(temporary) / way, command) for way, command in ways.items()}
        locks = [read_yaml(Path(temporary) / way / "dvc.lock") for way in ways]
    if locks[0] != locks[1]:
        raise InputError("dvc.lock is not the same after `dvc repro` and after `sresnet sweep`")
    result = {
        "runs": len(SEEDS) * len(RATES),
        "epochs": settings.epochs,
        "machine": describe(torch.device("cpu")),
        "cpus": os.cpu_count(),
        "load_before": load_before,
        **measured,
        "times_throughput": measured["serial"]["runs_seconds"] / measured["sweep"]["runs_seconds"],
        "times_throughput_with_report": measured["serial"]["seconds"] / measured["sweep"]["seconds"],
        "target": TARGET,
        "same_dvc_lock": True,
    }
    print(described(result))
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep",
        description="Times `sresnet sweep` and serial `dvc repro` on four short trainings.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=positive, default=12, help="of each training")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-sweep.json", help="file of the result")
    return parser.parse_args(arguments)


def prepare(folder: Path, short: str, params: str) -> None:
    """Makes a copy of the repository in which everything that is not measured is already done.

    `short` is the params.yaml of shorter trainings, the first of which compiles the kernels, `params` what is measured.
    """
    copy_repository(folder, short)
    first = next(iter(load_params(folder / "params.yaml").runs))
    execute(folder, ["dvc", "repro", "preprocess@digits"])
    for stage in ("train", "evaluate"):
        execute(folder, [sys.executable, "-m", f"stages.{stage}", first])
    for made in ("runs", "artifacts", "records", "results"):
        shutil.rmtree(folder / made)
    (folder / "params.yaml").write_text(params, encoding="utf-8")


def copy_repository(folder: Path, params: str) -> None:
    """Copies code and pipeline without git and results, with the compiled kernels."""
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc", "cache", "tmp"))
    for name in ("dvc.yaml", ".dvcignore", "CITATION.cff", "requirements.lock", *STUDY):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    config = folder / ".dvc" / "config"
    config.write_text(
        config.read_text(encoding="utf-8").replace("[core]", "[core]\n    no_scm = true"), encoding="utf-8"
    )


def parameters(
    epochs: int, rates: Mapping[str, float] = RATES, seeds: Sequence[int] = SEEDS, validation_percent: int = 0
) -> str:
    """params.yaml of the benchmark, from the profile quick; `rates` are the learning rates of its experiments."""
    yaml = YAML(typ="safe")
    content = yaml.load((PROFILES / "quick.yaml").read_text(encoding="utf-8"))
    digits = content["experiments"]["digits"]
    training = {"epochs": epochs, "threads": 1, "validation_percent": validation_percent}
    content["datasets"] = {"digits": content["datasets"]["digits"]}
    content["experiments"] = {
        name: deepcopy(digits | {"training": digits["training"] | training | {"learning_rate": rate}})
        for name, rate in rates.items()
    }
    content["runs"] = {
        f"{name}-{seed}": {"experiment": name, "dataset": "digits", "seed": seed} for name in rates for seed in seeds
    }
    content["cluster"]["workers"] = 1
    text = io.StringIO()
    yaml.dump(content, text)
    return text.getvalue()


def timed(prepared: Path, folder: Path, command: Sequence[str]) -> dict[str, float]:
    """Seconds of the command in a copy of the prepared repository, and where a run's time goes."""
    shutil.copytree(prepared, folder)
    start = time.time()
    execute(folder, command)
    whole = time.time() - start
    stages = folder / "runs" / "stages"
    return {
        "seconds": whole,
        "runs_seconds": max(path.stat().st_mtime for path in stages.glob("evaluate@*.json")) - start,
        "train_stage_seconds": mean_seconds(stages, "train"),
        "training_seconds": fmean(training_seconds(log) for log in folder.glob("runs/*/metrics.jsonl")),
        "evaluate_stage_seconds": mean_seconds(stages, "evaluate"),
    }


def mean_seconds(stages: Path, stage: str) -> float:
    """Mean seconds of a stage's main function, without the interpreter's start."""
    return fmean(json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in stages.glob(f"{stage}@*.json"))


def training_seconds(log: Path) -> float:
    """Seconds from when a worker begins to its last report."""
    return log.stat().st_mtime - log.with_name("platforms.txt").stat().st_mtime


def execute(folder: Path, command: Sequence[str]) -> None:
    """Runs a command. Raises InputError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{' '.join(command)} failed: {(done.stdout + done.stderr)[-2000:]}")


def described(result: dict[str, Any]) -> str:
    lines = [f"{way}: {spent(result[way])}" for way in ("serial", "sweep")]
    reached = "reached" if result["times_throughput"] >= TARGET else "missed"
    return "\n".join([*lines, f"{result['times_throughput']:.2f} times the throughput; {TARGET} is {reached}"])


def spent(seconds: dict[str, float]) -> str:
    whole = f"{seconds['runs_seconds']:.1f} s for all runs, {seconds['seconds']:.1f} s with the report"
    training = f"{seconds['train_stage_seconds']:.1f} s ({seconds['training_seconds']:.1f} s of training)"
    return f"{whole}; of a run: stage train {training}, stage evaluate {seconds['evaluate_stage_seconds']:.1f} s"


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
