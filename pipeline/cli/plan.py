"""`sresnet plan`: how long the trainings of params.yaml will take on this machine.

A step of every distinct network and batch is measured; the rest is multiplication.
"""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from models.config import NetworkConfig
from pipeline.cli.split_sizes import SplitSize, split_size, unknown_sizes
from pipeline.cli.step_time import step_seconds
from pipeline.cli.sweep import reproduce
from pipeline.cluster.workers import workers_here
from pipeline.ground.lifetime import watched_run
from pipeline.ground.params import ClusterParams
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import describe
from pipeline.protocol.params import ExperimentParams, Params, load_params
from pipeline.train.progress import duration

_CAVEAT = (
    "Steps were measured in one process, with random pixels, while the machine did whatever else it did; several "
    "workers are taken to share a step's micro-batches evenly. Not in it: fetching, preprocessing, evaluation, scores "
    "of validation and test after an epoch, and the start of the processes (seconds, half a minute with Ray)."
)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The trainings of one experiment."""

    experiment: str
    runs: int
    steps: int
    """Of a run."""
    step_seconds: float
    workers: int

    @property
    def seconds(self) -> float:
        """Of a run."""
        return self.steps * self.step_seconds

    @property
    def total(self) -> float:
        return self.runs * self.seconds


Measure = Callable[[NetworkConfig, TrainingConfig, SplitSize], float]


def plan(params: Params, measure: Measure | None = None) -> list[Planned]:
    """A row for each experiment that has runs, in their order. Raises InputError for data of unknown size."""
    measure = measure or partial(step_seconds, recompute=params.cluster.recompute)
    measured: dict[tuple[object, ...], float] = {}
    rows = []
    for name, experiment in params.experiments.items():
        runs = sum(run.experiment == name for run in params.runs.values())
        if not runs:
            continue
        data, training = split_size(experiment.dataset, params.datasets[experiment.dataset]), experiment.training
        key = (experiment.model, training.batch_size, training.micro_batches, training.threads, training.loss, data)
        if key not in measured:
            print(f"measuring {name}", file=sys.stderr)
            measured[key] = measure(experiment.model, training, data)
        rows.append(planned(name, experiment, runs, data, measured[key], params.cluster))
    return rows


def planned(
    name: str, experiment: ExperimentParams, runs: int, data: SplitSize, seconds: float, cluster: ClusterParams
) -> Planned:
    """One row, of a step that took so many seconds in one process."""
    training = experiment.training
    samples = data.samples - data.samples * training.validation_percent // 100
    batches = samples / training.batch_size
    workers = workers_here(cluster, training.micro_batches, cluster.cpus(training.threads))
    return Planned(
        experiment=name,
        runs=runs,
        steps=training.epochs * (math.floor(batches) if training.drop_last else math.ceil(batches)),
        step_seconds=seconds * math.ceil(training.micro_batches / workers) / training.micro_batches,
        workers=workers,
    )


def plan_trainings() -> None:
    """A line an experiment, and the sum, of data that are preprocessed first if only that tells. Raises InputError."""
    with watched_run():
        params = load_params()
        if datasets := unknown_sizes(params):
            print(
                f"how many samples there are shows only when they are preprocessed: {', '.join(datasets)}", flush=True
            )
            reproduce(*(f"preprocess@{name}" for name in datasets))
        print(plan_table(plan(params)))


def plan_table(rows: list[Planned]) -> str:
    """A line an experiment, the sum, the caveat."""
    form = "{:<36}{:>6}{:>10}{:>10}{:>12}{:>12}"
    lines = [form.format("experiment", "runs", "steps", "ms/step", "a run", "all")]
    for row in rows:
        numbers = row.runs, row.steps, f"{1e3 * row.step_seconds:.0f}", duration(row.seconds), duration(row.total)
        lines.append(form.format(row.experiment, *numbers))
    runs = sum(row.runs for row in rows)
    seconds = sum(row.total for row in rows)
    lines += [form.format("all", runs, "", "", "", duration(seconds)), describe(torch.device("cpu")), _CAVEAT]
    return "\n".join(lines)
