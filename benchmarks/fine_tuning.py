"""Trains on event recordings, starting from weights trained on images: python -m benchmarks.fine_tuning

As with the authors' --fine_tune, all weights except those of the first convolution and the last layer are transferred,
and epochs start at 0. The networks are those of the study; images have the time steps of the recordings, so that BNTT
has a set of parameters for each. The baseline is the same training from initial weights, with the same seed and hence
the same order of samples.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from benchmarks import at_least_two, positive
from benchmarks.trained import accuracy_of, trained
from pipeline.data.store import Store
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.protocol import params
from pipeline.protocol.hardware import describe
from pipeline.report.study.grid import FINE_TUNING
from pipeline.train.checkpoints import Checkpoints
from pipeline.train.job import Job
from pipeline.train.state import State

IMAGES, EVENTS = "study-digits-double-time", "study-digits-dvs-base"
LEVEL = 0.95
ROUNDING = 1e-9
"""Tolerance (percentage points) within which differences of accuracies, which come from counts, are equal."""
NOT_TAKEN = ("stem.conv.", "readout.")
"""Prefixes of weights that are not transferred: the first convolution has other channels, the last layer other
classes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains, prints, writes the result. Raises InputError."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fine_tuning", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--seeds", type=at_least_two, default=3, help="trainings of each kind: seeds 0, 1, ...")
    parser.add_argument("--epochs", type=positive, nargs="+", default=[3, 12], help="on the recordings")
    parser.add_argument("--output", type=Path, default=paths.RESULTS / FINE_TUNING, help="file of the result")
    chosen = parser.parse_args(arguments)
    profile = params.load_params(paths.PROFILES / "study.yaml")
    with tempfile.TemporaryDirectory() as folder:
        weights = [of_images(profile, seed, Path(folder)) for seed in range(chosen.seeds)]
        rows = [compare(profile, epochs, weights, Path(folder)) for epochs in chosen.epochs]
    write_whole(chosen.output, json.dumps(described(profile) | {"rows": rows}, indent=1).encode() + b"\n")
    print(f"written to {chosen.output}")


def of_images(profile: params.Params, seed: int, runs: Path) -> dict[str, Tensor]:
    job = job_of(profile, IMAGES, seed, runs)
    weights = trained(job).state_dict()
    print(f"images, seed {seed}: {accuracy_of(job):.2f} %", flush=True)
    return weights


def compare(profile: params.Params, epochs: int, weights: Sequence[dict[str, Tensor]], runs: Path) -> dict[str, Any]:
    """Test accuracies (percent) by seed, from initial weights and from transferred ones, and their paired
    difference."""
    drawn, tuned = {}, {}
    for seed, taken in enumerate(weights):
        job = job_of(profile, EVENTS, seed, runs / "drawn", epochs)
        drawn[seed] = accuracy_of(job)
        tuned[seed] = accuracy_of(started(replace(job, runs=runs / "tuned"), taken))
        print(f"{epochs} epochs, seed {seed}: {drawn[seed]:.2f} % drawn, {tuned[seed]:.2f} % fine-tuned", flush=True)
    difference = paired_difference(list(tuned.values()), list(drawn.values()))
    return {"epochs": epochs, "drawn": drawn, "fine_tuned": tuned, "difference": difference}


def paired_difference(first: list[float], second: list[float]) -> dict[str, Any]:
    """Mean of first - second over the seeds (points) with Student's 95 % interval, null without spread."""
    from scipy.stats import ttest_1samp

    differences = [one - other for one, other in zip(first, second, strict=True)]
    low, high = None, None
    if max(differences) - min(differences) > ROUNDING:
        low, high = (float(end) for end in ttest_1samp(differences, 0.0).confidence_interval(LEVEL))
    seeds = list(range(len(differences)))
    return {"seeds": seeds, "mean": fmean(differences), "low": low, "high": high, "level": LEVEL}


def job_of(profile: params.Params, experiment: str, seed: int, runs: Path, epochs: int | None = None) -> Job:
    """A training of the study. Raises InputError if its data are not preprocessed."""
    chosen = profile.experiments[experiment]
    return Job(
        name=f"{experiment}-{seed}",
        network=chosen.model,
        training=replace(chosen.training, epochs=epochs or chosen.training.epochs),
        seed=seed,
        data=paths.arrow(chosen.dataset),
        runs=runs,
        checkpoint_seconds=3600,
        recompute="nothing",
    )


def started(job: Job, taken: dict[str, Tensor]) -> Job:
    """The training with an initial state that has the transferred weights; the others are drawn from its seed."""
    model = job.build()
    model.reset_parameters(torch.Generator().manual_seed(job.seed))
    kept = {name: value for name, value in taken.items() if not name.startswith(NOT_TAKEN)}
    with Checkpoints(job.checkpoint(), 0) as checkpoints:
        checkpoints.save(State(weights=model.state_dict() | kept))
    return job


def described(profile: params.Params) -> dict[str, Any]:
    """Data and settings of the figures."""
    (images, events) = (profile.experiments[name] for name in (IMAGES, EVENTS))
    seen, learned = Store(paths.arrow(images.dataset), "train"), Store(paths.arrow(events.dataset), "train")
    return {
        "images": seen.title,
        "image_samples": len(seen),
        "image_epochs": images.training.epochs,
        "events": learned.title,
        "train_samples": len(learned),
        "test_samples": len(Store(paths.arrow(events.dataset), "test")),
        "network": asdict(events.model),
        "machine": describe(torch.device("cpu")),
    }


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
