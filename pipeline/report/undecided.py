"""What would decide an accuracy of the paper that was not run, and what comes nearest to it here.

The costs are those that `python -m benchmarks.cost` measured into results/bench-cost.json, on the machine named there.
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
"""Below the repository, and below a report's evidence/."""


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """Of one training step on the CPU."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    seconds: float
    peak_bytes: int
    """Of the process, data and libraries included."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The content of bench-cost.json."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT

    machine: str
    steps: dict[str, StepCost]
    """By the title of the data."""
    gpu: str
    """Name of the GPU, and in what it computes."""
    gpu_seconds: float
    """Of one training sample on it."""
    gpu_measured: str
    """How, in words."""


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """What a reader can do about a claim that was not run."""

    commands: list[str]
    lines: list[str]
    """What it costs, a sentence each."""
    nearest: list[Record]
    """Results on images that were made from the same ones; none of them is evidence for the claim."""


def undecided(claim: AccuracyClaim, audit: Audit, root: Path) -> Undecided | None:
    """None where the claim does not say what would decide it. Raises InputError."""
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
    """To two digits."""
    if hours >= 72:
        return f"About {float(f'{hours / 24:.2g}'):g} days"
    return f"About {float(f'{hours:.2g}'):g} hours" if hours >= 1 else f"About {60 * hours:.0f} minutes"


def _nearest(claim: AccuracyClaim, audit: Audit) -> list[Record]:
    """The best result on altered copies of the claim's data: CIFAR-10 (JPEG q75) for CIFAR-10."""
    title = f"{claim.configuration.dataset.title} ("
    found = [one for one in (*audit.held, *audit.unchecked) if str(one.dataset["title"]).startswith(title)]
    return sorted(found, key=lambda one: (one in audit.unchecked, -float(one.test["top1_percent"])))[:1]
