"""Training on Ray: the only file that imports ray.train."""

import os
import platform
import resource
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch.distributed
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster.nodes import free_workers
from pipeline.cluster.session import connect
from pipeline.cluster.storage import open_storage
from pipeline.cluster.workers import WORKERS
from pipeline.ground.code import code_digest, code_files
from pipeline.ground.errors import InputError, afterwards, refusal
from pipeline.ground.files import write_whole
from pipeline.ground.lifetime import private_folder
from pipeline.ground.params import ClusterParams
from pipeline.protocol.reduce import Alone, Group
from pipeline.train.checkpoints import numbers
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.journal import FromFar, Journal, followed_log, set_gauges
from pipeline.train.loop import train
from pipeline.train.placement import Placement, publish_job
from pipeline.train.progress import ProgressReport
from pipeline.train.shipped import TrainingOutcome, run_shipped

FAILURES = 3
"""Times in a row that workers may die without a new checkpoint before the training gives up."""
WAIT_SECONDS = 600
"""So long it waits for a node when none is left."""
MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    torch.OutOfMemoryError,
)
"""Errors of code or values: the same step meets them again. A peer's death is a RuntimeError of torch.distributed."""


@dataclass(frozen=True, kw_only=True)
class WorkerJob:
    """What a worker is told."""

    job: Job
    placement: Placement
    say: Callable[[str | ProgressReport], None]
    """Adds to the log."""
    code: str | None
    """Digest of the code that it must run; None: this machine's checkout, which may be edited meanwhile."""
    cpus: int
    gpus: int
    """Of a worker."""
    wanted: int
    """Workers, if there is room for them."""
    meeting: Path | None = None
    """A file by which the workers of one machine find each other; None: by a port of the first one's node."""

    def backend(self) -> str:
        """torch.distributed's."""
        return "nccl" if self.gpus else "gloo"

    def room(self) -> int:
        """Workers that the cluster has room for beside what runs."""
        return free_workers(self.cpus, self.gpus)


def fit(job: Job, cluster: ClusterParams) -> TrainingOutcome:
    """Trains on the cluster until the checkpoint is the finished state. Raises InputError, KeyboardInterrupt."""
    most, cpus = job.training.micro_batches, cluster.cpus(job.training.threads)
    with (
        connect(cluster, most=most, cpus_each=cpus, gpus_each=cluster.gpus_per_worker) as workers,
        followed_log(job.log()),
    ):
        work = work_for(job, cluster, most_workers(cluster, most, workers))
        work.placement.download(job)
        return until_finished(work, workers)


def most_workers(cluster: ClusterParams, most: int, workers: int) -> int:
    """So many it may grow to: in a sweep the places that become free are those of other trainings."""
    return most if cluster.workers == "auto" and WORKERS not in os.environ else workers


def work_for(job: Job, cluster: ClusterParams, wanted: int) -> WorkerJob:
    """What each worker is sent; data are in storage then. Raises InputError."""
    say: Callable[[str | ProgressReport], None] = Journal(job.log()).add
    if far := cluster.address != "local":
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        say = FromFar(journal=ray.remote(num_cpus=0)(Journal).options(scheduling_strategy=here).remote(job.log()))
    return WorkerJob(
        job=job,
        placement=publish_job(job, cluster),
        say=say,
        code=code_digest(code_files()) if far else None,
        cpus=cluster.cpus(job.training.threads),
        gpus=cluster.gpus_per_worker,
        wanted=wanted,
    )


def until_finished(work: WorkerJob, workers: int) -> TrainingOutcome:
    """Runs workers until the training is finished: after a death with as many as there is room for, at the end of an
    epoch with more if nodes have come, at most as many as wanted. Raises InputError.

    Ray's own elasticity would do, but learns of a lost node after up to 20 s, and of one that cannot start after 60.
    """
    job, failures = work.job, 0
    while True:
        before = numbers(job.checkpoint())
        try:
            ended = run_trainer(work, workers)
        except TrainingFailedError as error:
            stop_at_what_comes_again(error, job)
            failures = 1 if numbers(job.checkpoint()) != before else failures + 1
            reason = str(error).strip().splitlines()[-1][:150]
            if failures > FAILURES:
                raise InputError(
                    f"{job.name}: workers died {failures} times in a row, last: {reason}; what was done until the last "
                    f"checkpoint is kept, see {job.log()}"
                ) from None
            Journal(job.log()).add(f"workers died ({reason})")
        else:
            if finished(job):
                return ended
            if numbers(job.checkpoint()) == before:
                raise InputError(
                    f"{job.name}: workers stopped before the end and left no new checkpoint; see {job.log()}, and "
                    "whether their node and this machine reach the same cluster.storage"
                )
            failures = 0
        workers = startable_workers(work)


