"""`sresnet plan`: estimates how long the trainings of params.yaml take on this machine.

Measures a step of every distinct network and batch size, and multiplies it by the number of steps.
"""

import math
import sys
import textwrap
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from models.config import NetworkConfig
from models.neuron import is_fused
from pipeline.cli.split_sizes import SplitSize, split_size, unknown_sizes
from pipeline.cli.step_time import step_seconds
from pipeline.cli.sweep import reproduce
from pipeline.cluster.workers import workers_here
from pipeline.ground.lifetime import watched_run
from pipeline.ground.params import ClusterParams
from pipeline.ground.progress import progress
from pipeline.protocol.config import TrainingConfig
from pipeline.protocol.hardware import describe
from pipeline.protocol.params import ExperimentParams, Params, load_params
from pipeline.train.progress import duration

_CAVEAT = (
    "Steps were measured in one process, with random pixels, while the machine did whatever else it did; several "
    "workers are taken to share a step's micro-batches evenly. Not in it: fetching, preprocessing, evaluation, scores "
    "of validation and test after an epoch, statistics that are recomputed (a third of an epoch), and the start of the "
    "processes (seconds, half a minute with Ray)."
)

_COLUMNS = 80


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The trainings of one experiment."""

    experiment: str
    runs: int
    steps: int
    """Number of steps of one run."""
    step_seconds: float
    workers: int

    @property
    def seconds(self) -> float:
        """Seconds of one run."""
        return self.steps * self.step_seconds

    @property
    def total(self) -> float:
        return self.runs * self.seconds


Measure = Callable[[NetworkConfig, TrainingConfig, SplitSize], float]


def plan(params: Params, measure: Measure | None = None) -> list[Planned]:
    """One row per experiment with runs, in their order. Raises InputError for data of unknown size."""
    measure = measure or partial(step_seconds, recompute=params.cluster.recompute)
    names = [name for name in params.experiments if any(run.experiment == name for run in params.runs.values())]
    sizes = {name: _size(params, params.experiments[name].dataset) for name in names}
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name in names:
        training, model = params.experiments[name].training, params.experiments[name].model
        sized = training.batch_size, training.micro_batches, training.threads, training.loss, sizes[name]
        alike[model, *sized].append(name)
    seconds: dict[str, float] = {}
    with warnings.catch_warnings(), progress("measuring steps", total=len(alike), unit="networks") as bar:
        bar.show()
        warnings.filterwarnings("ignore", "the fused kernels know neither")  # one warning for all follows
        for same in alike.values():
            first = params.experiments[same[0]]
            seconds |= dict.fromkeys(same, measure(first.model, first.training, sizes[same[0]]))
            bar.update()
    models = {name: params.experiments[name].model for name in names}
    slow = [name for name, model in models.items() if model.neuron == "lif" and not is_fused(model)]
    if slow:
        print(f"WARNING: without fused kernels, several times slower: {', '.join(slow)}", file=sys.stderr)
    runs = Counter(run.experiment for run in params.runs.values())
    return [
        planned(name, params.experiments[name], runs[name], sizes[name], seconds[name], params.cluster)
        for name in names
    ]


def _size(params: Params, dataset: str) -> SplitSize:
    return split_size(dataset, params.datasets[dataset])


def planned(
    name: str, experiment: ExperimentParams, runs: int, data: SplitSize, seconds: float, cluster: ClusterParams
) -> Planned:
    """The row of an experiment; `seconds` is the time of a step in one process."""
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
    """Prints one line per experiment and the sum. First preprocesses data of unknown size. Raises InputError."""
    with watched_run():
        params = load_params()
        if datasets := unknown_sizes(params):
            print(
                f"how many samples there are shows only when they are preprocessed: {', '.join(datasets)}", flush=True
            )
            reproduce(*(f"preprocess@{name}" for name in datasets))
        print(plan_table(plan(params)))


def plan_table(rows: list[Planned]) -> str:
    """Table as text: one line per experiment, the sum, and the caveat."""
    names = max(len("experiment"), *(len(row.experiment) for row in rows))
    form = f"{{:<{names}}}{{:>6}}{{:>9}}{{:>9}}{{:>10}}{{:>10}}"
    lines = [form.format("experiment", "runs", "steps", "ms/step", "a run", "all")]
    for row in rows:
        numbers = row.runs, row.steps, f"{1e3 * row.step_seconds:.0f}", duration(row.seconds), duration(row.total)
        lines.append(form.format(row.experiment, *numbers))
    runs = sum(row.runs for row in rows)
    seconds = sum(row.total for row in rows)
    lines += [
        form.format("all", runs, "", "", "", duration(seconds)),
        "",
        describe(torch.device("cpu")),
        *textwrap.wrap(_CAVEAT, _COLUMNS),
    ]
    return "\n".join(lines)
