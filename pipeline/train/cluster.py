"""Training on Ray: the only file that imports ray.train."""

import platform
import resource
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch.distributed
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.data.params import ClusterParams
from pipeline.data.ray_cluster import connect
from pipeline.data.ray_code import code_digest
from pipeline.data.storage import open_storage
from pipeline.errors import InputError
from pipeline.train.job import Job
from pipeline.train.loop import train
from pipeline.train.placement import Placement, place
from pipeline.train.reduce import Alone, Group

FAILURES = 3
"""Times that workers may die before the training gives up; each time it goes on from the last checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the first worker brings back."""

    error: str | None
    """The user's to mend."""
    peak_memory_bytes: int
    code: str
    """Digest of the code that it ran."""

    def told(self) -> tuple[str, int]:
        """What the record says of it, and its memory (bytes)."""
        return f"trained by code {self.code[:16]}", self.peak_memory_bytes


class Journal:
    """Writes the training's log, on the driver's machine."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def add(self, text: str) -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%H:%M:%S}  {text}\n")


@dataclass(frozen=True, kw_only=True)
class FromFar:
    """Says lines to a journal on another machine; steps do not wait for it."""

    journal: Any
    """Ray's handle of a Journal."""

    def __call__(self, text: str) -> None:
        self.journal.add.remote(text)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a worker is told."""

    job: Job
    placement: Placement
    say: Callable[[str], None]
    """Adds a line to the log."""
    code: str | None
    """Digest of the code that it must run; None: this machine's checkout, which may be edited meanwhile."""


def fit(job: Job, cluster: ClusterParams) -> Outcome:
    """Trains on the cluster until the checkpoint is the finished state. Raises InputError, KeyboardInterrupt."""
    most, cpus = job.training.shards, cluster.cpus(job.training.threads)
    with (
        connect(cluster, most=most, cpus_each=cpus, gpus_each=cluster.gpus_per_worker) as workers,
        followed(job.log()),
    ):
        work = told(job, cluster)
        work.placement.bring(job)
        ended = run_trainer(work, cluster, workers)
    if ended.error:
        raise InputError(ended.error)
    return ended


def told(job: Job, cluster: ClusterParams) -> Work:
    """What each worker is told; data are in storage then. Raises InputError."""
    placement = place(job, cluster)
    if cluster.address == "local":
        return Work(job=job, placement=placement, say=Journal(job.log()).add, code=None)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    journal = ray.remote(num_cpus=0)(Journal).options(scheduling_strategy=here).remote(job.log())
    return Work(job=job, placement=placement, say=FromFar(journal=journal), code=code_digest())


def run_trainer(work: Work, cluster: ClusterParams, workers: int) -> Outcome:
    """Runs the workers under Ray Train.

    Ray's own record of a run is written in place and does not know the configuration, so it lives under a fresh name
    and is thrown away; the state that counts is ours (state.py).
    """
    job, state, name = work.job, work.placement.state, uuid.uuid4().hex
    storage = state or open_storage(str(job.checkpoint().parent))
    trainer = TorchTrainer(
        run_worker,  # type: ignore[arg-type] # Ray's types know no value that a worker brings back
        train_loop_config={"work": work},
        torch_config=TorchConfig(backend="nccl" if cluster.gpus_per_worker else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=cluster.gpus_per_worker > 0,
            resources_per_worker={"CPU": cluster.cpus(job.training.threads), "GPU": cluster.gpus_per_worker},
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage.path("ray"),
            storage_filesystem=storage.files,
            failure_config=FailureConfig(max_failures=FAILURES),
        ),
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
        storage.delete(f"ray/{name}")
        work.placement.bring(job)
    assert isinstance(ended, Outcome)
    return ended


def run_worker(config: dict[str, Work]) -> Outcome:
    """The life of one worker."""
    work = config["work"]
    workers = Group() if torch.distributed.is_initialized() else Alone()

    def say(text: str) -> None:
        if workers.rank == 0:
            work.say(text)

    device = ray.train.torch.get_device()
    try:
        check_code(work.code)
        job = work.placement.here(work.job)
        work.placement.note(work.job, device)
        with work.placement.kept(job, workers.rank):
            train(job, workers, device, say)
    except (InputError, OSError) as error:
        return outcome(str(error))  # no reason to try again
    return outcome(None)


def check_code(expected: str | None) -> None:
    """Raises InputError if this node runs other code than the driver sent: a node may have joined later."""
    if expected not in (None, code_digest()):
        raise InputError(
            f"{platform.node()}: runs other code than the driver's; start that node without our packages on its path"
        )


def outcome(error: str | None) -> Outcome:
    """How this worker ended."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Outcome(error=error, peak_memory_bytes=peak, code=code_digest())


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
