"""The effect of bfloat16: spikes that flip on real images, and the accuracy of a small network.

python -m benchmarks.precision

Accuracies are paired: a seed gives the same initial weights and order of samples in both precisions.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from benchmarks import at_least_two, positive
from benchmarks.forms import S_RESNET38
from benchmarks.trained import accuracy_of, trained
from models.config import NetworkConfig
from models.sresnet import SResNet
from pipeline.authors.compare import by_step, compare, first_flip, flip_table, flip_text, in_precision, rate
from pipeline.data.store import Store
from pipeline.download.fetch import fetch
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.paths import PROFILES, RESULTS
from pipeline.preprocess.preprocess import preprocess
from pipeline.protocol import params
from pipeline.protocol.hardware import describe
from pipeline.protocol.inputs import prepare
from pipeline.train.job import Job

DATASET = "digits"
CPU = torch.device("cpu")
Precision = Literal["float32", "bfloat16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
DEEP = replace(S_RESNET38, time_steps=10)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result."""
    settings = parse(arguments)
    profile, given = params.load_params(PROFILES / "quick.yaml"), [images_of(folder) for folder in settings.images]
    torch.set_num_threads(settings.threads)
    with tempfile.TemporaryDirectory() as name:
        jobs = Jobs(Path(name), profile, settings.epochs)
        accuracy = accuracies(jobs, settings.seeds)
        print(shown(accuracy), flush=True)
        flips = trained_flips(jobs, settings.batch)
        for store in (images_of(jobs.data), *given):
            flips |= drawn_flips(store, jobs.experiment.model, settings.batch)
    result = {"accuracy": accuracy, "flips": flips} | circumstances(settings)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision",
        description="Compares bfloat16 with float32: spikes on real images, and accuracy after training on the digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    folders = "folders of Arrow shards whose test images are compared beside the digits"
    parser.add_argument("--images", type=Path, nargs="+", default=[], help=folders)
    parser.add_argument("--batch", type=positive, default=16, help="images")
    parser.add_argument("--seeds", type=at_least_two, default=5, help="trainings of each precision: seeds 0, 1, ...")
    parser.add_argument("--epochs", type=positive, help="of a training; else as in the profile quick")
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-precision.json", help="file of the result")
    return parser.parse_args(arguments)


class Jobs:
    """Trainings of the profile quick on the digits, by seed and precision, in a folder."""

    def __init__(self, folder: Path, profile: params.Params, epochs: int | None) -> None:
        self.folder, self.experiment = folder, profile.experiments[DATASET]
        self.training = replace(self.experiment.training, epochs=epochs or self.experiment.training.epochs)
        self.data = make_digits(folder, profile)

    def of(self, precision: Precision, seed: int) -> Job:
        return Job(
            name=f"{DATASET}-{precision}-{seed}",
            network=replace(self.experiment.model, precision=precision),
            training=self.training,
            seed=seed,
            data=self.data,
            runs=self.folder / "runs",
            checkpoint_seconds=3600,
            recompute="nothing",
        )


def make_digits(folder: Path, profile: params.Params) -> Path:
    """Arrow shards of the embedded digits, made like the profile's stages."""
    dataset, raw, arrow = profile.datasets[DATASET], folder / "raw", folder / "arrow"
    raw.mkdir()
    fetch(DATASET, dataset.download, raw)
    preprocess(DATASET, raw, dataset.preprocess, profile.cluster, arrow, folder / "work")
    return arrow


