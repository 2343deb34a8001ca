"""Trains a run of params.yaml, in this process or with workers on Ray."""

import resource
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

import torch

from pipeline.cluster.runs import runs_folder
from pipeline.cluster.workers import in_this_process, workers_here
from pipeline.data.store import read_manifest
from pipeline.ground import paths
from pipeline.ground.errors import InputError, afterwards
from pipeline.ground.files import write_whole
from pipeline.ground.params import ClusterParams, load_cluster
from pipeline.ground.progress import line_printer
from pipeline.protocol.curves import reference
from pipeline.protocol.hardware import device_of
from pipeline.protocol.params import ExperimentParams, RunParams, load_run
from pipeline.protocol.reduce import Workers, in_threads
from pipeline.train.job import Job
from pipeline.train.journal import Journal
from pipeline.train.loop import train
from pipeline.train.placement import publish_job
from pipeline.train.progress import ProgressReport, on_terminal
from pipeline.train.recoveries import after_recoveries
from pipeline.train.trainable import check_trainable

Fit = Callable[[Job], tuple[str, int]]
"""Trains to the end, resuming if it was interrupted. Raises InputError.

Returns a note for the record, and the peak resident memory (bytes) of this process or, on Ray, of the first worker's
process; other workers and GPU memory are not included.
"""


def job_of(name: str, run: RunParams, experiment: ExperimentParams, cluster: ClusterParams) -> Job:
    """The training of a run, with its files on this machine."""
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


def checked_job(name: str) -> tuple[Job, RunParams, ClusterParams]:
    """The training of a run of params.yaml, with its recorded curves, after checking it against its data.

    Raises InputError.
    """
    (run, experiment), cluster = load_run(name), load_cluster()
    job = job_of(name, run, experiment, cluster)
    data = read_manifest(job.data, "train")
    check_trainable(f"experiments.{run.experiment}", job.network, job.training, data)
    curves = reference(paths.RESULTS, run.experiment, asdict(job.network), asdict(job.training), data.digest)
    return (job.compared(curves.bands(run.seed)) if curves else job), run, cluster


def train_on(cluster: ClusterParams) -> Fit:
    """Trains with threads of this process if `in_this_process` says so, else with workers on Ray."""

    def fit(job: Job) -> tuple[str, int]:
        if in_this_process(cluster, torch.cuda.device_count()):
            return train_in_process(job, cluster)
        from pipeline.train import on_ray  # Ray takes seconds to import

        note, peak = on_ray.fit(job, cluster).summary()
        return note + after_recoveries(job.log()), peak

    return fit


def train_in_process(job: Job, cluster: ClusterParams, halt: Callable[[], bool] = lambda: False) -> tuple[str, int]:
    """Trains with workers that are threads of this process, without Ray, until the end or until `halt` returns true."""
    placement = publish_job(job, cluster)
    placement.download(job)
    job.log().parent.mkdir(parents=True, exist_ok=True)
    here, device, journal = placement.here(job), device_of(cluster.gpus_per_worker), Journal(job.log())
    placement.note_processor(here, device)
    workers = workers_here(cluster, job.training.micro_batches, cluster.cpus(job.training.threads))
    with line_printer(on_terminal) as say_line:

        def say(message: str | ProgressReport) -> None:
            journal.add(message)
            say_line(str(message))

        def one(worker: Workers) -> None:
            """Only the first worker speaks and is asked: `halt` may count the steps."""
            if worker.rank:
                train(here, worker, device, _silent)
            else:
                train(here, worker, device, say, halt=halt)

        with (
            _kept_traceback(job),
            afterwards(lambda: placement.download(job), say),
            placement.mirrored(here, 0, say),
        ):
            in_threads(workers, one)
    return f"trained in one process by {workers} worker(s), a thread each", resource.getrusage(
        resource.RUSAGE_SELF
    ).ru_maxrss * 1024


@contextmanager
def _kept_traceback(job: Job) -> Iterator[None]:
    """Writes the traceback of an unexpected error beside the log, as a training on Ray does, and raises the error."""
    try:
        yield
    except (InputError, OSError):
        raise
    except Exception:
        write_whole(job.traceback(), traceback.format_exc().encode(errors="replace"))
        raise


def _silent(message: str | ProgressReport) -> None:
    """Drops the messages of all workers but the first: all say the same."""
