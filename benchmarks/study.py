"""Time of a training step of each part of the study relative to its dataset's base: python -m benchmarks.study

Base and part take turns on the same random pixels with the data's shape, in one process with the profile's threads.
Other processes slow both, though not by the same factor: the load is recorded.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import positive
from pipeline.cli.split_sizes import split_size, unknown_sizes
from pipeline.cli.step_time import timed_step, write_noise
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import PROFILES, RESULTS
from pipeline.protocol import params
from pipeline.protocol.hardware import describe, keep_memory
from pipeline.protocol.params import ExperimentParams, Params
from pipeline.report.study.grid import BASE, PREFIX, SECONDS

Once = Callable[[], float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result. Raises InputError."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=positive, default=5, help="measurements of each, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / SECONDS, help="file of the result")
    chosen = parser.parse_args(arguments)
    profile, load = with_your_sources(params.load_params(PROFILES / "study.yaml")), os.getloadavg()[0]
    left_out = unknown_sizes(profile)
    if left_out:
        print(f"left out, since they are not preprocessed: {', '.join(left_out)}", flush=True)
    measured = {name: of_dataset(name, profile, chosen.rounds) for name in profile.datasets if name not in left_out}
    result = {
        "datasets": measured,
        "rounds": chosen.rounds,
        "load_before": load,
        "machine": describe(torch.device("cpu")),
    }
    write_whole(chosen.output, json.dumps(result, indent=1).encode() + b"\n")
    print(f"written to {chosen.output}")


def with_your_sources(profile: Params) -> Params:
    """The profile with the datasets of params.yaml, which say where the data are that were preprocessed."""
    yours = params.load_params().datasets
    return profile.model_copy(
        update={"datasets": {name: yours.get(name, one) for name, one in profile.datasets.items()}}
    )


def of_dataset(dataset: str, profile: Params, rounds: int) -> dict[str, Any]:
    """Milliseconds of the base's step, and each part's ratio to it."""
    prefix = f"{PREFIX}{dataset}-"
    parts = {name.removeprefix(prefix): one for name, one in profile.experiments.items() if one.dataset == dataset}
    base = parts.pop(BASE)
    keep_memory()
    torch.set_num_threads(base.training.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_noise(folder, split_size(dataset, profile.datasets[dataset]), base.training.batch_size)
        seconds, ratios = ratios_to_base(step_of(base, folder), parts, folder, rounds)
    return {"batch_size": base.training.batch_size, "base_ms": 1e3 * statistics.median(seconds), "ratios": ratios}


def ratios_to_base(
    base: Once, parts: Mapping[str, ExperimentParams], folder: Path, rounds: int
) -> tuple[list[float], dict[str, dict[str, float]]]:
    """The base's seconds in all rounds, and each part's ratio to it."""
    base()
    seconds: list[float] = []
    ratios: dict[str, dict[str, float]] = {}
    for name, part in parts.items():
        once = step_of(part, folder)
        once()
        pairs = [(base(), once()) for _ in range(rounds)]
        each = [mine / theirs for theirs, mine in pairs]
        seconds += [theirs for theirs, _ in pairs]
        ratios[name] = {"median": statistics.median(each), "low": min(each), "high": max(each)}
        print(f"{name}: {ratios[name]['median']:.2f} times the base", flush=True)
    return seconds, ratios


def step_of(experiment: ExperimentParams, folder: Path) -> Once:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the warning about the loop over time, whose cost is measured here
        return timed_step(experiment.model, experiment.training, folder, "nothing")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