def stop_at_what_comes_again(error: TrainingFailedError, job: Job) -> None:
    """Raises InputError for what a worker would meet again: what is the user's to mend, and mistakes in the code.

    Of a mistake the traceback is kept beside the log. A peer's death, a lost node, a broken connection is none.
    """
    for failure in getattr(error, "worker_failures", {}).values():
        reason = getattr(failure, "_base_exc", failure)
        if isinstance(reason, InputError):
            raise InputError(str(reason)) from None
        if isinstance(reason, OSError) and (said := refusal(reason)):
            raise InputError(said) from None
        if isinstance(reason, MISTAKES) and not isinstance(reason, ray.exceptions.RayError):
            kept = job.log().with_name("traceback.txt")
            write_whole(kept, str(error).encode(errors="replace"))
            text = " ".join(str(reason).split())[:300]
            raise InputError(
                f"{job.name}: {type(reason).__name__}: {text}; it would come again, so workers were not started again; "
                f"the log is {job.log()}, the traceback {kept}"
            ) from None


def startable_workers(work: WorkerJob) -> int:
    """Workers that can start now, at most as many as wanted; waits for a node if there are none. Raises InputError."""
    for _ in range(WAIT_SECONDS):
        time.sleep(1)  # what dead workers held comes back
        if fits := work.room():
            return min(fits, work.wanted)
    raise InputError(
        f"{work.job.name}: no node of the cluster has had room for a worker in {WAIT_SECONDS} s; what was done until "
        "the last checkpoint is kept: add nodes and start again"
    )


def run_trainer(work: WorkerJob, workers: int) -> TrainingOutcome:
    """Runs the workers under Ray Train. Raises TrainingFailedError when one of them dies.

    Ray's own record of a run is written in place and does not know the configuration, so it lies under a fresh name
    and is thrown away; the state that counts is ours (state.py).
    """
    with private_folder() as folder:
        return _run_trainer(replace(work, meeting=folder / "workers") if work.code is None else work, workers)


class Trainer(DataParallelTrainer):
    """Without the process that hands out Ray's datasets, which imports Ray Train for seconds: none is read here."""

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, DatasetsCallback)]


def _run_trainer(work: WorkerJob, workers: int) -> TrainingOutcome:
    job, name = work.job, uuid.uuid4().hex
    storage = work.placement.state or open_storage(str(job.checkpoint().parent))
    trainer = Trainer(
        run_shipped,
        train_loop_config={"work": ray.cloudpickle.dumps(work)},
        backend_config=None if work.meeting else TorchConfig(backend=work.backend()),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=work.gpus > 0,
            resources_per_worker={"CPU": work.cpus, "GPU": work.gpus},
        ),
        run_config=RunConfig(
            name=name,
            storage_path=storage.path("ray"),
            storage_filesystem=storage.files,
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),  # type: ignore[call-arg] # version 1's
        ),
    )

    def download() -> None:
        work.placement.download(job)
        storage.delete(f"ray/{name}")

    with afterwards(download, Journal(job.log()).add):
        try:
            ended = trainer.fit().return_value  # type: ignore[attr-defined] # hidden from mypy by a decorator of Ray
        except SystemExit:  # Ray's answer to Ctrl-C, with exit code 0
            raise KeyboardInterrupt from None
    assert isinstance(ended, TrainingOutcome)
    return ended


def run_worker(work: WorkerJob) -> TrainingOutcome:
    """The life of one worker."""
    join_process_group(work)
    workers = Group() if torch.distributed.is_initialized() else Alone()

    def say(message: str | ProgressReport) -> None:
        if workers.rank == 0:
            work.say(message)
            set_gauges(message, work.job.name)

    def more_fit() -> bool:
        return workers.rank == 0 and workers.size < work.wanted and work.room() > 0

    device = ray.train.torch.get_device()
    check_code(work.code)
    job = work.placement.here(work.job)
    work.placement.note(work.job, device)
    with work.placement.kept(job, workers.rank, say):
        train(job, workers, device, say, leave=more_fit)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return TrainingOutcome(peak_memory_bytes=peak, code=code_digest(code_files()))


def join_process_group(work: WorkerJob) -> None:
    """Joins the workers of one machine without a port beyond its loopback.

    torch's own store listens on every interface, and gives its keys to whoever asks.
    """
    here = ray.train.get_context()
    if work.meeting is None or here.get_world_size() == 1:
        return
    loopback = next(name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))  # of Linux, of macOS
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
    torch.distributed.init_process_group(
        work.backend(),
        init_method=f"file://{work.meeting}",
        rank=here.get_world_rank(),
        world_size=here.get_world_size(),
    )


def check_code(expected: str | None) -> None:
    """Raises InputError if this node runs other code than the driver sent: a node may have joined later."""
    if expected not in (None, code_digest(code_files())):
        raise InputError(
            f"{platform.node()}: runs other code than the driver's; start that node without our packages on its path"
        )
