"""The effect of each part of the network: each experiment of profile `study` against the base, or against one that
differs from it in one value alone.

Differences are paired by seed, on the same samples (pooled.py). Accuracies in percent, differences in percentage
points.
"""

import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Any, Literal

from pipeline.evaluate.answers import SampleHits
from pipeline.evaluate.operations import read_operations
from pipeline.evaluate.record import Record
from pipeline.ground.errors import InputError
from pipeline.judge.matching import name_of
from pipeline.report.study.pooled import (
    PairedDifference,
    PooledSpread,
    Scores,
    beyond_chance,
    difference,
    scores_of,
    spread_of,
)

PREFIX = "study-"
BASE = "base"
SECONDS, ROBUSTNESS, FINE_TUNING = "bench-study.json", "robustness.json", "fine-tuning.json"
"""Files in the results folder with the measurements of benchmarks/study.py, robustness.py and fine_tuning.py."""
INTERVALS, RERUN = "study-intervals.json", "study-rerun.json"
"""Files in the results folder with the simulation of benchmarks/study_intervals.py and the comparison of rerun.py."""
UNSTABLE_POINTS = 20.0
"""If seeds differ by more (points), some trainings failed, and their mean is meaningless."""
CellConfiguration = dict[str, Any]
CellState = Literal["steady", "unstable", "did not train"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """An experiment with the results of its trainings."""

    part: str
    """Name without prefix and dataset, for example bn."""
    changes: CellConfiguration
    """Values that differ from the reference's, for example normalization: bn."""
    reference: str
    """The part that it is compared with; the base's is itself."""
    accuracies: dict[int, float]
    """Accuracy by seed (percent)."""
    by_step: list[float]
    """Accuracy if the decision is taken after each time step, mean over the seeds."""
    state: CellState
    difference: PairedDifference | None
    """Difference to the reference; None for the base, and without a common seed."""
    operations: float
    """Effective synaptic operations per sample, mean over the seeds."""
    microjoules: float
    """Energy of these under NeuroBench's convention."""
    parameters: int

    @property
    def accuracy(self) -> float:
        return fmean(self.accuracies.values())

    @property
    def changed(self) -> str:
        """The changes as text, with numbers, booleans and lists as in JSON, for example normalization bn."""
        return ", ".join(
            f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in self.changes.items()
        )

    def words(self, significant: bool) -> str:
        """The label of the difference: its direction if the interval excludes 0, or the reason for no statement."""
        if self.state != "steady":
            return self.state
        if self.difference is None or self.difference.low is None:
            return "no interval"
        if self.difference.low <= 0 <= (self.difference.high or 0.0):
            return "open"
        return ("better" if self.difference.low > 0 else "worse") + ("" if significant else " (by itself)")


def grouped(
    records: Iterable[Record], dataset: str, configurations: Mapping[str, CellConfiguration]
) -> dict[str, list[Record]]:
    """The records of one dataset by part, without those whose configuration is not the profile's.

    Empty without the base. Raises InputError if records have other samples than the base.
    """
    by_part: dict[str, list[Record]] = {}
    for record in records:
        part = record.experiment.removeprefix(f"{PREFIX}{dataset}-")
        if record.dataset["name"] == dataset and configurations.get(part) == configuration_of(record):
            by_part.setdefault(part, []).append(record)
    if BASE not in by_part:
        return {}
    for record in (record for part in by_part.values() for record in part):
        _check_samples(record, by_part[BASE][0])
    return by_part


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What the intervals of a dataset are computed from: its trainings that have per-sample answers."""

    scores: Scores
    spread: PooledSpread
    """Of all steady parts."""


def compare_parts(
    by_part: Mapping[str, list[Record]], hits: Mapping[str, SampleHits], spread_over: Container[str]
) -> Compared | None:
    """None if no trainings have answers, or too few for a spread over the steady parts of `spread_over`.

    `hits` is by record (name_of).

    Raises InputError for answers in another order than those of the other trainings.
    """
    answered = {
        part: {record.seed: _in_order(record, hits, by_part).right for record in records if name_of(record) in hits}
        for part, records in by_part.items()
    }
    answered = {part: own for part, own in answered.items() if own}
    if not answered:
        return None
    scores = scores_of(answered)
    steady = [part for part in answered if part in spread_over and state_of(by_part[part]) == "steady"]
    spread = spread_of(scores, steady)
    return Compared(scores=scores, spread=spread) if spread else None


def _in_order(record: Record, hits: Mapping[str, SampleHits], by_part: Mapping[str, list[Record]]) -> SampleHits:
    first = next(one for records in by_part.values() for one in records if name_of(one) in hits)
    if hits[name_of(record)].order != hits[name_of(first)].order:
        raise InputError(
            f"{name_of(record)}: its per-sample answers have other samples, labels or another order than those of "
            f"{name_of(first)}; differences need the same; evaluate one of them again"
        )
    return hits[name_of(record)]


def cells(
    by_part: Mapping[str, list[Record]],
    configurations: Mapping[str, CellConfiguration],
    evidence: Compared | None,
) -> list[Cell]:
    """The base first, then sorted from the best difference to the worst; parts without a difference last."""
    made = [_cell(part, by_part, configurations, evidence) for part in by_part]
    return sorted(made, key=lambda cell: (cell.part != BASE, -cell.difference.points if cell.difference else inf))


def _check_samples(record: Record, base: Record) -> None:
    for rows in ("train_rows", "test_rows"):
        if record.digests[rows] != base.digests[rows]:
            raise InputError(
                f"{record.experiment}-{record.seed}: its {rows} differ from those of {base.experiment}-{base.seed}; "
                "differences need the same samples; preprocess and train one of them again"
            )


def state_of(records: list[Record]) -> CellState:
    """The state of a part's trainings; the chance level assumes classes of equal size."""
    accuracies, chance = list(accuracies_of(records).values()), 100 / len(records[0].dataset["classes"])
    if fmean(accuracies) < chance + (100 - chance) / 10:
        return "did not train"
    return "unstable" if max(accuracies) - min(accuracies) > UNSTABLE_POINTS else "steady"


def configuration_of(record: Record) -> CellConfiguration:
    """Values of network and training by name."""
    return record.network | record.training


def _cell(
    part: str,
    by_part: Mapping[str, list[Record]],
    configurations: Mapping[str, CellConfiguration],
    evidence: Compared | None,
) -> Cell:
    records, reference = by_part[part], _reference(part, configurations)
    costs = [cost_of(record) for record in records]
    return Cell(
        part=part,
        changes=_changed(configurations[part], configurations[reference]),
        reference=reference,
        accuracies=accuracies_of(records),
        by_step=[fmean(each) for each in zip(*(_by_step(record) for record in records), strict=True)],
        state=state_of(records),
        difference=_difference(part, reference, by_part, evidence) if part != reference else None,
        operations=fmean(operations for operations, _ in costs),
        microjoules=fmean(microjoules for _, microjoules in costs),
        parameters=records[0].parameters,
    )


def _difference(
    part: str, reference: str, by_part: Mapping[str, list[Record]], evidence: Compared | None
) -> PairedDifference | None:
    """With an interval if both are steady and have per-sample answers; None without a common seed."""
    pair = [by_part[part], by_part.get(reference, [])]
    if evidence and all(records and state_of(records) == "steady" for records in pair):
        first, second = (evidence.scores.rows.get(name, {}) for name in (part, reference))
        if first.keys() & second.keys():
            return difference(evidence.scores, part, reference, evidence.spread)
    own, others = map(accuracies_of, pair)
    gaps = [own[seed] - others[seed] for seed in own.keys() & others.keys()]
    return PairedDifference(n=len(gaps), points=fmean(gaps), low=None, high=None, p_value=1.0) if gaps else None


def accuracies_of(records: Iterable[Record]) -> dict[int, float]:
    """Percent of all test samples, by seed."""
    return {record.seed: record.test["top1_percent"] for record in records}


def _by_step(record: Record) -> list[float]:
    return [100.0 * correct / record.test["samples"] for correct in record.test["correct_by_step"]]


def _reference(part: str, configurations: Mapping[str, CellConfiguration]) -> str:
    """The part that is closer to the base and differs from this one in one value, the first by name; else the base.

    A recipe, which changes many values at once, is therefore read against the base.
    """
    mine, base = configurations[part], configurations[BASE]
    away = len(_changed(mine, base))
    found = [
        other
        for other, values in configurations.items()
        if len(_changed(mine, values)) == 1 and 0 < len(_changed(values, base)) < away
    ]
    return min(found, default=BASE)


def _changed(mine: CellConfiguration, theirs: CellConfiguration) -> CellConfiguration:
    """Values that differ; a surrogate's width is part of its shape, lambda of the loss, and decay_after of steps."""
    changed = {name: value for name, value in mine.items() if value != theirs[name]}
    if "surrogate" in changed:
        changed.pop("surrogate_width", None)
    if "loss" in changed:
        changed.pop("tet_lambda", None)
    if "schedule" in changed:
        changed.pop("decay_after", None)
    return changed


def cost_of(record: Record) -> tuple[float, float]:
    """Effective operations and microjoules per sample. Raises InputError."""
    operations = read_operations(record.operations)
    if operations is None:
        raise InputError(f"{record.experiment}-{record.seed}: its record has no operations; evaluate it again")
    cost = operations.costs()[1]
    return cost.multiply_adds + cost.additions, cost.microjoules


def significant(every: list[Cell]) -> set[str]:
    """Parts whose difference is significant at 5 %, corrected for all comparisons of a dataset."""
    return beyond_chance({c.part: c.difference.p_value for c in every if c.difference and c.difference.low is not None})


def not_run(declared: Mapping[str, CellConfiguration], records: Iterable[Record]) -> list[str]:
    """Names of the profile's trainings that have no record with their configuration."""
    have = {f"{record.experiment}-{record.seed}": configuration_of(record) for record in records}
    return [name for name, configuration in declared.items() if have.get(name) != configuration]
