"""Compares an epoch of the real train stage with bare steps: python -m benchmarks.epoch --data DIR

DIR contains CIFAR-10 as train-*.parquet and test-*.parquet; without it, images of noise are used. The epochs run under
Ray Train like any training: reading from Arrow, augmentation, sums of gradients and statistics over micro-batches,
progress output, a checkpoint after each epoch. The bare steps are forward, cross-entropy, backward and SGD over batches
that are already in memory, in this process with the same number of threads; they are measured before and after.
"""

import argparse
import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from benchmarks import positive
from benchmarks.forms import CLASSES, INPUT_SHAPE, S_RESNET38, training_step
from benchmarks.train_step import circumstances
from pipeline.authors.published import PROTOCOL
from pipeline.download.fetch import fetch
from pipeline.ground.errors import InputError
from pipeline.ground.files import write_whole
from pipeline.ground.params import ClusterParams, DownloadParams, PreprocessParams
from pipeline.ground.paths import RESULTS
from pipeline.preprocess.preprocess import preprocess
from pipeline.protocol.augment import crop_flip
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.inputs import standardized
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.checkpoints import newest_state
from pipeline.train.export import export
from pipeline.train.job import Job

NETWORK = replace(S_RESNET38, blocks=1, width=16, time_steps=4)
QUALITY = 75  # JPEG quality of the noise images
TESTS = 100  # number of test images; training does not use them
BARE_STEPS = 500
"""Maximum number of steps in one measurement of the bare steps."""
CLUSTER = ClusterParams(
    address="local",
    workers=1,
    cpus_per_worker="threads",
    gpus_per_worker=0,
    storage="runs",
    checkpoint_seconds=60,
    recompute="nothing",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result."""
    settings = parse(arguments)
    load_before = os.getloadavg()[0]
    torch.set_num_threads(settings.threads)
    keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(made_job(Path(folder), settings), Path(folder), settings)
    about = {"data": "CIFAR-10 (JPEG q75)" if settings.data else "images of noise", "samples": settings.samples}
    result = about | measured | circumstances(settings, load_before)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.epoch",
        description="Times epochs of the train stage (n = 1, 16 filters, T = 4, batch 20) and of bare steps.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of CIFAR-10 as Parquet; without it: images of noise")
    parser.add_argument("--samples", type=positive, default=10_000, help="training images of an epoch")
    parser.add_argument("--rounds", type=positive, default=2, help="epochs that count, after one to warm up")
    parser.add_argument("--threads", type=positive, default=2, help="threads of torch")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-epoch.json", help="file of the result")
    return parser.parse_args(arguments)


def made_job(folder: Path, settings: argparse.Namespace) -> Job:
    """A training on the first `samples` images, preprocessed as in the pipeline."""
    source = folder / "source"
    source.mkdir()
    for split, rows in (("train", settings.samples), ("test", TESTS)):
        table = first_rows(settings.data, split, rows) if settings.data else noise(rows)
        pq.write_table(table, source / f"{split}-00000-of-00001.parquet")
    raw, data = folder / "raw" / "cifar10", folder / "arrow" / "cifar10"
    raw.mkdir(parents=True)
    fetch("cifar10", DownloadParams(catalog="parquet-images", source=str(source), title="benchmark images"), raw)
    params = PreprocessParams(split="official", shards=1, frames=None, size=None, compression="none", window=None)
    preprocess("cifar10", raw, params, CLUSTER, data, folder / "work")
    return Job(
        name="epoch-0",
        network=NETWORK,
        training=training(settings),
        seed=0,
        data=data,
        runs=folder / "runs",
        checkpoint_seconds=CLUSTER.checkpoint_seconds,
        recompute=CLUSTER.recompute,
    )


def training(settings: argparse.Namespace) -> TrainingConfig:
    return replace(
        PROTOCOL,
        epochs=1 + settings.rounds,
        batch_size=20,
        threads=settings.threads,
        drop_last=False,
        augmentation="crop-flip",
    )


def first_rows(data: Path, split: str, rows: int) -> pa.Table:
    """The first rows of a split. Raises InputError if there are fewer."""
    files = sorted(data.glob(f"{split}-*.parquet"))
    if not files:
        raise InputError(f"{data}: no {split}-*.parquet; expected CIFAR-10 in the Hugging Face layout")
    table = pa.concat_tables([pq.read_table(file) for file in files])
    if len(table) < rows:
        raise InputError(f"{data}: {split} has {len(table)} rows, --samples {rows} asks for more")
    return table.slice(0, rows)


def noise(rows: int) -> pa.Table:
    """Images of noise in the format of CIFAR-10's Parquet files."""
    channels, height, width = INPUT_SHAPE
    drawn = np.random.default_rng(0).integers(0, 256, (rows, height, width, channels), dtype=np.uint8)
    return pa.table(
        {
            "img": [{"bytes": jpeg(pixels), "path": None} for pixels in drawn],
            "label": [i % CLASSES for i in range(rows)],
        }
    )


def jpeg(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def measure(job: Job, folder: Path, settings: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the bare steps, Ray's start, each epoch and the whole stage, with their ratios."""
    step, steps = bare_steps(job)
    before = timed(step, steps)
    stage = stage_seconds(job, folder / "artifacts")
    after = timed(step, steps)
    whole_epoch = -(-settings.samples // job.training.batch_size)
    bare = statistics.mean((before, after)) * whole_epoch
    epochs = stage["epochs"][1:]
    result = {
        "network": asdict(job.network),
        "training": asdict(job.training),
        "steps_of_an_epoch": whole_epoch,
        "bare_seconds": [before * whole_epoch, after * whole_epoch],
        "stage_seconds": stage,
        "epoch_against_bare": {
            "median": statistics.median(epochs) / bare,
            "low": min(epochs) / bare,
            "high": max(epochs) / bare,
        },
        "stage_against_bare": stage["whole"] / (bare * job.training.epochs),
    }
    epoch = result["epoch_against_bare"]
    print(f"an epoch of {whole_epoch} steps: {statistics.median(epochs):.1f} s, bare steps {bare:.1f} s: ", end="")
    print(f"{epoch['median']:.2f} ({epoch['low']:.2f} to {epoch['high']:.2f}) times; before the first ", end="")
    print(
        f"{stage['start']:.1f} s, after the last {stage['end']:.1f} s, whole stage {stage['whole']:.1f} s", flush=True
    )
    return result


def bare_steps(job: Job) -> tuple[Callable[[], None], int]:
    """A function that does the next step, and the number of prepared batches."""
    model = job.build()
    model.reset_parameters(torch.Generator().manual_seed(job.seed))
    ready = batches(job)
    turns = itertools.cycle(ready)
    images, labels = torch.empty_like(ready[0][0]), torch.empty_like(ready[0][1])
    once = training_step(model, images, labels)

    def step() -> None:
        values, targets = next(turns)
        images.copy_(values)
        labels.copy_(targets)
        once()

    return step, len(ready)


def batches(job: Job) -> list[tuple[Tensor, Tensor]]:
    """Network inputs and labels of the full batches of the first epoch, at most BARE_STEPS."""
    store, config = job.train_store(), job.training
    ready = []
    for part in epoch_batches(np.arange(len(store)), config, job.seed, 0)[:BARE_STEPS]:
        if len(part) == config.batch_size:
            pixels = crop_flip(torch.from_numpy(store.read(part)), job.seed, 0, part)
            values = standardized(pixels, store.scale, config)
            ready.append((values, torch.from_numpy(store.labels[part])))
    return ready


def timed(step: Callable[[], None], steps: int) -> float:
    """Mean seconds per step over `steps`, after three warm-up steps."""
    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def stage_seconds(job: Job, artifacts: Path) -> dict[str, Any]:
    """Seconds of the train stage and its parts; `start` lasts until the worker begins to train, `end` is the export and
    Ray's shutdown."""
    from pipeline.train.on_ray import fit  # Ray takes seconds to import

    start = time.time()
    with ends_of_epochs(job) as ends:
        fit(job, CLUSTER)
    export(job, "epoch", "cifar10", artifacts)
    stop = time.time()
    times = [job.platforms().stat().st_mtime, *(ends[epoch] for epoch in sorted(ends))]
    return {
        "start": times[0] - start,
        "epochs": [later - earlier for earlier, later in itertools.pairwise(times)],
        "end": stop - times[-1],
        "whole": stop - start,
    }


@contextmanager
def ends_of_epochs(job: Job) -> Iterator[dict[int, float]]:
    """Yields a dictionary that is filled during the block: for each finished epoch, the time of its checkpoint (seconds
    since 1970). Checkpoints are polled from outside, so that the worker is not changed.
    """
    ends: dict[int, float] = {}
    done = threading.Event()

    def poll() -> None:
        if job.checkpoint().exists():
            written = job.checkpoint().stat().st_mtime
            state = newest_state(job.checkpoint())
            replaced = job.checkpoint().stat().st_mtime != written  # while it was read: the next poll sees the new one
            if state is not None and state.step == 0 and not replaced:
                ends.setdefault(state.epoch, written)

    def watch() -> None:
        seen = 0.0
        while not done.wait(0.02):
            if job.checkpoint().exists() and job.checkpoint().stat().st_mtime != seen:
                seen = job.checkpoint().stat().st_mtime
                poll()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield ends
    finally:
        done.set()
        thread.join()
        poll()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
