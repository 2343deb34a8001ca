"""Training on Ray, on the side of the driver: starts workers (ray_worker.py) again and again, until the end."""

import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
from ray.train.torch import TorchConfig
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster.check import software
from pipeline.cluster.session import connect
from pipeline.cluster.storage import open_storage
from pipeline.cluster.workers import WORKERS
from pipeline.ground.errors import InputError, afterwards, refusal
from pipeline.ground.files import write_whole
from pipeline.ground.lifetime import private_folder
from pipeline.ground.params import ClusterParams
from pipeline.train.checkpoints import numbers
from pipeline.train.export import reached
from pipeline.train.job import Job
from pipeline.train.journal import Journal, RemoteJournal, followed_log
from pipeline.train.outcome import TrainingOutcome
from pipeline.train.placement import publish_job
from pipeline.train.progress import ProgressReport
from pipeline.train.ray_worker import WorkerJob
from pipeline.train.recoveries import Cause, note_recovery, recoveries
from pipeline.train.shipped import run_shipped

FAILURES = 3
"""Times in a row that workers may die without a new checkpoint before the training gives up."""
WAIT_SECONDS = 600
"""How long it waits for a node with room for a worker."""
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
"""Errors in code or values, which would recur at the same step. The death of a peer is a RuntimeError, so not here."""


def fit(job: Job, cluster: ClusterParams) -> TrainingOutcome:
    """Trains on the cluster to the end. Raises InputError, KeyboardInterrupt."""
    most, cpus = job.training.micro_batches, cluster.cpus(job.training.threads)
    with (
        connect(cluster, most=most, cpus_each=cpus, gpus_each=cluster.gpus_per_worker) as workers,
        followed_log(job.log()),
    ):
        work = work_for(job, cluster, most_workers(cluster, most, workers))
        work.placement.download(job)
        return until_finished(work, workers)


def most_workers(cluster: ClusterParams, most: int, workers: int) -> int:
    """The number of workers it may grow to; in a sweep it does not grow, as freed resources are for other trainings."""
    return most if cluster.workers == "auto" and WORKERS not in os.environ else workers


def work_for(job: Job, cluster: ClusterParams, wanted: int) -> WorkerJob:
    """The job to send to each worker; uploads the data if workers may be on other machines. Raises InputError."""
    say: Callable[[str | ProgressReport], None] = Journal(job.log()).add
    if far := cluster.address != "local":
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        say = RemoteJournal(journal=ray.remote(num_cpus=0)(Journal).options(scheduling_strategy=here).remote(job.log()))
    return WorkerJob(
        job=job,
        placement=publish_job(job, cluster),
        say=say,
        software=software() if far else None,
        cpus=cluster.cpus(job.training.threads),
        gpus=cluster.gpus_per_worker,
        wanted=wanted,
    )


def until_finished(work: WorkerJob, workers: int) -> TrainingOutcome:
    """Runs workers until the training is finished. Raises InputError.

    After the death of a worker it restarts with as many as fit, and so it does if Ray takes a node away; at the end of
    an epoch with more, if nodes have joined; never with more than wanted. Ray's own elasticity is too slow: it notices
    a lost node after up to 20 s, and a worker that cannot start after 60 s.
    """
    job, failures = work.job, 0
    while True:
        before = numbers(job.checkpoint())
        work = replace(work, recovered=recoveries(job.log()))
        try:
            ended = run_trainer(work, workers)
        except TrainingFailedError as error:
            raise_permanent_errors(error, job)
            cause = cause_of(error)
            failures = (1 if numbers(job.checkpoint()) != before else failures + 1) if cause == "failure" else 0
            reason = str(error).strip().splitlines()[-1][:150]
            if failures > FAILURES:
                raise InputError(
                    f"workers died {failures} times in a row, the last time: {reason}; the last checkpoint "
                    f"is kept, and running it again resumes there; see {job.log()}"
                ) from None
            note_recovery(job.log(), cause, f"workers died ({reason})")
        else:
            if reached(job):
                return ended
            if numbers(job.checkpoint()) == before:
                raise InputError(
                    f"workers stopped before the end and left no new checkpoint; see {job.log()}, and "
                    "check that their node and this machine reach the same cluster.storage"
                )
            failures = 0
            if ended.drained:
                note_recovery(job.log(), "preemption", f"left {', '.join(ended.drained)}, which Ray takes away")
        workers = startable_workers(work)


def raise_permanent_errors(error: TrainingFailedError, job: Job) -> None:
    """Raises InputError for errors that a restart would meet again: bad input, a refusing disk, mistakes in the code.

    Writes the traceback of a mistake beside the log. Returns for transient errors: a dead worker, a lost node, a broken
    connection.
    """
    for reason in reasons(error):
        if isinstance(reason, InputError):
            raise InputError(str(reason)) from None
        if isinstance(reason, OSError) and (said := refusal(reason)):
            raise InputError(said) from None
        if isinstance(reason, MISTAKES) and not isinstance(reason, ray.exceptions.RayError):
            write_whole(job.traceback(), str(error).encode(errors="replace"))
            text = " ".join(str(reason).split())[:300]
            raise InputError(
                f"{type(reason).__name__}: {text}; it would happen again, so workers were not restarted; "
                f"the log is {job.log()}, the traceback {job.traceback()}"
            ) from None


def cause_of(error: TrainingFailedError) -> Cause:
    """A preemption if a worker died with a node that Ray had been told to take away."""
    died = [reason for reason in reasons(error) if isinstance(reason, ray.exceptions.RayActorError)]
    return "preemption" if any(reason.preempted for reason in died) else "failure"


def reasons(error: TrainingFailedError) -> list[Exception]:
    """What each of the workers that failed raised, or died of."""
    return [getattr(failure, "_base_exc", failure) for failure in getattr(error, "worker_failures", {}).values()]


def startable_workers(work: WorkerJob) -> int:
    """Number of workers that can start now, at most as many as wanted; waits if there is room for none.

    Raises InputError after WAIT_SECONDS.
    """
    for _ in range(WAIT_SECONDS):
        time.sleep(1)  # Ray needs a moment to free the resources of dead workers
        with suppress(ray.exceptions.RayError, TimeoutError):
            if fits := work.room():
                return min(fits, work.wanted)
    raise InputError(
        f"no node of the cluster had room for a worker for {WAIT_SECONDS} s; the last checkpoint is "
        "kept: add nodes and run it again"
    )


def run_trainer(work: WorkerJob, workers: int) -> TrainingOutcome:
    """Runs the workers under Ray Train. Raises TrainingFailedError when one of them dies.

    Ray's own record of a run is not written atomically and does not depend on the configuration, so each run gets a new
    name and its record is deleted afterwards; only our checkpoints count (checkpoints.py).
    """
    with private_folder() as folder:
        return _run_trainer(replace(work, meeting=folder / "workers") if work.software is None else work, workers)


class Trainer(DataParallelTrainer):
    """Without Ray's datasets: they are not used here, and their process takes seconds to import Ray Train."""

    def _create_default_callbacks(self) -> list[Any]:
        return [one for one in super()._create_default_callbacks() if not isinstance(one, DatasetsCallback)]


def _run_trainer(work: WorkerJob, workers: int) -> TrainingOutcome:
    job, name = work.job, f"{work.job.name}-{uuid.uuid4().hex}"
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