def accuracies(jobs: Jobs, seeds: int) -> dict[str, Any]:
    """Test accuracy (percent) of each seed in both precisions, and their differences, bfloat16 minus float32."""
    percent: dict[Precision, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in range(seeds):
        for precision in PRECISIONS:
            percent[precision].append(accuracy_of(jobs.of(precision, seed)))
            print(f"{DATASET}, seed {seed}, {precision}: {percent[precision][-1]:.2f} %", flush=True)
    differences = [b - a for a, b in zip(*percent.values(), strict=True)]
    low, high = paired_interval(differences)
    return {
        "data": Store(jobs.data, "test").title,
        "epochs": jobs.training.epochs,
        "seeds": list(range(seeds)),
        "test_samples": len(Store(jobs.data, "test")),
        "percent": percent,
        "difference": {"mean": statistics.fmean(differences), "low": low, "high": high, "each": differences},
    }


def paired_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Student's 95 % interval of the mean difference, from at least two."""
    mean, count = statistics.fmean(differences), len(differences)
    reach = float(stats.t.ppf(0.975, count - 1)) * statistics.stdev(differences) / math.sqrt(count)
    return mean - reach, mean + reach


def shown(accuracy: Any) -> str:
    """The table of accuracies."""
    lines = [f"{'seed':<6}{'float32':>10}{'bfloat16':>10}{'difference':>12}"]
    rows = zip(accuracy["seeds"], *accuracy["percent"].values(), accuracy["difference"]["each"], strict=True)
    lines += [f"{seed:<6}{single:>10.2f}{half:>10.2f}{difference:>+12.2f}" for seed, single, half, difference in rows]
    difference = accuracy["difference"]
    interval = f"{difference['mean']:+.2f} points, 95 % interval {difference['low']:+.2f} to {difference['high']:+.2f}"
    return "\n".join(
        [*lines, f"mean difference {interval}, n = {len(accuracy['seeds'])}, {accuracy['test_samples']} test samples"]
    )


def trained_flips(jobs: Jobs, batch: int) -> dict[str, Any]:
    """Flips of the network trained in float32 with seed 0, with its running statistics."""
    store = Store(jobs.data, "test")
    images = prepare(spread(store, batch), store.scale, jobs.training, CPU)
    name = f"{store.title}, n = {jobs.experiment.model.blocks}, trained"
    return {name: flip_rates(name, trained(jobs.of("float32", 0)).eval(), images)}


def drawn_flips(store: Store, small: NetworkConfig, batch: int) -> dict[str, Any]:
    """Flips of networks with initial weights, which normalize by the statistics of the batch.

    Images are standardized by their own mean and deviation per channel.
    """
    images = torch.from_numpy(spread(store, batch)).float() * store.scale
    deviation, mean = torch.std_mean(images, (0, 2, 3), keepdim=True)
    found = {}
    for config in (small, DEEP):
        name = f"{store.title}, n = {config.blocks}, {config.width} filters, T = {config.time_steps}, drawn"
        found[name] = flip_rates(name, drawn(config, store), (images - mean) / deviation)
    return found


def spread(store: Store, batch: int) -> np.ndarray:
    """Pixels of samples at equal distances in the split, so that all classes are included."""
    return store.read(np.linspace(0, len(store) - 1, min(batch, len(store))).astype(np.int64))


def images_of(folder: Path) -> Store:
    """The test split. Raises InputError if it is missing or has no images."""
    store = Store(folder, "test")
    if store.kind != "images":
        raise InputError(f"{folder}: {store.title} holds {store.kind}; expected images")
    return store


def drawn(config: NetworkConfig, store: Store) -> SResNet:
    """A network for these images with initial weights, in training mode, so that it uses the batch's statistics."""
    channels, height, width = store.sample_shape
    model = SResNet(config, input_shape=(channels, height, width), classes=len(store.classes), frames=False)
    model.reset_parameters(torch.Generator().manual_seed(0))
    return model


def flip_rates(name: str, model: SResNet, images: Tensor) -> dict[str, Any]:
    """Flips of bfloat16 against float32."""
    found = compare(in_precision(model, "float32"), in_precision(model, "bfloat16"), images)
    print(f"\n{name}, {len(images)} images\n{flip_table(found)}", flush=True)
    return {
        "network": asdict(model.config),
        "batch": len(images),
        "rate_alone": rate(found.alone),
        "rate_free": rate(found.free),
        "first_flip": flip_text(first_flip(found.free)),
        "flips_by_step": {"alone": by_step(found.alone), "free": by_step(found.free)},
        "layers": {
            alone.layer: {"alone": alone.rate, "free": free.rate, "greatest_margin": alone.greatest_margin}
            for alone, free in zip(found.alone, found.free, strict=True)
        },
    }


def circumstances(settings: argparse.Namespace) -> dict[str, object]:
    """Settings and versions that the figures depend on."""
    return {"machine": describe(CPU), "cpus": os.cpu_count(), "threads": settings.threads}


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
