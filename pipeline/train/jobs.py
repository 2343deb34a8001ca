"""The training of a run of params.yaml, and who does it: this process, or workers on Ray."""

import resource
from collections.abc import Callable

from pipeline.cluster.workers import begins_here, more_pay, workers_here
from pipeline.ground import paths
from pipeline.ground.params import ClusterParams
from pipeline.ground.progress import said_lines
from pipeline.protocol.hardware import device_of
from pipeline.protocol.params import ExperimentParams, RunParams
from pipeline.protocol.reduce import Alone
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.journal import Journal
from pipeline.train.placement import publish_job, runs_folder, train_placed
from pipeline.train.progress import ProgressReport, on_terminal

Fit = Callable[[Job], tuple[str, int]]
"""Trains to the end, or goes on where it stopped; gives a note for the record, and the peak memory in bytes or 0.

Raises InputError.
"""


def job_of(name: str, run: RunParams, experiment: ExperimentParams, cluster: ClusterParams) -> Job:
    """The training, its files on this machine."""
    return Job(
        name=name,
        network=experiment.model,
        training=experiment.training,
        seed=run.seed,
        data=paths.arrow(run.dataset),
        runs=runs_folder(cluster),
        checkpoint_seconds=cluster.checkpoint_seconds,
        recompute=cluster.recompute,
    )


def train_on(cluster: ClusterParams) -> Fit:
    """This process trains, unless workers on Ray are stated; it hands over to them when they would be done earlier."""

    def fit(job: Job) -> tuple[str, int]:
        if begins_here(cluster):
            outcome = train_in_process(job, cluster)
            if finished(job):
                return outcome
        from pipeline.train import on_ray  # Ray takes seconds to import

        return on_ray.fit(job, cluster).summary()

    return fit


def train_in_process(job: Job, cluster: ClusterParams) -> tuple[str, int]:
    """This process does every step, without Ray, until the end or until more workers would pay."""
    placement = publish_job(job, cluster)
    placement.download(job)
    workers = workers_here(cluster, job.training.micro_batches, cluster.cpus(job.training.threads))
    job.log().parent.mkdir(parents=True, exist_ok=True)
    journal, seconds_left = Journal(job.log()), 0.0
    with said_lines(on_terminal) as say_line:

        def say(message: str | ProgressReport) -> None:
            nonlocal seconds_left
            journal.add(message)
            say_line(str(message))
            if isinstance(message, ProgressReport):
                seconds_left = message.seconds_left

        train_placed(
            job, placement, Alone(), device_of(cluster.gpus_per_worker), say, lambda: more_pay(seconds_left, workers)
        )
        if more_pay(seconds_left, workers):
            say(f"{workers} workers on Ray go on from here: they will be done earlier")
    placement.download(job)
    return "trained in the stage's own process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
