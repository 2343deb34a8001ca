"""`sresnet sweep --halving`: chooses among the experiments of params.yaml by successive halving.

All are trained for some epochs, the better half of them for twice as many, and so on (Jamieson & Talwalkar,
"Non-stochastic Best Arm Identification and Hyperparameter Optimization" (2016), with halves). A training is stopped
after an epoch, with its checkpoint, and would go on with the bits of one that was never stopped. Every decision follows
from the histories in the checkpoints, so the command resumes by deciding again. No result is written.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline.cli.sweep import SweepRun, do, reason, reproduce
from pipeline.cli.under_audit import runs_under_audit
from pipeline.ground.errors import InputError
from pipeline.ground.lifetime import watched_run
from pipeline.ground.paths import PARAMS
from pipeline.protocol.params import Params, load_params

_RUNG = (sys.executable, "-m", "pipeline.cli.command_line", "rung")

History = Sequence[Mapping[str, Any]]
"""Rows of a training's history, one per finished epoch."""
RungScore = tuple[float, float]
"""Accuracy on the validation split (percent) and, negative, the loss there, which decides between equal accuracies."""


def rungs(experiments: int, epochs: int, warmup: int) -> list[int]:
    """The epochs after which the worse half is stopped, ascending, and the last epoch.

    For 2^k experiments these are epochs / 2^k, ..., epochs / 2, rounded up. None lies in the warm-up.
    """
    halvings = range(math.ceil(math.log2(experiments)) + 1)
    return sorted({rung for halving in halvings if (rung := math.ceil(epochs / 2**halving)) > warmup})


def best_first(scores: Mapping[str, RungScore]) -> list[str]:
    """The experiments in the order of their scores; equal ones in that of params.yaml."""
    return sorted(scores, key=lambda name: scores[name], reverse=True)


def score_of(histories: Sequence[History], epoch: int) -> RungScore:
    """The means over the seeds, after that epoch."""
    rows = [history[epoch - 1] for history in histories]
    return fmean(row["validation_accuracy"] for row in rows), -fmean(row["validation_loss"] for row in rows)


def halve() -> None:
    """Trains, stops, and prints which experiment is best. Raises InputError, KeyboardInterrupt."""
    with watched_run():
        params = load_params()
        check_comparable(params)
        reproduce(f"preprocess@{next(iter(params.runs.values())).dataset}")
        halving, began = Halving(params=params), time.monotonic()
        halving.run()
        print(halving.table(time.monotonic() - began), flush=True)
    if halving.failed:
        lines = [f"{name}: {why}" for name, why in halving.failed.items()]
        raise InputError("\n  ".join([f"{len(lines)} of {len(params.runs)} run(s) failed, see above", *lines]))


def check_comparable(params: Params) -> None:
    """Raises InputError unless all runs may be stopped, and are comparable on one validation split."""
    if audited := runs_under_audit(params):
        lines = [f"{name} {why}" for name, why in audited.items()]
        raise InputError(
            "\n  ".join([f"{PARAMS}: a run under audit is not stopped early; use `sresnet sweep`", *lines])
        )
    names = list(dict.fromkeys(run.experiment for run in params.runs.values()))
    if len(names) < 2:
        raise InputError(f"{PARAMS}: runs: {names[0]} is the only experiment; --halving chooses among two or more")
    if without := [name for name in names if not params.experiments[name].training.validation_percent]:
        raise InputError(
            f"{PARAMS}: experiments.{without[0]}.training.validation_percent is 0, and to choose by test samples would "
            f"spoil the test split; set it, for example to 10 ({', '.join(without)})"
        )
    for name in names:
        _check_equal(params, names[0], name)


def _check_equal(params: Params, first: str, other: str) -> None:
    wanted, found = _equal_values(params, first), _equal_values(params, other)
    for key in wanted:
        if found[key] != wanted[key]:
            raise InputError(
                f"{PARAMS}: {key} of {first} is {wanted[key]}, and of {other} {found[key]}; --halving needs the same"
            )


def _equal_values(params: Params, name: str) -> dict[str, object]:
    """What experiments must have in common to be compared."""
    experiment = params.experiments[name]
    return {
        "dataset": experiment.dataset,
        "training.epochs": experiment.training.epochs,
        "training.validation_percent": experiment.training.validation_percent,
        "the list of seeds": sorted(run.seed for run in params.runs.values() if run.experiment == name),
    }


