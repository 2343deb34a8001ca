"""How long the trainings of params.yaml will take on this machine, from steps that are measured now.

Every distinct network and batch does a few real training steps (pipeline/train/step.py) on random pixels of the data's
shape; the rest is multiplication.
"""

import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch

from models.config import NetworkConfig
from models.sresnet import Recompute
from pipeline.data.store import VERSION, Manifest, Row, Store, rows_digest, shard_name, write_manifest, write_shard
from pipeline.evaluate.evaluate import Task, evaluate
from pipeline.evaluate.evaluate import evaluate_on_ray as see_on_ray
from pipeline.ground import paths
from pipeline.ground.errors import InputError
from pipeline.ground.params import ClusterParams, DatasetParams
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import describe, keep_memory
from pipeline.protocol.params import ExperimentParams, Params
from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.export import export
from pipeline.train.job import Job
from pipeline.train.jobs import train_on_ray
from pipeline.train.progress import duration
from pipeline.train.state import State
from pipeline.train.step import step
from pipeline.train.training import begin

WARM, MEASURED = 1, 3
"""Steps before and in a measurement; the first one compiles."""
CAVEAT = (
    "Steps were measured in one process, with random pixels, while the machine did whatever else it did; several "
    "workers are taken to share a step's micro-batches evenly. Not in it: fetching, preprocessing, the steps of an "
    "evaluation, and scores of validation and test after an epoch. The start of Ray was measured once, for a training "
    "and an evaluation of next to nothing; `sresnet sweep` starts it once for all, and `python -m stages.alone` never."
)


class Data(NamedTuple):
    """What a training's time depends on."""

    samples: int
    """Of the training split."""
    shape: tuple[int, ...]
    """Of a sample: (C, H, W), or (T, 2, H, W)."""
    classes: int


PUBLISHED = {
    "digits": Data(1_442, (1, 32, 32), 10),
    "digits-dvs": Data(8, (2, 128, 128), 10),  # a recording of each class makes 8 to train, 2 to test
    "cifar10": Data(50_000, (3, 32, 32), 10),
    "cifar100": Data(50_000, (3, 32, 32), 100),
    "cifar10-dvs": Data(9_000, (2, 128, 128), 10),
    "cifar10-dvs-aedat4": Data(9_000, (2, 128, 128), 10),
    "nmnist": Data(60_000, (2, 34, 34), 10),
    "dvs-gesture": Data(1_077, (2, 128, 128), 11),
}
"""By catalog entry, for data that are not preprocessed yet; recordings without their frames."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The trainings of one experiment."""

    experiment: str
    runs: int
    steps: int
    """Of a run."""
    step_seconds: float
    workers: int

    @property
    def seconds(self) -> float:
        """Of a run."""
        return self.steps * self.step_seconds

    @property
    def total(self) -> float:
        return self.runs * self.seconds


Measure = Callable[[NetworkConfig, TrainingConfig, Data], float]


def plan(params: Params, measure: Measure | None = None) -> list[Planned]:
    """A row for each experiment that has runs, in their order. Raises InputError for data that are `unknown`."""
    measure = measure or partial(step_seconds, recompute=params.cluster.recompute)
    measured: dict[tuple[object, ...], float] = {}
    rows = []
    for name, experiment in params.experiments.items():
        runs = sum(run.experiment == name for run in params.runs.values())
        if not runs:
            continue
        data, training = data_of(experiment.dataset, params.datasets[experiment.dataset]), experiment.training
        key = (experiment.model, training.batch_size, training.micro_batches, training.threads, training.loss, data)
        if key not in measured:
            print(f"measuring {name}", file=sys.stderr)
            measured[key] = measure(experiment.model, training, data)
        rows.append(planned(name, experiment, runs, data, measured[key], params.cluster))
    return rows


def planned(
    name: str, experiment: ExperimentParams, runs: int, data: Data, seconds: float, cluster: ClusterParams
) -> Planned:
    """One row, of a step that took so many seconds in one process."""
    training = experiment.training
    samples = data.samples - data.samples * training.validation_percent // 100
    batches = samples / training.batch_size
    workers = workers_of(training, cluster)
    return Planned(
        experiment=name,
        runs=runs,
        steps=training.epochs * (math.floor(batches) if training.drop_last else math.ceil(batches)),
        step_seconds=seconds * math.ceil(training.micro_batches / workers) / training.micro_batches,
        workers=workers,
    )


