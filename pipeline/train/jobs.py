"""The training of a run of params.yaml, and who does it: workers on Ray, or this process."""

from collections.abc import Callable

import torch

from pipeline.cluster.runs import runs_folder
from pipeline.ground import paths
from pipeline.ground.params import ClusterParams
from pipeline.ground.progress import said_lines
from pipeline.protocol.hardware import note
from pipeline.protocol.params import ExperimentParams, RunParams
from pipeline.protocol.reduce import Alone
from pipeline.train.job import Job
from pipeline.train.journal import Journal
from pipeline.train.loop import train
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


def train_on_ray(cluster: ClusterParams) -> Fit:
    """Workers of the cluster share each step."""

    def fit(job: Job) -> tuple[str, int]:
        from pipeline.train import on_ray as workers  # Ray takes seconds to import

        return workers.fit(job, cluster).summary()

    return fit


def train_in_process(device: torch.device) -> Fit:
    """This process does every step, without Ray."""

    def fit(job: Job) -> tuple[str, int]:
        note(job.platforms(), device, job.network.precision)
        journal = Journal(job.log())
        with said_lines(on_terminal) as say_line:

            def say(message: str | ProgressReport) -> None:
                journal.add(message)
                say_line(str(message))

            train(job, Alone(), device, say)
        return "trained in one process, without Ray", 0

    return fit
