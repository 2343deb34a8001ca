"""Measures the seconds of a training step on this machine.

Steps are real training steps (pipeline/train/step.py) on random pixels of the data's shape.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from models.config import NetworkConfig
from models.sresnet import Recompute
from pipeline.cli.split_sizes import SplitSize
from pipeline.data.store import VERSION, Manifest, Row, rows_digest, shard_name, write_manifest, write_shard
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.reduce import Alone
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.job import Job
from pipeline.train.state import State
from pipeline.train.step import step
from pipeline.train.training import begin

_MEASURED = 3
"""Most steps of a measurement. One step before it compiles kernels."""
_ENOUGH_SECONDS = 5.0
"""A measurement ends early after this time."""


def step_seconds(network: NetworkConfig, training: TrainingConfig, data: SplitSize, recompute: Recompute) -> float:
    """Median seconds of one optimizer step over all micro-batches, in this process."""
    keep_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(training.threads)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_noise(Path(folder), data, training.batch_size)
            once = timed_step(network, training, Path(folder), recompute)
            once()
            return _median(once)
    finally:
        torch.set_num_threads(threads)


def _median(once: Callable[[], float]) -> float:
    """Median seconds of up to _MEASURED steps: a large network takes seconds a step on a CPU."""
    seconds: list[float] = []
    while len(seconds) < _MEASURED and sum(seconds) < _ENOUGH_SECONDS:
        seconds.append(once())
    return statistics.median(seconds)


def timed_step(
    network: NetworkConfig, training: TrainingConfig, folder: Path, recompute: Recompute
) -> Callable[[], float]:
    """A function that does a training step on the first batch of the split in `folder` and returns its seconds."""
    job = job_on_noise(folder, network, training, recompute)
    made = begin(job, Alone(), torch.device("cpu"), State())
    batch = epoch_batches(made.samples, job.training, 0, 0)[0]

    def once() -> float:
        start = time.perf_counter()
        step(made, batch)
        return time.perf_counter() - start

    return once


def job_on_noise(folder: Path, network: NetworkConfig, training: TrainingConfig, recompute: Recompute) -> Job:
    """A job that trains on all samples that `write_noise` wrote; its checkpoints go to the folder too."""
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


def write_noise(folder: Path, data: SplitSize, samples: int, split: Literal["train", "test"] = "train") -> None:
    """Writes a split that repeats one sample of random pixels."""
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