def workers_of(training: TrainingConfig, cluster: ClusterParams) -> int:
    """As pipeline/cluster/session.py counts them on this machine."""
    fit = max(1, len(os.sched_getaffinity(0)) // cluster.cpus(training.threads))
    return min(training.micro_batches, fit if cluster.workers == "auto" else cluster.workers)


def unknown(params: Params) -> list[str]:
    """Datasets of the runs whose number and shape of samples only preprocessing tells, by name."""
    datasets = {run.dataset: params.datasets[run.dataset] for run in params.runs.values()}
    return [name for name, dataset in datasets.items() if not preprocessed(name) and published(dataset) is None]


def preprocessed(name: str) -> bool:
    return (paths.arrow(name) / "train.json").exists()


def published(dataset: DatasetParams) -> Data | None:
    """What its publisher says of it, unless it is the user's own."""
    return None if dataset.download.altered else PUBLISHED.get(dataset.download.catalog)


def data_of(name: str, dataset: DatasetParams) -> Data:
    """From the preprocessed data if there are any, else from what is published. Raises InputError."""
    if preprocessed(name):
        store = Store(paths.arrow(name), "train")
        return Data(len(store), store.sample_shape, len(store.classes))
    entry = published(dataset)
    if entry is None:
        raise InputError(
            f"datasets.{name}: how many samples of which shape is not known before it is preprocessed; "
            f"run `dvc repro preprocess@{name}` first"
        )
    camera = dataset.download.camera
    entry = entry._replace(samples=entry.samples * (camera.recordings_per_class if camera else 1))
    frames, size = dataset.preprocess.frames, dataset.preprocess.size
    return entry if frames is None or size is None else entry._replace(shape=(frames, 2, size, size))


def step_seconds(network: NetworkConfig, training: TrainingConfig, data: Data, recompute: Recompute) -> float:
    """Of one optimizer step over all micro-batches, in this process: the median of a few."""
    keep_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(training.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_noise(Path(folder), data, training.batch_size)
            once = timed_step(network, training, Path(folder), recompute)
            return statistics.median([once() for _ in range(WARM + MEASURED)][WARM:])
    finally:
        torch.set_num_threads(threads)


def timed_step(
    network: NetworkConfig, training: TrainingConfig, folder: Path, recompute: Recompute
) -> Callable[[], float]:
    """A training step on the first batch of the split in `folder`, to be repeated; each call gives its seconds."""
    job = job_on(folder, network, training, recompute)
    made = begin(job, Alone(), torch.device("cpu"), State())
    batch = epoch_batches(made.samples, job.training, 0, 0)[0]

    def once() -> float:
        start = time.perf_counter()
        step(made, batch)
        return time.perf_counter() - start

    return once


def job_on(folder: Path, network: NetworkConfig, training: TrainingConfig, recompute: Recompute) -> Job:
    """A training of all samples in `folder`, which gets its states too."""
    return Job(
        name="plan",
        network=network,
        training=replace(training, selection="last", validation_percent=0, test_each_epoch=False, drop_last=False),
        seed=0,
        data=folder,
        runs=folder,
        checkpoint_seconds=60,
        recompute=recompute,
    )


def start_seconds(params: Params) -> float:
    """What a training and its evaluation take beside their steps: next to nothing is done by both, on Ray as always."""
    experiment = next(iter(params.experiments.values()))
    training = replace(
        experiment.training, epochs=1, batch_size=2 * experiment.training.micro_batches, pixel_mean=(), pixel_std=()
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split in ("train", "test"):
            write_noise(folder, Data(training.batch_size, (1, 16, 16), 2), training.batch_size, split)
        job = job_on(folder, replace(experiment.model, blocks=1, width=2, time_steps=1), training, "nothing")
        began = time.perf_counter()
        train_on_ray(params.cluster)(job)
        export(job, "plan", "noise", folder / "plan")
        task = Task(model=folder / "plan" / "model.safetensors", data=folder, training=training, seed=0)
        evaluate(task, see_on_ray(params.cluster), "plan")
        return time.perf_counter() - began


def write_noise(folder: Path, data: Data, samples: int, split: Literal["train", "test"] = "train") -> None:
    """A split of one sample of random pixels, repeated."""
    kind: Literal["images", "frames"] = "images" if len(data.shape) == 3 else "frames"
    drawn = np.random.default_rng(0).integers(0, 256, data.shape, dtype=np.uint8)
    made = [Row(id=f"{i:07}", label=i % data.classes, pixels=drawn, source_sha256="0" * 64) for i in range(samples)]
    write_shard(made, folder / shard_name(split, 0, 1), kind, "zstd", {})
    manifest = Manifest(
        version=VERSION,
        dataset="noise",
        title="noise",
        note=None,
        licence="made",
        citation="made",
        published=False,
        kind=kind,
        split=split,
        split_rule="none",
        framing_rule=None,
        scale=1 / 255,
        classes=[str(label) for label in range(data.classes)],
        sample_shape=list(data.shape),
        shards=1,
        rows=samples,
        rows_per_class=np.bincount([row.label for row in made]).tolist(),
        digest=rows_digest(["noise"]),
    )
    write_manifest(manifest, folder)


def table(rows: list[Planned], start: float) -> str:
    """A line an experiment, one for so many seconds of Ray's start a run, the sum, the caveat."""
    form = "{:<36}{:>6}{:>10}{:>10}{:>12}{:>12}"
    lines = [form.format("experiment", "runs", "steps", "ms/step", "a run", "all")]
    for row in rows:
        numbers = row.runs, row.steps, f"{1e3 * row.step_seconds:.0f}", duration(row.seconds), duration(row.total)
        lines.append(form.format(row.experiment, *numbers))
    runs = sum(row.runs for row in rows)
    seconds = sum(row.total for row in rows) + runs * start
    lines.append(form.format("the start of Ray", runs, "", "", duration(start), duration(runs * start)))
    lines += [form.format("all", runs, "", "", "", duration(seconds)), describe(torch.device("cpu")), CAVEAT]
    return "\n".join(lines)
