"""Compares `sresnet sweep --halving` with `sresnet sweep`: python -m benchmarks.halving

Eight learning rates on scikit-learn's digits, a tenth of whose training samples validate, in two copies of the
repository with preprocessed data and compiled kernels. The sweep is timed up to its last evaluation. The weights that
halving chose must have the bits of those that the sweep trained. Ray Tune's ASHA decides on the histories of the sweep,
in two orders of the same experiments.
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from benchmarks import positive
from benchmarks.sweep import ENVIRONMENT, execute, parameters, prepare, timed
from pipeline.ground.errors import InputError
from pipeline.ground.files import sha256, write_whole
from pipeline.ground.paths import RESULTS
from pipeline.protocol.hardware import describe

RATES = {f"rate-{rate:g}".replace(".", "-"): rate for rate in (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.6, 1.0)}
"""Learning rate of each experiment."""
SWEEP = [sys.executable, "-m", "pipeline.cli.command_line", "sweep"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result. Raises InputError."""
    settings = parse(arguments)
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        prepared, halved, swept = (Path(temporary) / name for name in ("prepared", "halved", "swept"))
        short, params = (parameters(epochs, RATES, (0,), 10) for epochs in (1, settings.epochs))
        prepare(prepared, short, params)
        subprocess.run(["cp", "-r", prepared, halved], check=True)
        halving = halve_there(halved)
        sweep = timed(prepared, swept, SWEEP)
        accuracies = {name: validation(swept, name) for name in RATES}
        best = max(RATES, key=lambda name: accuracies[name][-1])
        chosen = halving["chosen"]
        execute(halved, ["dvc", "repro", f"evaluate@{chosen}-0"])
        models = [sha256(folder / f"artifacts/{chosen}/0/model.safetensors") for folder in (halved, swept)]
    result = {
        "epochs": settings.epochs,
        "machine": describe(torch.device("cpu")),
        "cpus": os.cpu_count(),
        "load_before": load_before,
        "halving": halving,
        "sweep": {"seconds": sweep["runs_seconds"], "best": best},
        "share_of_seconds": halving["seconds"] / sweep["runs_seconds"],
        "validation_accuracy": {name: found[-1] for name, found in accuracies.items()},
        "same_weights": models[0] == models[1],
        "asha": {
            "in order": asha(accuracies),
            "reversed": asha(dict(reversed(accuracies.items()))),
        },
    }
    print(json.dumps(result, indent=2))
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.halving",
        description="Times `sresnet sweep --halving` and `sresnet sweep` on eight learning rates.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=positive, default=8, help="of a whole training")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-halving.json", help="file of the result")
    return parser.parse_args(arguments)


def halve_there(folder: Path) -> dict[str, Any]:
    """Seconds, epochs and the choice of `sresnet sweep --halving` in that folder. Raises InputError."""
    began = time.monotonic()
    done = subprocess.run(
        [*SWEEP, "--halving"], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    found = re.search(r"^next: dvc repro evaluate@(\S+)-0 ", done.stdout, re.MULTILINE)
    left = re.search(r"^(\d+) of (\d+) epochs were not trained", done.stdout, re.MULTILINE)
    if done.returncode or not found or not left:
        raise InputError(f"sresnet sweep --halving failed: {(done.stdout + done.stderr)[-2000:]}")
    return {
        "seconds": seconds,
        "epochs": int(left[2]) - int(left[1]),
        "epochs_of_all": int(left[2]),
        "chosen": found[1],
        "rungs": re.findall(r"^after epoch .*", done.stdout, re.MULTILINE),
    }


def validation(folder: Path, experiment: str) -> list[float]:
    """Percent of the validation split that is right after each epoch."""
    with (folder / f"artifacts/{experiment}/0/history.csv").open(encoding="utf-8") as file:
        return [float(row["validation_accuracy"]) for row in csv.DictReader(file)]


def asha(accuracies: Mapping[str, Sequence[float]], places: int = 2) -> dict[str, int]:
    """Epochs after which Ray Tune's ASHA ends each experiment; `places` are trained at a time, at one speed."""
    epochs = len(next(iter(accuracies.values())))
    scheduler: Any = ASHAScheduler(
        metric="accuracy", mode="max", max_t=epochs, grace_period=1, reduction_factor=2, brackets=1
    )
    waiting, running, ended = list(accuracies), dict[str, int](), dict[str, int]()
    while waiting or running:
        for name in [waiting.pop(0) for _ in range(min(places - len(running), len(waiting)))]:
            scheduler.on_trial_add(None, SimpleNamespace(trial_id=name))
            running[name] = 0
        for name in list(running):
            running[name] += 1
            said = {"training_iteration": running[name], "accuracy": accuracies[name][running[name] - 1]}
            answer = scheduler.on_trial_result(None, SimpleNamespace(trial_id=name), said)
            if answer == TrialScheduler.STOP or running[name] == epochs:
                ended[name] = running.pop(name)
    return ended


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
