"""`sresnet train RUN --for 10m`: trains for a limited time; a later command, here or elsewhere, goes on."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

from pipeline.cluster.workers import in_this_process
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import stage_lock, watched_run
from pipeline.ground.names import shown
from pipeline.ground.params import ClusterParams
from pipeline.ground.paths import PARAMS
from pipeline.protocol.sampler import epoch_batches, hold_out
from pipeline.train.checkpoints import newest_state
from pipeline.train.export import finished
from pipeline.train.job import Job
from pipeline.train.jobs import checked_job, train_in_process, train_on
from pipeline.train.placement import already_finished
from pipeline.train.progress import duration

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Seconds of a duration such as 90s, 10m or 1.5h. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text, re.ASCII)
    if not found or float(found[1]) == 0:
        raise ValueError(f"{text!r}: expected a number above 0 with s, m or h, such as 10m")
    return float(found[1]) * _SECONDS[found[2]]


def train_for(name: str, seconds: float) -> None:
    """Trains a run of params.yaml for that time from this process's start; prints what is left. Raises InputError."""
    began = time.monotonic() - (time.time() - psutil.Process().create_time())
    with training_alone(name):
        _train_for(name, began + seconds)


def train_to(name: str, epoch: int) -> None:
    """Trains a run of params.yaml up to the end of that epoch. Raises InputError."""
    with training_alone(name):
        job, _, cluster = checked_job(name)
        note, _ = train_on(cluster)(job.stopped(epoch))
        print(f"{name}: epoch {epoch}, {note}")


@contextmanager
def training_alone(name: str) -> Iterator[None]:
    """Within the block, no other process trains the run, and errors name it. Raises InputError."""
    try:
        with stage_lock(f"train@{name}"), watched_run():
            yield
    except InputError as error:
        raise InputError(f"{shown(name)}: {error}") from None


def _train_for(name: str, ends: float) -> None:
    job, _, cluster = checked_job(name)
    if not in_this_process(cluster, torch.cuda.device_count()):
        raise InputError(
            f"{PARAMS}: --for trains in this process: cluster.address must be local, cluster.workers auto or 1 "
            "(with several GPUs, 1)"
        )
    if already_finished(job, cluster):
        print(f"{name}: is trained; `dvc repro` goes on with it")
        return
    print(train_until(job, cluster, ends))


def train_until(job: Job, cluster: ClusterParams, ends: float) -> str:
    """Trains until the end or until that time (of time.monotonic), stops after a whole step, and returns what to say
    about it."""
    clock = Clock(ends=ends)
    train_in_process(job, cluster, clock)
    now, folder = Position.of(job), job.checkpoint().parent
    if finished(job) is not None:
        return f"{job.name}: trained; `dvc repro` goes on with it"
    return (
        f"{job.name}: stopped after step {now.step} of epoch {now.epoch + 1}/{job.training.epochs}; left: "
        f"{clock.left(now.left)}\n"
        f"its state: {folder}\n"
        "to go on here: the same command, or `dvc repro`\n"
        "elsewhere: copy that folder into runs/ of a checkout with this code, params.yaml and data, and torch "
        f"{torch.__version__}"
    )


@dataclass(kw_only=True)
class Clock:
    """Called in each step, says whether the time is over. Times are those of time.monotonic."""

    ends: float
    first: float = 0.0
    """When the first step was computed; it may have compiled kernels."""
    last: float = 0.0
    """When the last step was computed."""
    steps: int = 0

    def __call__(self) -> bool:
        self.last = time.monotonic()
        self.first = self.first if self.steps else self.last
        self.steps += 1
        return self.last >= self.ends

    def left(self, steps: int) -> str:
        """How long so many more steps take, by the mean of those after the first."""
        if self.steps < 2:
            return f"{steps} steps"
        return f"{steps} steps, {duration((self.last - self.first) / (self.steps - 1) * steps)}"


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a training is."""

    epoch: int
    """Finished epochs."""
    step: int
    """Steps done of the next epoch."""
    left: int
    """Steps until the end."""

    @classmethod
    def of(cls, job: Job) -> "Position":
        """By the newest checkpoint."""
        state = newest_state(job.checkpoint())
        epoch, step = (state.epoch, state.step) if state else (0, 0)
        samples, _ = hold_out(job.train_store().labels, job.training.validation_percent)
        batches = len(epoch_batches(samples, job.training, job.seed, 0))
        return cls(epoch=epoch, step=step, left=(job.training.epochs - epoch) * batches - step)
