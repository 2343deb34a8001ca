"""Speedup of a training of S-ResNet38 with workers, and the cost of bit-identical results: python -m benchmarks.scaling

Processes of one thread each train together like the pipeline's workers, with all parts of a step: reading, statistics
per micro-batch, sums in a fixed order. What is compared takes turns in the same processes, so that a slowdown of the
machine affects all. T = 10, where a step is short and overhead has the largest share.

- one against two: the same step of 8 samples in two micro-batches, by one process alone and by two together;
- against plain DDP: torch's DistributedDataParallel with the same samples per process; its sums depend on the workers;
- weak scaling: 4 samples per process, 1 to 4 processes;
- parts: the parts of a step, each alone, for the model in benchmarks.scaling_model.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from benchmarks import positive
from benchmarks.forms import CLASSES, INPUT_SHAPE, S_RESNET38
from benchmarks.train_step import circumstances
from pipeline.authors.published import PROTOCOL
from pipeline.data.store import VERSION, Manifest, Row, rows_digest, shard_name, write_manifest, write_shard
from pipeline.ground.files import write_whole
from pipeline.ground.paths import RESULTS
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import keep_memory
from pipeline.protocol.inputs import prepare
from pipeline.protocol.reduce import Alone, Group, Workers, sum_over_micro_batches, tree_sum
from pipeline.protocol.sampler import epoch_batches
from pipeline.train.checkpoints import write_state
from pipeline.train.job import Job
from pipeline.train.state import State
from pipeline.train.step import contribution, step
from pipeline.train.training import Training, begin, weights_of

SAMPLES_A_MICRO_BATCH = 4
PROCESSES = (1, 2, 3, 4)
SPEEDUP, COST = 1.7, 0.05
"""Targets: speedup of two workers over one, and overhead relative to a step of plain DDP."""
CPU = torch.device("cpu")
Seconds = dict[str, list[float]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints, writes the result."""
    settings = parse(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        job = made_job(Path(folder))
        measured = {str(size): together(size, job, settings.rounds) for size in PROCESSES}
    result = figures(measured) | circumstances(settings, load)
    write_whole(settings.output, json.dumps(result, indent=2).encode() + b"\n")
    print(shown(result))
    print(f"written to {settings.output}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling",
        description="Times steps of S-ResNet38 (T = 10) by 1 to 4 processes of one thread, and by plain DDP.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=positive, default=7, help="measurements of each, after one to warm up")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench-scaling.json", help="file of the result")
    parser.set_defaults(threads=1)
    return parser.parse_args(arguments)


def made_job(folder: Path) -> Job:
    """S-ResNet38 with T = 10 on images of noise with CIFAR-10's shape."""
    drawn = np.random.default_rng(0).integers(0, 256, (256, *INPUT_SHAPE), dtype=np.uint8)
    rows = [
        Row(id=f"{index:04}", label=index % CLASSES, pixels=pixels, source_sha256="0" * 64)
        for index, pixels in enumerate(drawn)
    ]
    write_shard(rows, folder / shard_name("train", 0, 1), "images", "none", {})
    write_manifest(manifest(rows), folder)
    return Job(
        name="scaling-0",
        network=replace(S_RESNET38, time_steps=10),
        training=training_of(1),
        seed=0,
        data=folder,
        runs=folder / "runs",
        checkpoint_seconds=3600,
        recompute="nothing",
    )


def manifest(rows: list[Row]) -> Manifest:
    return Manifest(
        version=VERSION,
        dataset="noise",
        title="Images of noise",
        note=None,
        licence="made",
        citation="made",
        published=False,
        kind="images",
        split="train",
        split_rule="none",
        framing_rule=None,
        scale=1 / 255,
        classes=[str(label) for label in range(CLASSES)],
        sample_shape=list(INPUT_SHAPE),
        shards=1,
        rows=len(rows),
        rows_per_class=[int(count) for count in np.bincount([row.label for row in rows])],
        digest=rows_digest(row.digest() for row in rows),
    )


def training_of(shards: int) -> TrainingConfig:
    """A configuration with `shards` micro-batches per batch."""
    return replace(
        PROTOCOL,
        epochs=1,
        batch_size=SAMPLES_A_MICRO_BATCH * shards,
        micro_batches=shards,
        decay_after=(),
        augmentation="crop-flip",
        pixel_mean=(0.5, 0.5, 0.5),
        pixel_std=(0.25, 0.25, 0.25),
    )


def together(size: int, job: Job, rounds: int) -> dict[str, Any]:
    """The measurements of `size` processes together."""
    job = replace(job, training=training_of(size))
    with tempfile.TemporaryDirectory() as folder:
        spawn(process, (size, job, rounds, Path(folder)), size)
        return dict(json.loads((Path(folder) / "measured.json").read_text(encoding="utf-8")))


def process(rank: int, size: int, job: Job, rounds: int, folder: Path) -> None:
    """Runs one of the processes; the first one writes its measurements."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    keep_memory()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    steps = compared(rank, size, job)
    seconds: Seconds = {name: [] for name in steps}
    for index in range(rounds + 1):
        turn = index % len(steps)
        for name in [*list(steps)[turn:], *list(steps)[:turn]]:
            taken = one_time(steps[name])
            if index:
                seconds[name].append(taken)
    parts = parts_of(training_by(job, Group()), rounds, folder)
    if rank == 0:
        content = {"processes": size, "seconds": seconds, "parts": parts}
        (folder / "measured.json").write_text(json.dumps(content), encoding="utf-8")
    torch.distributed.destroy_process_group()


def compared(rank: int, size: int, job: Job) -> dict[str, Callable[[], object]]:
    """The steps that take turns: all together; with two processes also plain DDP, and the first process alone."""
    steps: dict[str, Callable[[], object]] = {"together": next_step(training_by(job, Group() if size > 1 else Alone()))}
    if size == 2:
        steps["plain DDP"] = plain(training_by(job, Group()), rank, size)
        alone = next_step(training_by(job, Alone()))
        steps["alone"] = alone if rank == 0 else lambda: None
    return steps


def training_by(job: Job, workers: Workers) -> Training:
    return begin(job, workers, CPU, State())


def next_step(training: Training) -> Callable[[], object]:
    """A function that does a step of the pipeline on the next batch."""
    batches = endless(training)
    return lambda: step(training, next(batches))


def endless(training: Training) -> Iterator[np.ndarray]:
    """The batches of all epochs, without end."""
    epoch = 0
    while True:
        yield from epoch_batches(training.samples, training.job.training, training.job.seed, epoch)
        epoch += 1


def plain(training: Training, rank: int, size: int) -> Callable[[], object]:
    """A DDP step as in torch's documentation, on this process's part of the next batch."""
    batches, store, network = endless(training), training.store, DistributedDataParallel(training.model.train())

    def once() -> None:
        part = np.array_split(next(batches), size)[rank]
        values = prepare(store.read(part), store.scale, training.job.training, CPU)
        training.optimizer.zero_grad()
        cross_entropy(network(values), torch.from_numpy(store.labels[part])).backward()
        training.optimizer.step()

    return once


def one_time(act: Callable[[], object]) -> float:
    """Seconds from when all processes are ready until all are done."""
    torch.distributed.barrier()
    start = time.perf_counter()
    act()
    torch.distributed.barrier()
    return time.perf_counter() - start


def parts_of(training: Training, rounds: int, folder: Path) -> dict[str, Any]:
    """Median seconds of each part of a step alone, started when all processes are ready."""
    config, batch = training.job.training, next(endless(training))
    part, width = batch[:SAMPLES_A_MICRO_BATCH], sum(training.sizes)
    buffers = [buffer.clone() for buffer in training.buffers]
    row = torch.zeros(width)
    for parameter in training.parameters:
        parameter.grad = torch.zeros_like(parameter)
    training.optimizer.step()
    state = State(weights=weights_of(training.model), momentum=weights_of(training.model))
    acts: dict[str, Callable[[], object]] = {
        "micro-batch": lambda: contribution(training, part, 0, len(batch), buffers),
        "reduce": lambda: sum_over_micro_batches([row], training.workers, config.micro_batches),
        "message": lambda: training.workers.gather(torch.zeros(1)),
        "add": lambda: tree_sum([row, row]),
        "optimize": training.optimizer.step,
        "copy state": lambda: (weights_of(training.model), weights_of(training.model)),
        "write state": lambda: write_state(state, folder / str(training.workers.rank), 1),
    }
    seconds = {name: statistics.median(one_time_of(act) for _ in range(rounds + 1)) for name, act in acts.items()}
    return {"seconds": seconds, "numbers": width, "parameters": sum(value.numel() for value in training.parameters)}


def one_time_of(act: Callable[[], object]) -> float:
    """Seconds of this process, from when all are ready."""
    torch.distributed.barrier()
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def figures(measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ratios of the steps that took turns, with the targets."""
    two = measured["2"]["seconds"]
    speedup, cost = ratio(two["alone"], two["together"]), ratio(two["together"], two["plain DDP"])
    one = statistics.median(measured["1"]["seconds"]["together"])
    cores = os.cpu_count() or 1
    weak = [
        {
            "processes": int(size),
            "seconds": statistics.median(found["seconds"]["together"]),
            "of_ideal": one * max(1.0, int(size) / cores) / statistics.median(found["seconds"]["together"]),
        }
        for size, found in measured.items()
    ]
    return {
        "network": "S-ResNet38, T = 10, float32",
        "samples_a_micro_batch": SAMPLES_A_MICRO_BATCH,
        "two_against_one": speedup | {"target": SPEEDUP, "met": speedup["median"] >= SPEEDUP},
        "cost_against_ddp": {name: value - 1 for name, value in cost.items()}
        | {"target": COST, "met": cost["median"] - 1 <= COST},
        "weak": weak,
        "measured": measured,
    }


def ratio(above: list[float], below: list[float]) -> dict[str, float]:
    """Median and range of the rounds' ratios."""
    each = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(each), "low": min(each), "high": max(each)}


def shown(result: dict[str, Any]) -> str:
    """The figures as text."""
    speedup, cost, asked = result["two_against_one"], result["cost_against_ddp"], {True: "met", False: "missed"}
    speed = f"{speedup['median']:.2f} times ({speedup['low']:.2f} to {speedup['high']:.2f})"
    added = f"{100 * cost['median']:+.1f} % of a step ({100 * cost['low']:+.1f} to {100 * cost['high']:+.1f})"
    lines = [
        f"two workers against one: {speed}, target {SPEEDUP} {asked[speedup['met']]}",
        f"against plain DDP: {added}, target {100 * COST:.0f} % {asked[cost['met']]}",
    ]
    for row in result["weak"]:
        share = f"{100 * row['of_ideal']:.0f} % of what {result['cpus']} cores can"
        lines.append(f"weak scaling, {row['processes']} process(es): {row['seconds']:.3f} s a step, {share}")
    parts = result["measured"]["2"]["parts"]["seconds"]
    return "\n".join([*lines, "parts: " + ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in parts.items())])


if __name__ == "__main__":
    main()