@dataclass(kw_only=True)
class Halving:
    """The state of one command."""

    params: Params
    failed: dict[str, str] = field(default_factory=dict)
    """Reasons, by run."""
    trained: int = 0
    """Epochs that this command trained, over all runs."""
    finalists: list[str] = field(default_factory=list)
    """The experiments that were trained to the end, best first."""

    @cached_property
    def runs(self) -> dict[str, list[str]]:
        """The names of each experiment's runs."""
        found: dict[str, list[str]] = {}
        for name, run in self.params.runs.items():
            found.setdefault(run.experiment, []).append(name)
        return found

    @cached_property
    def epochs(self) -> int:
        """Epochs of a whole training."""
        return self.params.experiments[next(iter(self.runs))].training.epochs

    @cached_property
    def checkpoints(self) -> dict[str, Path]:
        """The folder of each run's checkpoints."""
        from pipeline.train.jobs import job_of  # torch takes seconds to import

        experiments, cluster = self.params.experiments, self.params.cluster
        runs = self.params.runs.items()
        return {name: job_of(name, run, experiments[run.experiment], cluster).checkpoint() for name, run in runs}

    def history(self, run: str) -> History:
        """What a run's newest checkpoint says; empty without one."""
        from pipeline.train.checkpoints import newest_state

        state = newest_state(self.checkpoints[run])
        return state.history if state else []

    def run(self) -> None:
        """Trains rung by rung, and says at each what goes on."""
        going = list(self.runs)
        warmup = max(self.params.experiments[name].training.warmup_epochs for name in going)
        for rung in rungs(len(going), self.epochs, warmup):
            if not (scores := self.scores(going, rung)):
                return
            places = len(going) if rung == self.epochs else math.ceil(len(going) / 2)
            ranked = best_first(scores)
            going = ranked[:places]
            marked = [f"{name} {scores[name][0]:.2f} %{'' if name in going else ' stopped'}" for name in ranked]
            print(f"after epoch {rung} of {self.epochs}: {', '.join(marked)}", flush=True)
        self.finalists = going

    def scores(self, experiments: Sequence[str], epoch: int) -> dict[str, RungScore]:
        """Trains up to the end of that epoch. Returns the scores of the experiments of which no run failed."""
        before = {run: len(self.history(run)) for name in experiments for run in self.runs[name]}
        todo = [SweepRun(name=run, command=[*_RUNG, run, str(epoch)]) for run in before if before[run] < epoch]
        print(f"up to epoch {epoch} of {self.epochs}: {len(todo)} of {len(before)} run(s) to train", flush=True)
        if todo:
            do(todo, self.params)
        self.failed |= {
            run.name: f"{reason(run.log).removeprefix(f'{run.name}: ')} (all of it: {run.log})"
            for run in todo
            if run.failed
        }
        histories = {run: self.history(run) for run in before}
        self.trained += sum(len(histories[run]) - before[run] for run in before)
        return {
            name: score_of([histories[run] for run in self.runs[name]], epoch)
            for name in experiments
            if not self.failed.keys() & set(self.runs[name])
        }

    def table(self, seconds: float) -> str:
        """How far each experiment came, what was saved in that time, and what to do next."""
        width = max(map(len, [*self.runs, "experiment"]))
        others = [name for name in self.runs if name not in self.finalists]
        lines = [
            "",
            f"{'experiment':<{width}}  {'epochs':>9}  validation",
            *(f"{name:<{width}}  {self._row(name)}" for name in [*self.finalists, *others]),
            "",
            f"{self._saved(seconds)}; it took {seconds:.0f} s",
            "stopped: a checkpoint without a result, which is no evidence; `dvc repro train@RUN` would finish it",
        ]
        if self.finalists:
            stages = " ".join(f"evaluate@{run}" for run in self.runs[self.finalists[0]])
            lines.append(f"next: dvc repro {stages}   evaluates the best, {self.finalists[0]}, on the test split")
        return "\n".join(lines)

    def _saved(self, seconds: float) -> str:
        whole = self.epochs * len(self.params.runs)
        left = whole - sum(len(self.history(run)) for run in self.params.runs)
        about = f", about {seconds / self.trained * left:.0f} s at the speed of this command" if self.trained else ""
        return f"{left} of {whole} epochs were not trained{about}"

    def _row(self, experiment: str) -> str:
        """Epochs that all seeds have, the accuracy after them, and why it ended."""
        histories = [self.history(run) for run in self.runs[experiment]]
        done = min(map(len, histories))
        accuracy = f"{score_of(histories, done)[0]:.2f} %" if done else ""
        state = "finished" if done == self.epochs else "stopped"
        state = "failed" if self.failed.keys() & set(self.runs[experiment]) else state
        return f"{f'{done}/{self.epochs}':>9}  {accuracy:>10}  {state}"
