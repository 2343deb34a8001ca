"""Training on Ray: the only file that imports ray.train."""

import json
import resource
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch.distributed
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.metrics import Gauge

from pipeline.data.params import ClusterParams
from pipeline.data.ray_cluster import connect
from pipeline.data.ray_nodes import free_workers
from pipeline.errors import InputError
from pipeline.stage import DISK
from pipeline.train.checkpoints import numbers
from pipeline.train.export import finished
from pipeline.train.hardware import note
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.progress import Report
from pipeline.train.reduce import Alone, Group

FAILURES = 3
"""Times in a row that workers may die without a new checkpoint before the training gives up."""
WAIT_SECONDS = 600
"""So long it waits for a node when none is left."""

GAUGES = {
    "samples_per_second": "Training samples a second, all workers together",
    "step_seconds": "Mean time of a step of this epoch",
    "loss": "Mean over the samples of this epoch so far",
    "accuracy": "Percent of the samples of this epoch so far",
}
"""Fields of a report that Ray exports as sresnet_<field>, by run, where its dashboard's packages are installed."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the first worker brings back."""

    peak_memory_bytes: int


def fit(job: Job, cluster: ClusterParams) -> Outcome:
    """Trains on the cluster until the checkpoint is the finished state. Raises InputError, KeyboardInterrupt."""
    most, threads = job.training.shards, job.training.threads
    with (
        connect(cluster, most=most, cpus_each=threads, gpus_each=cluster.gpus_per_worker) as workers,
        followed(job.log()),
    ):
        wanted = most if cluster.workers == "auto" else workers
        return until_finished(job, cluster, workers, wanted)


def until_finished(job: Job, cluster: ClusterParams, workers: int, wanted: int) -> Outcome:
    """Runs workers until the training is finished: after a death with as many as there is room for, at the end of an
    epoch with more if nodes have come, at most `wanted`. Raises InputError.

    Ray's own elasticity would do, but learns of a lost node after up to 20 s, and of one that cannot start after 60.
    """
    failures = 0
    while True:
        before = numbers(job.checkpoint())
        try:
            ended = run_trainer(job, cluster, workers, wanted)
        except TrainingFailedError as error:
            stop_at_bad_input(error)
            failures = 1 if numbers(job.checkpoint()) != before else failures + 1
            reason = str(error).strip().splitlines()[-1][:150]
            if failures > FAILURES:
                raise InputError(
                    f"{job.name}: workers died {failures} times in a row, last: {reason}; what was done until the last "
                    f"checkpoint is kept, see {job.log()}"
                ) from None
            write_down(f"workers died ({reason})", job.log())
        else:
            if finished(job):
                return ended
        workers = room(job, cluster, wanted)


def stop_at_bad_input(error: TrainingFailedError) -> None:
    """Raises InputError if a worker found something that is the user's to mend: no reason to try again."""
    for failure in getattr(error, "worker_failures", {}).values():
        reason = getattr(failure, "_base_exc", failure)
        if isinstance(reason, InputError) or (isinstance(reason, OSError) and reason.errno in DISK):
            raise InputError(str(reason)) from None


def room(job: Job, cluster: ClusterParams, wanted: int) -> int:
    """Workers that can start now, at most `wanted`; waits for a node if there are none. Raises InputError."""
    for _ in range(WAIT_SECONDS):
        time.sleep(1)  # what dead workers held comes back
        if fits := free_workers(job.training.threads, cluster.gpus_per_worker):
            return min(fits, wanted)
    raise InputError(
        f"{job.name}: no node of the cluster {cluster.address} has had room for a worker in {WAIT_SECONDS} s; what was "
        "done until the last checkpoint is kept: add nodes and start again"
    )


def run_trainer(job: Job, cluster: ClusterParams, workers: int, wanted: int) -> Outcome:
    """Runs the workers under Ray Train. Raises TrainingFailedError when one of them dies.

    Ray's own record of a run is written in place and does not know the configuration, so it lives under a fresh name
    and is thrown away; the state that counts is ours (state.py).
    """
    storage, name = job.checkpoint().parent / "ray", uuid.uuid4().hex
    trainer = TorchTrainer(
        work,  # type: ignore[arg-type] # Ray's types know no value that a worker brings back
        train_loop_config={"job": job, "gpus": cluster.gpus_per_worker, "wanted": wanted},
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=cluster.gpus_per_worker > 0,
            resources_per_worker={"CPU": job.training.threads, "GPU": cluster.gpus_per_worker},
        ),
        run_config=RunConfig(
            name=name,
            storage_path=str(storage),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg] # version 1's
        ),
    )
    try:
        ended = trainer.fit().return_value  # type: ignore[attr-defined] # hidden from mypy by a decorator of Ray
    except SystemExit:  # Ray's answer to Ctrl-C, with exit code 0
        raise KeyboardInterrupt from None
    finally:
        shutil.rmtree(storage / name, ignore_errors=True)
    assert isinstance(ended, Outcome)
    return ended


def work(config: dict[str, Any]) -> Outcome:
    """The life of one worker."""
    job: Job = config["job"]
    workers = Group() if torch.distributed.is_initialized() else Alone()

    def say(told: str | Report) -> None:
        if workers.rank == 0:
            write_down(told, job.log())
            show(told, job.name)

    def more_fit() -> bool:
        fewer = workers.rank == 0 and workers.size < config["wanted"]
        return fewer and free_workers(job.training.threads, config["gpus"]) > 0

    device = ray.train.torch.get_device()
    note(job.platforms(), device)
    train(job, workers, device, say, leave=more_fit)
    return Outcome(peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def write_down(told: str | Report, log: Path) -> None:
    """Adds a line to the log, and the numbers of a report to metrics.jsonl beside it."""
    now = datetime.now(UTC)
    add_line(log, f"{now:%H:%M:%S}  {told}")
    if isinstance(told, Report):
        numbers = {"time": now.isoformat(timespec="milliseconds"), **asdict(told)}
        add_line(log.with_name("metrics.jsonl"), json.dumps(numbers))


def add_line(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def show(told: str | Report, run: str) -> None:
    """Puts the numbers of a report on Ray's metrics endpoint."""
    if isinstance(told, Report):
        for field, gauge in gauges().items():
            gauge.set(getattr(told, field), tags={"run": run})


@cache
def gauges() -> dict[str, Gauge]:
    return {field: Gauge(f"sresnet_{field}", text, tag_keys=("run",)) for field, text in GAUGES.items()}


@contextmanager
def followed(log: Path) -> Iterator[None]:
    """Prints what is added to the log meanwhile."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    done = threading.Event()

    def follow() -> None:
        with log.open(encoding="utf-8") as file:
            file.seek(0, 2)
            while True:
                last = done.is_set()
                print(file.read(), end="", flush=True)
                if last:
                    return
                time.sleep(0.5)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
