"""Wall time from a command to its first step, and to its end: python -m benchmarks.start

Measured in copies of this checkout, in turns with two programs that only import `torch` or `ray.train.torch`; the
latter is the minimum for a training with Ray Train. Data and compiled kernels already exist. Seconds of wall time; the
machine's load is recorded.
"""

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from ruamel.yaml import YAML

from benchmarks import positive
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS, ROOT
from pipeline.protocol.hardware import describe

TRAIN, EVALUATE = (("-m", f"stages.{stage}", "digits-0") for stage in ("train", "evaluate"))
SRESNET = ("-m", "pipeline.cli.command_line")
BEGINS = "starts with"
"""The training's log contains this before the first step."""


def main(arguments: Sequence[str] | None = None) -> None:
    settings, load = parse(arguments), os.getloadavg()[0]
    with TemporaryDirectory(prefix="start-") as name:
        folder = Path(name) / "copy"
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
        subprocess.run(["make", "--silent", "setup"], cwd=folder, check=True)
        seconds = whole(folder) | in_turns(parts(folder), settings.rounds)
    shown = {part: f"{median(times):.1f} s" for part, times in seconds.items()}
    print("\n".join(f"{part:<44}{text}" for part, text in shown.items()))
    about = {"machine": describe(torch.device("cpu")), "cpus": os.cpu_count(), "load_before": load}
    write_whole(settings.output, json.dumps({"seconds": seconds} | about, indent=2).encode() + b"\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description="From a command to its first step.")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-start.json")
    return parser.parse_args(arguments)


def whole(folder: Path) -> dict[str, list[float]]:
    """The pipeline on a new clone after the installation, and again with nothing to do."""
    return {name: [timed(folder, "make", "repro")] for name in ("make repro", "second make repro")}


def parts(folder: Path) -> dict[str, Callable[[], float]]:
    """The measurements that take turns, in a copy where the pipeline has run."""
    return {
        "import torch": lambda: python(folder, "-c", "import torch"),
        "import ray.train.torch": lambda: python(folder, "-c", "import ray.train.torch"),
        "train@digits-0 until its first step begins": lambda: first_step(folder, "auto"),
        "the same, two workers on Ray": lambda: first_step(folder, 2),
        "train@digits-0, finished before": lambda: python(folder, *TRAIN),
        "evaluate@digits-0": lambda: python(folder, *EVALUATE),
        "sresnet --help": lambda: python(folder, *SRESNET, "--help"),
        "sresnet check": lambda: python(folder, *SRESNET, "check"),
        "sresnet verify": lambda: python(folder, *SRESNET, "verify", "report"),
    }


def in_turns(measures: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            times[name].append(measure())
    return times


def python(folder: Path, *words: str) -> float:
    return timed(folder, str(folder / ".venv" / "bin" / "python"), *words)


def timed(folder: Path, *command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 2)


def first_step(folder: Path, workers: int | str) -> float:
    """Seconds until the training logs that it starts; then it is ended.

    Existing checkpoints are moved away meanwhile.
    """
    (kept,) = (folder / "runs").glob("digits-0-*")
    away = kept.rename(folder / "runs" / "away")
    set_workers(folder, workers)
    began, command = time.perf_counter(), [str(folder / ".venv" / "bin" / "python"), *TRAIN]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next((line for line in process.stdout if BEGINS in line), None)
        seconds = round(time.perf_counter() - began, 2)
        process.terminate()
    assert line is not None, "the training ended without a word"
    shutil.rmtree(kept)
    away.rename(kept)
    set_workers(folder, "auto")
    return seconds


def set_workers(folder: Path, workers: int | str) -> None:
    path, yaml = folder / "params.yaml", YAML()
    content: Any = yaml.load(path)
    content["cluster"]["workers"] = workers
    yaml.dump(content, path)


if __name__ == "__main__":
    main()
