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

import ray.train
import ray.train.torch
import torch.distributed
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.metrics import Gauge

from pipeline.data.params import ClusterParams
from pipeline.data.ray_cluster import connect
from pipeline.errors import InputError
from pipeline.train.hardware import note
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.progress import Report
from pipeline.train.reduce import Alone, Group

FAILURES = 3
"""Times that workers may die before the training gives up; each time it goes on from the last checkpoint."""

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

    error: str | None
    """The user's to mend."""
    peak_memory_bytes: int


def fit(job: Job, cluster: ClusterParams) -> Outcome:
    """Trains on the cluster until the checkpoint is the finished state. Raises InputError, KeyboardInterrupt."""
    most, threads = job.training.shards, job.training.threads
    with (
        connect(cluster, most=most, cpus_each=threads, gpus_each=cluster.gpus_per_worker) as workers,
        followed(job.log()),
    ):
        ended = run_trainer(job, cluster, workers)
    if ended.error:
        raise InputError(ended.error)
    return ended


def run_trainer(job: Job, cluster: ClusterParams, workers: int) -> Outcome:
    """Runs the workers under Ray Train.

    Ray's own record of a run is written in place and does not know the configuration, so it lives under a fresh name
    and is thrown away; the state that counts is ours (state.py).
    """
    storage, name = job.checkpoint().parent / "ray", uuid.uuid4().hex
    trainer = TorchTrainer(
        work,  # type: ignore[arg-type] # Ray's types know no value that a worker brings back
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=cluster.gpus_per_worker > 0,
            resources_per_worker={"CPU": job.training.threads, "GPU": cluster.gpus_per_worker},
        ),
        run_config=RunConfig(name=name, storage_path=str(storage), failure_config=FailureConfig(max_failures=FAILURES)),
    )
    try:
        ended = trainer.fit().return_value  # type: ignore[attr-defined] # hidden from mypy by a decorator of Ray
    except TrainingFailedError as error:
        raise InputError(
            f"{job.name}: workers died more than {FAILURES} times, last: {str(error).strip().splitlines()[-1]}; "
            f"what was done until the last checkpoint is kept, see {job.log()}"
        ) from None
    except SystemExit:  # Ray's answer to Ctrl-C, with exit code 0
        raise KeyboardInterrupt from None
    finally:
        shutil.rmtree(storage / name, ignore_errors=True)
    assert isinstance(ended, Outcome)
    return ended


def work(config: dict[str, Job]) -> Outcome:
    """The life of one worker."""
    job = config["job"]
    workers = Group() if torch.distributed.is_initialized() else Alone()
    log = job.log()

    def say(told: str | Report) -> None:
        if workers.rank == 0:
            add_line(log, f"{datetime.now(UTC):%H:%M:%S}  {told}")
            if isinstance(told, Report):
                measured(job, told)

    device = ray.train.torch.get_device()
    note(job.platforms(), device)
    try:
        train(job, workers, device, say)
    except (InputError, OSError) as error:
        return outcome(str(error))  # no reason to try again
    return outcome(None)


def add_line(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def measured(job: Job, report: Report) -> None:
    """Puts a report into metrics.jsonl beside the log, a line each, and on Ray's metrics endpoint."""
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "run": job.name, **asdict(report)}
    add_line(job.log().with_name("metrics.jsonl"), json.dumps(line))
    for field, gauge in gauges().items():
        gauge.set(line[field], tags={"run": job.name})


@cache
def gauges() -> dict[str, Gauge]:
    return {field: Gauge(f"sresnet_{field}", text, tag_keys=("run",)) for field, text in GAUGES.items()}


def outcome(error: str | None) -> Outcome:
    """How this worker ended."""
    return Outcome(error=error, peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


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
