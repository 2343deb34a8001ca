"""What each part of the network is worth: each experiment of profile `study` against the one it differs least from.

Differences are over seeds that both were trained with, on the same test samples; another choice of those is not in
their intervals. Accuracies in percent, differences in points.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Any

from pipeline.audit.operations import read_operations
from pipeline.audit.pairs import PairedDifference, paired_difference
from pipeline.audit.record import Record
from pipeline.errors import InputError

PREFIX = "study-"
BASE = "base"
SECONDS, ROBUSTNESS, FINE_TUNING = "bench-study.json", "robustness.json", "fine-tuning.json"
"""In the folder of the results: what benchmarks/study.py, robustness.py and fine_tuning.py measured."""
Configuration = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """An experiment with what its trainings came to."""

    part: str
    """Its name without prefix and dataset, for example bn."""
    changed: str
    """What differs from the reference, for example normalization bn."""
    reference: str
    """The part that it is read against; the base's is itself."""
    accuracies: dict[int, float]
    """By seed."""
    by_step: list[float]
    """Accuracy if the decision is taken after each time step, mean over the seeds."""
    difference: PairedDifference | None
    """From the reference; None for the base, and where no seed is common."""
    operations: float
    """Effective synaptic operations of a sample, mean over the seeds."""
    microjoules: float
    """Of these, under NeuroBench's convention."""
    parameters: int

    @property
    def accuracy(self) -> float:
        return fmean(self.accuracies.values())

    def words(self, significant: bool) -> str:
        """What may be said of the difference."""
        if self.difference is None or self.difference.low is None:
            return "no interval"
        if self.difference.low <= 0 <= (self.difference.high or 0.0):
            return "open"
        return ("better" if self.difference.mean > 0 else "worse") + ("" if significant else " (by itself)")


def cells(records: Iterable[Record], dataset: str, configurations: Mapping[str, Configuration]) -> list[Cell]:
    """Those of one dataset that have a record, the base first, then from the best difference to the worst.

    `configurations` are those of all parts, as the profile declares them; a record of another configuration is left
    out. No cells without the base.
    """
    by_part: dict[str, list[Record]] = {}
    for record in records:
        part = record.experiment.removeprefix(f"{PREFIX}{dataset}-")
        if record.dataset["name"] == dataset and configurations.get(part) == configuration_of(record):
            by_part.setdefault(part, []).append(record)
    if BASE not in by_part:
        return []
    made = [_cell(part, by_part, configurations) for part in by_part]
    return sorted(made, key=lambda cell: (cell.part != BASE, -cell.difference.mean if cell.difference else inf))


def configuration_of(record: Record) -> Configuration:
    """Network and training by name of the value."""
    return record.network | record.training


def _cell(part: str, by_part: Mapping[str, list[Record]], configurations: Mapping[str, Configuration]) -> Cell:
    records, reference = by_part[part], _reference(part, configurations)
    accuracies, beside = accuracies_of(records), accuracies_of(by_part.get(reference, []))
    paired = part != reference and accuracies.keys() & beside.keys()
    costs = [_cost(record) for record in records]
    changed = _changed(configurations[part], configurations[reference])
    return Cell(
        part=part,
        changed=", ".join(f"{name} {value}" for name, value in changed.items()),
        reference=reference,
        accuracies=accuracies,
        by_step=[fmean(each) for each in zip(*(_by_step(record) for record in records), strict=True)],
        difference=paired_difference(accuracies, beside) if paired else None,
        operations=fmean(operations for operations, _ in costs),
        microjoules=fmean(microjoules for _, microjoules in costs),
        parameters=records[0].parameters,
    )


def accuracies_of(records: Iterable[Record]) -> dict[int, float]:
    """Percent of all test samples, by seed."""
    return {record.seed: record.test["top1_percent"] for record in records}


def _by_step(record: Record) -> list[float]:
    return [100.0 * correct / record.test["samples"] for correct in record.test["correct_by_step"]]


def _reference(part: str, configurations: Mapping[str, Configuration]) -> str:
    """The part with the fewest other values: the base, which goes first, or one that is nearer to the base."""
    away = {other: len(_changed(values, configurations[BASE])) for other, values in configurations.items()}
    nearer = [other for other in configurations if 0 < away[other] < away[part]]
    return min([BASE, *nearer], key=lambda other: len(_changed(configurations[part], configurations[other])))


def _changed(mine: Configuration, theirs: Configuration) -> Configuration:
    """Values that differ; the width goes with a surrogate's shape, the lambda with its loss."""
    changed = {name: value for name, value in mine.items() if value != theirs[name]}
    if "surrogate" in changed:
        changed.pop("surrogate_width", None)
    if "loss" in changed:
        changed.pop("tet_lambda", None)
    return changed


def _cost(record: Record) -> tuple[float, float]:
    """Effective operations and microjoules of a sample. Raises InputError."""
    operations = read_operations(record.operations)
    if operations is None:
        raise InputError(f"{record.experiment}-{record.seed}: its record counts no operations; evaluate it again")
    cost = operations.costs()[1]
    return cost.multiply_adds + cost.additions, cost.microjoules


def significant(every: list[Cell]) -> set[str]:
    """Parts whose difference stays beyond chance at 5 % for all comparisons of a dataset together."""
    return beyond_chance({c.part: c.difference.p_value for c in every if c.difference and c.difference.n > 1})


def beyond_chance(p_values: Mapping[str, float]) -> set[str]:
    """The names that stay at 5 % for all of them together (Holm 1979)."""
    found: set[str] = set()
    for place, (name, p_value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p_value * (len(p_values) - place) > 0.05:
            break
        found.add(name)
    return found


def places(every: list[Cell]) -> dict[str, tuple[int, int]]:
    """By part: the places from the best, 1, to the worst that it may have; 95 % for each part by itself.

    After all that are surely better than it, before all that are surely worse: by paired tests against each other
    part, corrected for their number (Mogstad, Romano, Shaikh, Wilhelm 2024, Inference for Ranks).
    """
    return {cell.part: _place(cell, [other for other in every if other is not cell]) for cell in every}


def _place(cell: Cell, others: list[Cell]) -> tuple[int, int]:
    paired = {
        other.part: paired_difference(other.accuracies, cell.accuracies)
        for other in others
        if other.accuracies.keys() & cell.accuracies.keys()
    }
    surely = beyond_chance({part: difference.p_value for part, difference in paired.items()})
    better = sum(paired[part].mean > 0 for part in surely)
    return 1 + better, 1 + len(others) - (len(surely) - better)


def not_run(declared: Iterable[str], records: Iterable[Record]) -> list[str]:
    """Trainings of the profile without a record, by name."""
    have = {f"{record.experiment}-{record.seed}" for record in records}
    return [name for name in declared if name not in have]
