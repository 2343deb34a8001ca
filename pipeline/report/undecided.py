"""For accuracies of the paper that were not run: the run that would decide, its cost, and the nearest result.

`python -m benchmarks.cost` measures the costs and writes results/bench-cost.json, which names the machine.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from models.bounds import STRICT
from pipeline.evaluate.record import Record
from pipeline.ground.schema import read_as
from pipeline.judge.audit import Audit
from pipeline.judge.claims import AccuracyClaim

COSTS = Path("results") / "bench-cost.json"
"""Path relative to the repository, or to a report's evidence/."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Cost of one training step on the CPU."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seconds: float
    peak_bytes: int
    """Peak memory of the process, including data and libraries."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The content of bench-cost.json."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    machine: str
    steps: dict[str, StepCost]
    """By title of the dataset."""
    gpu: str
    """Name of the GPU, and its precision."""
    gpu_seconds: float
    """Seconds per training sample on the GPU."""
    gpu_measured: str
    """Description of the measurement on the GPU."""


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """How a reader can decide a claim that was not run."""

    commands: list[str]
    lines: list[str]
    """Costs, one sentence per line."""
    nearest: list[Record]
    """Results on altered copies of the claim's images. They are not evidence for the claim."""


def undecided(claim: AccuracyClaim, audit: Audit, root: Path) -> Undecided | None:
    """The run that would decide a claim, its cost and the nearest result; None if the claim names no run.

    Raises InputError.
    """
    decided_by, path = claim.decided_by, root / COSTS
    if decided_by is None:
        return None
    costs = read_as(Costs, path, "costs", "`python -m benchmarks.cost` writes it") if path.exists() else None
    return Undecided(
        commands=[f"sresnet use {decided_by.profile} --seeds 2", "make repro"],
        lines=[f"Downloads {decided_by.download}.", *(_costs(claim, costs) if costs else [])],
        nearest=_nearest(claim, audit),
    )


def _costs(claim: AccuracyClaim, costs: Costs) -> list[str]:
    training, title = claim.configuration.training, claim.configuration.dataset.title
    samples = claim.configuration.dataset.train_samples
    steps = training.epochs * (samples // training.batch_size)
    gpu_hours = training.epochs * samples * costs.gpu_seconds / 3600
    precision = claim.configuration.network.precision
    lines = [
        f"{_hours(gpu_hours)} a seed on {costs.gpu}, extrapolated.",
        f"The claim is about {precision}; the GPU's time is that of {costs.gpu_measured}.",
    ]
    if step := costs.steps.get(title):
        hours, memory = steps * step.seconds / 3600, step.peak_bytes / 2**30
        lines.append(f"{_hours(hours)} a seed and {memory:.1f} GiB of memory on {costs.machine}: {steps:,} steps.")
    return lines


def _hours(hours: float) -> str:
    """A duration as text, to two digits."""
    if hours >= 72:
        return f"About {float(f'{hours / 24:.2g}'):g} days"
    return f"About {float(f'{hours:.2g}'):g} hours" if hours >= 1 else f"About {60 * hours:.0f} minutes"


def _nearest(claim: AccuracyClaim, audit: Audit) -> list[Record]:
    """The best result on altered copies of the claim's data: CIFAR-10 (JPEG q75) for CIFAR-10."""
    title = f"{claim.configuration.dataset.title} ("
    found = [one for one in (*audit.held, *audit.unchecked) if str(one.dataset["title"]).startswith(title)]
    return sorted(found, key=lambda one: (one in audit.unchecked, -float(one.test["top1_percent"])))[:1]
